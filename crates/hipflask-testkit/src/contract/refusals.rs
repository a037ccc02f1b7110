//! Input that must not reach the store, and failures of the store.

use std::sync::Arc;

use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Value};
use hipflask_store::save::{Opened, SaveError, Saved, ServerSessions, Slot};

use super::interleavings::{count, found, stored};
use super::{Bench, LIFETIME, now};
use crate::faults::{Fault, When};
use crate::rng::TestRng;
use crate::store_spy::{SpyStore, StoreMethod};

pub(super) async fn all(bench: &Bench) {
    calls_are_as_few_as_can_be(bench).await;
    odd_ids_reach_no_store(bench).await;
    taken_ids(bench).await;
    a_failed_read_writes_nothing(bench).await;
    for when in [When::Before, When::After] {
        for act in ACTS {
            failing_calls(bench, act, when).await;
        }
    }
}

fn spied(bench: &Bench) -> (SpyStore, ServerSessions) {
    let spy = SpyStore::around(bench.store.clone());
    (spy.clone(), bench.sessions_in(Arc::new(spy)))
}

async fn open(sessions: &ServerSessions, cookie: &str) -> (SessionDict, Slot) {
    match sessions.open(cookie.as_bytes(), now()).await.expect("open") {
        Opened::Found { session, slot } => (session, *slot),
        other => panic!("load: a session that was saved is found: {other:?}"),
    }
}

/// A session whose calls to the store are counted.
struct Counted {
    spy: SpyStore,
    sessions: ServerSessions,
    session: SessionDict,
    slot: Slot,
}

impl Counted {
    async fn open(&mut self, cookie: &str) {
        self.spy.forget();
        (self.session, self.slot) = open(&self.sessions, cookie).await;
        assert_eq!(self.spy.calls(), [StoreMethod::Load], "calls of a save: to open is one call");
    }

    async fn saves(&mut self, at: UnixTime, saved: Saved, calls: &[StoreMethod], rule: &str) {
        self.spy.forget();
        let outcome = self.sessions.save(&mut self.session, &mut self.slot, at).await.expect("save");
        assert_eq!(outcome, saved, "calls of a save: {rule}");
        assert_eq!(self.spy.calls(), calls, "calls of a save: {rule}");
    }
}

async fn calls_are_as_few_as_can_be(bench: &Bench) {
    use StoreMethod::{Create, Delete, DeleteIf, Replace, Touch};
    let (spy, sessions) = spied(bench);
    let mut step = Counted { spy, sessions, session: SessionDict::new(), slot: Slot::default() };
    step.saves(now(), Saved::Unchanged, &[], "an empty session is not stored").await;
    step.session.set_permanent(true);
    step.session.clear();
    step.slot.regenerate();
    step.saves(now(), Saved::Unchanged, &[], "an empty session gets no new id").await;
    step.slot.destroy();
    step.saves(now(), Saved::Unchanged, &[], "a session that is not stored is not deleted").await;
    step.session.set("a", 1).expect("set");
    step.saves(now(), Saved::Created, &[Create], "a new session is one call").await;

    let cookie = step.sessions.ids().to_cookie(step.slot.id().expect("created"));
    step.open(&cookie).await;
    step.saves(now(), Saved::Unchanged, &[], "a session that was only read is not written").await;
    let later = now().saturating_add(LIFETIME / 4);
    step.saves(later, Saved::Touched, &[Touch], "the expiry is extended").await;
    assert_eq!(step.spy.bytes_written(), 0, "calls of a save: a touch carries no data");
    step.saves(later, Saved::Unchanged, &[], "a touch is not due at once again").await;
    step.session.set("a", 1).expect("set");
    step.saves(later, Saved::Unchanged, &[], "a value that is set to what it was is not written").await;
    step.session.set("a", 2).expect("set");
    step.saves(now(), Saved::Replaced { merged: false }, &[Replace], "a changed session is one call").await;
    step.slot.regenerate();
    step.saves(now(), Saved::Regenerated, &[Create, DeleteIf], "a new id is two calls").await;
    step.slot.destroy();
    step.saves(now(), Saved::Deleted, &[Delete], "a deletion is one call").await;
    unknown_ids_cost_one_load(&step.spy, &step.sessions).await;
}

async fn unknown_ids_cost_one_load(spy: &SpyStore, sessions: &ServerSessions) {
    let unknown = sessions.ids().to_cookie(&sessions.ids().fresh().expect("rng"));
    spy.forget();
    let opened = sessions.open(unknown.as_bytes(), now()).await.expect("open");
    assert!(matches!(opened, Opened::Unknown), "calls of a save: an unknown id is not adopted");
    assert_eq!(spy.calls(), [StoreMethod::Load], "calls of a save: one load and nothing else");
}

/// Ten thousand values that are not ids, although some nearly are.
async fn odd_ids_reach_no_store(bench: &Bench) {
    let (spy, sessions) = spied(bench);
    let mut rng = TestRng::fresh();
    let good = sessions.ids().to_cookie(&sessions.ids().fresh().expect("rng")).into_bytes();
    for _ in 0..10_000 {
        let value = odd(&mut rng, &good);
        let opened =
            sessions.open(&value, now()).await.expect("open: a malformed id does not reach the store");
        assert!(
            matches!(opened, Opened::NotAnId(_)),
            "load, for what is not an id: never called for {}",
            value.escape_ascii()
        );
    }
    assert_eq!(spy.calls(), [], "load, for what is not an id: the store is not called");
    assert_eq!(
        sessions.stats().refused,
        10_000,
        "load, for what is not an id: every value is counted as refused"
    );
}

fn odd(rng: &mut TestRng, good: &[u8]) -> Vec<u8> {
    const EVIL: &[&[u8]] = &[
        b"",
        b".",
        b"..",
        b"../../../etc/passwd",
        b"session:",
        b"*",
        b"\0",
        b"\r\nflush_all\r\n",
        b"'; drop table sessions;--",
        b"{$ne:null}",
        b"%2e%2e%2f",
        b"CON",
        b"NUL",
        b"null",
        b"undefined",
        b"6F9619FF-8B86-4011-B42D-00C04FC964FF",
        b"00000000-0000-0000-0000-000000000000",
        "\u{202e}\u{e9}".as_bytes(),
    ];
    const WRONG: &[u8] = b" /+=.:;,'\"\\*?%~\0\r\n\t\x7f\x80\xff\xc3";
    let mut value = good.to_vec();
    let place = rng.below(value.len());
    match rng.below(6) {
        0 => return rng.pick(EVIL).to_vec(),
        1 => value[place] = *rng.pick(WRONG),
        2 => value.insert(place, *rng.pick(WRONG)),
        3 => value.truncate(place),
        4 => value.extend_from_slice(&good[..1 + place]),
        _ => return (0..rng.below(300)).map(|_| rng.next() as u8).collect(),
    }
    value
}

async fn taken_ids(bench: &Bench) {
    let (spy, sessions) = spied(bench);
    let victim = stored(&sessions, &[("user", "ada".into())]).await;
    spy.collide(3);
    let cookie = stored(&sessions, &[("user", "eve".into())]).await;
    assert_ne!(cookie, victim, "create, for an id that exists: the id is a new one");
    assert_eq!(
        sessions.stats().collisions,
        3,
        "create, for an id that exists: an existing id is left alone and another one is tried"
    );
    assert_eq!(
        found(&sessions, &victim).await,
        Some(Dict::from([("user", "ada")])),
        "create, for an id that exists: the session holds what was saved"
    );
    let (mut session, mut slot) = open(&sessions, &cookie).await;
    spy.collide(2);
    slot.regenerate();
    let saved = sessions.save(&mut session, &mut slot, now()).await.expect("save");
    assert_eq!(saved, Saved::Regenerated, "create, for an id that exists: also when an id is renewed");
    spy.collide(usize::MAX);
    let mut session = SessionDict::new();
    session.set("a", 1).expect("set");
    let saved = sessions.save(&mut session, &mut Slot::default(), now()).await;
    assert!(
        matches!(saved, Err(SaveError::Contended { .. })),
        "create, for an id that exists: the attempts are bounded: {saved:?}"
    );
}

async fn a_failed_read_writes_nothing(bench: &Bench) {
    let (spy, sessions) = spied(bench);
    let cookie = stored(&sessions, &[("a", 1.into())]).await;
    spy.forget();
    spy.set_fault(Some(Fault::at(0, When::Before)));
    let error = sessions.open(cookie.as_bytes(), now()).await.expect_err("the store fails");
    assert!(!error.to_string().contains(&cookie), "load that fails: an error holds no id");
    assert_eq!(spy.calls(), [StoreMethod::Load], "load that fails: one load and nothing else");
    assert_eq!(
        found(&sessions, &cookie).await,
        Some(Dict::from([("a", 1)])),
        "load that fails: nothing is written"
    );
}

/// The change of a request to a session with `a: 1`.
type Act = fn(&mut SessionDict, &mut Slot);

const ACTS: [(&str, Act); 5] = [
    ("write", |session, _| session.set("a", 2).expect("set")),
    ("regenerate", |session, slot| {
        session.set("a", 2).expect("set");
        slot.regenerate();
    }),
    ("destroy", |_, slot| slot.destroy()),
    ("clear", |session, _| session.clear()),
    ("pop", |session, _| drop(session.remove("a"))),
];

/// Each call of an act fails once. What was acknowledged is there; what was not is as it was, or
/// done, or ended, but never half; and the request that failed can be tried again.
async fn failing_calls(bench: &Bench, (name, act): (&str, Act), when: When) {
    let (spy, sessions) = spied(bench);
    for place in 0.. {
        assert!(place < 10, "{name} is a few calls");
        let before = count(bench).await;
        let cookie = stored(&sessions, &[("a", 1.into())]).await;
        let (mut session, mut slot) = open(&sessions, &cookie).await;
        act(&mut session, &mut slot);
        spy.forget();
        spy.set_fault(Some(Fault::at(place, when)));
        let saved = sessions.save(&mut session, &mut slot, now()).await;
        spy.set_fault(None);
        let acknowledged = match saved {
            Ok(_) => true,
            Err(SaveError::Store(_)) => false,
            Err(error) => panic!("{name}, call {place} {when:?}: {error}"),
        };
        let old = found(&sessions, &cookie).await;
        let new = match slot.id() {
            Some(id) => found(&sessions, &sessions.ids().to_cookie(id)).await,
            None => None,
        };
        let holds = |dict: &Option<Dict>, n: i32| {
            dict.as_ref().is_some_and(|dict| dict.get("a") == Some(&Value::from(n)))
        };
        let context = format!("{name}, call {place} {when:?}, acknowledged {acknowledged}: {old:?} {new:?}");
        match (name, acknowledged) {
            ("write", true) => assert!(holds(&old, 2), "{context}"),
            ("regenerate", true) => assert!(holds(&new, 2) && old.is_none(), "{context}"),
            (_, true) => assert!(old.is_none() && new.is_none(), "{context}"),
            (_, false) => {
                assert!(old.is_none() || holds(&old, 1) || holds(&old, 2), "never half: {context}");
                assert!(when == When::After || old.is_some(), "what never arrived has no effect: {context}");
            }
        }
        if let (Some(before), Some(after)) = (before, count(bench).await) {
            // A record whose creation was done and not acknowledged has an id that nobody knows; it expires.
            let unknown =
                usize::from(spy.calls().get(place) == Some(&StoreMethod::Create) && when == When::After);
            assert!(after <= before + 1 + unknown, "a failure leaves no second session: {context}");
        }
        if !acknowledged {
            let again = sessions.save(&mut session, &mut slot, now()).await;
            let again = again.unwrap_or_else(|error| panic!("{context}: a second try: {error}"));
            let old = found(&sessions, &cookie).await;
            match (name, again) {
                ("write", Saved::Replaced { .. } | Saved::Unchanged) => {
                    assert!(holds(&old, 2), "{context}, {again:?}")
                }
                _ => assert!(old.is_none(), "after a second try: {context}, {again:?}"),
            }
        }
        let _ = bench.store.delete(&sessions.ids().key(&id_of(&sessions, &cookie)), now()).await;
        if spy.calls().len() <= place {
            return;
        }
    }
}

fn id_of(sessions: &ServerSessions, cookie: &str) -> hipflask_store::id::SessionId {
    sessions.ids().read(cookie.as_bytes()).expect("our own cookie")
}
