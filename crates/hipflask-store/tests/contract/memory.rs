//! Rules of the memory store that no other store has to keep: its limits to the byte, its expiry to
//! the second.

use std::time::Duration;

use hipflask_core::time::UnixTime;
use hipflask_store::memory::MemoryStore;
use hipflask_store::{
    Created, Deleted, DeletedIf, ErrorKind, Key, Page, Replaced, Scan, Store, StoreError, Stored, Touched,
};
use hipflask_testkit::contract::block_on;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const TTL: Duration = Duration::from_secs(60);

fn after(seconds: u64) -> UnixTime {
    UnixTime::from_secs(NOW.as_secs() + seconds)
}

fn key(name: &str) -> Key {
    Key::new("s:", name).unwrap()
}

fn create(store: &MemoryStore, name: &str, bytes: usize) -> Result<(), ErrorKind> {
    let created = block_on(store.create(&key(name), &vec![7; bytes], TTL, NOW));
    created.map(|created| assert!(matches!(created, Created::Created(_)))).map_err(|error| error.kind())
}

fn replace(store: &MemoryStore, name: &str, bytes: usize) -> Result<(), ErrorKind> {
    let stored = load(store, name, NOW).unwrap();
    let replaced = block_on(store.replace(&key(name), &stored, &vec![7; bytes], TTL, NOW));
    replaced.map(|replaced| assert!(matches!(replaced, Replaced::Replaced(_)))).map_err(|error| error.kind())
}

fn load(store: &MemoryStore, name: &str, at: UnixTime) -> Option<Stored> {
    block_on(store.load(&key(name), at)).unwrap()
}

/// A key of three bytes and data of ten.
const RECORD: usize = 3 + 10;

#[test]
fn byte_limit_is_exact_in_every_method() {
    let store = MemoryStore::with_limits(100, 2 * RECORD);
    assert_eq!((create(&store, "a", 10), create(&store, "b", 10)), (Ok(()), Ok(())));
    // Nothing more, not even a key of three bytes.
    assert_eq!(create(&store, "c", 0), Err(ErrorKind::Full));
    assert_eq!(replace(&store, "a", 11), Err(ErrorKind::Full));
    assert_eq!(load(&store, "a", NOW).unwrap().data.len(), 10, "a replace that fails changes nothing");
    for bytes in [10, 4, 10, 0, 10] {
        assert_eq!(replace(&store, "a", bytes), Ok(()), "{bytes}");
    }
    assert_eq!(block_on(store.touch(&key("a"), TTL, NOW)).unwrap(), Touched::Touched);
    assert_eq!((replace(&store, "a", 11), replace(&store, "a", 10)), (Err(ErrorKind::Full), Ok(())));
    assert_eq!(replace(&store, "a", 7), Ok(()));
    assert_eq!((create(&store, "c", 1), create(&store, "c", 0)), (Err(ErrorKind::Full), Ok(())));
    assert_eq!(block_on(store.delete(&key("c"), NOW)).unwrap(), Deleted::Deleted);
    assert_eq!((create(&store, "c", 1), create(&store, "c", 0)), (Err(ErrorKind::Full), Ok(())));
    let stored = load(&store, "c", NOW).unwrap();
    assert_eq!(block_on(store.delete_if(&key("c"), &stored, NOW)).unwrap(), DeletedIf::Deleted);
    assert_eq!((create(&store, "c", 1), create(&store, "c", 0)), (Err(ErrorKind::Full), Ok(())));
    assert_eq!(block_on(store.purge_expired(after(60))).unwrap(), 3);
    assert_eq!(
        (create(&store, "d", 2 * RECORD - 2), create(&store, "d", 2 * RECORD - 3)),
        (Err(ErrorKind::Full), Ok(()))
    );
}

#[test]
fn record_limit_is_exact() {
    let store = MemoryStore::with_limits(2, 1 << 20);
    assert!(store.is_empty());
    assert_eq!((create(&store, "a", 10), create(&store, "b", 0)), (Ok(()), Ok(())));
    assert_eq!(create(&store, "c", 0), Err(ErrorKind::Full));
    assert_eq!((replace(&store, "a", 20), replace(&store, "b", 20)), (Ok(()), Ok(())));
    assert_eq!((store.len(), store.is_empty()), (2, false));
    assert_eq!(block_on(store.delete(&key("a"), NOW)).unwrap(), Deleted::Deleted);
    assert_eq!((create(&store, "c", 0), create(&store, "d", 0)), (Ok(()), Err(ErrorKind::Full)));
}

#[test]
fn expired_record_makes_room_at_once() {
    for method in ["create", "replace"] {
        let store = MemoryStore::with_limits(2, 2 * RECORD);
        assert_eq!(create(&store, "a", 10), Ok(()));
        let ttl = 2 * TTL;
        let _ = block_on(store.create(&key("b"), &[7; 10], ttl, NOW)).unwrap();
        let write = |at| -> Result<bool, StoreError> {
            Ok(match method {
                "create" => {
                    matches!(block_on(store.create(&key("c"), &[7; 10], TTL, at))?, Created::Created(_))
                }
                _ => {
                    let stored = load(&store, "b", at).unwrap();
                    let replaced = block_on(store.replace(&key("b"), &stored, &[7; 23], TTL, at))?;
                    matches!(replaced, Replaced::Replaced(_))
                }
            })
        };
        assert_eq!(write(after(59)).unwrap_err().kind(), ErrorKind::Full, "{method}");
        assert!(write(after(60)).unwrap(), "{method}");
    }
}

#[test]
fn a_purge_drops_and_counts_what_has_expired() {
    let store = MemoryStore::new();
    for name in ["a", "b", "c"] {
        assert_eq!(create(&store, name, 10), Ok(()));
    }
    assert_eq!(block_on(store.touch(&key("b"), 2 * TTL, NOW)).unwrap(), Touched::Touched);
    assert_eq!(block_on(store.touch(&key("c"), TTL / 2, NOW)).unwrap(), Touched::Touched);
    for (at, purged, left) in [(29, 0, 3), (30, 1, 2), (59, 0, 2), (60, 1, 1), (119, 0, 1), (120, 1, 0)] {
        assert_eq!(block_on(store.purge_expired(after(at))).unwrap(), purged, "after {at} s");
        assert_eq!(store.len(), left, "after {at} s");
    }
    // A record that was created again expires once.
    assert_eq!(create(&store, "a", 10), Ok(()));
    assert_eq!(block_on(store.delete(&key("a"), NOW)).unwrap(), Deleted::Deleted);
    let _ = block_on(store.create(&key("a"), b"again", 2 * TTL, NOW)).unwrap();
    assert_eq!(block_on(store.purge_expired(after(60))).unwrap(), 0);
    assert_eq!(load(&store, "a", after(60)).unwrap().expires, Some(after(120)));
}

#[test]
fn delete_of_an_expired_record_reports_gone() {
    let store = MemoryStore::new();
    assert_eq!(create(&store, "a", 10), Ok(()));
    assert_eq!(block_on(store.delete(&key("a"), after(60))).unwrap(), Deleted::Gone);
    assert_eq!(store.len(), 0);
}

#[test]
fn pages_are_full_and_in_order() {
    let store = MemoryStore::new();
    for name in ["b", "d", "a", "c"] {
        assert_eq!(create(&store, name, 10), Ok(()));
    }
    let names =
        |page: &Page| -> String { page.entries.iter().map(|entry| &entry.key.as_str()[2..]).collect() };
    for (limit, expected) in [
        (0, &["a", "b", "c", "d"][..]),
        (1, &["a", "b", "c", "d"]),
        (3, &["abc", "d"]),
        (4, &["abcd"]),
        (5, &["abcd"]),
    ] {
        let (mut scan, mut pages) = (Scan::new("s:").limit(limit), Vec::new());
        loop {
            let page = block_on(store.scan(&scan, NOW)).unwrap();
            pages.push(names(&page));
            assert!(page.entries.iter().all(|entry| entry.bytes == 10 && entry.expires == Some(after(60))));
            match page.next {
                Some(next) => scan = scan.from(next),
                None => break,
            }
        }
        assert_eq!(pages, expected, "pages of {limit}");
    }
}

#[test]
fn a_memory_store_describes_itself_and_its_limits() {
    let store = MemoryStore::new();
    assert_eq!(create(&store, "secret", 10), Ok(()));
    let shown = format!("{store:?}");
    assert!(
        shown.starts_with("MemoryStore { records: 1, max_records: 100000, max_bytes: 268435456"),
        "{shown}"
    );
    assert_eq!((store.describe().kind, &*store.describe().address), ("memory", "memory:"));
    block_on(store.ready()).unwrap();
    assert_eq!(MemoryStore::default().len(), 0);
    let clone = store.clone();
    assert!(load(&clone, "secret", NOW).is_some(), "clones share the records");
}

/// `{"_flashes": 1}` in MessagePack, which no app has put there.
const ANONYMOUS: &[u8] = b"\x81\xa8_flashes\x01";

#[test]
fn anonymous_records_are_removed_one_by_one() {
    let bytes = 3 + ANONYMOUS.len();
    for store in [MemoryStore::with_limits(3, 1 << 20), MemoryStore::with_limits(100, 3 * bytes)] {
        let create = |name: &str, data: &[u8]| block_on(store.create(&key(name), data, TTL, NOW));
        for (name, data) in [("a", ANONYMOUS), ("b", ANONYMOUS), ("c", &[7; ANONYMOUS.len()])] {
            let _ = create(name, data).unwrap();
        }
        let held = || -> String {
            ["a", "b", "c", "d", "e", "f"].into_iter().filter(|n| load(&store, n, NOW).is_some()).collect()
        };
        assert_eq!(held(), "abc", "a full store is not too full");
        for (name, expected) in [("d", "bcd"), ("e", "cde")] {
            let _ = create(name, &[7; ANONYMOUS.len()]).unwrap();
            assert_eq!(held(), expected);
        }
        assert_eq!(create("f", &[7; ANONYMOUS.len()]).unwrap_err().kind(), ErrorKind::Full);
        assert_eq!(held(), "cde");
    }
}

#[test]
fn only_records_without_app_keys_give_way() {
    let cases: [(&[u8], bool); 11] = [
        (ANONYMOUS, true),
        (b"\x80", true),
        (b"\x81\xa8_flashes\x91\x92\xa1m\xa2Hi", true),
        (b"\x81\xa8_flashes\x81\xa1m\xa2Hi", true),
        (b"\x82\xa8_flashes\x90\xa4user\x01", false),
        (&ANONYMOUS[..ANONYMOUS.len() - 1], false),
        (b"{}", true),
        (b"{\"_flashes\":[1],\"csrf_token\":\"x\"}", true),
        (b"{\"_flashes\":[1],\"user\":1}", false),
        (b"{\"user\":1}", false),
        (b"{\"_flashes\"", false),
    ];
    for (data, gives_way) in cases {
        let store = MemoryStore::with_limits(1, 1 << 20);
        let _ = block_on(store.create(&key("a"), data, TTL, NOW)).unwrap();
        assert_eq!(create(&store, "b", 1).is_ok(), gives_way, "{}", data.escape_ascii());
    }
}
