//! Tests for every store whose server has its own clock.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::print_stdout, reason = "the test harness hides it by default")]

pub(crate) mod beside_flask_session;
pub(crate) mod fake;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hipflask_core::time::UnixTime;
use hipflask_store::{Created, Deleted, DeletedIf, ErrorKind, Key, Replaced, Scan, Store, Stored, Touched};
use tokio::task::JoinSet;

use self::fake::{Fake, Manner};

pub(crate) type AnyStore = Arc<dyn Store>;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn now() -> UnixTime {
    UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

pub(crate) fn key(id: &str) -> Key {
    Key::new("session:", id).unwrap()
}

/// An id that no other test of this run has, because they share servers.
pub(crate) fn fresh(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) async fn created(store: &AnyStore, id: &str, data: &[u8]) -> Stored {
    let answer = store.create(&key(id), data, MINUTE, now()).await.unwrap();
    let Created::Created(token) = answer else { panic!("{id} is there already") };
    let stored = store.load(&key(id), now()).await.unwrap().expect("what was created is there");
    assert_eq!(stored.token, token);
    stored
}

/// Two clocks agree within a second, and the test may have begun late in one.
pub(crate) fn ends_in(stored: &Stored, ttl: Duration) {
    let expected = now().saturating_add(ttl).as_secs();
    let found = stored.expires.expect("it ends").as_secs();
    assert!(found.abs_diff(expected) <= 1, "ends at {found}, not at {expected}");
}

/// Over thirty days, where memcached counts otherwise, and so long that no server can count it.
pub(crate) async fn lives_long(store: &AnyStore) {
    let id = fresh("long");
    let key = key(&id);
    let before = created(store, &id, b"one").await;
    ends_in(&before, MINUTE);
    for ttl in [HOUR, 24 * 30 * HOUR, 24 * 40 * HOUR] {
        assert_eq!(store.touch(&key, ttl, now()).await.unwrap(), Touched::Touched);
        ends_in(&store.load(&key, now()).await.unwrap().unwrap(), ttl);
    }
    // A later expiry is not a conflict.
    let answer = store.replace(&key, &before, b"two", 24 * 31 * HOUR, now()).await.unwrap();
    assert!(matches!(answer, Replaced::Replaced(_)), "{answer:?}");
    ends_in(&store.load(&key, now()).await.unwrap().unwrap(), 24 * 31 * HOUR);
    let _ = store.delete(&key, now()).await.unwrap();
    let _ = store.create(&key, b"long", Duration::from_secs(u64::MAX), now()).await.unwrap();
    assert!(store.load(&key, now()).await.unwrap().is_some());
    let _ = store.delete(&key, now()).await.unwrap();
}

/// A cancelled caller leaves no reply behind for the next one.
pub(crate) async fn a_cancelled_call_disturbs_no_other(store: &AnyStore) {
    let ids: Vec<String> = (0..20).map(|_| fresh("cancel")).collect();
    for id in &ids {
        let _ = created(store, id, id.as_bytes()).await;
    }
    for round in 0..200_u64 {
        let given_up = key(&ids[round as usize % ids.len()]);
        let patience = Duration::from_micros(round * 3);
        let _ = tokio::time::timeout(patience, store.load(&given_up, now())).await;
        let id = &ids[(round as usize * 7 + 3) % ids.len()];
        assert_eq!(store.load(&key(id), now()).await.unwrap().unwrap().data, id.as_bytes());
    }
    for id in &ids {
        let _ = store.delete(&key(id), now()).await.unwrap();
    }
}

/// Every existing record is listed at least once.
pub(crate) async fn pages_list_what_lives(store: AnyStore) {
    // Characters that a listing might read as a pattern.
    let name = fresh("pa*ge[1]");
    for number in 0..250 {
        let _ = created(&store, &format!("{name}-{number:03}"), format!("data {number}").as_bytes()).await;
    }
    let other = fresh("paXge1-other");
    let _ = created(&store, &other, b"other").await;
    for (limit, with_data) in [(10, false), (7, true), (1000, true)] {
        let mut found = Vec::new();
        let prefix = format!("session:{name}-");
        let mut scan = Scan::new(prefix.clone()).limit(limit);
        scan.with_data = with_data;
        let mut pages = 0;
        loop {
            let page = store.scan(&scan, now()).await.unwrap();
            pages += 1;
            found.extend(page.entries);
            match page.next {
                Some(next) => scan = scan.from(next),
                None => break,
            }
            assert!(pages < 10_000, "it never ends");
        }
        let mut ids: Vec<&str> = found.iter().map(|entry| entry.key.id(&prefix).unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        let expected: Vec<String> = (0..250).map(|number| format!("{number:03}")).collect();
        assert_eq!(ids, expected, "pages of {limit}");
        for entry in &found {
            let stored = store.load(&entry.key, now()).await.unwrap().unwrap();
            assert_eq!(entry.bytes, stored.data.len());
            assert_eq!(entry.data, with_data.then_some(stored.data));
            assert!(entry.expires.unwrap().as_secs().abs_diff(stored.expires.unwrap().as_secs()) <= 1);
        }
        println!("{pages} pages for a limit of {limit}");
    }
    for number in 0..250 {
        let _ = store.delete(&key(&format!("{name}-{number:03}")), now()).await.unwrap();
    }
}

/// Concurrent callers under load. Each uses the next of `stores`, which simulate processes.
pub(crate) async fn loses_nothing(stores: Vec<AnyStore>) {
    let conflicts = increments_all_count(&stores).await;
    two_writers_both_count(&stores, 200).await;
    what_was_ended_stays_ended(&stores, 200).await;
    of_many_creators_one_wins(&stores, 40).await;
    of_many_deleters_one_is_told(&stores, 40).await;
    println!("10 x 50 increments: {conflicts} conflicts");
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

pub(crate) fn add_one(data: &[u8]) -> Vec<u8> {
    let number: u32 = String::from_utf8(data.to_vec()).unwrap().parse().unwrap();
    (number + 1).to_string().into_bytes()
}

/// 50 concurrent increments end at 50, ten times.
async fn increments_all_count(stores: &[AnyStore]) -> u32 {
    let mut conflicts = 0;
    for _ in 0..10 {
        let id = fresh("count");
        let _ = created(&stores[0], &id, b"0").await;
        let mut tasks = JoinSet::new();
        for task in 0..50 {
            let (store, key) = (Arc::clone(&stores[task % stores.len()]), key(&id));
            tasks.spawn(async move { change(&store, &key, add_one).await.expect("nobody ended it") });
        }
        conflicts += tasks.join_all().await.iter().sum::<u32>();
        assert_eq!(stores[0].load(&key(&id), now()).await.unwrap().unwrap().data, b"50");
    }
    conflicts
}

async fn two_writers_both_count(stores: &[AnyStore], trials: usize) {
    for trial in 0..trials {
        let id = fresh("two");
        let _ = created(&stores[0], &id, b"-").await;
        let mut tasks = JoinSet::new();
        for (task, letter) in [b'a', b'b'].into_iter().enumerate() {
            let (store, key) = (Arc::clone(&stores[task % stores.len()]), key(&id));
            tasks.spawn(async move {
                change(&store, &key, |data| [data, &[letter]].concat()).await.expect("nobody ended it")
            });
        }
        tasks.join_all().await;
        let mut data = stores[0].load(&key(&id), now()).await.unwrap().unwrap().data;
        data.sort_unstable();
        assert_eq!(data, b"-ab", "trial {trial}");
    }
}

/// If one caller writes while another deletes, the record is missing afterwards.
async fn what_was_ended_stays_ended(stores: &[AnyStore], trials: usize) {
    for trial in 0..trials {
        let id = fresh("end");
        let stored = created(&stores[0], &id, b"-").await;
        let mut tasks = JoinSet::new();
        for writer in 0..3 {
            let (store, key) = (Arc::clone(&stores[writer % stores.len()]), key(&id));
            let stored = stored.clone();
            tasks.spawn(async move {
                match writer {
                    0 => drop(change(&store, &key, |data| [data, b"w"].concat()).await),
                    1 => drop(store.touch(&key, HOUR, now()).await.unwrap()),
                    _ => drop(store.replace(&key, &stored, b"late", HOUR, now()).await.unwrap()),
                }
            });
        }
        let (deleter, key) = (Arc::clone(&stores[3 % stores.len()]), key(&id));
        tasks.spawn(async move {
            assert_eq!(deleter.delete(&key, now()).await.unwrap(), Deleted::Deleted);
            assert_eq!(deleter.load(&key, now()).await.unwrap(), None);
        });
        tasks.join_all().await;
        assert_eq!(stores[0].load(&self::key(&id), now()).await.unwrap(), None, "trial {trial}");
    }
}

async fn of_many_creators_one_wins(stores: &[AnyStore], trials: usize) {
    for trial in 0..trials {
        let id = fresh("new");
        let mut tasks = JoinSet::new();
        for creator in 0..10_u8 {
            let (store, key) = (Arc::clone(&stores[usize::from(creator) % stores.len()]), key(&id));
            tasks.spawn(async move {
                let answer = store.create(&key, &[creator], MINUTE, now()).await.unwrap();
                matches!(answer, Created::Created(_)).then_some(creator)
            });
        }
        let winners: Vec<u8> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "trial {trial}");
        assert_eq!(stores[0].load(&key(&id), now()).await.unwrap().unwrap().data, winners);
    }
}

async fn of_many_deleters_one_is_told(stores: &[AnyStore], trials: usize) {
    for trial in 0..trials {
        let id = fresh("del");
        let stored = created(&stores[0], &id, b"-").await;
        let mut tasks = JoinSet::new();
        for deleter in 0..6 {
            let (store, key) = (Arc::clone(&stores[deleter % stores.len()]), key(&id));
            let stored = stored.clone();
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

/// Fails soon if nothing listens at the address.
pub(crate) async fn unreachable_fails_at_once(open: impl Fn(&str) -> AnyStore, scheme: &str) {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let store = open(&format!("{scheme}://127.0.0.1:{port}"));
    let begin = Instant::now();
    every_method_fails(&store, |error| assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}")).await;
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

/// Fails with one of these kinds, and soon, for each reaction of the server.
pub(crate) async fn garbage_fails_in_time(
    open: impl Fn(&str) -> AnyStore,
    scheme: &str,
    cases: &[(Manner, &[ErrorKind])],
) {
    for (manner, kinds) in cases {
        let fake = Fake::start(*manner);
        let store = open(&format!("{scheme}://127.0.0.1:{}?timeout=0.3", fake.port));
        let begin = Instant::now();
        every_method_fails(&store, |error| {
            assert!(kinds.contains(&error.kind()), "{manner:?}: {error:?}");
        })
        .await;
        assert!(begin.elapsed() < Duration::from_secs(20), "{manner:?}: {:?}", begin.elapsed());
    }
}

/// Calls every method and hands each failure to `judge`; a success is one too many.
pub(crate) async fn every_method_fails(store: &AnyStore, judge: impl Fn(hipflask_store::StoreError)) {
    let secret = "very-secret-id";
    let (key, data) = (key(secret), b"very-secret-data");
    let stored = Stored::new(data.to_vec(), None);
    let judge = |method: &str, error: Option<hipflask_store::StoreError>| {
        let error = error.unwrap_or_else(|| panic!("{method} succeeded"));
        let mut text = format!("{error} {error:?}");
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text.push_str(&format!(" {inner} {inner:?}"));
            cause = inner.source();
        }
        assert!(!text.contains(secret) && !text.contains("very-secret-data"), "{method}: {text}");
        judge(error);
    };
    judge("load", store.load(&key, now()).await.err());
    judge("create", store.create(&key, data, MINUTE, now()).await.err());
    judge("replace", store.replace(&key, &stored, b"new", MINUTE, now()).await.err());
    judge("touch", store.touch(&key, MINUTE, now()).await.err());
    judge("delete", store.delete(&key, now()).await.err());
    judge("delete_if", store.delete_if(&key, &stored, now()).await.err());
    judge("scan", store.scan(&Scan::new("session:"), now()).await.err());
    judge("ready", store.ready().await.err());
}
