//! Three masters.

use std::time::{Duration, Instant};

use hipflask_store::redis::RedisStore;
use hipflask_store::{ErrorKind, Replaced, Store};
use hipflask_testkit::contract::store_contract;
use hipflask_testkit::servers::{Redis, RedisCluster};

use crate::live::{MINUTE, created, key, loses_nothing, now, pages_list_what_lives};
use crate::{connected, open, several};

#[tokio::test(flavor = "multi_thread")]
async fn cluster_obeys_the_contract_real_server() {
    let cluster = RedisCluster::start().unwrap();
    store_contract(async || connected(&cluster.url())).await;
    pages_list_what_lives(open(&cluster.url())).await;
    loses_nothing(several(&cluster.url())).await;
    // Every node has had its share.
    for node in cluster.nodes() {
        let calls = node.calls().unwrap();
        assert!(calls.iter().any(|(name, calls)| name == "get" && *calls > 100), "{calls:?}");
    }
    let waiting = RedisStore::builder(&cluster.url()).unwrap().timeout(Duration::from_secs(5));
    let waiting = waiting.wait_for_replicas(1, Duration::from_millis(100)).build().unwrap();
    for number in 0..10 {
        let id = format!("waiting-{number}");
        let _ = created(&open(&cluster.url()), &id, b"one").await;
        let error = waiting.delete(&key(&id), now()).await.unwrap_err();
        assert!(error.to_string().contains("only 0 of 1"), "{error}");
        assert_eq!(waiting.load(&key(&id), now()).await.unwrap(), None);
    }
}

/// A key that has moved ahead of its slot, and then the slot itself: callers notice nothing.
#[tokio::test(flavor = "multi_thread")]
async fn slot_moves_while_in_use_real_server() {
    let cluster = RedisCluster::start().unwrap();
    let store = open(&cluster.url());
    store.ready().await.unwrap();
    let stored = created(&store, "moving", b"one").await;
    let name = "session:moving";
    let slot = cluster.nodes()[0].ask(&["cluster", "keyslot", name]).unwrap();
    let has_it = |node: &Redis| node.ask(&["cluster", "countkeysinslot", &slot]).unwrap() == "1";
    let from = cluster.nodes().iter().position(has_it).unwrap();
    let (from, to) = (&cluster.nodes()[from], &cluster.nodes()[(from + 1) % 3]);
    let id = |node: &Redis| node.ask(&["cluster", "myid"]).unwrap();
    to.ask(&["cluster", "setslot", &slot, "importing", &id(from)]).unwrap();
    from.ask(&["cluster", "setslot", &slot, "migrating", &id(to)]).unwrap();
    // The slot is still the old node's, and so is the key.
    assert_eq!(store.load(&key("moving"), now()).await.unwrap().unwrap().data, b"one");
    from.ask(&["migrate", "127.0.0.1", &to.port().to_string(), name, "0", "5000"]).unwrap();
    // The key is at the new node, which takes it only from those who were sent.
    assert_eq!(store.load(&key("moving"), now()).await.unwrap().unwrap().data, b"one");
    let answer = store.replace(&key("moving"), &stored, b"two", MINUTE, now()).await.unwrap();
    assert!(matches!(answer, Replaced::Replaced(_)), "{answer:?}");
    let late = store.replace(&key("moving"), &stored, b"late", MINUTE, now()).await.unwrap();
    assert!(matches!(late, Replaced::Conflict(current) if current.data == b"two"));
    assert_eq!(store.load(&key("gone-of-this-slot"), now()).await.unwrap(), None);
    for node in cluster.nodes() {
        node.ask(&["cluster", "setslot", &slot, "node", &id(to)]).unwrap();
    }
    let stored = store.load(&key("moving"), now()).await.unwrap().unwrap();
    assert_eq!(stored.data, b"two");
    let answer = store.replace(&key("moving"), &stored, b"three", MINUTE, now()).await.unwrap();
    assert!(matches!(answer, Replaced::Replaced(_)), "{answer:?}");
    assert!(has_it(to) && !has_it(from));
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_node_is_replaced_real_server() {
    let mut cluster = RedisCluster::start().unwrap();
    let url = format!("{}?timeout=1", cluster.url());
    let store: crate::AnyStore = std::sync::Arc::new(RedisStore::from_url(&url).unwrap());
    let ids: Vec<String> = (0..30).map(|number| format!("node-{number}")).collect();
    for id in &ids {
        let _ = created(&store, id, id.as_bytes()).await;
    }
    cluster.nodes_mut()[2].kill();
    let mut failures = 0;
    for id in &ids {
        let begin = Instant::now();
        match store.load(&key(id), now()).await {
            Ok(found) => assert_eq!(found.unwrap().data, id.as_bytes()),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error:?}");
                failures += 1;
            }
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    }
    println!("{failures} of 30 failed");
    assert!(failures > 0);
    cluster.nodes_mut()[2].restart().unwrap();
    let begin = Instant::now();
    for id in &ids {
        loop {
            match store.load(&key(id), now()).await {
                Ok(found) => {
                    assert_eq!(found.unwrap().data, id.as_bytes());
                    break;
                }
                Err(error) => assert!(begin.elapsed() < Duration::from_secs(20), "{error:?}"),
            }
        }
    }
    println!("all found {:?} after the restart", begin.elapsed());
}
