//! Requests to actix-web whose futures are dropped in the middle of a save.

use std::future::Future;

use actix_web::rt::System;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, FromRequest, Handler, Responder, web};
use hipflask::store::memory::MemoryStore;
use hipflask::{Session, SessionError, Sessions};

use crate::cancelled::{AWAITS, counted, cut, number, slow_engine};

/// Runs `test` with a cookie of a session with `n` = 1, for every await at which a future can be dropped.
fn at_every_await<F: Future<Output = ()>>(test: impl Fn(Sessions, MemoryStore, String, usize) -> F) {
    let system = System::new();
    for polls in 0..AWAITS {
        let (sessions, memory) = slow_engine();
        system.block_on(async {
            let cookie = counted(&sessions, 1).await;
            test(sessions, memory, cookie, polls).await;
        });
    }
}

/// Sends a request to an app with one handler, and drops the response's future after so many polls.
async fn send<A, H>(sessions: &Sessions, cookie: &str, handler: H, polls: usize) -> Option<u16>
where
    A: FromRequest + 'static,
    H: Handler<A>,
    H::Output: Responder + 'static,
{
    let app = App::new().wrap(sessions.middleware()).route("/", web::get().to(handler));
    let app = init_service(app).await;
    let request = TestRequest::get().insert_header(("cookie", cookie)).to_request();
    Some(cut(call_service(&app, request), polls).await?.status().as_u16())
}

#[test]
fn save_now_dropped_on_actix_counts_once() {
    at_every_await(async |sessions, memory, cookie, polls| {
        let handler = move |session: Session| async move {
            session.increment("n", 1)?;
            cut(session.save_now(), polls).await;
            session.increment("n", 1)?;
            Ok::<_, SessionError>("")
        };
        assert_eq!(send(&sessions, &cookie, handler, usize::MAX).await, Some(200));
        assert_eq!((number(&sessions, &cookie).await, memory.len()), (Some(3), 1), "{polls}");
    });
}

#[test]
fn transact_dropped_on_actix_counts_at_most_once() {
    at_every_await(async |sessions, memory, cookie, polls| {
        let handler = move |session: Session| async move {
            let transacted = cut(session.transact(|data| data.increment("n", 1)), polls).await;
            session.set("done", transacted.is_some())?;
            Ok::<_, SessionError>("")
        };
        assert_eq!(send(&sessions, &cookie, handler, usize::MAX).await, Some(200));
        let request = sessions.begin([&*cookie]);
        let session = request.open().await.unwrap();
        let is_done: bool = session.get("done").unwrap().unwrap();
        let n = session.get("n").unwrap();
        assert!(n == Some(2) || n == Some(1) && !is_done, "{polls}: {n:?}");
        assert_eq!(memory.len(), 1, "{polls}");
    });
}

#[test]
fn response_dropped_on_actix_keeps_one_record() {
    at_every_await(async |sessions, memory, cookie, polls| {
        let handler = |session: Session| async move {
            session.regenerate()?;
            session.increment("n", 1)?;
            Ok::<_, SessionError>("")
        };
        send(&sessions, &cookie, handler, polls).await;
        // The save goes on without its request.
        for _ in 0..AWAITS {
            tokio::task::yield_now().await;
        }
        let old = number(&sessions, &cookie).await;
        assert!(old.is_none_or(|n| n == 1), "{polls}: {old:?}");
        assert_eq!(memory.len(), 1, "{polls}");
    });
}
