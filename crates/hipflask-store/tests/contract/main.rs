//! The contract suite on the stores that need no server.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod broken;
mod memory;

use std::sync::Arc;
use std::time::Duration;

use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Value};
use hipflask_store::id::Ids;
use hipflask_store::memory::MemoryStore;
use hipflask_store::record::Format;
use hipflask_store::save::{Opened, SaveError, Saved, ServerSessions, Slot};
use hipflask_store::{Created, ErrorKind, Key, Store};
use hipflask_testkit::contract::{block_on, store_contract};

#[test]
fn the_memory_store_obeys_the_contract() {
    block_on(store_contract(async || MemoryStore::new()));
}

#[test]
fn handles_on_one_memory_obey_the_contract() {
    let store = MemoryStore::new();
    block_on(store_contract(async || store.clone()));
}

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const TTL: Duration = Duration::from_secs(60);

#[test]
fn full_memory_store_keeps_live_records() {
    let key = |number: usize| Key::new("session:", &number.to_string()).unwrap();
    let by_count = MemoryStore::with_limits(3, 1 << 20);
    let by_bytes = MemoryStore::with_limits(1000, 3 * (key(0).as_str().len() + 100));
    for store in [by_count, by_bytes] {
        let create = |number, now| block_on(store.create(&key(number), &[7; 100], TTL, now));
        for number in 0..3 {
            assert!(matches!(create(number, NOW), Ok(Created::Created(_))));
        }
        assert_eq!(create(3, NOW).unwrap_err().kind(), ErrorKind::Full);
        let stored = block_on(store.load(&key(0), NOW)).unwrap().unwrap();
        let larger = block_on(store.replace(&key(0), &stored, &vec![7; 2 << 20], TTL, NOW));
        assert_eq!(larger.unwrap_err().kind(), ErrorKind::Full);
        assert!((0..3).all(|number| block_on(store.load(&key(number), NOW)).unwrap().is_some()));
        let later = UnixTime::from_secs(NOW.as_secs() + 60);
        assert!(matches!(create(3, later), Ok(Created::Created(_))), "what has expired makes room");
        assert_eq!(store.len(), 1);
    }
}

/// Issue 11, point 10: 100,000 visitors with a flash each refused every login for 31 days.
#[test]
fn anonymous_records_make_room_for_a_login() {
    let key = |name: &str| Key::new("session:", name).unwrap();
    let month = Duration::from_secs(31 * 86_400);
    let flash = Format::Msgpack.write(&Dict::from([("_flashes", Value::List(vec!["Hi".into()]))])).unwrap();
    let login = Format::Msgpack.write(&Dict::from([("username", "ada")])).unwrap();
    let bytes = |data: &[u8]| key("n00000").as_str().len() + data.len();
    let by_count = MemoryStore::with_limits(1000, 1 << 20);
    let by_bytes = MemoryStore::with_limits(1 << 20, 1000 * bytes(&flash));
    for store in [by_count, by_bytes] {
        let create = |name: &str, data: &[u8]| block_on(store.create(&key(name), data, month, NOW));
        let is_there = |name: &str, now| block_on(store.load(&key(name), now)).unwrap().is_some();
        let _ = create("first", &login).unwrap();
        for number in 0..3000 {
            assert!(matches!(create(&format!("n{number:05}"), &flash), Ok(Created::Created(_))));
        }
        let _ = create("second", &login).unwrap();
        assert!(is_there("first", NOW) && is_there("second", NOW), "no login is removed");
        assert!(is_there("n02999", NOW) && !is_there("n00000", NOW), "the oldest visitor is");
        // A visitor who logs in is no longer anonymous.
        let stored = block_on(store.load(&key("n02999"), NOW)).unwrap().unwrap();
        let _ = block_on(store.replace(&key("n02999"), &stored, &login, month, NOW)).unwrap();
        let day = UnixTime::from_secs(NOW.as_secs() + 86_400);
        assert!(is_there("n02999", day) && is_there("second", day));
        assert!(!is_there("n02998", day), "an anonymous record lives for a day");
        let _ = block_on(store.touch(&key("n02998"), month, NOW)).unwrap();
        assert!(!is_there("n02998", day), "a touch does not change that");
    }
}

#[test]
fn a_store_full_of_logins_is_full() {
    let key = |number: usize| Key::new("session:", &number.to_string()).unwrap();
    let login = Format::Msgpack.write(&Dict::from([("username", "ada")])).unwrap();
    let flash = Format::Msgpack.write(&Dict::from([("_flashes", Value::List(Vec::new()))])).unwrap();
    let store = MemoryStore::with_limits(3, 1 << 20);
    let create = |number, data: &[u8]| block_on(store.create(&key(number), data, TTL, NOW));
    for number in 0..2 {
        let _ = create(number, &login).unwrap();
    }
    let _ = create(2, &flash).unwrap();
    let huge = vec![7; 2 << 20];
    assert_eq!(create(3, &huge).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(store.len(), 3, "nothing is removed in vain");
    let _ = create(3, &login).unwrap();
    assert_eq!(create(4, &login).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(create(4, &flash).unwrap_err().kind(), ErrorKind::Full);
}

#[test]
fn unreadable_record_is_left_unchanged() {
    let store = Arc::new(MemoryStore::new());
    let sessions = ServerSessions::new(store.clone(), Ids::builder().build().unwrap(), TTL);
    for junk in [&b"\xff\xff"[..], b"", b"cos\nsystem\n(S'id'\ntR.", b"\x81\xa1"] {
        let id = sessions.ids().fresh().unwrap();
        let key = sessions.ids().key(&id);
        let _ = block_on(store.create(&key, junk, TTL, NOW)).unwrap();
        let opened = block_on(sessions.open(id.as_str().as_bytes(), NOW)).unwrap();
        assert!(matches!(opened, Opened::Unreadable(_)), "{opened:?}");
        assert_eq!(block_on(store.load(&key, NOW)).unwrap().unwrap().data, junk);
    }
    assert_eq!(sessions.stats().unreadable, 4);
}

#[test]
fn record_that_becomes_unreadable_is_not_overwritten() {
    let store = Arc::new(MemoryStore::new());
    let sessions = ServerSessions::new(store.clone(), Ids::builder().build().unwrap(), TTL);
    let (mut session, mut slot) = (SessionDict::new(), Slot::default());
    session.set("a", 1).unwrap();
    let _ = block_on(sessions.save(&mut session, &mut slot, NOW)).unwrap();
    let key = slot.key().unwrap().clone();
    let _ = block_on(store.replace(&key, slot.stored().unwrap(), b"\xff", TTL, NOW)).unwrap();
    session.set("a", 2).unwrap();
    let error = block_on(sessions.save(&mut session, &mut slot, NOW)).unwrap_err();
    assert!(matches!(error, SaveError::Unreadable(_)), "{error:?}");
    assert_eq!(block_on(store.load(&key, NOW)).unwrap().unwrap().data, b"\xff");
}

#[test]
fn unsupported_value_fails_the_save() {
    let store = Arc::new(MemoryStore::new());
    let sessions = ServerSessions::new(store.clone(), Ids::builder().build().unwrap(), TTL);
    let mut session = SessionDict::new();
    session.insert("bio", Value::Markup("<b>".into())).unwrap();
    let error = block_on(sessions.save(&mut session, &mut Slot::default(), NOW)).unwrap_err();
    assert!(error.to_string().starts_with("session key \"bio\": msgpack cannot hold Markup"), "{error}");
    assert!(store.is_empty());
}

/// A front for another language passes the current session with its originals, and the id that it has shown.
#[test]
fn adopted_session_keeps_originals_and_proposed_id() {
    // {"a": {1: 2}, "b": 1} in MessagePack: a dict with a number for its key, which a value cannot be.
    let first = b"\x82\xa1a\x81\x01\x02\xa1b\x01";
    let second = b"\x82\xa1a\x81\x01\x02\xa1b\x81\x03\x04";
    block_on(async {
        let store = Arc::new(MemoryStore::new());
        let sessions =
            ServerSessions::new(store.clone(), Ids::builder().build().unwrap(), Duration::from_secs(600));
        let record = Format::read(first).unwrap();
        let (mut session, mut slot) = (SessionDict::new(), Slot::default());
        session.adopt(record.dict, false, &Dict::new(), |_| false).unwrap();
        slot.set_opaque(record.opaque);
        let id = sessions.ids().fresh().unwrap();
        slot.propose(id.clone());
        assert_eq!(sessions.save(&mut session, &mut slot, NOW).await.unwrap(), Saved::Created);
        assert_eq!(slot.id(), Some(&id));
        assert_eq!(slot.stored().unwrap().data, first);

        let record = Format::read(second).unwrap();
        let before = slot.opaque().unwrap().clone();
        session.adopt(record.dict, false, &Dict::new(), |key| before.differs(&record.opaque, key)).unwrap();
        slot.set_opaque(record.opaque);
        let saved = sessions.save(&mut session, &mut slot, NOW).await.unwrap();
        assert_eq!(saved, Saved::Replaced { merged: false });
        assert_eq!(slot.stored().unwrap().data, second);
        assert!(!slot.opaque().unwrap().differs(&Format::read(second).unwrap().opaque, &"a".into()));
    });
}
