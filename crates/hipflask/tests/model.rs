//! Requests of one session whose futures are dropped at any await, under a model: in many orders of
//! their steps.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use hipflask::hipflask_core::time::UnixTime;
use hipflask::store::memory::MemoryStore;
use hipflask::{RequestSession, Session, Sessions};
use hipflask_testkit::pausing_store::PausingStore;
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::rand::{Rng as _, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

/// The action of a request. Its future is dropped after some polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    /// Adds one, and saves at once.
    Writer,
    /// Adds one in a transaction.
    Transacter,
    /// Adds one in a transaction before and saves at once after it, on two handles side by side.
    Juggler,
    /// Gives the session a new id.
    Mover,
    /// Logs out; some add one before.
    Destroyer,
    /// Adds one, and is dropped as a whole while it is saved.
    Quitter,
}

use Actor::{Destroyer, Juggler, Mover, Quitter, Transacter, Writer};

/// The runner of a save whose request does not wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runtime {
    Spawns,
    IsMissing,
}

#[derive(Debug, Default)]
struct Outcome {
    /// The cookie that the response set; empty if it removed it.
    cookie: Option<String>,
    /// The number of increments that certainly happened, and the greatest possible number.
    added: (u64, u64),
}

/// Polls a future a number of times that the model chooses, and drops it then.
async fn cut<F: Future>(future: F) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), thread_rng().gen_range(0..12));
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

async fn finished(request: &RequestSession) -> Option<String> {
    let header = request.finish().await.unwrap().set_cookie?;
    Some(header.split(';').next().unwrap().to_owned())
}

fn add(session: &Session) {
    session.increment("n", 1).unwrap();
}

async fn act(sessions: Sessions, cookie: String, actor: Actor) -> Outcome {
    let request = sessions.begin([cookie.as_str()]);
    let session = request.open().await.unwrap();
    if session.is_new().unwrap() {
        return Outcome::default();
    }
    let mut added = (0, 0);
    match actor {
        Writer => {
            add(&session);
            added = (1, 1);
            cut(session.save_now()).await;
        }
        Transacter | Juggler => {
            let transacted = cut(session.transact(|data| data.increment("n", 1))).await;
            added = (u64::from(matches!(transacted, Some(Ok(_)))), 1);
            if actor == Juggler {
                add(&session);
                let other = session.clone();
                let saving = spawn(async move { drop(cut(other.save_now()).await) });
                cut(session.save_now()).await;
                saving.await.unwrap();
                added = (added.0 + 1, 2);
            }
        }
        Mover => {
            session.regenerate().unwrap();
            cut(session.save_now()).await;
        }
        Destroyer => {
            if thread_rng().gen_bool(0.5) {
                add(&session);
                added = (0, 1);
                cut(session.save_now()).await;
            }
            session.destroy().unwrap();
            cut(session.save_now()).await;
        }
        Quitter => {
            add(&session);
            drop(session);
            let is_finished = cut(finished(&request)).await.flatten().is_some();
            return Outcome { cookie: None, added: (u64::from(is_finished), 1) };
        }
    }
    let cookie = finished(&request).await;
    // Without a cookie the session was gone, and what was added is gone with it.
    let least = if cookie.is_some() { added.0 } else { 0 };
    Outcome { cookie, added: (least, added.1) }
}

fn run(actors: &[Actor], runtime: Runtime) {
    block_on(async {
        let (memory, running) = (MemoryStore::new(), Arc::new(AtomicUsize::new(0)));
        let store = PausingStore::new(memory.clone(), || Box::pin(yield_now()));
        let mut builder = Sessions::builder()
            .secret_key("k")
            .permanent_lifetime(Duration::from_secs(600))
            .clock(|| UnixTime::from_secs(1_700_000_000))
            .store(Arc::new(store));
        if runtime == Runtime::Spawns {
            let running = running.clone();
            builder = builder.spawn_saves_with(move |save| {
                let running = running.clone();
                running.fetch_add(1, Ordering::SeqCst);
                drop(spawn(async move {
                    save.await;
                    running.fetch_sub(1, Ordering::SeqCst);
                }));
            });
        }
        let sessions = builder.build().unwrap();
        let request = sessions.begin([""]);
        request.open().await.unwrap().set("n", 0).unwrap();
        let cookie = finished(&request).await.unwrap();
        let tasks: Vec<_> =
            actors.iter().map(|actor| spawn(act(sessions.clone(), cookie.clone(), *actor))).collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        while running.load(Ordering::SeqCst) > 0 {
            yield_now().await;
        }
        check(&sessions, &memory, &cookie, actors, &outcomes).await;
    });
}

async fn number(sessions: &Sessions, cookie: &str) -> Option<u64> {
    sessions.begin([cookie]).open().await.unwrap().get("n").unwrap()
}

async fn check(sessions: &Sessions, memory: &MemoryStore, old: &str, actors: &[Actor], outcomes: &[Outcome]) {
    let context = || format!("{actors:?}: {outcomes:?}");
    let is_new = |cookie: &&str| *cookie != old && *cookie != "session=";
    let moved: Vec<_> =
        outcomes.iter().filter_map(|outcome| outcome.cookie.as_deref()).filter(is_new).collect();
    let is_destroyed = outcomes.iter().any(|outcome| outcome.cookie.as_deref() == Some("session="));
    assert!(moved.len() <= 1, "a second id: {}", context());
    assert!(moved.is_empty() || actors.contains(&Mover), "an id that nobody requested: {}", context());
    assert!(memory.len() <= 1, "a second record: {}", context());
    let live = match moved.first() {
        Some(new) => number(sessions, new).await,
        None => number(sessions, old).await,
    };
    if is_destroyed && moved.is_empty() {
        assert_eq!((live, memory.len()), (None, 0), "a logout that was undone: {}", context());
    }
    if !is_destroyed {
        assert_eq!((live.is_some(), memory.len()), (true, 1), "a lost session: {}", context());
    }
    if !moved.is_empty() {
        assert_eq!(number(sessions, old).await, None, "an old id that lives: {}", context());
    }
    let Some(n) = live else { return };
    let least: u64 = outcomes.iter().map(|outcome| outcome.added.0).sum();
    let most: u64 = outcomes.iter().map(|outcome| outcome.added.1).sum();
    assert!(least <= n && n <= most, "{n} is not in {least}..={most}: {}", context());
}

fn pairs() -> impl Iterator<Item = [Actor; 2]> {
    const ALL: [Actor; 6] = [Writer, Transacter, Juggler, Mover, Destroyer, Quitter];
    (0..6).flat_map(|a| (a..6).map(move |b| [ALL[a], ALL[b]]))
}

/// Runs `model` with stacks that are large enough for the futures of a debug build.
fn explore(scheduler: impl Scheduler + 'static, model: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    Runner::new(scheduler, config).run(model);
}

#[test]
fn dropped_futures_of_two_requests_lose_nothing() {
    for actors in pairs() {
        explore(RandomScheduler::new(150), move || run(&actors, Runtime::Spawns));
        explore(PctScheduler::new(3, 150), move || run(&actors, Runtime::Spawns));
    }
}

/// A request that is dropped as a whole takes its save with it then, so there is no [`Quitter`].
#[test]
fn dropped_futures_without_a_runtime_lose_nothing() {
    for actors in pairs().filter(|actors| !actors.contains(&Quitter)) {
        explore(RandomScheduler::new(150), move || run(&actors, Runtime::IsMissing));
        explore(PctScheduler::new(3, 150), move || run(&actors, Runtime::IsMissing));
    }
}

#[test]
fn dropped_futures_of_four_requests_lose_nothing() {
    for actors in [
        [Writer, Transacter, Mover, Destroyer],
        [Writer, Juggler, Quitter, Mover],
        [Mover, Mover, Transacter, Writer],
        [Destroyer, Juggler, Writer, Quitter],
    ] {
        explore(RandomScheduler::new(500), move || run(&actors, Runtime::Spawns));
        explore(PctScheduler::new(4, 500), move || run(&actors, Runtime::Spawns));
    }
}

#[test]
#[ignore = "long run: cargo xtask full"]
fn long_model_of_dropped_futures() {
    for actors in pairs() {
        explore(RandomScheduler::new(20_000), move || run(&actors, Runtime::Spawns));
        explore(PctScheduler::new(4, 20_000), move || run(&actors, Runtime::Spawns));
    }
}
