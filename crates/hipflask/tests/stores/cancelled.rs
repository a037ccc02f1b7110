//! Requests that are dropped in the middle, on real stores: no session gets a second id, no logout
//! is undone, nothing counts twice.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use hipflask::store::memory::MemoryStore;
use hipflask::store::{Key, Store};
use hipflask::{RequestSession, Session, SessionError, Sessions};
use hipflask_testkit::pausing_store::PausingStore;
use hipflask_testkit::rng::TestRng;
use hipflask_testkit::servers::{Answers, Memcached, Postgres, Proxy, Redis};
use hipflask_testkit::store_spy::SpyStore;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

/// Requests of one session that run at once.
const AT_ONCE: usize = 10;
/// No save takes that long unless it hangs, however busy the machine is.
const HANGS: Duration = Duration::from_secs(120);

/// Polls a future so many times and drops it then.
async fn cut<F: Future>(future: F, polls: usize) -> Option<F::Output> {
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

/// An engine, its store, and the number of saves that outlived their request and still run.
struct Engine {
    sessions: Sessions,
    store: SpyStore,
    running: Arc<AtomicUsize>,
    detached: Arc<AtomicU64>,
}

impl Engine {
    fn on(store: Arc<dyn Store>) -> Self {
        let (store, running) = (SpyStore::around(store), Arc::new(AtomicUsize::new(0)));
        let detached = Arc::new(AtomicU64::new(0));
        let (count, all) = (running.clone(), detached.clone());
        let builder = Sessions::builder().secret_key("k").store(Arc::new(store.clone()));
        let builder = builder.spawn_saves_with(move |save| {
            let count = count.clone();
            count.fetch_add(1, Ordering::SeqCst);
            all.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                save.await;
                count.fetch_sub(1, Ordering::SeqCst);
            });
        });
        Self { sessions: builder.build().unwrap(), store, running, detached }
    }

    /// Waits for the saves that outlived their requests.
    async fn settled(&self) {
        let begin = Instant::now();
        while self.running.load(Ordering::SeqCst) > 0 {
            assert!(begin.elapsed() < HANGS, "a save hangs");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn login(&self) -> String {
        let request = self.sessions.begin([""]);
        let session = request.open().await.unwrap();
        session.set("n", 0).unwrap();
        drop(session);
        finished(&request).await.unwrap().unwrap()
    }

    async fn number(&self, cookie: &str) -> Option<u64> {
        self.sessions.begin([cookie]).open().await.unwrap().get("n").unwrap()
    }

    /// The number of these records that exist.
    async fn live(&self, keys: &[Key]) -> usize {
        let mut live = 0;
        for key in keys {
            live += usize::from(self.store.load(key, self.sessions.now()).await.unwrap().is_some());
        }
        live
    }
}

/// Finishes a request and returns the session's cookie, which is `session=` if it was removed.
async fn finished(request: &RequestSession) -> Result<Option<String>, SessionError> {
    let header = request.finish().await?.set_cookie;
    Ok(header.map(|header| header.split(';').next().unwrap().to_owned()))
}

/// The actions of a round's requests apart from counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Counts,
    Moves,
    LogsOut,
}

/// The action of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Add,
    /// Polls the `save_now` so often.
    SaveNow(usize),
    Transact(usize),
    Move,
    LogOut,
}

/// The results of a round's requests.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: AtomicU64,
    attempted: AtomicU64,
}

impl Tally {
    fn attempt(&self) {
        self.attempted.fetch_add(1, Ordering::SeqCst);
    }

    fn acknowledge(&self, count: u64) {
        self.acknowledged.fetch_add(count, Ordering::SeqCst);
    }
}

async fn act(
    sessions: Sessions,
    cookie: String,
    act: Act,
    tally: Arc<Tally>,
) -> Result<Option<String>, SessionError> {
    let request = sessions.begin([cookie.as_str()]);
    let session = request.open().await?;
    if session.is_new().unwrap() {
        return Ok(None);
    }
    let mut unsaved = 0;
    let add = || {
        tally.attempt();
        session.increment("n", 1).map(drop)
    };
    match act {
        Act::Add => {
            add()?;
            unsaved = 1;
        }
        Act::SaveNow(polls) => {
            add()?;
            let is_saved = cut(session.save_now(), polls).await.transpose()?.is_some();
            tally.acknowledge(u64::from(is_saved));
            add()?;
            unsaved = if is_saved { 1 } else { 2 };
        }
        Act::Transact(polls) => {
            tally.attempt();
            let transacted = cut(session.transact(|data| data.increment("n", 1)), polls).await;
            match transacted {
                Some(Err(SessionError::NotWritten(_))) => return finished(&request).await,
                other => tally.acknowledge(u64::from(other.transpose()?.is_some())),
            }
        }
        Act::Move => session.regenerate()?,
        Act::LogOut => session.destroy()?,
    }
    drop(session);
    let cookie = finished(&request).await?;
    tally.acknowledge(unsaved);
    Ok(cookie)
}

fn choose(rng: &mut TestRng, round: Round, place: usize) -> Act {
    let polls = if rng.below(5) == 0 { rng.below(3) } else { usize::MAX };
    match (round, place) {
        (Round::Moves, 4 | 5) => Act::Move,
        (Round::LogsOut, 5) => Act::LogOut,
        _ => match rng.below(10) {
            0..4 => Act::SaveNow(polls),
            4..7 => Act::Transact(polls),
            _ => Act::Add,
        },
    }
}

/// Runs so many requests, of which one in five is dropped at a random await.
async fn cancelled_requests(name: &str, store: Arc<dyn Store>, requests: usize) {
    let engine = Engine::on(store);
    let (mut rng, begin) = (TestRng::fresh(), Instant::now());
    let (mut cancelled, mut unacknowledged) = (0, 0);
    for number in 0..requests / AT_ONCE {
        let round = [Round::Counts, Round::Counts, Round::Moves, Round::LogsOut][number % 4];
        let before = engine.store.created().len();
        let cookie = engine.login().await;
        let tally = Arc::new(Tally::default());
        let mut running = JoinSet::new();
        let mut is_logged_out = false;
        for place in 0..AT_ONCE {
            let what = choose(&mut rng, round, place);
            let polls = if rng.below(5) == 0 { rng.below(6) } else { usize::MAX };
            let request = act(engine.sessions.clone(), cookie.clone(), what, tally.clone());
            running.spawn(async move { (what, cut(request, polls).await) });
        }
        let mut cookies = BTreeSet::new();
        for (what, answer) in running.join_all().await {
            match answer {
                None => cancelled += 1,
                Some(Ok(Some(cookie))) => {
                    is_logged_out |= what == Act::LogOut;
                    cookies.insert(cookie);
                }
                Some(Ok(None)) => {}
                Some(Err(error)) => panic!("{name}: {what:?}: {error}"),
            }
        }
        engine.settled().await;
        let live = engine.live(&engine.store.created()[before..]).await;
        let n = engine.number(&cookie).await;
        let (least, most) =
            (tally.acknowledged.load(Ordering::SeqCst), tally.attempted.load(Ordering::SeqCst));
        let context = format!("{name}, round {number}, {round:?}: {n:?}, {least}..={most}, {cookies:?}");
        let others: Vec<_> =
            cookies.iter().filter(|other| **other != cookie && *other != "session=").collect();
        match round {
            Round::Counts => {
                assert!(others.is_empty(), "a second id: {context}");
                assert_eq!(live, 1, "a second record: {context}");
                let n = n.unwrap_or_else(|| panic!("a lost session: {context}"));
                assert!(least <= n && n <= most, "{context}");
                unacknowledged += n - least;
            }
            Round::Moves => {
                assert!(others.len() <= 1, "two new ids: {context}");
                assert_eq!(live, 1, "a second record: {context}");
                assert!(others.is_empty() || n.is_none(), "the old id lives: {context}");
            }
            Round::LogsOut => {
                assert!(others.is_empty(), "a second id: {context}");
                assert!(live == 0 || live == 1 && !is_logged_out, "a logout that was undone: {context}");
            }
        }
    }
    let stats = engine.sessions.server_sessions().unwrap().stats();
    eprintln!(
        "{name}: {requests} requests in {:?}; {cancelled} dropped, {} saves outlived their future, {unacknowledged} \
         increments were saved and never acknowledged, {} conflicts",
        begin.elapsed(),
        engine.detached.load(Ordering::SeqCst),
        stats.conflicts
    );
}

/// The length of the short runs.
const FEW: usize = 1_000;
/// The length of the long runs.
const MANY: usize = 100_000;

fn memory() -> Arc<dyn Store> {
    Arc::new(PausingStore::new(MemoryStore::new(), || Box::pin(tokio::task::yield_now())))
}

async fn on_files(requests: usize) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file:{}", directory.path().display());
    cancelled_requests("files", hipflask::store::open(&url).await.unwrap(), requests).await;
}

async fn on_sqlite(requests: usize) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/app.db?wal=true", directory.path().display());
    ready("SQLite", &url, requests).await;
}

async fn ready(name: &str, url: &str, requests: usize) {
    // On a busy machine a call may take longer than the default of 2 seconds.
    let timeout = if url.contains('?') { "&timeout=60" } else { "?timeout=60" };
    let store = hipflask::store::open(&format!("{url}{timeout}")).await.unwrap();
    store.ready().await.unwrap();
    cancelled_requests(name, store, requests).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_requests_lose_nothing_in_memory() {
    cancelled_requests("memory", memory(), FEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_requests_lose_nothing_in_files() {
    on_files(FEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_requests_lose_nothing_in_sqlite() {
    on_sqlite(FEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_requests_lose_nothing_in_redis_real_server() {
    ready("Redis", &Redis::shared().unwrap().url(), FEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_requests_lose_nothing_in_memcached_real_server() {
    ready("memcached", &Memcached::start().unwrap().url(), FEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_requests_lose_nothing_in_postgres_real_server() {
    ready("PostgreSQL", &Postgres::shared().unwrap().url("postgres", "postgres"), FEW).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long run: cargo xtask full"]
async fn long_cancelled_requests_in_memory() {
    cancelled_requests("memory", memory(), MANY).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long run: cargo xtask full"]
async fn long_cancelled_requests_in_files() {
    on_files(MANY).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long run: cargo xtask full"]
async fn long_cancelled_requests_in_sqlite() {
    on_sqlite(MANY).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long run: cargo xtask full"]
async fn long_cancelled_requests_in_redis_real_server() {
    ready("Redis", &Redis::shared().unwrap().url(), MANY).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long run: cargo xtask full"]
async fn long_cancelled_requests_in_memcached_real_server() {
    ready("memcached", &Memcached::start().unwrap().url(), MANY).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long run: cargo xtask full"]
async fn long_cancelled_requests_in_postgres_real_server() {
    ready("PostgreSQL", &Postgres::shared().unwrap().url("postgres", "postgres"), MANY).await;
}

/// The attack: a stolen cookie, a store that is a millisecond away, and a time limit inside of the layer.
#[tokio::test(flavor = "multi_thread")]
async fn timeout_does_not_clone_stolen_session_real_server() {
    const REQUESTS: usize = 1_500;
    let server = Redis::start().unwrap();
    let proxy = Proxy::before(&server.url()).unwrap();
    let store = hipflask::store::open(proxy.url()).await.unwrap();
    store.ready().await.unwrap();
    proxy.set(Answers::ArriveLate(Duration::from_millis(1)));
    let engine = Engine::on(store);
    let limited = async |session: Session| {
        if session.is_new().unwrap() {
            return "logged out".to_owned();
        }
        let work = async {
            session.increment("n", 1)?;
            session.save_now().await?;
            session.transact(|data| data.increment("n", 1)).await
        };
        let answer = tokio::time::timeout(Duration::from_micros(1500), work).await;
        format!("{}", answer.is_ok())
    };
    let logout = async |session: Session| session.destroy();
    let app =
        Router::new().route("/", get(limited)).route("/logout", get(logout)).layer(engine.sessions.layer());
    let victim = engine.login().await;
    let ask = |path: &'static str| {
        let request = Request::get(path).header("cookie", &victim).body(Body::empty()).unwrap();
        app.clone().oneshot(request)
    };
    let (mut running, mut cookies) = (JoinSet::new(), BTreeSet::new());
    for number in 0..REQUESTS {
        running.spawn(ask(if number == REQUESTS * 2 / 3 { "/logout" } else { "/" }));
        if running.len() >= 50 {
            let answer = running.join_next().await.unwrap().unwrap().unwrap();
            cookies.extend(cookie_of(&answer));
        }
    }
    for answer in running.join_all().await {
        cookies.extend(cookie_of(&answer.unwrap()));
    }
    engine.settled().await;
    let detached = engine.detached.load(Ordering::SeqCst);
    cookies.remove("session=");
    eprintln!(
        "{REQUESTS} requests with a stolen cookie: {detached} saves outlived their future, {} ids",
        cookies.len()
    );
    assert!(detached > 0, "no save had to wait");
    assert!(cookies.len() == 1 && cookies.contains(&victim), "{} ids", cookies.len());
    assert_eq!(engine.number(&victim).await, None, "still logged in after the logout");
    assert_eq!(engine.live(&engine.store.created()).await, 0);
}

fn cookie_of<B>(answer: &axum::http::Response<B>) -> Option<String> {
    let header = answer.headers().get("set-cookie")?.to_str().unwrap();
    Some(header.split(';').next().unwrap().to_owned())
}
