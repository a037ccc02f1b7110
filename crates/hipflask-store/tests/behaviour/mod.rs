//! Tests that every store must pass.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod beside_flask_session;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hipflask_core::time::UnixTime;
use hipflask_store::{Created, Deleted, DeletedIf, Key, Replaced, Scan, Store, Stored, Token, Touched};
use tokio::task::JoinSet;

pub(crate) type AnyStore = Arc<dyn Store>;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn now() -> UnixTime {
    UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

pub(crate) fn key(id: &str) -> Key {
    Key::new("session:", id).unwrap()
}

pub(crate) async fn created(store: &AnyStore, id: &str, data: &[u8], at: UnixTime) -> Stored {
    assert_eq!(store.create(&key(id), data, MINUTE, at).await.unwrap(), Created::Created(Token::Data));
    store.load(&key(id), at).await.unwrap().expect("what was created is there")
}

/// Each method, with one caller.
pub(crate) async fn keeps_the_contract(store: AnyStore) {
    a_record_lives_and_ends(&store).await;
    a_change_needs_what_was_read(&store).await;
    a_touch_changes_the_expiry_alone(&store).await;
    expired_means_absent(&store).await;
    bytes_come_back_as_they_were(&store).await;
    keys_are_told_apart(&store).await;
    names_of_other_stores_are_unknown(&store).await;
    pages_list_what_lives(&store).await;
    a_purge_drops_what_has_ended(&store).await;
}

async fn a_record_lives_and_ends(store: &AnyStore) {
    let (now, key) = (now(), key("life"));
    assert_eq!(store.load(&key, now).await.unwrap(), None);
    let stored = created(store, "life", b"one", now).await;
    assert_eq!(
        (stored.data.as_slice(), stored.expires),
        (b"one".as_slice(), Some(now.saturating_add(MINUTE)))
    );
    assert_eq!(store.create(&key, b"two", MINUTE, now).await.unwrap(), Created::Exists);
    assert_eq!(store.load(&key, now).await.unwrap(), Some(stored));
    assert_eq!(store.delete(&key, now).await.unwrap(), Deleted::Deleted);
    assert_eq!(store.delete(&key, now).await.unwrap(), Deleted::Gone);
    assert_eq!(store.load(&key, now).await.unwrap(), None);
    let again = created(store, "life", b"three", now).await;
    assert_eq!(again.data, b"three");
    let _ = store.delete(&key, now).await.unwrap();
}

async fn a_change_needs_what_was_read(store: &AnyStore) {
    let (now, key) = (now(), key("change"));
    let first = created(store, "change", b"one", now).await;
    let answer = store.replace(&key, &first, b"two", HOUR, now).await.unwrap();
    assert_eq!(answer, Replaced::Replaced(Token::Data));
    let second = store.load(&key, now).await.unwrap().unwrap();
    assert_eq!((second.data.as_slice(), second.expires), (b"two".as_slice(), Some(now.saturating_add(HOUR))));
    let late = store.replace(&key, &first, b"three", MINUTE, now).await.unwrap();
    assert_eq!(late, Replaced::Conflict(second.clone()));
    assert_eq!(store.load(&key, now).await.unwrap(), Some(second.clone()));
    // Writing the same bytes once more is a success and not "nothing changed".
    let same = store.replace(&key, &second, b"two", HOUR, now).await.unwrap();
    assert_eq!(same, Replaced::Replaced(Token::Data));
    assert_eq!(store.delete_if(&key, &first, now).await.unwrap(), DeletedIf::Conflict(second.clone()));
    assert_eq!(store.delete_if(&key, &second, now).await.unwrap(), DeletedIf::Deleted);
    assert_eq!(store.delete_if(&key, &second, now).await.unwrap(), DeletedIf::Gone);
    assert_eq!(store.replace(&key, &second, b"four", MINUTE, now).await.unwrap(), Replaced::Gone);
    assert_eq!(store.load(&key, now).await.unwrap(), None);
}

async fn a_touch_changes_the_expiry_alone(store: &AnyStore) {
    let (now, key) = (now(), key("touch"));
    assert_eq!(store.touch(&key, HOUR, now).await.unwrap(), Touched::Gone);
    assert_eq!(store.load(&key, now).await.unwrap(), None);
    let before = created(store, "touch", b"one", now).await;
    for _ in 0..2 {
        assert_eq!(store.touch(&key, HOUR, now).await.unwrap(), Touched::Touched);
    }
    let after = store.load(&key, now).await.unwrap().unwrap();
    assert_eq!((after.data.as_slice(), after.expires), (b"one".as_slice(), Some(now.saturating_add(HOUR))));
    // A later expiry is not a conflict.
    let answer = store.replace(&key, &before, b"two", MINUTE, now).await.unwrap();
    assert_eq!(answer, Replaced::Replaced(Token::Data));
    let _ = store.delete(&key, now).await.unwrap();
}

async fn expired_means_absent(store: &AnyStore) {
    let (now, key) = (now(), key("expired"));
    let stored = created(store, "expired", b"one", now).await;
    let last = UnixTime::from_secs(now.as_secs() + 59);
    assert!(store.load(&key, last).await.unwrap().is_some());
    let end = UnixTime::from_secs(now.as_secs() + 60);
    assert_eq!(store.load(&key, end).await.unwrap(), None);
    assert_eq!(store.replace(&key, &stored, b"two", MINUTE, end).await.unwrap(), Replaced::Gone);
    assert_eq!(store.touch(&key, MINUTE, end).await.unwrap(), Touched::Gone);
    assert_eq!(store.delete_if(&key, &stored, end).await.unwrap(), DeletedIf::Gone);
    assert_eq!(created(store, "expired", b"two", end).await.data, b"two");
    let later = end.saturating_add(MINUTE);
    assert_eq!(store.delete(&key, later).await.unwrap(), Deleted::Gone);
    // Less than a second is a second, and not for ever.
    assert!(matches!(
        store.create(&key, b"short", Duration::ZERO, later).await.unwrap(),
        Created::Created(_)
    ));
    assert!(store.load(&key, later).await.unwrap().is_some());
    assert_eq!(store.load(&key, UnixTime::from_secs(later.as_secs() + 1)).await.unwrap(), None);
    let _ = store.delete(&key, later).await.unwrap();
}

async fn bytes_come_back_as_they_were(store: &AnyStore) {
    let now = now();
    let all: Vec<u8> = (0..=255).collect();
    for data in [Vec::new(), all.clone(), all.repeat(800), b"\\x00'\"`%?$1:key".to_vec()] {
        let key = key("bytes");
        let stored = created(store, "bytes", &data, now).await;
        assert!(stored.data == data, "{} bytes", data.len());
        let answer = store.replace(&key, &stored, b"small", MINUTE, now).await.unwrap();
        assert!(matches!(answer, Replaced::Replaced(_)), "{} bytes", data.len());
        let small = store.load(&key, now).await.unwrap().unwrap();
        assert!(matches!(
            store.replace(&key, &small, &data, MINUTE, now).await.unwrap(),
            Replaced::Replaced(_)
        ));
        let back = store.load(&key, now).await.unwrap().unwrap();
        assert_eq!(store.delete_if(&key, &back, now).await.unwrap(), DeletedIf::Deleted);
    }
}

async fn keys_are_told_apart(store: &AnyStore) {
    let now = now();
    let odd =
        ["a", "A", "aa", "'", "';--", "\"", "`", "%", "_", "\\", "?", "$1", ":key", "{}", "*", "[a]", "\\'"];
    for id in odd {
        let _ = created(store, id, id.as_bytes(), now).await;
    }
    for id in odd {
        let stored = store.load(&key(id), now).await.unwrap().unwrap();
        assert_eq!(stored.data, id.as_bytes(), "{id}");
        assert_eq!(store.delete(&key(id), now).await.unwrap(), Deleted::Deleted, "{id}");
    }
    let longest = Key::new("", &"k".repeat(Key::MAX_BYTES)).unwrap();
    assert!(matches!(store.create(&longest, b"long", MINUTE, now).await.unwrap(), Created::Created(_)));
    assert_eq!(store.load(&longest, now).await.unwrap().unwrap().data, b"long");
    assert_eq!(store.delete(&longest, now).await.unwrap(), Deleted::Deleted);
}

async fn names_of_other_stores_are_unknown(store: &AnyStore) {
    let now = now();
    let stored = created(store, "rest", b"one", now).await;
    let other = Key::at_rest("session:rest").unwrap();
    assert_eq!(store.load(&other, now).await.unwrap(), None);
    assert_eq!(store.replace(&other, &stored, b"two", MINUTE, now).await.unwrap(), Replaced::Gone);
    assert_eq!(store.touch(&other, MINUTE, now).await.unwrap(), Touched::Gone);
    assert_eq!(store.delete(&other, now).await.unwrap(), Deleted::Gone);
    assert_eq!(store.delete_if(&other, &stored, now).await.unwrap(), DeletedIf::Gone);
    assert!(store.create(&other, b"two", MINUTE, now).await.is_err());
    assert_eq!(store.delete(&key("rest"), now).await.unwrap(), Deleted::Deleted);
}

async fn pages_list_what_lives(store: &AnyStore) {
    let now = now();
    for number in 0..25 {
        let _ = created(store, &format!("page-{number:02}"), format!("data {number}").as_bytes(), now).await;
    }
    let other = Key::new("other:", "page").unwrap();
    let _ = store.create(&other, b"other", MINUTE, now).await.unwrap();
    let early = UnixTime::from_secs(now.as_secs() - 120);
    let _ = store.create(&key("page-expired"), b"old", MINUTE, early).await.unwrap();
    for (limit, with_data) in [(10, false), (7, true), (1000, true)] {
        let mut found = Vec::new();
        let mut scan = Scan::new("session:page-").limit(limit);
        scan.with_data = with_data;
        for _ in 0..100 {
            let page = store.scan(&scan, now).await.unwrap();
            found.extend(page.entries);
            match page.next {
                Some(next) => scan = scan.from(next),
                None => break,
            }
        }
        let mut ids: Vec<&str> = found.iter().filter_map(|entry| entry.key.id("session:page-")).collect();
        ids.sort_unstable();
        let expected: Vec<String> = (0..25).map(|number| format!("{number:02}")).collect();
        assert_eq!(ids, expected, "pages of {limit}");
        for entry in &found {
            assert_eq!(entry.expires, Some(now.saturating_add(MINUTE)));
            let stored = store.load(&entry.key, now).await.unwrap().unwrap();
            assert_eq!(entry.bytes, stored.data.len());
            assert_eq!(entry.data, with_data.then_some(stored.data));
        }
    }
    for number in 0..25 {
        let _ = store.delete(&key(&format!("page-{number:02}")), now).await.unwrap();
    }
    let _ = store.delete(&key("page-expired"), now).await.unwrap();
    assert_eq!(store.delete(&other, now).await.unwrap(), Deleted::Deleted);
}

async fn a_purge_drops_what_has_ended(store: &AnyStore) {
    let now = now();
    let early = UnixTime::from_secs(now.as_secs() - 3600);
    store.purge_expired(now).await.unwrap();
    let live = created(store, "purge-live", b"live", now).await;
    for number in 0..20 {
        let _ = store.create(&key(&format!("purge-{number}")), b"old", MINUTE, early).await.unwrap();
    }
    let dropped = store.purge_expired(now).await.unwrap();
    assert_eq!(dropped, if store.describe().expires_by_itself { 0 } else { 20 });
    assert_eq!(store.load(&key("purge-live"), now).await.unwrap(), Some(live));
    if dropped > 0 {
        // They are missing even at a time before their expiry.
        assert_eq!(store.load(&key("purge-7"), early).await.unwrap(), None);
    }
    let _ = store.delete(&key("purge-live"), now).await.unwrap();
}

/// Callers against each other, by load.
pub(crate) async fn loses_nothing(store: AnyStore) {
    for run in 0..10 {
        increments_all_count(&store, run).await;
    }
    two_writers_both_count(&store, 200).await;
    what_was_ended_stays_ended(&store, 200).await;
    of_many_creators_one_wins(&store, 40).await;
    of_many_deleters_one_is_told(&store, 40).await;
    a_purge_takes_nothing_that_lives(&store, 100).await;
}

async fn change(store: &AnyStore, key: &Key, change: impl Fn(&[u8]) -> Vec<u8>) -> Option<u32> {
    let mut conflicts = 0;
    let mut stored = store.load(key, now()).await.unwrap()?;
    loop {
        let data = change(&stored.data);
        match store.replace(key, &stored, &data, MINUTE, now()).await.unwrap() {
            Replaced::Replaced(_) => return Some(conflicts),
            Replaced::Gone => return None,
            Replaced::Conflict(current) => {
                conflicts += 1;
                stored = current;
            }
        }
    }
}

/// 50 concurrent increments end at 50.
async fn increments_all_count(store: &AnyStore, run: u32) {
    let id = format!("count-{run}");
    let _ = created(store, &id, b"0", now()).await;
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (store, key) = (Arc::clone(store), key(&id));
        tasks.spawn(async move {
            let add_one = |data: &[u8]| {
                let number: u32 = String::from_utf8(data.to_vec()).unwrap().parse().unwrap();
                (number + 1).to_string().into_bytes()
            };
            change(&store, &key, add_one).await.expect("nobody ended it")
        });
    }
    let conflicts: u32 = tasks.join_all().await.iter().sum();
    assert_eq!(store.load(&key(&id), now()).await.unwrap().unwrap().data, b"50");
    assert!(conflicts > 0, "run {run} had no two writers at once");
}

async fn two_writers_both_count(store: &AnyStore, trials: u32) {
    for trial in 0..trials {
        let id = format!("two-{trial}");
        let _ = created(store, &id, b"-", now()).await;
        let mut tasks = JoinSet::new();
        for letter in [b'a', b'b'] {
            let (store, key) = (Arc::clone(store), key(&id));
            tasks.spawn(async move {
                change(&store, &key, |data| [data, &[letter]].concat()).await.expect("nobody ended it")
            });
        }
        tasks.join_all().await;
        let mut data = store.load(&key(&id), now()).await.unwrap().unwrap().data;
        data.sort_unstable();
        assert_eq!(data, b"-ab", "trial {trial}");
    }
}

/// If one caller writes while another deletes, the record is missing afterwards.
async fn what_was_ended_stays_ended(store: &AnyStore, trials: u32) {
    for trial in 0..trials {
        let id = format!("end-{trial}");
        let stored = created(store, &id, b"-", now()).await;
        let mut tasks = JoinSet::new();
        for writer in 0..3 {
            let (store, key, stored) = (Arc::clone(store), key(&id), stored.clone());
            tasks.spawn(async move {
                match writer {
                    0 => drop(change(&store, &key, |data| [data, b"w"].concat()).await),
                    1 => drop(store.touch(&key, HOUR, now()).await.unwrap()),
                    _ => drop(store.replace(&key, &stored, b"late", HOUR, now()).await.unwrap()),
                }
            });
        }
        let (deleter, key) = (Arc::clone(store), key(&id));
        tasks.spawn(async move {
            assert_eq!(deleter.delete(&key, now()).await.unwrap(), Deleted::Deleted);
            assert_eq!(deleter.load(&key, now()).await.unwrap(), None);
        });
        tasks.join_all().await;
        assert_eq!(store.load(&self::key(&id), now()).await.unwrap(), None, "trial {trial}");
    }
}

async fn of_many_creators_one_wins(store: &AnyStore, trials: u32) {
    for trial in 0..trials {
        let id = format!("new-{trial}");
        if trial % 2 == 0 {
            // An expired record is there already.
            let early = UnixTime::from_secs(now().as_secs() - 3600);
            let _ = store.create(&key(&id), b"old", MINUTE, early).await.unwrap();
        }
        let mut tasks = JoinSet::new();
        for creator in 0..10_u8 {
            let (store, key) = (Arc::clone(store), key(&id));
            tasks.spawn(async move {
                let answer = store.create(&key, &[creator], MINUTE, now()).await.unwrap();
                matches!(answer, Created::Created(_)).then_some(creator)
            });
        }
        let winners: Vec<u8> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "trial {trial}");
        assert_eq!(store.load(&key(&id), now()).await.unwrap().unwrap().data, winners);
    }
}

async fn of_many_deleters_one_is_told(store: &AnyStore, trials: u32) {
    for trial in 0..trials {
        let id = format!("del-{trial}");
        let stored = created(store, &id, b"-", now()).await;
        let mut tasks = JoinSet::new();
        for deleter in 0..6 {
            let (store, key, stored) = (Arc::clone(store), key(&id), stored.clone());
            tasks.spawn(async move {
                if deleter % 2 == 0 {
                    store.delete(&key, now()).await.unwrap() == Deleted::Deleted
                } else {
                    store.delete_if(&key, &stored, now()).await.unwrap() == DeletedIf::Deleted
                }
            });
        }
        let told = tasks.join_all().await.into_iter().filter(|told| *told).count();
        assert_eq!(told, 1, "trial {trial}");
    }
}

/// While a purge runs, somebody takes over the expired records one after the other: each that was
/// taken over stays.
async fn a_purge_takes_nothing_that_lives(store: &AnyStore, records: u32) {
    let early = UnixTime::from_secs(now().as_secs() - 3600);
    for record in 0..records {
        let _ = store.create(&key(&format!("old-{record}")), b"old", MINUTE, early).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            for _ in 0..10 {
                store.purge_expired(now()).await.unwrap();
            }
        });
    }
    for record in 0..records {
        let (store, key) = (Arc::clone(store), key(&format!("old-{record}")));
        tasks.spawn(async move {
            let answer = store.create(&key, b"new", MINUTE, now()).await.unwrap();
            assert!(matches!(answer, Created::Created(_)));
        });
    }
    tasks.join_all().await;
    store.purge_expired(now()).await.unwrap();
    for record in 0..records {
        let stored = store.load(&key(&format!("old-{record}")), now()).await.unwrap();
        assert_eq!(stored.expect("it lives").data, b"new", "record {record}");
    }
}
