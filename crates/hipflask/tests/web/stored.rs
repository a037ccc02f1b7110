//! Sessions in a store, behind both fronts.

use std::sync::Arc;
use std::time::Duration;

use hipflask::store::memory::MemoryStore;
use hipflask::store::store::Store;
use hipflask::{SessionError, Sessions};
use hipflask_testkit::faults::{Fault, When};
use hipflask_testkit::store_spy::{Call, SpyStore};

use crate::front::{Answer, Ask, FRONTS, Front, View, block_on, builder, untouched, view};

fn engine() -> (Sessions, SpyStore) {
    let spy = SpyStore::new(MemoryStore::new());
    let store: Arc<dyn Store> = Arc::new(spy.clone());
    (builder().store(store).build().unwrap(), spy)
}

/// A view that works on the session and answers with its keys.
fn working(work: fn(&hipflask::Session) -> Result<(), SessionError>) -> View {
    view(move |_| async move {
        let session = hipflask::session().await?;
        work(&session)?;
        Ok(format!("{:?}", session.keys()))
    })
}

fn set_a() -> View {
    working(|session| session.set("a", 1))
}

fn id(answer: &Answer) -> String {
    let line = answer.set_cookies()[0];
    line.split(';').next().unwrap().to_owned()
}

fn ask(cookie: &str) -> Ask {
    Ask::get("/").cookie(cookie)
}

fn signed_in(front: &dyn Front, sessions: &Sessions) -> String {
    id(&front.answer(sessions, set_a(), Ask::get("/")))
}

#[test]
fn a_session_is_made_read_and_changed_with_one_call_each_and_an_untouched_one_with_none() {
    for front in FRONTS {
        let (sessions, spy) = engine();
        let first = front.answer(&sessions, set_a(), Ask::get("/"));
        let line = first.set_cookies()[0];
        assert_eq!(line.split('=').nth(1).unwrap().find(';'), Some(43), "{line}");
        // Permanent by default, as in Flask-Session.
        assert!(line.ends_with("; Expires=Fri, 15 Dec 2023 22:13:20 GMT; HttpOnly; Path=/"), "{line}");
        assert_eq!(spy.calls(), [Call::Create]);

        spy.forget();
        let read = front.answer(&sessions, working(|_| Ok(())), ask(&id(&first)));
        assert_eq!((read.body.as_str(), read.vary()), (r#"["_permanent", "a"]"#, vec!["Cookie"]));
        assert_eq!(spy.calls(), [Call::Load]);

        spy.forget();
        front.answer(&sessions, untouched(), ask(&id(&first))).is_untouched();
        assert_eq!(spy.calls(), []);

        let changed = front.answer(&sessions, working(|session| session.set("b", 2)), ask(&id(&first)));
        assert_eq!(id(&changed), id(&first));
        assert_eq!(spy.calls(), [Call::Load, Call::Replace]);
    }
}

#[test]
fn visitors_who_leave_nothing_and_ids_that_nobody_issued_make_no_record() {
    for front in FRONTS {
        let (sessions, spy) = engine();
        let visit = front.answer(&sessions, working(|_| Ok(())), Ask::get("/"));
        assert_eq!((visit.set_cookies(), visit.body.as_str()), (vec![], r#"["_permanent"]"#));
        assert_eq!(spy.calls(), []);

        let planted = format!("session={}", "A".repeat(43));
        let login = front.answer(&sessions, set_a(), ask(&planted));
        assert_ne!(id(&login), planted);
        spy.forget();
        let odd = front.answer(&sessions, working(|_| Ok(())), ask("session=../../etc/passwd"));
        assert_eq!((odd.status, spy.calls()), (200, vec![]));
    }
}

#[test]
fn clearing_and_destroying_end_the_record_and_the_cookie() {
    for front in FRONTS {
        for end in [
            (|session| {
                session.clear();
                Ok(())
            }) as fn(&hipflask::Session) -> Result<(), SessionError>,
            hipflask::Session::destroy,
        ] {
            let (sessions, _) = engine();
            let cookie = signed_in(front, &sessions);
            let ended = front.answer(&sessions, working(end), ask(&cookie));
            assert!(ended.set_cookies()[0].starts_with("session=; Expires=Thu, 01 Jan 1970"));
            let after = front.answer(&sessions, working(|_| Ok(())), ask(&cookie));
            assert_eq!(after.body, r#"["_permanent"]"#);
        }
    }
}

#[test]
fn regenerate_moves_the_session_and_the_old_id_is_dead_even_for_an_empty_session() {
    for front in FRONTS {
        let (sessions, _) = engine();
        let old = signed_in(front, &sessions);
        let login = front.answer(&sessions, working(hipflask::Session::regenerate), ask(&old));
        let new = id(&login);
        assert_ne!(new, old);
        let keys = |cookie: &str| front.answer(&sessions, working(|_| Ok(())), ask(cookie)).body;
        assert_eq!(
            (keys(&new).as_str(), keys(&old).as_str()),
            (r#"["_permanent", "a"]"#, r#"["_permanent"]"#)
        );

        let cleared = front.answer(
            &sessions,
            working(|session| {
                session.clear();
                session.regenerate()?;
                session.set("user", "ada")
            }),
            ask(&new),
        );
        assert_ne!(id(&cleared), new);
        assert_eq!(keys(&new), r#"["_permanent"]"#);
    }
}

#[test]
fn a_store_that_fails_is_a_503_and_nothing_is_written_after_a_failed_read() {
    for front in FRONTS {
        let (sessions, spy) = engine();
        let cookie = signed_in(front, &sessions);
        for (call, when) in [(Call::Load, When::Before), (Call::Replace, When::Before)] {
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
fn requests_that_overlap_lose_nothing_and_bring_nothing_back() {
    let (sessions, _) = engine();
    block_on(async {
        let open = async |cookie: &str| {
            let request = sessions.begin([cookie]);
            let session = request.open().await.unwrap();
            (request, session)
        };
        let (request, session) = open("").await;
        session.set("n", 0).unwrap();
        let header = request.finish().await.unwrap().set_cookie.unwrap();
        let cookie = header.split(';').next().unwrap();

        let (first, one) = open(cookie).await;
        let (second, two) = open(cookie).await;
        one.set("a", 1).unwrap();
        two.set("b", 2).unwrap();
        one.increment("n", 1).unwrap();
        two.increment("n", 1).unwrap();
        let _ = (first.finish().await.unwrap(), second.finish().await.unwrap());
        let (_, now) = open(cookie).await;
        assert_eq!(now.get::<i64>("n").unwrap(), Some(2));
        assert!(now.contains("a") && now.contains("b"));

        let (slow, writer) = open(cookie).await;
        let (logout, session) = open(cookie).await;
        session.clear();
        assert!(logout.finish().await.unwrap().set_cookie.unwrap().starts_with("session=;"));
        writer.set("late", 1).unwrap();
        assert_eq!(slow.finish().await.unwrap().set_cookie, None);
        let (_, after) = open(cookie).await;
        assert!(after.is_new() && !after.contains("late"), "an ended session stays ended");
    });
}

#[test]
fn transact_and_save_now_save_before_the_response() {
    let (sessions, spy) = engine();
    block_on(async {
        let request = sessions.begin([""]);
        let session = request.open().await.unwrap();
        session.transact(|data| data.increment("n", 1)).await.unwrap();
        assert_eq!(spy.calls(), [Call::Create]);
        session.set("a", 1).unwrap();
        session.save_now().await.unwrap();
        assert_eq!(spy.calls(), [Call::Create, Call::Replace]);
        let cookie = request.finish().await.unwrap().set_cookie.unwrap();
        assert_eq!(spy.calls(), [Call::Create, Call::Replace], "nothing was left to save");
        let again = sessions.begin([cookie.split(';').next().unwrap()]).open().await.unwrap();
        assert_eq!((again.get::<i64>("n").unwrap(), again.get::<i64>("a").unwrap()), (Some(1), Some(1)));
    });
}

#[test]
fn a_session_that_is_not_loaded_is_an_error_and_never_empty() {
    let (sessions, _) = engine();
    let cookie = signed_in(FRONTS[0], &sessions);
    let request = sessions.begin([cookie.as_str()]);
    assert!(block_on(request.finish()).unwrap().is_empty());
    assert!(!request.is_opened());
}

#[test]
fn ids_can_be_signed_and_records_have_their_own_names_and_lives() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let sessions = builder()
        .permanent_lifetime(Duration::from_secs(60))
        .store(Arc::clone(&store))
        .use_signer(true)
        .session_permanent(false)
        .key_prefix("app:")
        .build()
        .unwrap();
    for front in FRONTS {
        let answer = front.answer(&sessions, set_a(), Ask::get("/"));
        let line = answer.set_cookies()[0];
        assert!(line.ends_with("; HttpOnly; Path=/") && !line.contains("Expires"), "{line}");
        let (bare, _) =
            id(&answer).rsplit_once('.').map(|(id, sig)| (id.to_owned(), sig.to_owned())).unwrap();
        let keys = |cookie: &str| front.answer(&sessions, working(|_| Ok(())), ask(cookie)).body;
        assert_eq!(keys(&id(&answer)), r#"["a"]"#);
        assert_eq!(keys(&bare), "[]", "an id without its signature is nobody's");
    }
}
