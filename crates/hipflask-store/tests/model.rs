//! The save algorithm under a model: three requests of one session, in every order that their calls
//! to the store can take.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;
use hipflask_core::value::Dict;
use hipflask_store::id::Ids;
use hipflask_store::memory::MemoryStore;
use hipflask_store::save::{Opened, Saved, ServerSessions, Slot};
use hipflask_store::{DeletedIf, Key, Store, StoreFuture, StoreMethod, StoreWrapper, Stored};
use shuttle::future::{block_on, spawn, yield_now};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const LIFETIME: Duration = Duration::from_secs(600);

/// The actions of a request between its load and its save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    /// Sets a key of its own and adds one to a counter.
    Writer,
    /// Changes nothing, late enough that its save is a touch.
    Reader,
    /// Logs out.
    Destroyer,
    /// Gives the session a new id, adds one to the counter.
    Mover,
    /// Removes the key that all began with, so that a session may become empty.
    Popper,
}

const ACTORS: [Actor; 5] = [Actor::Writer, Actor::Reader, Actor::Destroyer, Actor::Mover, Actor::Popper];

#[derive(Debug)]
struct Outcome {
    place: usize,
    actor: Actor,
    /// `None` if the session was already missing.
    saved: Option<Saved>,
    cookie: Option<String>,
}

async fn act(sessions: Arc<ServerSessions>, cookie: String, place: usize, actor: Actor) -> Outcome {
    let opened = sessions.open(cookie.as_bytes(), NOW).await.unwrap();
    let Opened::Found { mut session, mut slot } = opened else {
        return Outcome { place, actor, saved: None, cookie: None };
    };
    let mut now = NOW;
    match actor {
        Actor::Writer => {
            session.set(format!("key {place}"), true).unwrap();
            session.increment("n", 1).unwrap();
        }
        Actor::Reader => now = now.saturating_add(LIFETIME / 4),
        Actor::Destroyer => slot.destroy(),
        Actor::Mover => {
            session.increment("n", 1).unwrap();
            slot.regenerate();
        }
        Actor::Popper => drop(session.remove("base")),
    }
    let saved = sessions.save(&mut session, &mut slot, now).await.unwrap();
    let cookie = slot.id().map(|id| sessions.ids().to_cookie(id));
    Outcome { place, actor, saved: Some(saved), cookie }
}

fn run(actors: &[Actor]) {
    run_on(actors, false);
}

fn run_on(actors: &[Actor], careless: bool) {
    block_on(async {
        let memory = MemoryStore::new();
        let ids = Ids::builder().build().unwrap();
        let sessions = Arc::new(ServerSessions::new(
            Arc::new(Yielding { inner: memory.clone(), careless }),
            ids,
            LIFETIME,
        ));
        let (mut session, mut slot) = (SessionDict::new(), Slot::default());
        session.set("base", true).unwrap();
        assert_eq!(sessions.save(&mut session, &mut slot, NOW).await.unwrap(), Saved::Created);
        let cookie = sessions.ids().to_cookie(slot.id().unwrap());
        let tasks: Vec<_> = actors
            .iter()
            .enumerate()
            .map(|(place, actor)| spawn(act(sessions.clone(), cookie.clone(), place, *actor)))
            .collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        check(&sessions, &memory, &cookie, &outcomes).await;
    });
}

async fn check(sessions: &ServerSessions, memory: &MemoryStore, cookie: &str, outcomes: &[Outcome]) {
    let context = || format!("{outcomes:?}");
    let acknowledged = |actor: Actor, wanted: fn(Saved) -> bool| {
        outcomes.iter().filter(|outcome| outcome.actor == actor && outcome.saved.is_some_and(wanted)).count()
    };
    let ended = acknowledged(Actor::Destroyer, |saved| saved == Saved::Deleted) > 0;
    let moved = acknowledged(Actor::Mover, |saved| saved == Saved::Regenerated);
    let emptied = acknowledged(Actor::Popper, |saved| saved == Saved::Deleted) > 0;
    assert!(moved <= 1, "one id follows the old one: {}", context());

    let old = found(sessions, cookie).await;
    let mover = outcomes.iter().find(|outcome| outcome.saved == Some(Saved::Regenerated));
    let new = match mover.and_then(|mover| mover.cookie.as_deref()) {
        Some(cookie) => found(sessions, cookie).await,
        None => None,
    };
    if ended || moved > 0 || emptied {
        assert_eq!(old, None, "a deleted session does not come back: {}", context());
    }
    let live = new.or(old);
    assert_eq!(live.is_some(), moved > 0 || !(ended || emptied), "{}", context());
    assert_eq!(memory.len(), usize::from(live.is_some()), "no record is left over: {}", context());

    for outcome in outcomes {
        if outcome.saved == Some(Saved::Gone) || outcome.saved.is_none() {
            assert!(ended || moved > 0 || emptied, "gone without a reason: {}", context());
        }
    }
    let Some(live) = live else { return };
    let mut sum = moved;
    for outcome in outcomes {
        let written = matches!(outcome.saved, Some(Saved::Replaced { .. }));
        if outcome.actor == Actor::Writer && written {
            assert!(live.contains(format!("key {}", outcome.place)), "a lost update: {}", context());
            sum += 1;
        }
        if outcome.actor == Actor::Popper && written {
            assert!(!live.contains("base"), "a removal that came back: {}", context());
        }
    }
    let n = SessionDict::from_dict(live).get::<usize>("n").unwrap().unwrap_or(0);
    assert_eq!(n, sum, "every acknowledged increment counts once: {}", context());
}

async fn found(sessions: &ServerSessions, cookie: &str) -> Option<Dict> {
    match sessions.open(cookie.as_bytes(), NOW).await.unwrap() {
        Opened::Found { session, .. } => Some(session.to_dict()),
        _ => None,
    }
}

/// All combinations of three actors.
fn triples() -> impl Iterator<Item = [Actor; 3]> {
    (0..5).flat_map(|a| (a..5).flat_map(move |b| (b..5).map(move |c| [ACTORS[a], ACTORS[b], ACTORS[c]])))
}

#[test]
fn two_requests_in_every_order_lose_nothing() {
    for (place, one) in ACTORS.into_iter().enumerate() {
        for other in &ACTORS[place..] {
            let actors = [one, *other];
            shuttle::check_dfs(move || run(&actors), None);
        }
    }
}

#[test]
fn three_requests_in_random_orders() {
    for actors in triples() {
        shuttle::check_random(move || run(&actors), 500);
        shuttle::check_pct(move || run(&actors), 500, 3);
    }
}

#[test]
#[ignore = "takes minutes; for changes of the save algorithm"]
fn three_requests_in_twenty_thousand_orders_each() {
    for actors in triples() {
        shuttle::check_dfs(move || run(&actors), Some(20_000));
    }
}

/// The model detects a broken store.
#[test]
#[should_panic(expected = "a lost update")]
fn careless_delete_if_is_detected() {
    let actors = [Actor::Writer, Actor::Mover];
    shuttle::check_dfs(move || run_on(&actors, true), None);
}

#[test]
fn five_requests_in_random_orders() {
    let actors = [Actor::Writer, Actor::Writer, Actor::Mover, Actor::Popper, Actor::Reader];
    shuttle::check_pct(move || run(&actors), 2_000, 4);
    let actors = [Actor::Writer, Actor::Mover, Actor::Mover, Actor::Writer, Actor::Destroyer];
    shuttle::check_pct(move || run(&actors), 2_000, 4);
}

/// A store that yields before every call.
struct Yielding {
    inner: MemoryStore,
    /// `delete_if` deletes the current record without comparing.
    careless: bool,
}

impl StoreWrapper for Yielding {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }

    fn around<'a, T: Send + 'a>(&'a self, _: StoreMethod, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        Box::pin(async move {
            yield_now().await;
            call.await
        })
    }

    fn delete_if<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        now: UnixTime,
    ) -> StoreFuture<'a, DeletedIf> {
        Box::pin(async move {
            yield_now().await;
            let current = Store::load(&self.inner, key, now).await?;
            let expected = current.as_ref().filter(|_| self.careless).unwrap_or(expected);
            Store::delete_if(&self.inner, key, expected, now).await
        })
    }
}

impl fmt::Debug for Yielding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Yielding").field(&self.inner).finish()
    }
}
