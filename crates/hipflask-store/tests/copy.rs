//! Sessions on their way from one store to another, and what happens to them meanwhile.

#![expect(clippy::unwrap_used, reason = "all of it is tests")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Value};
use hipflask_store::copy::{Copier, CopyError, Journal, JournalError, Outcome, Refusal};
use hipflask_store::file::FileStore;
use hipflask_store::memory::MemoryStore;
use hipflask_store::record::Format;
use hipflask_store::{Deleted, Entry, Key, Scan, Store, Stored};
use hipflask_testkit::contract::block_on;
use hipflask_testkit::faults::{Fault, When};
use hipflask_testkit::store_spy::{SpyStore, StoreMethod};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn key() -> Key {
    Key::new("session:", "VE5rPIvv2sw").unwrap()
}

fn record(n: i64) -> Vec<u8> {
    Format::Msgpack.write(&Dict::from([("n", n)])).unwrap()
}

/// Two stores in memory with somebody between them and the copier.
struct Bench {
    from: MemoryStore,
    to: MemoryStore,
    from_spy: SpyStore,
    to_spy: SpyStore,
}

impl Bench {
    /// With one session at the source.
    fn new() -> Self {
        let (from, to) = (MemoryStore::new(), MemoryStore::new());
        let (from_spy, to_spy) = (SpyStore::new(from.clone()), SpyStore::new(to.clone()));
        put(&from, &record(1), HOUR);
        Self { from, to, from_spy, to_spy }
    }

    fn copier(&self) -> Copier {
        Copier::new(Arc::new(self.from_spy.clone()), Arc::new(self.to_spy.clone()))
    }

    /// Copies what the source lists.
    fn copy_with(&self, copier: &Copier) -> Result<Outcome, CopyError> {
        let page = block_on(self.from.scan(&Scan::new("session:").with_data(), NOW)).unwrap();
        block_on(copier.copy(page.entries.into_iter().next().unwrap(), NOW))
    }

    fn copy(&self) -> Result<Outcome, CopyError> {
        self.copy_with(&self.copier())
    }

    fn there(&self) -> Option<(Vec<u8>, u64)> {
        let stored = block_on(self.to.load(&key(), NOW)).unwrap()?;
        Some((stored.data, stored.expires?.as_secs() - NOW.as_secs()))
    }
}

fn put(store: &MemoryStore, data: &[u8], ttl: Duration) {
    let _ = block_on(store.delete(&key(), NOW)).unwrap();
    let _ = block_on(store.create(&key(), data, ttl, NOW)).unwrap();
}

fn end(store: &MemoryStore) {
    assert_eq!(block_on(store.delete(&key(), NOW)).unwrap(), Deleted::Deleted);
}

fn copied() -> Outcome {
    Outcome::Copied(Vec::new())
}

#[test]
fn copy_keeps_id_values_and_expiry() {
    let bench = Bench::new();
    assert_eq!(bench.copy().unwrap(), copied());
    assert_eq!(bench.there(), Some((record(1), 3600)));
    assert_eq!(bench.copy().unwrap(), Outcome::AlreadyThere, "twice is once");
    assert_eq!(bench.from_spy.bytes_written(), 0, "the source is never changed");
}

#[test]
fn same_session_gets_the_later_expiry() {
    let bench = Bench::new();
    for (here, there, expected) in [(3600, 60, 3600), (60, 3600, 3600)] {
        put(&bench.from, &record(1), Duration::from_secs(here));
        put(&bench.to, &record(1), Duration::from_secs(there));
        assert_eq!(bench.copy().unwrap(), Outcome::AlreadyThere);
        assert_eq!(bench.there(), Some((record(1), expected)));
    }
}

#[test]
fn another_session_under_the_key_is_left_alone() {
    let bench = Bench::new();
    put(&bench.to, &record(2), HOUR);
    assert_eq!(bench.copy().unwrap(), Outcome::Different);
    assert_eq!(bench.there(), Some((record(2), 3600)));
}

#[test]
fn change_at_the_source_during_copy_arrives() {
    let bench = Bench::new();
    let from = bench.from.clone();
    bench.from_spy.meanwhile(StoreMethod::Load, move || put(&from, &record(2), HOUR));
    assert_eq!(bench.copy().unwrap(), copied());
    assert_eq!(bench.there(), Some((record(2), 3600)));
}

#[test]
fn deletion_at_the_source_during_copy_arrives() {
    for call in [StoreMethod::Create, StoreMethod::Load] {
        let bench = Bench::new();
        let from = bench.from.clone();
        let spy = if call == StoreMethod::Create { &bench.to_spy } else { &bench.from_spy };
        spy.meanwhile(call, move || end(&from));
        assert_eq!(bench.copy().unwrap(), Outcome::Ended);
        assert_eq!(bench.there(), None);
    }
}

#[test]
fn change_at_the_destination_is_never_overwritten() {
    let bench = Bench::new();
    let (from, to) = (bench.from.clone(), bench.to.clone());
    bench.from_spy.meanwhile(StoreMethod::Load, move || {
        put(&from, &record(2), HOUR);
        put(&to, &record(7), HOUR);
    });
    assert_eq!(bench.copy().unwrap(), Outcome::Different);
    assert_eq!(bench.there(), Some((record(7), 3600)));

    let bench = Bench::new();
    let (from, to) = (bench.from.clone(), bench.to.clone());
    bench.from_spy.meanwhile(StoreMethod::Load, move || {
        put(&from, &record(2), HOUR);
        end(&to);
    });
    assert_eq!(bench.copy().unwrap(), Outcome::EndedThere);
    assert_eq!(bench.there(), None);

    // It was ended at the source, but somebody at the destination works with it.
    let bench = Bench::new();
    let (from, to) = (bench.from.clone(), bench.to.clone());
    bench.from_spy.meanwhile(StoreMethod::Load, move || {
        end(&from);
        put(&to, &record(7), HOUR);
    });
    assert_eq!(bench.copy().unwrap(), Outcome::Different);
    assert_eq!(bench.there(), Some((record(7), 3600)));
}

#[test]
fn copy_of_another_run_is_not_deleted() {
    let bench = Bench::new();
    put(&bench.to, &record(1), HOUR);
    let from = bench.from.clone();
    bench.from_spy.meanwhile(StoreMethod::Load, move || end(&from));
    assert_eq!(bench.copy().unwrap(), Outcome::AlreadyThere);
    assert!(bench.there().is_some());
}

/// Each call to either store is lost once, or its answer: then the same copy again.
#[test]
fn failed_copy_is_complete_after_the_next() {
    let mut failed = 0;
    for (of_source, place, when) in [true, false]
        .into_iter()
        .flat_map(|of_source| (0..4).map(move |place| (of_source, place)))
        .flat_map(|(of_source, place)| [When::Before, When::After].map(|when| (of_source, place, when)))
    {
        let bench = Bench::new();
        let spy = if of_source { &bench.from_spy } else { &bench.to_spy };
        spy.set_fault(Some(Fault::at(place, when)));
        failed += u32::from(bench.copy().is_err());
        spy.set_fault(None);
        let again = bench.copy().unwrap();
        assert!(again == copied() || again == Outcome::AlreadyThere, "{again:?}");
        assert_eq!(bench.there(), Some((record(1), 3600)));
    }
    assert_eq!(failed, 4, "the one call to each store, before and after");
}

#[test]
fn refused_session_has_a_reason() {
    let bench = Bench::new();
    let tuple = Dict::from([("pair", Value::Tuple(vec![1.into()]))]);
    put(&bench.from, &Format::Pickle.write(&tuple).unwrap(), HOUR);
    match bench.copy().unwrap() {
        Outcome::Refused(refusal @ Refusal::Changes(_)) => {
            assert_eq!(refusal.to_string(), "\"pair\" (tuple to list) would become another type");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.there(), None);
    let copier = bench.copier().accept_changes(true);
    assert!(matches!(bench.copy_with(&copier).unwrap(), Outcome::Copied(changes) if changes.len() == 1));
    let pickles = bench.copier().format(Format::Pickle);
    end(&bench.to);
    assert_eq!(bench.copy_with(&pickles).unwrap(), copied());

    put(&bench.from, b"garbage", HOUR);
    assert!(matches!(bench.copy().unwrap(), Outcome::Unreadable(_)));

    let entry = |expires| Entry { key: key(), bytes: 0, expires, data: Some(record(1)) };
    let endless = block_on(bench.copier().copy(entry(None), NOW)).unwrap();
    assert_eq!(endless, Outcome::Refused(Refusal::Endless));
    assert_eq!(block_on(bench.copier().copy(entry(Some(NOW)), NOW)).unwrap(), Outcome::Expired);
    let at_rest = Entry { key: Key::at_rest("0".repeat(64)).unwrap(), ..entry(None) };
    let copier = Copier::new(Arc::new(FileStore::new("nowhere")), Arc::new(bench.to.clone()));
    assert_eq!(block_on(copier.copy(at_rest, NOW)).unwrap(), Outcome::Refused(Refusal::NameOnly));
}

#[test]
fn keys_get_the_prefix_of_the_destination() {
    let bench = Bench::new();
    assert_eq!(bench.copy_with(&bench.copier().prefixes("session:", "shop:")).unwrap(), copied());
    let moved = Key::new("shop:", "VE5rPIvv2sw").unwrap();
    assert!(block_on(bench.to.load(&moved, NOW)).unwrap().is_some() && bench.there().is_none());
}

#[test]
fn file_is_copied_under_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let store = |name: &str| Arc::new(FileStore::new(directory.path().join(name)));
    let (from, to) = (store("from"), store("to"));
    let pickle = Format::Pickle.write(&Dict::from([("pair", Value::Tuple(vec![1.into()]))])).unwrap();
    let _ = block_on(from.create(&key(), &pickle, HOUR, NOW)).unwrap();
    let page = block_on(from.scan(&Scan::new("session:").with_data(), NOW)).unwrap();
    let copier = Copier::new(from, to.clone());
    let outcome = block_on(copier.copy(page.entries.into_iter().next().unwrap(), NOW)).unwrap();
    assert_eq!(outcome, copied());
    assert_eq!(block_on(to.load(&key(), NOW)).unwrap().unwrap().data, pickle, "it is found by its id");
}

fn journal(path: &Path) -> Arc<Journal> {
    Arc::new(Journal::open(path, "from", "to").unwrap())
}

#[test]
fn journal_updates_unchanged_copies() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let bench = Bench::new();
    let copy = || bench.copy_with(&bench.copier().journal(journal(&path))).unwrap();
    assert_eq!(copy(), copied());
    put(&bench.from, &record(2), HOUR);
    assert_eq!(bench.copy().unwrap(), Outcome::Different, "without the journal nobody knows whose is newer");
    assert_eq!(copy(), Outcome::Updated(Vec::new()));
    assert_eq!(bench.there(), Some((record(2), 3600)));
    put(&bench.from, &record(3), HOUR);
    put(&bench.to, &record(7), HOUR);
    assert_eq!(copy(), Outcome::Different, "it was changed there");
    assert_eq!(bench.there(), Some((record(7), 3600)));
}

#[test]
fn journal_keeps_deleted_copies_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let bench = Bench::new();
    let copy = || bench.copy_with(&bench.copier().journal(journal(&path))).unwrap();
    put(&bench.from, &record(1), Duration::from_secs(60));
    assert_eq!(copy(), copied());
    end(&bench.to);
    assert_eq!(copy(), Outcome::EndedThere);
    assert_eq!(bench.there(), None);

    // Used at the source alone, it lives on there after its copy has expired.
    put(&bench.from, &record(1), HOUR);
    let later = UnixTime::from_secs(NOW.as_secs() + 61);
    let page = block_on(bench.from.scan(&Scan::new("session:").with_data(), later)).unwrap();
    let copier = bench.copier().journal(journal(&path));
    let outcome = block_on(copier.copy(page.entries.into_iter().next().unwrap(), later)).unwrap();
    assert_eq!(outcome, copied());
}

#[test]
fn journal_finds_sessions_deleted_at_the_source() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let listed = |bench: &Bench| {
        let page = block_on(bench.to.scan(&Scan::new("session:").with_data(), NOW)).unwrap();
        page.entries.into_iter().next().unwrap()
    };
    let bench = Bench::new();
    let copier = || bench.copier().journal(journal(&path));
    assert_eq!(bench.copy_with(&copier()).unwrap(), copied());
    let missing = |end, now| block_on(copier().missing(listed(&bench), end, now)).unwrap();
    assert_eq!(missing(true, NOW), None, "it is at the source");
    end(&bench.from);
    let later = UnixTime::from_secs(NOW.as_secs() + 3600);
    assert_eq!(missing(true, later), None, "it may have expired there, as it was to");
    assert_eq!(missing(false, NOW), Some(Outcome::Missing));
    assert!(bench.there().is_some());
    put(&bench.to, &record(7), HOUR);
    assert_eq!(missing(true, NOW), None, "somebody works with it");
    put(&bench.to, &record(1), HOUR);
    let unknown = block_on(bench.copier().missing(listed(&bench), true, NOW)).unwrap();
    assert_eq!(unknown, None, "without a journal nobody knows where it is from");
    assert_eq!(missing(true, NOW), Some(Outcome::Ended));
    assert_eq!(bench.there(), None);
}

#[test]
fn removed_copy_is_copied_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let bench = Bench::new();
    let copy = || bench.copy_with(&bench.copier().journal(journal(&path))).unwrap();
    let from = bench.from.clone();
    bench.from_spy.meanwhile(StoreMethod::Load, move || end(&from));
    assert_eq!(copy(), Outcome::Ended);
    assert_eq!(journal(&path).len(), 0);
    put(&bench.from, &record(2), HOUR);
    assert_eq!(copy(), copied());
}

#[test]
fn session_found_at_the_source_is_not_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let bench = Bench::new();
    let copier = bench.copier().journal(journal(&path)).prefixes("session:", "shop:");
    assert_eq!(bench.copy_with(&copier).unwrap(), copied());
    end(&bench.from);
    let page = block_on(bench.to.scan(&Scan::new("shop:").with_data(), NOW)).unwrap();
    let entry = page.entries.into_iter().next().unwrap();
    assert_eq!(block_on(copier.missing(entry.clone(), true, NOW)).unwrap(), None);
    drop(copier);
    let next = bench.copier().journal(journal(&path)).prefixes("session:", "shop:");
    assert_eq!(block_on(next.missing(entry, true, NOW)).unwrap(), Some(Outcome::Ended));
}

#[test]
fn journal_survives_a_truncated_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let bench = Bench::new();
    assert_eq!(bench.copy_with(&bench.copier().journal(journal(&path))).unwrap(), copied());
    let whole = std::fs::read(&path).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    assert!(!text.contains("VE5rPIvv2sw"), "it holds no ids");
    for end in 0..whole.len() {
        std::fs::write(&path, &whole[..end]).unwrap();
        assert_eq!(journal(&path).len(), 0, "cut off at {end}");
        let mut bench = Bench::new();
        bench.from_spy = SpyStore::new(bench.from.clone());
        assert_eq!(bench.copy_with(&bench.copier().journal(journal(&path))).unwrap(), copied());
        assert_eq!(journal(&path).len(), 1, "what follows what was cut off at {end} is read");
    }
    assert!(matches!(Journal::open(&path, "from", "elsewhere"), Err(JournalError::NotOurs)));
    let held = journal(&path);
    assert!(matches!(Journal::open(&path, "from", "to"), Err(JournalError::InUse)));
    drop(held);
    std::fs::write(&path, b"\xff\xff something else\n").unwrap();
    assert!(matches!(Journal::open(&path, "from", "to"), Err(JournalError::NotOurs)));
}

#[test]
fn equal_pickles_are_the_same_session() {
    let bench = Bench::new();
    let ours = Format::Pickle.write(&Dict::from([("n", 1)])).unwrap();
    // Protocol 2.
    let theirs = b"\x80\x02}(X\x01\x00\x00\x00nK\x01u.".to_vec();
    assert_ne!(ours, theirs);
    put(&bench.from, &ours, HOUR);
    put(&bench.to, &theirs, HOUR);
    let copier = bench.copier().format(Format::Pickle);
    assert_eq!(bench.copy_with(&copier).unwrap(), Outcome::AlreadyThere);
    let stored = block_on(bench.to.load(&key(), NOW)).unwrap();
    assert_eq!(stored.map(|Stored { data, .. }| data), Some(theirs));
}

/// Issue 11, point 26. Each session of a group fares as it would alone.
#[test]
fn group_is_copied_like_single_sessions() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let to_spy = SpyStore::new(to.clone());
    let key = |number: i64| Key::new("session:", &number.to_string()).unwrap();
    for number in 0..100 {
        let _ = block_on(from.create(&key(number), &record(number), HOUR, NOW)).unwrap();
    }
    // One is at the destination already, another one is there under its key, and one cannot be read.
    let _ = block_on(to.create(&key(1), &record(1), HOUR, NOW)).unwrap();
    let _ = block_on(to.create(&key(2), &record(7), HOUR, NOW)).unwrap();
    let _ = block_on(from.create(&key(100), b"\xff", HOUR, NOW)).unwrap();
    // And one is ended while the group is on its way.
    let ends = from.clone();
    to_spy.meanwhile(StoreMethod::Create, move || {
        assert_eq!(block_on(ends.delete(&key(3), NOW)).unwrap(), Deleted::Deleted)
    });
    let copier = Copier::new(Arc::new(from.clone()), Arc::new(to_spy));
    let entries = block_on(from.scan(&Scan::new("").with_data(), NOW)).unwrap().entries;
    let outcomes = block_on(copier.copy_all(entries, NOW));
    assert_eq!(outcomes.len(), 101);
    for (place, outcome) in outcomes {
        let outcome = outcome.unwrap();
        match place.as_str() {
            "session:1" => assert_eq!(outcome, Outcome::AlreadyThere),
            "session:2" => assert_eq!(outcome, Outcome::Different),
            "session:3" => assert_eq!(outcome, Outcome::Ended),
            "session:100" => assert!(matches!(outcome, Outcome::Unreadable(_))),
            _ => assert_eq!(outcome, copied()),
        }
    }
    let there = |number| block_on(to.load(&key(number), NOW)).unwrap().map(|stored| stored.data);
    assert_eq!((there(2), there(3), there(99)), (Some(record(7)), None, Some(record(99))));
}

#[test]
fn group_with_journal_keeps_deletions() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let directory = tempfile::tempdir().unwrap();
    let journal = Arc::new(Journal::open(&directory.path().join("journal"), "a", "b").unwrap());
    let copier = Copier::new(Arc::new(from.clone()), Arc::new(to.clone())).journal(journal);
    put(&from, &record(1), HOUR);
    let copy = || {
        let entries = block_on(from.scan(&Scan::new("").with_data(), NOW)).unwrap().entries;
        block_on(copier.copy_all(entries, NOW)).pop().unwrap().1.unwrap()
    };
    assert_eq!(copy(), copied());
    put(&from, &record(2), HOUR);
    assert_eq!(copy(), Outcome::Updated(Vec::new()));
    end(&to);
    assert_eq!(copy(), Outcome::EndedThere);
}
