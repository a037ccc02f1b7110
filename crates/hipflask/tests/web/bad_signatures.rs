//! A wrong secret key shows in the log.

use std::sync::Arc;
use std::time::Duration;

use hipflask::store::memory::MemoryStore;
use hipflask::{Sessions, SessionsBuilder};
use hipflask_testkit::clock::Clock;

use crate::front::{Ask, FRONTS, builder, cookie, with_session};
use crate::log::logged;
use crate::stored::{id, set_a};

fn engine(key: &str, clock: &Clock, configure: fn(SessionsBuilder) -> SessionsBuilder) -> Sessions {
    let clock = clock.clone();
    configure(builder().secret_key(key).clock(move || clock.now())).build().unwrap()
}

fn in_a_store(builder: SessionsBuilder) -> SessionsBuilder {
    builder.store(Arc::new(MemoryStore::new())).use_signer(true)
}

/// The warnings of the log while visitors come with this cookie.
fn warnings(sessions: &Sessions, cookie: &str, visitors: usize) -> Vec<String> {
    let visit = || FRONTS[0].answer(sessions, with_session(|_| Ok(())), Ask::get("/").cookie(cookie));
    let (_, log) = logged(|| (0..visitors).for_each(|_| drop(visit())));
    log.into_iter().filter(|line| line.starts_with("WARN")).collect()
}

#[test]
fn many_bad_signatures_are_one_warning_a_minute() {
    let clock = Clock::default();
    let old = engine("the key of last year", &clock, |builder| builder);
    let theirs = cookie(&old, |session| session.set("user", "ada").unwrap());
    let new = engine("the key of this year", &clock, |builder| builder);
    let ours = cookie(&new, |session| session.set("user", "ada").unwrap());

    assert_eq!(warnings(&new, &theirs, 19), [""; 0], "a few are stale cookies");
    let many = warnings(&new, &theirs, 500);
    let [line] = &many[..] else { panic!("{many:?}") };
    for part in ["many session cookies have bad signatures", "count=20", "SECRET_KEY_FALLBACKS", "session"] {
        assert!(line.contains(part), "{line}");
    }
    let value = theirs.split_once('=').unwrap().1;
    assert!(value.split('.').all(|part| !line.contains(part)), "the log has no cookie in it: {line}");

    clock.advance(Duration::from_secs(60));
    assert_eq!(warnings(&new, &theirs, 500).len(), 1);
    clock.advance(Duration::from_secs(60));
    assert_eq!(warnings(&new, &ours, 2000), [""; 0]);
    assert_eq!(warnings(&new, &theirs, 19), [""; 0], "good ones have ended the row");
}

#[test]
fn bad_signatures_of_ids_are_a_warning() {
    let clock = Clock::default();
    let old = engine("the key of last year", &clock, in_a_store);
    let theirs = id(&FRONTS[0].answer(&old, set_a(), Ask::get("/")));
    let new = engine("the key of this year", &clock, in_a_store);
    assert_eq!(warnings(&new, &theirs, 500).len(), 1);
}
