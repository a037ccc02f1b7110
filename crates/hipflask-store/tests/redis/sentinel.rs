//! A master that dies, and a replica that takes over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hipflask_store::redis::RedisStore;
use hipflask_store::{Deleted, ErrorKind, Replaced, Store, StoreError};
use hipflask_testkit::contract::store_contract;
use hipflask_testkit::servers::{Redis, RedisSentinel};
use tokio::sync::Mutex;

use crate::live::{AnyStore, MINUTE, add_one, created, key, now, pages_list_what_lives};
use crate::{connected, open};

#[tokio::test(flavor = "multi_thread")]
async fn sentinel_keeps_the_contract_real_server() {
    let servers = RedisSentinel::start().unwrap();
    store_contract(async || connected(&servers.url())).await;
    pages_list_what_lives(open(&servers.url())).await;
    let wrong =
        RedisStore::from_url(&format!("{}?timeout=1", servers.url().replace("/main", "/other"))).unwrap();
    // Which of the two depends on whether a try is under way when the second ends.
    let kind = wrong.ready().await.unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout), "{kind:?}");
}

/// Writers go on while the master is killed. Only two kinds of failure are allowed, and replicated
/// writes survive.
#[tokio::test(flavor = "multi_thread")]
async fn failover_keeps_replicated_writes_real_server() {
    let mut servers = RedisSentinel::start().unwrap();
    let store = RedisStore::builder(&servers.url()).unwrap().timeout(Duration::from_secs(1)).build().unwrap();
    let store: AnyStore = Arc::new(store);
    store.ready().await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let failures = Arc::new(AtomicU32::new(0));
    let acknowledged: Arc<Mutex<BTreeMap<u32, u32>>> = Arc::default();
    for counter in 0..8 {
        let _ = created(&store, &format!("counter-{counter}"), b"0").await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for counter in 0..8 {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        let (failures, acknowledged) = (Arc::clone(&failures), Arc::clone(&acknowledged));
        tasks.spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                match increment(&store, counter).await {
                    Ok(Some(value)) => {
                        acknowledged.lock().await.insert(counter, value);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        assert!(
                            matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout),
                            "{error} {:?}",
                            std::error::Error::source(&error).map(ToString::to_string)
                        );
                        failures.fetch_add(1, Ordering::SeqCst);
                    }
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    // What was acknowledged by now the replica has, once it has confirmed everything up to here.
    let before = acknowledged.lock().await.clone();
    assert_eq!(before.len(), 8);
    servers.first().ask(&["set", "mark", "1"]).unwrap();
    let begin = Instant::now();
    while servers.second().ask(&["get", "mark"]).unwrap() != "1" {
        assert!(begin.elapsed() < Duration::from_secs(30), "the replica does not follow");
    }
    servers.kill_first();
    let begin = Instant::now();
    while !plays(servers.second(), "master") {
        assert!(begin.elapsed() < Duration::from_secs(20), "no failover");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let failover = begin.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop.store(true, Ordering::SeqCst);
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let after = acknowledged.lock().await.clone();
    for counter in 0..8 {
        let stored = store.load(&key(&format!("counter-{counter}")), now()).await.unwrap().unwrap();
        let value: u32 = String::from_utf8(stored.data).unwrap().parse().unwrap();
        assert!(value >= before[&counter], "counter {counter}: {value} after {}", before[&counter]);
        // The last one acknowledged came from the new master.
        assert!(
            value >= after[&counter],
            "counter {counter}: {value}, and {} was acknowledged",
            after[&counter]
        );
        assert!(after[&counter] > before[&counter] + 10, "counter {counter} stood still");
    }
    println!(
        "failover in {failover:?}, {} calls failed, {before:?} -> {after:?}",
        failures.load(Ordering::SeqCst)
    );
    // The old master comes back as a replica; nobody writes to it.
    servers.restart_first().unwrap();
    let _ = created(&store, "afterwards", b"one").await;
    let begin = Instant::now();
    while !plays(servers.first(), "slave") {
        assert!(begin.elapsed() < Duration::from_secs(20), "the old master is not told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(store.load(&key("afterwards"), now()).await.unwrap().unwrap().data, b"one");
}

/// Sentinel ends the connections of a server whose role it changes, the one that asks among them.
fn plays(server: &Redis, role: &str) -> bool {
    server.ask(&["role"]).is_ok_and(|answer| answer.starts_with(role))
}

async fn increment(store: &AnyStore, counter: u32) -> Result<Option<u32>, StoreError> {
    let key = key(&format!("counter-{counter}"));
    let Some(stored) = store.load(&key, now()).await? else { panic!("counter {counter} is gone") };
    let data = add_one(&stored.data);
    let value = String::from_utf8(data.clone()).unwrap().parse().unwrap();
    let answer = store.replace(&key, &stored, &data, MINUTE, now()).await?;
    Ok(matches!(answer, Replaced::Replaced(_)).then_some(value))
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmed_deletion_survives_failover_real_server() {
    let mut servers = RedisSentinel::start().unwrap();
    let waiting = |replicas, within| {
        let builder = RedisStore::builder(&servers.url()).unwrap().timeout(Duration::from_secs(10));
        Arc::new(builder.wait_for_replicas(replicas, within).build().unwrap()) as AnyStore
    };
    let store = waiting(1, Duration::from_secs(5));
    for number in 0..50 {
        let _ = created(&store, &format!("ended-{number}"), b"one").await;
    }
    for number in 0..50 {
        let answer = store.delete(&key(&format!("ended-{number}")), now()).await.unwrap();
        assert_eq!(answer, Deleted::Deleted);
    }
    assert_eq!(store.delete(&key("ended-0"), now()).await.unwrap(), Deleted::Gone);
    // Two replicas cannot confirm where there is one, and nobody else waits behind this call.
    let greedy = waiting(2, Duration::from_secs(3));
    let _ = created(&store, "greedy", b"one").await;
    let _ = created(&store, "other", b"two").await;
    let deleting = {
        let greedy = Arc::clone(&greedy);
        tokio::spawn(async move { greedy.delete(&key("greedy"), now()).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begin = Instant::now();
    assert_eq!(greedy.load(&key("other"), now()).await.unwrap().unwrap().data, b"two");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    let error = deleting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("only 1 of 2"), "{error}");
    assert_eq!(store.load(&key("greedy"), now()).await.unwrap(), None);
    servers.kill_first();
    for number in 0..50 {
        assert_eq!(store.load(&key(&format!("ended-{number}")), now()).await.unwrap(), None);
    }
    let error = store.delete(&key("other"), now()).await.unwrap_err();
    assert!(error.to_string().contains("only 0 of 1"), "{error}");
    servers.kill_second();
}
