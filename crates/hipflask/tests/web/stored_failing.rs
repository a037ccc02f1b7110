//! Sessions in a store that fails, behind both fronts.

#![expect(clippy::unit_arg, reason = "each step of a table is one line")]

use hipflask::store::ErrorKind;
use hipflask::{OnStoreFailure, Session, SessionError};
use hipflask_testkit::faults::{Fault, When};
use hipflask_testkit::store_spy::StoreMethod;

use crate::front::{FRONTS, block_on, view};
use crate::stored::{ask, engine, engine_with, signed_in, working};

#[test]
fn failing_store_is_a_503_and_writes_nothing() {
    for front in FRONTS {
        let (sessions, spy) = engine();
        let cookie = signed_in(front, &sessions);
        for (call, when) in [(StoreMethod::Load, When::Before), (StoreMethod::Replace, When::Before)] {
            spy.set_fault(Some(Fault::of(call, when)));
            spy.forget();
            let failed = front.answer(&sessions, working(|session| session.set("b", 1)), ask(&cookie));
            assert_eq!((failed.status, failed.set_cookies()), (503, vec![]), "{} {call:?}", front.name());
            assert_eq!(spy.calls().last(), Some(&call), "nothing is called after a failure");
            spy.set_fault(None);
        }
        let keys = front.answer(&sessions, working(|_| Ok(())), ask(&cookie)).body;
        assert_eq!(keys, r#"["_permanent", "a"]"#);
    }
}

#[test]
fn failed_read_can_give_a_read_only_session() {
    type Work = fn(&Session) -> Result<(), SessionError>;
    let reads: [Work; 3] = [
        |session| {
            Ok(assert!(
                session.is_read_only() && session.is_new().unwrap() && session.value("a").unwrap().is_none()
            ))
        },
        |session| {
            Ok(assert!(
                session.flashed_messages().unwrap().is_empty() && session.remove("a").unwrap().is_none()
            ))
        },
        |session| Ok(assert_eq!(session.pop::<u8>("a")?, None)),
    ];
    let changes: [Work; 14] = [
        |session| session.set("b", 1),
        |session| session.insert("b", 1),
        |session| session.update([("b", 1)]),
        |session| session.set_default("b", 1).map(drop),
        |session| session.increment("b", 1).map(drop),
        |session| session.push("b", 1),
        |session| session.flash("b"),
        |session| session.edit(|data| Ok(data.insert("b", 1))),
        Session::regenerate,
        // A logout must not look successful while the session lives on.
        Session::destroy,
        |session| session.clear(),
        |session| session.set_permanent(true),
        |session| session.set_modified(true),
        |session| Ok(session.with(|data| data.set("b", 1))??),
    ];
    for front in FRONTS {
        let (sessions, spy) = engine_with(|b| b.on_store_failure(|_| OnStoreFailure::ReadOnly));
        let cookie = signed_in(front, &sessions);
        let failing = |work: Work| {
            spy.forget();
            spy.set_fault(Some(Fault::of(StoreMethod::Load, When::Before)));
            let answer = front.answer(&sessions, working(work), ask(&cookie));
            assert_eq!(spy.calls(), [StoreMethod::Load], "nothing is called after a failure");
            assert_eq!(answer.set_cookies(), Vec::<&str>::new(), "the browser keeps the id for later");
            answer
        };
        for work in reads {
            let answer = failing(work);
            assert_eq!((answer.status, answer.body.as_str()), (200, r#"["_permanent"]"#), "{}", front.name());
            assert_eq!(answer.vary(), ["Cookie"]);
        }
        for (at, work) in changes.into_iter().enumerate() {
            assert_eq!(failing(work).status, 503, "{} change {at}", front.name());
        }
        // The store is back, and so is the session, as it was.
        let keys =
            front.answer(&sessions, working(|session| Ok(assert!(!session.is_read_only()))), ask(&cookie));
        assert_eq!(keys.body, r#"["_permanent", "a"]"#);
        // A visitor without an id needs no store to be shown a page.
        spy.set_fault(Some(Fault::of(StoreMethod::Load, When::Before)));
        assert_eq!(front.answer(&sessions, working(|_| Ok(())), ask("theme=dark")).status, 200);
    }
}

#[test]
fn read_only_session_explains_and_saves_nothing() {
    let (sessions, spy) = engine_with(|b| b.on_store_failure(|_| OnStoreFailure::ReadOnly));
    let cookie = signed_in(FRONTS[0], &sessions);
    spy.forget();
    spy.set_fault(Some(Fault::of(StoreMethod::Load, When::Before)));
    block_on(async {
        let request = sessions.begin([cookie.as_str()]);
        let session = request.open().await.unwrap();
        let error = session.set("b", 1).unwrap_err();
        assert!(matches!(error, SessionError::ReadOnly(_)));
        let text = error.to_string();
        assert!(text.contains("cannot be changed") && text.contains("faulty store: a test wanted"), "{text}");
        assert_eq!(session.save_now().await, Err(error.clone()));
        assert_eq!(session.transact(|data| data.increment("n", 1)).await, Err(error));
        assert!(request.finish().await.unwrap().set_cookie.is_none());
    });
    assert_eq!(spy.calls(), [StoreMethod::Load]);
}

#[test]
fn the_application_decides_by_what_went_wrong() {
    for front in FRONTS {
        let (sessions, spy) = engine_with(|builder| {
            builder.on_store_failure(|error| match error.kind() {
                ErrorKind::Timeout => OnStoreFailure::ReadOnly,
                _ => OnStoreFailure::Refuse,
            })
        });
        let cookie = signed_in(front, &sessions);
        for (kind, status) in [(ErrorKind::Timeout, 200), (ErrorKind::Corrupt, 503)] {
            spy.set_fault(Some(Fault { kind, ..Fault::of(StoreMethod::Load, When::Before) }));
            assert_eq!(front.answer(&sessions, working(|_| Ok(())), ask(&cookie)).status, status);
        }
    }
}

/// A session that was read and could not be saved is an error, whatever the hook says.
#[test]
fn a_failed_save_is_never_hidden() {
    for front in FRONTS {
        for when in [When::Before, When::After] {
            let (sessions, spy) = engine_with(|b| b.on_store_failure(|_| OnStoreFailure::ReadOnly));
            let cookie = signed_in(front, &sessions);
            for (call, work) in [
                (
                    StoreMethod::Replace,
                    (|session| session.set("b", 1)) as fn(&Session) -> Result<(), SessionError>,
                ),
                (StoreMethod::Delete, Session::destroy),
            ] {
                spy.set_fault(Some(Fault::of(call, when)));
                let answer = front.answer(&sessions, working(work), ask(&cookie));
                assert_eq!((answer.status, answer.set_cookies()), (503, vec![]), "{} {call:?}", front.name());
            }
        }
    }
}

#[test]
fn custom_page_replaces_every_session_error() {
    for front in FRONTS {
        let (sessions, spy) = engine();
        let cookie = signed_in(front, &sessions);
        let set = || working(|session| session.set("b", 1));
        for call in [StoreMethod::Load, StoreMethod::Replace] {
            spy.set_fault(Some(Fault::of(call, When::Before)));
            let failed = front.answer_with_page(&sessions, set(), ask(&cookie));
            assert_eq!(
                (failed.status, failed.body.as_str()),
                (503, "the page of a 503"),
                "{} {call:?}",
                front.name()
            );
            assert_eq!((failed.vary(), failed.set_cookies()), (vec!["Cookie"], vec![]));
        }
        spy.set_fault(Some(Fault::of(StoreMethod::Load, When::Before)));
        let extracted =
            front.answer_with_page(&sessions, set(), crate::front::Ask::get("/extracted").cookie(&*cookie));
        assert_eq!(extracted.body, "the page of a 503");
        // A handler's own error response stays, and so do errors that are not a failure of the store.
        spy.set_fault(Some(Fault::of(StoreMethod::Load, When::Before)));
        let own = view(async |_| Ok(if hipflask::session().await.is_err() { "sorry" } else { "good" }));
        assert_eq!(front.answer_with_page(&sessions, own, ask(&cookie)).body, "sorry");
        let wrong_type = working(|session| session.get::<String>("a").map(drop));
        let answer = front.answer_with_page(&sessions, wrong_type, ask(&cookie));
        assert_eq!((answer.status, answer.body.as_str()), (500, ""));
        assert_eq!(front.answer_with_page(&sessions, set(), ask(&cookie)).status, 200);
    }
}
