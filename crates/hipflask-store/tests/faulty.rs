//! Real servers whose answers come late, by halves, garbled or not at all: always an error of the
//! store, never an empty session, and all is well once the server is.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;
use hipflask_store::id::Ids;
use hipflask_store::save::{Opened, SaveError, Saved, ServerSessions, Slot};
use hipflask_store::{ErrorKind, Store, StoreError};
use hipflask_testkit::servers::{Answers, MariaDb, Memcached, MongoFront, Moto, Postgres, Proxy, Redis};

const NOW: UnixTime = UnixTime::from_secs(4_000_000_000);
/// A multiple of what a call to a busy server takes.
const TIMEOUT: Duration = Duration::from_secs(2);
/// No call takes that long unless it hangs, however busy the machine is.
const HANGS: Duration = Duration::from_secs(60);

/// When a store knows that its server is well again.
#[derive(Clone, Copy)]
enum Recovers {
    AtOnce,
    /// Its driver watches the server, and has to see that first.
    Soon,
}

async fn fails_and_recovers(proxy: Proxy, store: Arc<dyn Store>, recovers: Recovers) {
    store.ready().await.unwrap();
    let sessions = ServerSessions::new(store, Ids::builder().build().unwrap(), Duration::from_secs(600));
    let (mut session, mut slot) = (SessionDict::new(), Slot::default());
    session.set("user", "ada").unwrap();
    let _ = sessions.save(&mut session, &mut slot, NOW).await.unwrap();
    let visitor = Visitor { cookie: sessions.ids().to_cookie(slot.id().unwrap()), sessions };
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
        let (mut session, mut slot) = visitor.loads(answers).await.unwrap();
        proxy.set(answers);
        let error = visitor.loads(answers).await.expect_err("a load without an answer");
        judge(answers, recovers, &error);
        // Whether it happened is not known; that it is said to have happened, or to be impossible,
        // would be wrong.
        session.set("round", round).unwrap();
        let error =
            visitor.saves(answers, &mut session, &mut slot).await.expect_err("a save without an answer");
        judge(answers, recovers, &error);
        proxy.set(Answers::Arrive);
        let began = Instant::now();
        while let Err(error) = visitor.heals(answers, round).await {
            let may_wait =
                matches!(recovers, Recovers::Soon) && error.is_transient() && began.elapsed() < HANGS;
            assert!(may_wait, "after {answers:?}: {error}");
        }
    }
}

/// A user that sends many requests with one cookie.
struct Visitor {
    sessions: ServerSessions,
    cookie: String,
}

impl Visitor {
    async fn loads(&self, answers: Answers) -> Result<(SessionDict, Box<Slot>), StoreError> {
        let opened = tokio::time::timeout(HANGS, self.sessions.open(self.cookie.as_bytes(), NOW)).await;
        match opened.unwrap_or_else(|_| panic!("{answers:?}: a load hangs"))? {
            Opened::Found { session, slot } => Ok((session, slot)),
            lost => panic!("{answers:?}: {lost:?}"),
        }
    }

    async fn saves(
        &self,
        answers: Answers,
        session: &mut SessionDict,
        slot: &mut Slot,
    ) -> Result<Saved, StoreError> {
        let saved = tokio::time::timeout(HANGS, self.sessions.save(session, slot, NOW)).await;
        match saved.unwrap_or_else(|_| panic!("{answers:?}: a save hangs")) {
            Ok(saved) => Ok(saved),
            Err(SaveError::Store(error)) => Err(error),
            Err(error) => panic!("{answers:?}: {error:?}"),
        }
    }

    /// Finds what was acknowledged, and writes.
    async fn heals(&self, answers: Answers, round: usize) -> Result<(), StoreError> {
        let (mut session, mut slot) = self.loads(answers).await?;
        assert_eq!(session.get::<String>("user").unwrap().as_deref(), Some("ada"), "{answers:?}");
        let healed = session.get::<usize>("healed").unwrap();
        assert!(healed == round.checked_sub(1) || healed == Some(round), "{answers:?}: {healed:?}");
        session.set("healed", round).unwrap();
        let saved = self.saves(answers, &mut session, &mut slot).await?;
        // The save of before may arrive late.
        assert!(matches!(saved, Saved::Replaced { .. } | Saved::Unchanged), "{answers:?}: {saved:?}");
        Ok(())
    }
}

fn judge(answers: Answers, recovers: Recovers, error: &StoreError) {
    let kinds: &[ErrorKind] = match (answers, recovers) {
        (Answers::Wait, Recovers::AtOnce) => &[ErrorKind::Timeout],
        (Answers::Wait, Recovers::Soon) => &[ErrorKind::Timeout, ErrorKind::Unavailable],
        _ => &[ErrorKind::Timeout, ErrorKind::Unavailable, ErrorKind::Corrupt],
    };
    assert!(kinds.contains(&error.kind()), "{answers:?}: {:?}: {error}", error.kind());
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_recovers_from_corrupt_replies_real_server() {
    let server = Redis::start().unwrap();
    let proxy = Proxy::before(&server.url()).unwrap();
    let store =
        hipflask_store::redis::RedisStore::builder(proxy.url()).unwrap().timeout(TIMEOUT).build().unwrap();
    fails_and_recovers(proxy, Arc::new(store), Recovers::AtOnce).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memcached_recovers_from_corrupt_replies_real_server() {
    let server = Memcached::start().unwrap();
    let proxy = Proxy::before(&server.url()).unwrap();
    let builder = hipflask_store::memcached::MemcachedStore::builder(proxy.url()).unwrap();
    let store = builder.timeout(TIMEOUT).build().unwrap();
    fails_and_recovers(proxy, Arc::new(store), Recovers::AtOnce).await;
}

async fn sql_fails_and_recovers(url: &str) {
    let proxy = Proxy::before(url).unwrap();
    let builder = hipflask_store::sql::SqlStore::builder(proxy.url()).unwrap();
    let store = builder.timeout(TIMEOUT).build().unwrap();
    fails_and_recovers(proxy, Arc::new(store), Recovers::AtOnce).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_recovers_from_corrupt_replies_real_server() {
    sql_fails_and_recovers(&Postgres::shared().unwrap().url("postgres", "postgres")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_recovers_from_corrupt_replies_real_server() {
    sql_fails_and_recovers(&MariaDb::shared().unwrap().url("root", "test")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_recovers_from_corrupt_replies_real_server() {
    let server = Moto::shared().unwrap();
    let proxy = Proxy::before(&server.endpoint()).unwrap();
    let timeout = TIMEOUT.as_secs();
    let url = format!("dynamodb://Faulty?region=us-east-1&endpoint={}&timeout={timeout}", proxy.url());
    let store = hipflask_store::dynamodb::DynamoDbStore::from_url(&url).unwrap();
    fails_and_recovers(proxy, Arc::new(store), Recovers::AtOnce).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_recovers_from_corrupt_replies_real_server() {
    let server = MongoFront::shared().unwrap();
    let proxy = Proxy::before(&server.url()).unwrap();
    let url = format!("{}?timeout={}", proxy.url(), TIMEOUT.as_secs());
    let store = hipflask_store::mongodb::MongoDbStore::from_url(&url).await.unwrap();
    fails_and_recovers(proxy, Arc::new(store), Recovers::Soon).await;
}
