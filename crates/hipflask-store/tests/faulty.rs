//! Real servers whose answers come late, by halves, garbled or not at all: always an error of the store, never an empty
//! session, and all is well once the server is.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

use std::sync::Arc;
use std::time::Duration;

use hipflask_core::session::Session;
use hipflask_core::time::UnixTime;
use hipflask_store::id::Ids;
use hipflask_store::save::{Opened, SaveError, Saved, ServerSessions, Slot};
use hipflask_store::store::{ErrorKind, Store, StoreError};
use hipflask_testkit::servers::{Answers, MariaDb, Memcached, Postgres, Proxy, Redis};

const NOW: UnixTime = UnixTime::from_secs(4_000_000_000);
/// A multiple of what a call to a busy server takes.
const TIMEOUT: Duration = Duration::from_secs(2);
/// No call takes that long unless it hangs, however busy the machine is.
const HANGS: Duration = Duration::from_secs(60);

async fn fails_and_recovers(proxy: Proxy, store: Arc<dyn Store>) {
    store.ready().await.unwrap();
    let sessions = ServerSessions::new(store, Ids::builder().build().unwrap(), Duration::from_secs(600));
    let (mut session, mut slot) = (Session::new(), Slot::default());
    session.set("user", "ada").unwrap();
    let _ = sessions.save(&mut session, &mut slot, NOW).await.unwrap();
    let cookie = sessions.ids().to_cookie(slot.id().unwrap());
    for (round, answers) in [
        Answers::Wait,
        Answers::StopHalfway,
        Answers::BreakOffHalfway,
        Answers::AreGarbage,
        Answers::AreCutOff,
    ]
    .into_iter()
    .enumerate()
    {
        let open = || async {
            let opened = tokio::time::timeout(HANGS, sessions.open(cookie.as_bytes(), NOW)).await;
            opened.unwrap_or_else(|_| panic!("{answers:?}: a load hangs"))
        };
        let Opened::Found { mut session, mut slot } = open().await.unwrap() else {
            panic!("{answers:?}: it is there");
        };
        proxy.set(answers);
        let error = open().await.expect_err("a load without an answer");
        judge(answers, &error);
        // Whether it happened is not known; that it is said to have happened, or to be impossible, would be wrong.
        session.set("round", round).unwrap();
        let saving = tokio::time::timeout(HANGS, sessions.save(&mut session, &mut slot, NOW));
        match saving.await.unwrap_or_else(|_| panic!("{answers:?}: a save hangs")) {
            Err(SaveError::Store(error)) => judge(answers, &error),
            other => panic!("{answers:?}: {other:?}"),
        }
        proxy.set(Answers::Arrive);
        let opened = open().await.unwrap_or_else(|error| panic!("after {answers:?}: {error}"));
        let Opened::Found { mut session, mut slot } = opened else { panic!("{answers:?}: {opened:?}") };
        assert_eq!(session.get::<String>("user").unwrap().as_deref(), Some("ada"), "{answers:?}");
        session.set("healed", round).unwrap();
        let saved = sessions.save(&mut session, &mut slot, NOW).await;
        let saved = saved.unwrap_or_else(|error| panic!("after {answers:?}: {error}"));
        // The save of before may arrive late.
        assert!(matches!(saved, Saved::Replaced { .. }), "{answers:?}: {saved:?}");
    }
}

fn judge(answers: Answers, error: &StoreError) {
    let kinds: &[ErrorKind] = match answers {
        Answers::Wait => &[ErrorKind::Timeout],
        _ => &[ErrorKind::Timeout, ErrorKind::Unavailable, ErrorKind::Corrupt],
    };
    assert!(kinds.contains(&error.kind()), "{answers:?}: {:?}: {error}", error.kind());
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_whose_answers_are_spoilt_is_an_error_and_recovers_real_server() {
    let server = Redis::start().unwrap();
    let proxy = Proxy::before(&server.url()).unwrap();
    let store = hipflask_store::redis::Redis::builder(proxy.url()).unwrap().timeout(TIMEOUT).build().unwrap();
    fails_and_recovers(proxy, Arc::new(store)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memcached_whose_answers_are_spoilt_is_an_error_and_recovers_real_server() {
    let server = Memcached::start().unwrap();
    let proxy = Proxy::before(&server.url()).unwrap();
    let builder = hipflask_store::memcached::Memcached::builder(proxy.url()).unwrap();
    let store = builder.timeout(TIMEOUT).build().unwrap();
    fails_and_recovers(proxy, Arc::new(store)).await;
}

async fn sql_fails_and_recovers(url: &str) {
    let proxy = Proxy::before(url).unwrap();
    let builder = hipflask_store::sql::SqlStore::builder(proxy.url()).unwrap();
    let store = builder.timeout(TIMEOUT).build().unwrap();
    fails_and_recovers(proxy, Arc::new(store)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_whose_answers_are_spoilt_is_an_error_and_recovers_real_server() {
    sql_fails_and_recovers(&Postgres::shared().unwrap().url("postgres", "postgres")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_whose_answers_are_spoilt_is_an_error_and_recovers_real_server() {
    sql_fails_and_recovers(&MariaDb::shared().unwrap().url("root", "test")).await;
}
