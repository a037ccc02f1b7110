//! A copy that is killed in the middle, and one that Ctrl-C stops.

use std::collections::HashSet;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use hipflask_testkit::rng::TestRng;
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

/// Kills copies at random moments until all is there; how many of them in the middle. Every fourth
/// dies in its first milliseconds, the others once something is there that was not before.
fn killed_again_and_again(from: &Filled, to: &Filled, options: &[&str]) -> usize {
    let mut rng = TestRng::fresh();
    let (mut in_the_middle, mut before) = (0, 0);
    for round in 0..40 {
        let there: HashSet<String> = to.all().into_iter().map(|(key, ..)| key).collect();
        let missing: Vec<String> =
            from.all().into_iter().map(|(key, ..)| key).filter(|key| !there.contains(key)).collect();
        assert!(SESSIONS - missing.len() >= before, "a copy takes nothing away");
        in_the_middle += usize::from(!missing.is_empty() && SESSIONS - missing.len() > before);
        before = SESSIONS - missing.len();
        if missing.is_empty() {
            break;
        }
        let mut child = begin(&from.url, &to.url, options);
        if round % 4 == 0 {
            std::thread::sleep(Duration::from_millis(20).mul_f64(rng.below(1000) as f64 / 1000.0));
        } else {
            let awaited: Vec<&str> = (0..8).map(|_| id_of(&missing[rng.below(missing.len())])).collect();
            while child.try_wait().unwrap().is_none() && awaited.iter().all(|id| to.data(id).is_none()) {}
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    in_the_middle
}

fn id_of(key: &str) -> &str {
    key.strip_prefix("session:").unwrap()
}

fn comes_through_kills(from: &Filled, to: &Filled, options: &[&str]) {
    for number in 0..SESSIONS {
        from.put(&id(number), &user(number as i64), DAY);
    }
    let before = from.all();
    let in_the_middle = killed_again_and_again(from, to, options);
    let ran = copy(from, &to.url, options);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let counted = counts(&ran);
    let sum = counted["copied"].as_u64().unwrap() + counted["already_there"].as_u64().unwrap();
    assert_eq!(sum, SESSIONS as u64, "{counted}");
    alike(&from.all(), &before);
    alike(&to.all(), &from.all());
    assert!(in_the_middle >= 1, "none was killed in the middle");
}

#[test]
fn a_killed_real_server_copy_is_completed_later() {
    let (from, to) = (Redis::start().unwrap(), Redis::start().unwrap());
    comes_through_kills(&Filled::at(from.url()), &Filled::at(to.url()), &[]);
}

#[test]
fn a_killed_real_server_journal_is_completed_later() {
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
    assert_eq!((ran.code, &counts(&ran)["deleted_there"]), (Some(0), &1000.into()), "{}", counts(&ran));
    assert_eq!(to.all().len(), SESSIONS - 1000);
}

#[test]
fn an_interrupted_real_server_copy_reports_its_progress() {
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

#[test]
fn a_lost_real_server_is_reported_and_retried() {
    let (from, mut server) = (Redis::start().unwrap(), Redis::start().unwrap());
    let (from, url) = (Filled::at(from.url()), server.url());
    for number in 0..5000 {
        from.put(&id(number), &user(number as i64), DAY);
    }
    let mut child = begin(&from.url, &url, &[]);
    let begun = Instant::now();
    while server.ask(&["dbsize"]).unwrap() == "0" && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(1));
    }
    server.kill();
    let status = child.wait().unwrap();
    let read = |mut stream: Box<dyn std::io::Read>| {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let (out, err) =
        (read(Box::new(child.stdout.take().unwrap())), read(Box::new(child.stderr.take().unwrap())));
    assert_eq!(status.code(), Some(2), "{err}");
    assert!(err.contains("error: the destination failed: redis store: "), "{err}");
    let last: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!((&last["ok"], &last["complete"]), (&false.into(), &false.into()));
    server.restart().unwrap();
    let ran = copy(&from, &url, &[]);
    assert_eq!((ran.code, &counts(&ran)["complete"]), (Some(0), &true.into()), "{ran:?}");
    alike(&Filled::at(url).all(), &from.all());
}

/// Visitors change, leave and come at the source all the while; what they did last is what the
/// destination has in the end.
#[test]
fn a_busy_real_server_copy_loses_no_change() {
    let (from, to) = (Redis::start().unwrap(), Redis::start().unwrap());
    let (from, to) = (Filled::at(from.url()), Filled::at(to.url()));
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    let options = ["--journal", journal.to_str().unwrap()];
    for number in 0..1000 {
        from.put(&id(number), &user(number as i64), DAY);
    }
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rng = TestRng::fresh();
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                let number = rng.below(1250);
                from.end(&id(number));
                if !rng.once_in(3) {
                    from.put(&id(number), &user(rng.below(1000) as i64), DAY);
                }
            }
        });
        for _ in 0..4 {
            let ran = copy(&from, &to.url, &options);
            assert_eq!(ran.code, Some(0), "{}", ran.err);
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let ran = copy(&from, &to.url, &[&options[..], &["--delete-missing"]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    alike(&to.all(), &from.all());
}
