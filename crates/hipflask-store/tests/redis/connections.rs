//! The number of connections, their commands, and the advice about the server's configuration.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hipflask_store::Store;
use hipflask_store::redis::RedisStore;
use hipflask_testkit::servers::Redis;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::live::{AnyStore, MINUTE, key, now};

fn with(server: &Redis, connections: u32) -> AnyStore {
    let builder = RedisStore::builder(&server.url()).unwrap().timeout(Duration::from_secs(20));
    Arc::new(builder.connections(connections).build().unwrap())
}

/// Returns the number of connections of the server, without that of this request.
fn clients(server: &Redis) -> usize {
    let list = server.ask(&["client", "list"]).unwrap();
    list.lines().filter(|line| line.contains("id=") && !line.contains("cmd=client")).count()
}

async fn create(store: &AnyStore, name: &str, bytes: usize) {
    let _ = store.create(&key(name), &vec![b'x'; bytes], MINUTE, now()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn small_sessions_use_one_connection_real_server() {
    let server = Redis::start().unwrap();
    let store = with(&server, 4);
    create(&store, "small", 500).await;
    let calls = (0..50).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.load(&key("small"), now()).await.unwrap().unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert_eq!(clients(&server), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_sessions_use_separate_connections_real_server() {
    for (connections, expected) in [(1, 1), (2, 2), (4, 4)] {
        let server = Redis::start().unwrap();
        let store = with(&server, connections);
        create(&store, "small", 500).await;
        create(&store, "large", 200_000).await;
        let calls = (0..100).map(|number| {
            let store = store.clone();
            let name = if number % 2 == 0 { "small" } else { "large" };
            tokio::spawn(async move { store.load(&key(name), now()).await.unwrap().unwrap().data.len() })
        });
        let mut bytes = 0;
        for call in calls.collect::<Vec<_>>() {
            bytes += call.await.unwrap();
        }
        assert_eq!(bytes, 50 * 200_500);
        assert_eq!(clients(&server), expected);
        // Each of them comes back by itself.
        server.ask(&["client", "kill", "type", "normal"]).unwrap();
        for name in ["small", "large", "small", "large"] {
            assert!(store.load(&key(name), now()).await.unwrap().is_some());
        }
    }
}

/// Issue 11, point 14: what 200 readers of one large session do to the others.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long run: cargo xtask full"]
async fn long_large_sessions_never_delay_small_real_server() {
    let server = Redis::start().unwrap();
    for connections in [1, 4] {
        let store = with(&server, connections);
        let (small, large) = (format!("small-{connections}"), format!("large-{connections}"));
        create(&store, &small, 500).await;
        create(&store, &large, 200_000).await;
        let quiet = median(&store, &small).await;
        let readers: Vec<_> = (0..200)
            .map(|_| {
                let (store, large) = (store.clone(), large.clone());
                tokio::spawn(async move {
                    loop {
                        let _ = store.load(&key(&large), now()).await;
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let busy = median(&store, &small).await;
        println!("{connections} connections: median {quiet:?} alone, {busy:?} with 200 readers of 200 kB");
        readers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn median(store: &AnyStore, name: &str) -> Duration {
    let mut times = Vec::new();
    for _ in 0..101 {
        let begin = Instant::now();
        assert!(store.load(&key(name), now()).await.unwrap().is_some());
        times.push(begin.elapsed());
    }
    times.sort();
    times[50]
}

/// Collects warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.0.lock().unwrap().extend(fields.0.remove("advice"));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn core::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

/// The warnings from calling `ready` twice.
async fn warnings(url: &str) -> Vec<String> {
    let store = RedisStore::builder(url).unwrap().timeout(Duration::from_secs(20)).build().unwrap();
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    store.ready().await.unwrap();
    store.ready().await.unwrap();
    warnings.0.lock().unwrap().clone()
}

/// Issue 11, point 16.
#[tokio::test]
async fn lossy_configuration_warns_once_real_server() {
    let server = Redis::start().unwrap();
    server.ask(&["config", "set", "appendonly", "yes"]).unwrap();
    assert_eq!(warnings(&server.url()).await, [""; 0]);
    server.ask(&["config", "set", "appendonly", "no"]).unwrap();
    server.ask(&["config", "set", "maxmemory", "100mb"]).unwrap();
    server.ask(&["config", "set", "maxmemory-policy", "allkeys-lru"]).unwrap();
    let said = warnings(&server.url()).await;
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("`appendonly yes`") && said[1].contains("`maxmemory-policy noeviction`"));
    // As on a managed server, which allows one of the two commands, or neither.
    for (rule, expected) in [("-config", 2), ("-info", 2), ("-@dangerous", 0)] {
        server.ask(&["acl", "setuser", "app", "reset", "on", ">pw", "~*", "+@all", rule]).unwrap();
        let url = server.url().replace("redis://", "redis://app:pw@");
        assert_eq!(warnings(&url).await.len(), expected, "{rule}");
    }
}
