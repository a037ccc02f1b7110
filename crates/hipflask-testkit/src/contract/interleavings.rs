//! Two requests of one session, step by step: what each of them saves is kept, and what was ended stays so.

use hipflask_core::session::SessionDict;
use hipflask_core::value::{Dict, Value};
use hipflask_store::Scan;
use hipflask_store::save::{Opened, SaveError, Saved, ServerSessions, Slot, TransactError};

use super::together::{give_way, together};
use super::{Bench, LIFETIME, now};

pub(super) async fn all(bench: &Bench) {
    for case in 0..2 {
        writers_of_different_keys(bench, case == 1).await;
    }
    writers_of_one_key(bench).await;
    counters_lists_and_flashes(bench).await;
    writer_and_destroyer(bench).await;
    reader_and_destroyer(bench).await;
    emptied_and_written(bench).await;
    cleared_and_written(bench).await;
    regenerate_and_write(bench).await;
    regenerate_twice(bench).await;
    regenerate_when_empty(bench).await;
    destroyed_while_regenerated(bench).await;
    purge_and_write(bench).await;
    transactions(bench).await;
    fifty_increments(bench).await;
    fifty_transactions(bench).await;
}

/// A session that a request has opened.
struct Request<'s> {
    sessions: &'s ServerSessions,
    session: SessionDict,
    slot: Slot,
}

impl<'s> Request<'s> {
    async fn open(sessions: &'s ServerSessions, cookie: &str) -> Self {
        match sessions.open(cookie.as_bytes(), now()).await.expect("open") {
            Opened::Found { session, slot } => Self { sessions, session, slot: *slot },
            other => panic!("load: a session that was saved is found: {other:?}"),
        }
    }

    async fn save(&mut self) -> Saved {
        self.try_save().await.expect("save")
    }

    async fn try_save(&mut self) -> Result<Saved, SaveError> {
        self.sessions.save(&mut self.session, &mut self.slot, now()).await
    }

    fn cookie(&self) -> String {
        self.sessions.ids().to_cookie(self.slot.id().expect("it is stored"))
    }
}

/// A stored session that holds `entries`, and its cookie.
pub(super) async fn stored(sessions: &ServerSessions, entries: &[(&str, Value)]) -> String {
    let mut slot = Slot::default();
    let mut session = SessionDict::new();
    for (key, value) in entries {
        session.insert(*key, value.clone()).expect("a plain value");
    }
    let saved = sessions.save(&mut session, &mut slot, now()).await.expect("save");
    assert_eq!(saved, Saved::Created, "create, in a save: a new session is created");
    sessions.ids().to_cookie(slot.id().expect("it was created"))
}

/// Returns the content that a later request finds; `None` if the session is missing.
pub(super) async fn found(sessions: &ServerSessions, cookie: &str) -> Option<Dict> {
    match sessions.open(cookie.as_bytes(), now()).await.expect("open") {
        Opened::Found { session, .. } => Some(session.to_dict()),
        Opened::Unknown => None,
        other => panic!("load: a session is found or missing: {other:?}"),
    }
}

fn dict<const N: usize>(entries: [(&str, Value); N]) -> Dict {
    Dict::from(entries)
}

async fn writers_of_different_keys(bench: &Bench, first_opened_saves_first: bool) {
    let sessions = &bench.sessions();
    let cookie = stored(sessions, &[("base", 1.into()), ("old", 1.into())]).await;
    let mut one = Request::open(sessions, &cookie).await;
    let mut two = Request::open(sessions, &cookie).await;
    one.session.set("a", 1).expect("set");
    two.session.set("b", 2).expect("set");
    two.session.remove("old");
    let (first, second) = if first_opened_saves_first { (&mut one, &mut two) } else { (&mut two, &mut one) };
    assert_eq!(
        first.save().await,
        Saved::Replaced { merged: false },
        "replace, in two saves: a changed session is replaced"
    );
    assert_eq!(
        second.save().await,
        Saved::Replaced { merged: true },
        "replace, in two saves: the second save merges"
    );
    let expected = dict([("base", 1.into()), ("a", 1.into()), ("b", 2.into())]);
    assert_eq!(
        found(sessions, &cookie).await,
        Some(expected),
        "replace, in two saves: both writers keep their keys"
    );
    assert_eq!(
        second.save().await,
        Saved::Unchanged,
        "replace, in two saves: saving again finds nothing to do"
    );
}

async fn writers_of_one_key(bench: &Bench) {
    let sessions = &bench.sessions();
    let cookie = stored(sessions, &[("a", 0.into())]).await;
    let mut one = Request::open(sessions, &cookie).await;
    let mut two = Request::open(sessions, &cookie).await;
    one.session.set("a", 1).expect("set");
    two.session.set("a", 2).expect("set");
    let _ = (one.save().await, two.save().await);
    assert_eq!(
        found(sessions, &cookie).await,
        Some(dict([("a", 2.into())])),
        "replace, in two saves: the later save of one key wins"
    );
}

async fn counters_lists_and_flashes(bench: &Bench) {
    let sessions = &bench.sessions();
    let cookie = stored(sessions, &[("n", 10.into()), ("log", Value::List(vec!["base".into()]))]).await;
    let mut one = Request::open(sessions, &cookie).await;
    let mut two = Request::open(sessions, &cookie).await;
    for (request, name) in [(&mut one, "one"), (&mut two, "two")] {
        request.session.increment("n", 5).expect("increment");
        request.session.push("log", name).expect("push");
        request.session.flash(name).expect("flash");
    }
    let _ = (one.save().await, two.save().await);
    let found = found(sessions, &cookie).await.expect("there");
    assert_eq!(found.get("n"), Some(&20.into()), "replace, in two saves: increments add up");
    let log = Value::List(["base", "one", "two"].map(Value::from).into());
    assert_eq!(found.get("log"), Some(&log), "replace, in two saves: pushes are all kept");
    assert_eq!(
        found.get("_flashes").and_then(Value::as_items).map(<[Value]>::len),
        Some(2),
        "replace, in two saves: flashes are all kept"
    );
}

async fn writer_and_destroyer(bench: &Bench) {
    let sessions = &bench.sessions();
    let cookie = stored(sessions, &[("user", "ada".into())]).await;
    let mut writer = Request::open(sessions, &cookie).await;
    let mut destroyer = Request::open(sessions, &cookie).await;
    writer.session.set("late", true).expect("set");
    destroyer.slot.destroy();
    assert_eq!(destroyer.save().await, Saved::Deleted, "delete, during a save: the session is deleted");
    assert_eq!(
        writer.save().await,
        Saved::Gone,
        "delete, during a save: a slow writer does not re-create the session"
    );
    assert_eq!(
        found(sessions, &cookie).await,
        None,
        "delete, during a save: a deleted session is not re-created"
    );
    assert!(writer.slot.id().is_none(), "delete, during a save: its writer has no id any more");
    // The other way round the end has the last word as well.
    let cookie = stored(sessions, &[("user", "ada".into())]).await;
    let mut writer = Request::open(sessions, &cookie).await;
    let mut destroyer = Request::open(sessions, &cookie).await;
    writer.session.set("early", true).expect("set");
    assert_eq!(
        writer.save().await,
        Saved::Replaced { merged: false },
        "delete, during a save: a changed session is replaced"
    );
    destroyer.slot.destroy();
    assert_eq!(
        destroyer.save().await,
        Saved::Deleted,
        "delete, during a save: the session is deleted whatever it holds"
    );
    assert_eq!(found(sessions, &cookie).await, None, "delete, during a save: the session is gone");
}

async fn reader_and_destroyer(bench: &Bench) {
    let sessions = &bench.sessions();
    let cookie = stored(sessions, &[("user", "ada".into())]).await;
    let mut reader = Request::open(sessions, &cookie).await;
    let mut destroyer = Request::open(sessions, &cookie).await;
    destroyer.slot.destroy();
    assert_eq!(destroyer.save().await, Saved::Deleted, "delete, during a read: the session is deleted");
    assert_eq!(
        reader.save().await,
        Saved::Unchanged,
        "delete, during a read: a session that was only read is not written"
    );
    // Late enough that its life would be extended.
    let later = now().saturating_add(LIFETIME / 4);
    let saved = sessions.save(&mut reader.session, &mut reader.slot, later).await.expect("save");
    assert_eq!(saved, Saved::Gone, "delete, during a read: a touch does not re-create the session");
    assert_eq!(found(sessions, &cookie).await, None, "delete, during a read: the session is gone");
}

async fn emptied_and_written(bench: &Bench) {
    let sessions = &bench.sessions();
    let cookie = stored(sessions, &[("user", "ada".into())]).await;
    let mut popper = Request::open(sessions, &cookie).await;
    let mut writer = Request::open(sessions, &cookie).await;
    popper.session.remove("user");
    writer.session.set("cart", 1).expect("set");
    let _ = writer.save().await;
    assert_eq!(
        popper.save().await,
        Saved::Replaced { merged: true },
        "delete_if, during a save: a change of another request is kept"
    );
    assert_eq!(
        found(sessions, &cookie).await,
        Some(dict([("cart", 1.into())])),
        "delete_if, during a save: the session holds what was saved"
    );
    let mut popper = Request::open(sessions, &cookie).await;
    popper.session.remove("cart");
    assert_eq!(popper.save().await, Saved::Deleted, "delete_if, during a save: an empty session is deleted");
    assert_eq!(found(sessions, &cookie).await, None, "delete_if, during a save: the session is gone");
}

async fn cleared_and_written(bench: &Bench) {
    let sessions = &bench.sessions();
    let cookie = stored(sessions, &[("user", "ada".into())]).await;
    let mut leaver = Request::open(sessions, &cookie).await;
    let mut writer = Request::open(sessions, &cookie).await;
    leaver.session.clear();
    writer.session.set("cart", 1).expect("set");
    let _ = writer.save().await;
    assert_eq!(
        leaver.save().await,
        Saved::Deleted,
        "delete, after a clear: a cleared session is deleted with what others added"
    );
    assert_eq!(found(sessions, &cookie).await, None, "delete, after a clear: the session is gone");
}

async fn regenerate_and_write(bench: &Bench) {
    for writer_first in [true, false] {
        let sessions = &bench.sessions();
        let cookie = stored(sessions, &[("cart", 1.into())]).await;
        let mut login = Request::open(sessions, &cookie).await;
        let mut writer = Request::open(sessions, &cookie).await;
        login.session.set("user", "ada").expect("set");
        login.slot.regenerate();
        writer.session.set("cart", 2).expect("set");
        if writer_first {
            assert_eq!(
                writer.save().await,
                Saved::Replaced { merged: false },
                "create and delete_if, for a new id: a changed session is replaced"
            );
        }
        assert_eq!(
            login.save().await,
            Saved::Regenerated,
            "create and delete_if, for a new id: the session moves to its new id"
        );
        if !writer_first {
            assert_eq!(
                writer.save().await,
                Saved::Gone,
                "create and delete_if, for a new id: the old id is deleted"
            );
        }
        assert_ne!(login.cookie(), cookie, "create and delete_if, for a new id: the id is a new one");
        assert_eq!(
            found(sessions, &cookie).await,
            None,
            "create and delete_if, for a new id: the old id is deleted"
        );
        let cart = if writer_first { 2 } else { 1 };
        let expected = dict([("cart", cart.into()), ("user", "ada".into())]);
        assert_eq!(
            found(sessions, &login.cookie()).await,
            Some(expected),
            "create and delete_if, for a new id: what was saved moves to the new id"
        );
    }
}

async fn regenerate_twice(bench: &Bench) {
    let sessions = &bench.sessions();
    let before = count(bench).await;
    let cookie = stored(sessions, &[("a", 1.into())]).await;
    let mut one = Request::open(sessions, &cookie).await;
    let mut two = Request::open(sessions, &cookie).await;
    one.slot.regenerate();
    two.slot.regenerate();
    assert_eq!(
        one.save().await,
        Saved::Regenerated,
        "create and delete_if, for two new ids: the session moves to its new id"
    );
    assert_eq!(
        two.save().await,
        Saved::Gone,
        "create and delete_if, for two new ids: exactly one new id exists"
    );
    assert_eq!(
        found(sessions, &one.cookie()).await,
        Some(dict([("a", 1.into())])),
        "create and delete_if, for two new ids: the session holds what was saved"
    );
    assert_eq!(
        found(sessions, &cookie).await,
        None,
        "create and delete_if, for two new ids: the session is gone"
    );
    assert_eq!(
        count(bench).await,
        before.map(|before| before + 1),
        "create and delete_if, for two new ids: no extra record remains"
    );
}

async fn regenerate_when_empty(bench: &Bench) {
    let sessions = &bench.sessions();
    let cookie = stored(sessions, &[("a", 1.into())]).await;
    let mut request = Request::open(sessions, &cookie).await;
    request.session.clear();
    request.slot.regenerate();
    request.session.set("user", "ada").expect("set");
    assert_eq!(
        request.save().await,
        Saved::Regenerated,
        "create and delete_if, for a new id: clear, regenerate and set give a new id, unlike in Flask-Session"
    );
    assert_ne!(request.cookie(), cookie, "create and delete_if, for a new id: the id is a new one");
    assert_eq!(
        found(sessions, &cookie).await,
        None,
        "create and delete_if, for a new id: the session is gone"
    );
    assert_eq!(
        found(sessions, &request.cookie()).await,
        Some(dict([("user", "ada".into())])),
        "create and delete_if, for a new id: the session holds what was saved"
    );
    let mut request = Request::open(sessions, &request.cookie()).await;
    request.session.clear();
    request.slot.regenerate();
    assert_eq!(
        request.save().await,
        Saved::Deleted,
        "create and delete_if, for a new id: an empty session is deleted"
    );
    request.session.set("user", "bob").expect("set");
    assert_eq!(
        request.save().await,
        Saved::Created,
        "create and delete_if, for a new id: a session that is set afterwards gets a new id"
    );
}

async fn destroyed_while_regenerated(bench: &Bench) {
    let sessions = &bench.sessions();
    let before = count(bench).await;
    let cookie = stored(sessions, &[("a", 1.into())]).await;
    let mut mover = Request::open(sessions, &cookie).await;
    let mut destroyer = Request::open(sessions, &cookie).await;
    mover.slot.regenerate();
    destroyer.slot.destroy();
    assert_eq!(destroyer.save().await, Saved::Deleted, "delete, during a new id: the session is deleted");
    assert_eq!(mover.save().await, Saved::Gone, "delete, during a new id: a deleted session gets no new id");
    assert_eq!(count(bench).await, before, "delete, during a new id: no extra record remains");
}

async fn purge_and_write(bench: &Bench) {
    let sessions = &bench.sessions();
    let cookie = stored(sessions, &[("a", 1.into())]).await;
    let mut writer = Request::open(sessions, &cookie).await;
    writer.session.set("b", 2).expect("set");
    bench.store.purge_expired(now()).await.expect("purge");
    assert_eq!(
        writer.save().await,
        Saved::Replaced { merged: false },
        "purge_expired, during a save: a live record is kept"
    );
    bench.store.purge_expired(now()).await.expect("purge");
    assert_eq!(
        found(sessions, &cookie).await,
        Some(dict([("a", 1.into()), ("b", 2.into())])),
        "purge_expired, during a save: the session holds what was saved"
    );
}

async fn transactions(bench: &Bench) {
    let sessions = &bench.sessions();
    let cookie = stored(sessions, &[("left", 1.into())]).await;
    let mut one = Request::open(sessions, &cookie).await;
    let mut two = Request::open(sessions, &cookie).await;
    let take = |session: &mut SessionDict| match session.get::<i64>("left").expect("a number") {
        Some(left) if left > 0 => session.set("left", left - 1).map_err(|_| "set"),
        _ => Err("nothing is left"),
    };
    let (session, slot) = (&mut one.session, &mut one.slot);
    sessions.transact(session, slot, now(), take).await.expect("the first takes the last one");
    two.session.set("seen", true).expect("set");
    let (session, slot) = (&mut two.session, &mut two.slot);
    match sessions.transact(session, slot, now(), take).await {
        Err(TransactError::Refused(reason)) => {
            assert_eq!(
                reason, "nothing is left",
                "replace, in a transaction: the closure sees the newest data"
            )
        }
        other => panic!("replace, in a transaction: the closure sees the newest data: {other:?}"),
    }
    assert!(
        matches!(two.save().await, Saved::Replaced { .. }),
        "replace, in a transaction: other changes are saved"
    );
    assert_eq!(
        one.save().await,
        Saved::Unchanged,
        "replace, in a transaction: a transaction is not saved twice"
    );
    assert_eq!(
        found(sessions, &cookie).await,
        Some(dict([("left", 0.into()), ("seen", true.into())])),
        "replace, in a transaction: the session holds what was saved"
    );
    // A deleted session has no transactions.
    let mut late = Request::open(sessions, &cookie).await;
    one.slot.destroy();
    let _ = one.save().await;
    let answer =
        sessions.transact(&mut late.session, &mut late.slot, now(), |session| session.increment("left", 1));
    assert!(
        matches!(answer.await, Err(TransactError::Gone)),
        "replace, in a transaction: a deleted session has no transaction"
    );
    assert_eq!(found(sessions, &cookie).await, None, "replace, in a transaction: the session is gone");
}

/// Gives way between load and save, so that all overlap.
async fn fifty_increments(bench: &Bench) {
    let sessions = &bench.sessions();
    let cookie = &stored(sessions, &[("n", 0.into())]).await;
    let saved = together((0..50).map(|_| async move {
        let mut request = Request::open(sessions, cookie).await;
        give_way().await;
        request.session.increment("n", 1).expect("increment");
        request.try_save().await
    }))
    .await;
    assert!(
        saved.iter().all(|saved| matches!(saved, Ok(Saved::Replaced { .. }))),
        "replace, in 50 saves: {saved:?}"
    );
    assert_eq!(
        found(sessions, cookie).await,
        Some(dict([("n", 50.into())])),
        "replace, in 50 saves: no increment is lost"
    );
}

async fn fifty_transactions(bench: &Bench) {
    let sessions = &bench.sessions();
    let cookie = &stored(sessions, &[("n", 0.into())]).await;
    let seen = together((0..50).map(|_| async move {
        let mut request = Request::open(sessions, cookie).await;
        give_way().await;
        let (session, slot) = (&mut request.session, &mut request.slot);
        let add = |session: &mut SessionDict| {
            let n = session.get::<i64>("n")?.unwrap_or(0);
            session.set("n", n + 1).map(|()| n)
        };
        sessions.transact(session, slot, now(), add).await.expect("transact")
    }))
    .await;
    let mut seen = seen;
    seen.sort_unstable();
    assert_eq!(
        seen,
        (0..50).collect::<Vec<i64>>(),
        "replace, in 50 transactions: every transaction saw another number"
    );
    assert_eq!(
        found(sessions, cookie).await,
        Some(dict([("n", 50.into())])),
        "replace, in 50 transactions: the session holds what was saved"
    );
}

/// Returns the number of the suite's records in the store, if the store can list them.
pub(super) async fn count(bench: &Bench) -> Option<usize> {
    let mut scan = Scan::new(&*bench.prefix);
    let mut count = 0;
    loop {
        let page = bench.store.scan(&scan, now()).await.ok()?;
        count += page.entries.len();
        match page.next {
            Some(next) => scan = scan.from(next),
            None => return Some(count),
        }
    }
}
