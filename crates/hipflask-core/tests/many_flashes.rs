//! Appending to a list costs the same at every length of the list.

use allocation_counter::measure;
use hipflask_core::session::SessionDict;
use hipflask_core::value::{Dict, Value};

/// Returns the bytes that `work` allocates if it runs so many times on one session.
fn allocated(times: usize, work: fn(&mut SessionDict)) -> u64 {
    let mut session =
        SessionDict::from_json(r#"{"_flashes":[{" t":["message","old"]}],"list":[1]}"#).expect("a session");
    let info = measure(|| (0..times).for_each(|_| work(&mut session)));
    info.bytes_total
}

#[track_caller]
fn grows_evenly(work: fn(&mut SessionDict)) {
    let (few, many) = (allocated(1_000, work), allocated(20_000, work));
    // Vectors double their capacity, so 20 times the work allocates at most 40 times the bytes.
    assert!(many <= 40 * few.max(1_000), "{few} bytes for 1,000, {many} for 20,000");
}

#[test]
fn flashes_and_pushes_cost_the_same_each() {
    grows_evenly(|session| session.flash("Welcome back").unwrap());
    grows_evenly(|session| session.push("list", 2).unwrap());
    grows_evenly(|session| session.push("new", "item").unwrap());
    grows_evenly(|session| drop(session.increment("n", 1).unwrap()));
}

#[test]
fn replay_of_many_flashes_copies_each_once() {
    let replayed = |times: usize| {
        let mut session = SessionDict::new();
        (0..times).for_each(|_| session.flash("Welcome back").unwrap());
        let ours = session.to_dict();
        let mut newest = Dict::from([("_flashes", Value::List(vec![]))]);
        let info = measure(|| session.changes().replay(&ours, &mut newest));
        assert_eq!(newest.get("_flashes").unwrap().as_items().unwrap().len(), times);
        info.bytes_total
    };
    assert!(replayed(20_000) <= 40 * replayed(1_000));
}
