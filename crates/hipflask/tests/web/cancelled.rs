//! Requests whose futures are dropped in the middle of a save, and closures that panic.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use hipflask::store::memory::MemoryStore;
use hipflask::store::{ErrorKind, Store};
use hipflask::{RequestSession, Session, SessionError, Sessions};
use hipflask_testkit::contract::give_way;
use hipflask_testkit::faults::{Fault, When};
use hipflask_testkit::pausing_store::PausingStore;
use hipflask_testkit::store_spy::{SpyStore, StoreMethod};
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;

use crate::front::{Ask, FRONTS, block_on, builder, on_axum};
use crate::stored::{ask, engine, id, signed_in, working};

/// More awaits than any of these saves has.
pub(crate) const AWAITS: usize = 40;

/// An engine whose store makes every call wait, and that store.
pub(crate) fn slow_engine() -> (Sessions, MemoryStore) {
    let memory = MemoryStore::new();
    let store = PausingStore::new(memory.clone(), || Box::pin(give_way()));
    (builder().store(Arc::new(store)).build().unwrap(), memory)
}

/// Polls a future so many times and drops it then.
pub(crate) async fn cut<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

async fn opened(sessions: &Sessions, cookie: &str) -> (RequestSession, Session) {
    let request = sessions.begin([cookie]);
    let session = request.open().await.unwrap();
    (request, session)
}

/// Finishes a request; returns the session's cookie, empty if it was removed, or `None` if nothing is sent.
async fn finished(request: &RequestSession) -> Option<String> {
    let header = request.finish().await.unwrap().set_cookie?;
    Some(header.split(';').next().unwrap().trim_end_matches('=').to_owned())
}

pub(crate) async fn counted(sessions: &Sessions, n: u64) -> String {
    let (request, session) = opened(sessions, "").await;
    session.set("n", n).unwrap();
    drop(session);
    finished(&request).await.unwrap()
}

pub(crate) async fn number(sessions: &Sessions, cookie: &str) -> Option<u64> {
    opened(sessions, cookie).await.1.get("n").unwrap()
}

/// A session with `n` = 1 in the store: its cookie, and a request that has opened it and set `n` to 2.
async fn changed(sessions: &Sessions) -> (String, RequestSession, Session) {
    let cookie = counted(sessions, 1).await;
    let (request, session) = opened(sessions, &cookie).await;
    session.increment("n", 1).unwrap();
    (cookie, request, session)
}

/// Runs `test` without a runtime and inside of one, for every await at which a future can be dropped.
fn at_every_await<F: Future<Output = ()>>(test: impl Fn(Sessions, MemoryStore, usize) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for polls in 0..AWAITS {
        let (sessions, memory) = slow_engine();
        hipflask_testkit::contract::block_on(test(sessions, memory, polls));
        let (sessions, memory) = slow_engine();
        runtime.block_on(test(sessions, memory, polls));
    }
}

#[test]
fn dropped_save_now_neither_clones_nor_counts_twice() {
    at_every_await(async |sessions, memory, polls| {
        let (cookie, request, session) = changed(&sessions).await;
        cut(session.save_now(), polls).await;
        session.increment("n", 1).unwrap();
        assert_eq!(finished(&request).await.unwrap(), cookie, "dropped after {polls} polls");
        assert_eq!((number(&sessions, &cookie).await, memory.len()), (Some(3), 1), "{polls}");
    });
}

#[test]
fn dropped_save_of_new_session_creates_one_record() {
    at_every_await(async |sessions, memory, polls| {
        let (request, session) = opened(&sessions, "").await;
        session.set("n", 1).unwrap();
        cut(session.save_now(), polls).await;
        let cookie = finished(&request).await.unwrap();
        assert_eq!((number(&sessions, &cookie).await, memory.len()), (Some(1), 1), "{polls}");
    });
}

#[test]
fn dropped_transact_neither_clones_nor_counts_twice() {
    at_every_await(async |sessions, memory, polls| {
        let cookie = counted(&sessions, 1).await;
        let (request, session) = opened(&sessions, &cookie).await;
        session.set("before", true).unwrap();
        // Another request is first, so that the closure runs twice.
        let (other, others) = opened(&sessions, &cookie).await;
        others.increment("n", 10).unwrap();
        assert!(finished(&other).await.is_some());
        let transacted = cut(session.transact(|data| data.increment("n", 1)), polls).await;
        assert_eq!(finished(&request).await.unwrap(), cookie, "{polls}");
        let n = number(&sessions, &cookie).await.unwrap();
        assert!(n == 12 || n == 11 && transacted.is_none(), "{polls}: {n}");
        assert_eq!(memory.len(), 1, "{polls}");
        assert!(opened(&sessions, &cookie).await.1.contains("before").unwrap());
    });
}

#[test]
fn dropped_regenerate_leaves_one_record() {
    at_every_await(async |sessions, memory, polls| {
        let old = counted(&sessions, 1).await;
        let (request, session) = opened(&sessions, &old).await;
        session.regenerate().unwrap();
        cut(session.save_now(), polls).await;
        let new = finished(&request).await.unwrap();
        assert_ne!(new, old, "{polls}");
        assert_eq!((number(&sessions, &new).await, number(&sessions, &old).await), (Some(1), None));
        assert_eq!(memory.len(), 1, "{polls}");
    });
}

#[test]
fn destroy_after_dropped_save_deletes_the_record() {
    at_every_await(async |sessions, memory, polls| {
        let (_, request, session) = changed(&sessions).await;
        cut(session.save_now(), polls).await;
        // The save may still be under way.
        session.destroy().unwrap();
        cut(session.save_now(), polls).await;
        assert_eq!(finished(&request).await.as_deref(), Some("session"), "{polls}");
        assert_eq!(memory.len(), 0, "{polls}");
    });
}

#[test]
fn regenerate_during_a_save_is_carried_out() {
    at_every_await(async |sessions, memory, polls| {
        let (old, request, session) = changed(&sessions).await;
        cut(session.save_now(), polls).await;
        session.regenerate().unwrap();
        let new = finished(&request).await.unwrap();
        assert_ne!(new, old, "{polls}");
        assert_eq!((number(&sessions, &new).await, memory.len()), (Some(2), 1), "{polls}");
    });
}

#[test]
fn changes_made_during_a_save_are_kept() {
    at_every_await(async |sessions, memory, polls| {
        let (cookie, request, session) = changed(&sessions).await;
        session.push("list", 1).unwrap();
        {
            let mut saving = pin!(session.save_now());
            let is_saved = cut(saving.as_mut(), polls).await.is_some();
            session.increment("n", 1).unwrap();
            session.push("list", 2).unwrap();
            session.set("late", true).unwrap();
            if !is_saved {
                saving.await.unwrap();
            }
        }
        assert_eq!(session.get("n"), Ok(Some(3)), "{polls}");
        assert_eq!(finished(&request).await.unwrap(), cookie);
        let (_, session) = opened(&sessions, &cookie).await;
        assert_eq!((session.get("n"), session.get("late")), (Ok(Some(3)), Ok(Some(true))), "{polls}");
        assert_eq!((session.get("list"), memory.len()), (Ok(Some(vec![1, 2])), 1), "{polls}");
    });
}

#[test]
fn changes_made_during_a_failed_save_are_kept() {
    let (sessions, spy) = engine();
    block_on(async {
        let (cookie, request, session) = changed(&sessions).await;
        let during = session.clone();
        spy.meanwhile(StoreMethod::Replace, move || drop(during.increment("n", 1).unwrap()));
        spy.set_fault(Some(Fault::of(StoreMethod::Replace, When::Before)));
        assert_eq!(session.save_now().await.unwrap_err().status(), 503);
        // Another request was first, so that the changes are made again on what it left.
        let (other, others) = opened(&sessions, &cookie).await;
        others.increment("n", 10).unwrap();
        assert!(finished(&other).await.is_some() && finished(&request).await.is_some());
        assert_eq!(number(&sessions, &cookie).await, Some(13));
    });
}

#[test]
fn parked_save_does_not_block_later_saves() {
    at_every_await(async |sessions, memory, polls| {
        let (cookie, request, session) = changed(&sessions).await;
        let mut parked = Box::pin(session.save_now());
        cut(parked.as_mut(), polls).await;
        session.increment("n", 1).unwrap();
        session.save_now().await.unwrap();
        assert_eq!(finished(&request).await.unwrap(), cookie);
        assert_eq!((number(&sessions, &cookie).await, memory.len()), (Some(3), 1), "{polls}");
        drop(parked);
    });
}

#[test]
fn parked_save_does_not_block_other_requests() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for polls in 1..AWAITS {
        let (sessions, _) = slow_engine();
        runtime.block_on(async {
            let cookie = counted(&sessions, 0).await;
            let mut parked = Vec::new();
            for _ in 0..3 {
                let (request, session) = opened(&sessions, &cookie).await;
                session.increment("n", 1).unwrap();
                let mut saving = Box::pin(async move { (session.save_now().await, request) });
                cut(saving.as_mut(), polls).await;
                parked.push(saving);
            }
            let (request, session) = opened(&sessions, &cookie).await;
            session.increment("n", 1).unwrap();
            assert!(finished(&request).await.is_some());
            assert!(number(&sessions, &cookie).await >= Some(1));
        });
    }
}

#[test]
fn response_dropped_during_its_save_keeps_one_record() {
    async fn login(session: Session) -> Result<(), SessionError> {
        session.regenerate()?;
        session.increment("n", 1).map(drop)
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut left_old = 0;
    for polls in 0..AWAITS {
        let (sessions, memory) = slow_engine();
        runtime.block_on(async {
            let cookie = counted(&sessions, 1).await;
            let app = Router::new().route("/", get(login)).layer(sessions.layer());
            let request = Request::get("/").header("cookie", &cookie).body(Body::empty()).unwrap();
            cut(app.oneshot(request), polls).await;
            // The save goes on without its request.
            for _ in 0..AWAITS {
                tokio::task::yield_now().await;
            }
            let old = number(&sessions, &cookie).await;
            assert!(old.is_none_or(|n| n == 1), "{polls}: {old:?}");
            left_old += usize::from(old.is_none());
            assert_eq!(memory.len(), 1, "{polls}");
        });
    }
    assert!(left_old > AWAITS / 2 && left_old < AWAITS);
}

#[test]
fn panic_in_transact_leaves_the_session() {
    let (sessions, spy) = engine();
    let handler = async |session: Session| -> Result<String, SessionError> {
        session.increment("n", 1)?;
        session.transact(|_| -> Result<(), _> { panic!("on purpose") }).await?;
        Ok(String::new())
    };
    let app = Router::new().route("/", get(handler)).layer(CatchPanicLayer::new()).layer(sessions.layer());
    let cookie = block_on(counted(&sessions, 1));
    spy.forget();
    let answer = block_on(on_axum::send(app, Ask::get("/").cookie(&*cookie), 0));
    assert_eq!((answer.status, id(&answer)), (500, cookie.clone()));
    assert_eq!(spy.calls(), [StoreMethod::Load, StoreMethod::Replace], "it is replaced, not created again");
    assert_eq!(block_on(number(&sessions, &cookie)), Some(2));
}

#[test]
fn panic_in_the_store_leaves_the_session() {
    let (sessions, spy) = engine();
    block_on(async {
        let (cookie, request, session) = changed(&sessions).await;
        session.regenerate().unwrap();
        spy.meanwhile(StoreMethod::Create, || panic!("on purpose"));
        let saving = session.clone();
        let panicked = tokio::spawn(async move { saving.save_now().await }).await;
        assert!(panicked.unwrap_err().is_panic());
        let new = finished(&request).await.unwrap();
        assert_ne!(new, cookie, "the new id is not forgotten");
        assert_eq!((number(&sessions, &new).await, number(&sessions, &cookie).await), (Some(2), None));
    });
}

#[test]
fn panic_in_a_detached_save_is_an_error() {
    let memory = MemoryStore::new();
    let spy = SpyStore::new(memory);
    let store = PausingStore::new(spy.clone(), || Box::pin(give_way()));
    let sessions = builder().store(Arc::new(store)).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (cookie, request, session) = changed(&sessions).await;
        spy.meanwhile(StoreMethod::Replace, || panic!("on purpose"));
        assert!(matches!(session.save_now().await, Err(SessionError::NotWritten(_))));
        assert_eq!(finished(&request).await.unwrap(), cookie);
        assert_eq!(number(&sessions, &cookie).await, Some(2));
    });
}

#[test]
fn session_that_was_ended_is_never_created_again() {
    let (sessions, spy) = engine();
    block_on(async {
        let cookie = counted(&sessions, 1).await;
        let (late, session) = opened(&sessions, &cookie).await;
        let (logout, ending) = opened(&sessions, &cookie).await;
        ending.destroy().unwrap();
        assert_eq!(finished(&logout).await.as_deref(), Some("session"));
        spy.forget();
        // The first save finds that it is gone; no later one may take it for a new session.
        session.increment("n", 1).unwrap();
        session.save_now().await.unwrap();
        session.increment("n", 1).unwrap();
        assert!(session.transact(|data| data.increment("n", 1)).await.is_err());
        session.save_now().await.unwrap();
        assert_eq!(finished(&late).await, None);
        assert_eq!(spy.calls(), [StoreMethod::Replace]);
    });
}

#[test]
fn failed_store_in_transact_is_a_503() {
    for front in FRONTS {
        let (sessions, spy) = engine();
        let cookie = signed_in(front, &sessions);
        let view = crate::front::view(async |_| {
            let session = hipflask::session().await?;
            session.transact(|data| data.increment("n", 1)).await?;
            Ok("done")
        });
        spy.set_fault(Some(Fault {
            kind: ErrorKind::Timeout,
            ..Fault::of(StoreMethod::Replace, When::Before)
        }));
        let (answer, log) = crate::log::logged(|| front.answer(&sessions, view, ask(&cookie)));
        assert_eq!(answer.status, 503, "{}", front.name());
        let is_logged = log.iter().any(|line| line.contains("the session store failed"));
        assert!(is_logged, "{log:?}");
    }
}

#[test]
fn flash_after_destroy_starts_the_next_session() {
    let farewell = || {
        working(|session| {
            session.set("user", "ada")?;
            session.destroy()?;
            session.flash("Bye")
        })
    };
    let greeting = || {
        crate::front::view(async |_| {
            let session = hipflask::session().await?;
            let texts: Vec<_> =
                session.flashed_messages().unwrap().iter().map(|m| m.text().into_owned()).collect();
            Ok(format!("{texts:?} {}", session.contains("a").unwrap()))
        })
    };
    for front in FRONTS {
        let (stored, spy) = engine();
        for sessions in [stored, crate::front::sessions()] {
            let old = signed_in(front, &sessions);
            spy.forget();
            let new = id(&front.answer(&sessions, farewell(), ask(&old)));
            assert_ne!(new, old, "{}", front.name());
            assert_eq!(front.answer(&sessions, greeting(), ask(&new)).body, r#"["Bye"] false"#);
            if sessions.is_stored() {
                assert_eq!(spy.calls()[..3], [StoreMethod::Load, StoreMethod::Delete, StoreMethod::Create]);
                assert_eq!(front.answer(&sessions, greeting(), ask(&old)).body, "[] false");
            }
        }
    }
}

#[test]
fn transact_after_destroy_is_on_the_next_session() {
    let (sessions, spy) = engine();
    block_on(async {
        let old = counted(&sessions, 5).await;
        let (request, session) = opened(&sessions, &old).await;
        spy.forget();
        session.destroy().unwrap();
        session.transact(|data| data.increment("n", 1)).await.unwrap();
        let new = finished(&request).await.unwrap();
        assert_ne!(new, old);
        assert_eq!((number(&sessions, &new).await, number(&sessions, &old).await), (Some(1), None));
        assert_eq!(spy.calls()[..2], [StoreMethod::Delete, StoreMethod::Create]);
    });
}

#[test]
fn save_now_after_the_head_saves_without_warning() {
    let (sessions, _) = engine();
    let (cookie, log) = crate::log::logged(|| {
        block_on(async {
            let cookie = counted(&sessions, 1).await;
            let (request, session) = opened(&sessions, &cookie).await;
            let _ = finished(&request).await;
            session.increment("n", 1).unwrap();
            session.save_now().await.unwrap();
            session.transact(|data| data.increment("n", 1)).await.unwrap();
            assert_eq!(session.regenerate(), Err(SessionError::ResponseStarted));
            cookie
        })
    });
    assert_eq!(block_on(number(&sessions, &cookie)), Some(3));
    assert!(!log.iter().any(|line| line.starts_with("WARN")), "{log:?}");
}

#[test]
fn unsaved_change_after_the_head_is_a_warning() {
    let (sessions, _) = engine();
    let ((), log) = crate::log::logged(|| {
        block_on(async {
            let cookie = counted(&sessions, 1).await;
            let (request, session) = opened(&sessions, &cookie).await;
            let _ = finished(&request).await;
            session.increment("n", 1).unwrap();
            session.save_now().await.unwrap();
            session.set("late", true).unwrap();
        });
    });
    let warnings: Vec<_> = log.iter().filter(|line| line.starts_with("WARN")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("late") && !warnings[0].contains("\"n\""), "{log:?}");
}

#[test]
fn new_session_after_the_head_is_an_error() {
    let (sessions, spy) = engine();
    block_on(async {
        let (request, session) = opened(&sessions, "").await;
        let _ = finished(&request).await;
        session.set("n", 1).unwrap();
        assert_eq!(session.save_now().await, Err(SessionError::ResponseStarted));
        let transacted = session.transact(|data| data.increment("n", 1)).await;
        assert_eq!(transacted, Err(SessionError::ResponseStarted));
    });
    assert_eq!(spy.calls(), [], "a record that no cookie leads to is not created");
}

#[test]
fn late_transact_on_a_cookie_fails() {
    let sessions = crate::front::sessions();
    block_on(async {
        let (request, session) = opened(&sessions, "").await;
        let _ = finished(&request).await;
        let transacted = session.transact(|data| data.increment("n", 1)).await;
        assert_eq!(transacted, Err(SessionError::ResponseStarted));
        assert!(!session.contains("n").unwrap());
    });
}

/// An engine of the strict profile whose sessions last an hour at most, its store and its clock.
fn limited() -> (Sessions, SpyStore, hipflask_testkit::clock::Clock) {
    let (spy, clock) = (SpyStore::new(MemoryStore::new()), hipflask_testkit::clock::Clock::at(1_700_000_000));
    let (store, time): (Arc<dyn Store>, _) = (Arc::new(spy.clone()), clock.clone());
    let builder = builder().secret_key("k".repeat(32)).profile(hipflask::Profile::Strict);
    let limited = builder.absolute_lifetime(std::time::Duration::from_secs(3600));
    (limited.clock(move || time.now()).store(store).build().unwrap(), spy, clock)
}

#[test]
fn absolute_limit_counts_from_the_last_regenerate() {
    let (sessions, _, clock) = limited();
    block_on(async {
        let visit = counted(&sessions, 1).await;
        clock.advance(std::time::Duration::from_secs(1500));
        let (request, session) = opened(&sessions, &visit).await;
        session.regenerate().unwrap();
        drop(session);
        let login = finished(&request).await.unwrap();
        for _ in 0..2 {
            clock.advance(std::time::Duration::from_secs(1500));
            let (request, session) = opened(&sessions, &login).await;
            assert_eq!(session.get("n"), Ok(Some(1)));
            session.set("used", true).unwrap();
            let _ = finished(&request).await;
        }
        clock.advance(std::time::Duration::from_secs(601));
        assert_eq!(number(&sessions, &login).await, None);
    });
}

#[test]
fn absolute_limit_of_a_cookie_counts_from_regenerate() {
    let clock = hipflask_testkit::clock::Clock::at(1_700_000_000);
    let time = clock.clone();
    let builder = builder().secret_key("k".repeat(32)).profile(hipflask::Profile::Strict);
    let builder = builder.absolute_lifetime(std::time::Duration::from_secs(3600));
    let sessions = builder.clock(move || time.now()).build().unwrap();
    block_on(async {
        let mut cookie = counted(&sessions, 1).await;
        for regenerates in [true, false, false] {
            clock.advance(std::time::Duration::from_secs(1500));
            let (request, session) = opened(&sessions, &cookie).await;
            assert_eq!(session.get("n"), Ok(Some(1)));
            session.set("used", true).unwrap();
            if regenerates {
                session.regenerate().unwrap();
            }
            cookie = finished(&request).await.unwrap();
        }
        clock.advance(std::time::Duration::from_secs(601));
        assert_eq!(number(&sessions, &cookie).await, None);
    });
}

#[test]
fn record_past_its_absolute_limit_is_deleted() {
    let (sessions, spy, clock) = limited();
    block_on(async {
        let cookie = counted(&sessions, 1).await;
        for _ in 0..3 {
            clock.advance(std::time::Duration::from_secs(1300));
            spy.forget();
            let (request, session) = opened(&sessions, &cookie).await;
            if !session.is_new().unwrap() {
                session.increment("n", 1).unwrap();
            }
            drop(session);
            let _ = request.finish().await.unwrap();
        }
        assert_eq!(spy.calls(), [StoreMethod::Load, StoreMethod::DeleteIf]);
        spy.forget();
        assert!(opened(&sessions, &cookie).await.1.is_new().unwrap());
        assert_eq!(spy.calls(), [StoreMethod::Load], "it is gone");
    });
}
