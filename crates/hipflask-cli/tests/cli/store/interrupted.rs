//! A copy that is killed in the middle, and one that Ctrl-C stops.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use hipflask_testkit::chance::Chance;
use hipflask_testkit::servers::Redis;

use super::copying::copy;
use super::{DAY, Filled, alike, counts, id, user};
use crate::support::command;

const SESSIONS: usize = 4000;

fn begin(from: &str, to: &str, options: &[&str]) -> Child {
    let mut arguments = vec!["store", "copy", from, to];
    arguments.extend(options);
    command(&arguments).stdout(Stdio::piped()).spawn().unwrap()
}

/// Kills copies at random moments until all is there; how many were killed, and how many of them in the middle.
fn killed_again_and_again(from: &Filled, to: &Filled, options: &[&str], longest: Duration) -> (usize, usize) {
    let mut chance = Chance::fresh();
    let whole = from.all().len();
    let (mut killed, mut in_the_middle, mut before) = (0, 0, 0);
    while before < whole && killed < 40 {
        let mut child = begin(&from.url, &to.url, options);
        std::thread::sleep(longest.mul_f64(chance.below(1000) as f64 / 1000.0));
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
        let now = to.all().len();
        assert!(now >= before, "a copy takes nothing away");
        in_the_middle += usize::from(now > 0 && now < whole);
        before = now;
    }
    (killed, in_the_middle)
}

fn comes_through_kills(from: &Filled, to: &Filled, options: &[&str]) {
    for number in 0..SESSIONS {
        from.put(&id(number), &user(number as i64), DAY);
    }
    let before = from.all();
    let (killed, in_the_middle) = killed_again_and_again(from, to, options, Duration::from_millis(120));
    let ran = copy(from, &to.url, options);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let counted = counts(&ran);
    let sum = counted["copied"].as_u64().unwrap() + counted["already_there"].as_u64().unwrap();
    assert_eq!(sum, SESSIONS as u64, "{counted}");
    alike(&from.all(), &before);
    alike(&to.all(), &from.all());
    assert!(in_the_middle >= 3, "{killed} were killed, {in_the_middle} of them in the middle");
}

#[test]
fn a_real_server_copy_that_is_killed_anywhere_is_whole_after_the_next_run() {
    let (from, to) = (Redis::start().unwrap(), Redis::start().unwrap());
    comes_through_kills(&Filled::at(from.url()), &Filled::at(to.url()), &[]);
}

#[test]
fn a_real_server_copy_with_a_journal_that_is_killed_anywhere_is_whole_after_the_next_run() {
    let from = Redis::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    let to = Filled::at(format!("sqlite:{}/app.db", directory.path().display()));
    let from = Filled::at(from.url());
    comes_through_kills(&from, &to, &["--journal", journal.to_str().unwrap()]);
    // What the killed runs have left is known to the journal, and what ended there since stays so.
    for number in 0..1000 {
        to.end(&id(number));
    }
    let ran = copy(&from, &to.url, &["--journal", journal.to_str().unwrap()]);
    assert_eq!((ran.code, &counts(&ran)["ended_there"]), (Some(0), &1000.into()), "{}", counts(&ran));
    assert_eq!(to.all().len(), SESSIONS - 1000);
}

#[test]
fn a_real_server_copy_that_is_interrupted_ends_what_it_began_and_says_how_far_it_came() {
    let (from, to) = (Redis::start().unwrap(), Redis::start().unwrap());
    let (from, to) = (Filled::at(from.url()), Filled::at(to.url()));
    for number in 0..5000 {
        from.put(&id(number), &user(number as i64), DAY);
    }
    let mut child = begin(&from.url, &to.url, &[]);
    let begun = Instant::now();
    while to.all().is_empty() && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let interrupt = ["-INT", &child.id().to_string()].map(str::to_owned);
    std::process::Command::new("kill").args(&interrupt).status().unwrap();
    let status = child.wait().unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut said).unwrap();
    let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let there = to.all().len();
    assert_eq!(last["copied"], there, "{last}");
    assert_eq!((status.code(), last["complete"] == false, there < 5000), (Some(130), true, true), "{last}");
    assert_eq!(counts(&copy(&from, &to.url, &[]))["complete"], true);
    assert_eq!(to.all().len(), 5000);
}
