//! A load that fails, in every store: whatever the handler does then, and though the store is well
//! again by the time that it ends, nothing is written.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use hipflask::store::Store;
use hipflask::store::memory::MemoryStore;
use hipflask::store::open;
use hipflask::test::TestClient;
use hipflask::{Clock as _, OnStoreFailure, Session, SessionError, Sessions, SystemClock};
use hipflask_testkit::clock::Clock;
use hipflask_testkit::faults::{Fault, When};
use hipflask_testkit::servers::{Answers, MariaDb, Memcached, MongoFront, Moto, Postgres, Proxy, Redis};
use hipflask_testkit::store_spy::{SpyStore, StoreMethod};

/// Lets the next reads fail, or makes the store well again.
type Fails = Arc<dyn Fn(bool) + Send + Sync>;

async fn counts(session: Session) -> Result<String, SessionError> {
    Ok(session.increment("n", 1)?.to_string())
}

/// Goes on without its session, while the store is well again.
async fn goes_on(State(fails): State<Fails>) -> String {
    let opened = hipflask::session().await;
    fails(false);
    let Ok(session) = opened else { return "without a session".into() };
    for change in CHANGES {
        change(&session);
    }
    assert!(session.save_now().await.is_err() && session.transact(|data| data.set("n", 9)).await.is_err());
    session.is_read_only().to_string()
}

/// Every change that a handler can ask for.
const CHANGES: [fn(&Session); 7] = [
    |session| drop(session.set("n", 9)),
    |session| drop(session.increment("n", 1)),
    |session| drop(session.flash("hello")),
    |session| drop(session.regenerate()),
    |session| drop(session.destroy()),
    |session| drop(session.clear()),
    |session| drop(session.set_permanent(false)),
];

const DAY: Duration = Duration::from_secs(86_400);

/// `store` is the one that fails; `witness` reads the same records without failing, and `writes`
/// tells what the server has counted, where it counts.
async fn nothing_is_written(
    store: Arc<dyn Store>,
    witness: Arc<dyn Store>,
    fails: Fails,
    writes: impl Fn() -> Vec<(String, u64)>,
) {
    store.ready().await.unwrap();
    for (choice, status, body) in
        [(OnStoreFailure::Refuse, 200, "without a session"), (OnStoreFailure::ReadOnly, 503, "")]
    {
        let clock = Clock::at(SystemClock.now().as_secs());
        let of_requests = clock.clone();
        let builder = Sessions::builder().store(Arc::clone(&store)).clock(move || of_requests.now());
        let sessions = builder.on_store_failure(move |_| choice).build().unwrap();
        let request = sessions.begin([""]);
        request.open().await.unwrap().set("n", 1).unwrap();
        let set_cookie = request.finish().await.unwrap().set_cookie.unwrap();
        let ids = sessions.server_sessions().unwrap().ids();
        let id = set_cookie.split(['=', ';']).nth(1).unwrap();
        let key = ids.key(&ids.read(id.as_bytes()).unwrap());
        let app = Router::new().route("/counts", get(counts)).route("/goes-on", get(goes_on));
        let app = app.layer(sessions.layer()).with_state(Arc::clone(&fails));
        let mut client = TestClient::new(app, &sessions);
        client.jar().take([&set_cookie]);

        // Whoever reads it now extends its life.
        clock.advance(DAY * 10);
        let load = async || witness.load(&key, SystemClock.now()).await.unwrap().expect("it lives");
        let (stored, counted) = (load().await, writes());
        for (path, status, body) in [("/counts", 503, ""), ("/goes-on", status, body)] {
            fails(true);
            let answer = client.get(path).await;
            fails(false);
            assert_eq!((answer.status.as_u16(), &*answer.text()), (status, body), "{choice:?} {path}");
            assert_eq!(answer.set_cookies(), Vec::<&str>::new(), "the browser keeps its id");
            let found = load().await;
            assert_eq!((&found.data, &found.token), (&stored.data, &stored.token), "{choice:?} {path}");
            // Some servers say how long a record has left, which is not known to the second.
            let [before, after] = [&stored, &found].map(|stored| stored.expires.unwrap().as_secs());
            assert!(before.abs_diff(after) < DAY.as_secs(), "{choice:?} {path}");
            assert_eq!(writes(), counted, "{choice:?} {path}");
        }

        // It can be written, all the same: by a request whose load does not fail.
        let began = Instant::now();
        while client.get("/counts").await.text() != "2" {
            assert!(began.elapsed() < Duration::from_secs(60), "the store is not well again");
        }
        assert_ne!(load().await.data, stored.data);
    }
}

/// A store that is within this process: the next read fails on its way there.
async fn nothing_is_written_within(store: Arc<dyn Store>) {
    let spy = SpyStore::around(Arc::clone(&store));
    let counts = spy.clone();
    let failing = spy.clone();
    let fails = move |fails: bool| {
        failing.set_fault(fails.then_some(Fault::of(StoreMethod::Load, When::Before)));
    };
    let writes = move || {
        let written =
            counts.calls().into_iter().filter(|call| !matches!(call, StoreMethod::Load | StoreMethod::Ready));
        vec![("writes".to_owned(), written.count() as u64)]
    };
    nothing_is_written(Arc::new(spy), store, Arc::new(fails), writes).await;
}

/// A server: the connections to it are cut off in place of its answers.
async fn nothing_is_written_on(url: &str, writes: impl Fn() -> Vec<(String, u64)>) {
    let proxy = Proxy::before(url).unwrap();
    let (store, witness) = (open(proxy.url()).await.unwrap(), open(url).await.unwrap());
    let fails = move |fails: bool| {
        proxy.set(if fails { Answers::AreCutOff } else { Answers::Arrive });
    };
    nothing_is_written(store, witness, Arc::new(fails), writes).await;
}

/// A server that counts nothing that tells a read from a write.
const fn uncounted() -> Vec<(String, u64)> {
    Vec::new()
}

#[tokio::test]
async fn failed_read_writes_nothing_in_memory() {
    nothing_is_written_within(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_reads_write_nothing_to_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&format!("sqlite:{}/app.db", directory.path().display())).await.unwrap();
    nothing_is_written_within(store).await;
}

/// A file too large for a session is where the record was, and the record is back after the load.
#[tokio::test(flavor = "multi_thread")]
async fn failed_read_writes_nothing_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let (sessions, aside) = (directory.path().join("sessions"), directory.path().join("aside"));
    fs::create_dir(&aside).unwrap();
    let url = format!("file:{}", sessions.display());
    let (store, witness) = (open(&url).await.unwrap(), open(&url).await.unwrap());
    let fails = move |fails: bool| {
        let from = if fails { &sessions } else { &aside };
        for file in fs::read_dir(from).unwrap().map(|file| file.unwrap().file_name()) {
            let (place, hidden) = (sessions.join(&file), aside.join(&file));
            if fails {
                fs::rename(&place, &hidden).unwrap();
                let large = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place).unwrap();
                large.set_len((16 << 20) + 5).unwrap();
            } else {
                fs::remove_file(&place).unwrap();
                fs::rename(&hidden, &place).unwrap();
            }
        }
    };
    nothing_is_written(store, witness, Arc::new(fails), uncounted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_read_writes_nothing_in_redis_real_server() {
    let server = Redis::start().unwrap();
    let writes = || {
        let reads = ["get", "pttl", "expiretime", "pexpiretime", "info", "hello", "select", "ping"];
        let is_write = |name: &str| !reads.contains(&name) && !name.starts_with("client|");
        server.calls().unwrap().into_iter().filter(|(name, _)| is_write(name)).collect()
    };
    nothing_is_written_on(&server.url(), writes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_read_writes_nothing_in_memcached_real_server() {
    let server = Memcached::start().unwrap();
    let writes = || {
        let stats = server.ask("stats").unwrap();
        let count = |line: &str| {
            let (name, count) = line.strip_prefix("STAT ")?.split_once(' ')?;
            let is_write = ["cmd_set", "cmd_touch", "cmd_meta", "delete_hits"].contains(&name);
            is_write.then(|| Some((name.to_owned(), count.parse().ok()?)))?
        };
        stats.lines().filter_map(count).collect()
    };
    nothing_is_written_on(&server.url(), writes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_read_writes_nothing_in_postgres_real_server() {
    nothing_is_written_on(&Postgres::shared().unwrap().url("postgres", "postgres"), uncounted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_read_writes_nothing_in_mariadb_real_server() {
    nothing_is_written_on(&MariaDb::shared().unwrap().url("root", "test"), uncounted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_read_writes_nothing_in_mongodb_real_server() {
    nothing_is_written_on(&MongoFront::shared().unwrap().url(), uncounted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_read_writes_nothing_in_dynamodb_real_server() {
    let server = Moto::shared().unwrap();
    let url = format!("dynamodb://Sessions?region=us-east-1&endpoint={}&timeout=20", server.endpoint());
    nothing_is_written_on(&url, uncounted).await;
}
