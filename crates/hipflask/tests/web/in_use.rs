//! A session that is called from inside of its own closures.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hipflask::{Session, SessionError};

use crate::front::{block_on, cookie, sessions};

fn session() -> Session {
    let sessions = sessions();
    let cookie = cookie(&sessions, |session| session.set("a", 1).unwrap());
    block_on(sessions.begin([cookie.as_str()]).open()).unwrap()
}

#[test]
fn reentrant_call_is_an_error_not_a_deadlock() {
    let session = session();
    session
        .with(|_| {
            assert_eq!(session.get::<u8>("a").unwrap_err(), SessionError::InUse);
            assert_eq!(session.clone().set("b", 1).unwrap_err(), SessionError::InUse);
            assert_eq!(format!("{session:?}"), "Session(in use)");
            let message = session.len().unwrap_err().to_string();
            assert!(message.starts_with("the session is in use by the closure"), "{message}");
            assert_eq!(session.with(|data| data.len()), Err(SessionError::InUse));
        })
        .unwrap();
    let nested = session.edit(|_| {
        assert_eq!(session.set("b", 1).unwrap_err(), SessionError::InUse);
        Ok(())
    });
    assert_eq!(nested, Ok(()));
    assert_eq!((session.len().unwrap(), session.is_modified().unwrap()), (1, false));
}

#[test]
fn iterator_over_the_session_can_update_it() {
    let session = session();
    let doubled = ["a"].into_iter().map(|key| ("b", session.get::<u8>(key).unwrap().unwrap() * 2));
    session.update(doubled).unwrap();
    assert_eq!(session.get::<u8>("b").unwrap(), Some(2));
}

#[test]
fn two_sessions_can_be_nested() {
    let (one, two) = (session(), session());
    one.with(|data| data.set("b", two.len().unwrap()).unwrap()).unwrap();
    assert_eq!(one.get::<u8>("b").unwrap(), Some(1));
}

#[test]
fn panic_in_a_closure_leaves_the_session_usable() {
    let session = session();
    let panicked = catch_unwind(AssertUnwindSafe(|| session.with(|_| panic!("on purpose"))));
    assert!(panicked.is_err());
    session.set("b", 2).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| drop(session.increment("n", 1).unwrap())));
        }
    });
    assert_eq!(session.get::<u32>("n").unwrap(), Some(2000));
}

#[test]
fn panic_in_an_edit_reverts_it() {
    let session = session();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        session.edit(|edit| {
            edit.insert("a", 5);
            edit.insert("b", 6);
            panic!("on purpose")
        })
    }));
    assert!(panicked.map(|_: Result<(), _>| ()).is_err());
    assert_eq!(
        (session.get::<u8>("a").unwrap(), session.contains("b").unwrap(), session.is_modified().unwrap()),
        (Some(1), false, false)
    );
}

#[test]
fn save_now_on_a_cookie_changes_nothing() {
    let session = session();
    session.set("b", 2).unwrap();
    let error = block_on(session.save_now()).unwrap_err();
    assert_eq!(error, SessionError::SavedWithResponse);
    assert!(error.to_string().contains("needs a session in a store"));
    assert!(session.is_modified().unwrap() && session.len().unwrap() == 2);
}
