//! Servers that die, stall, or talk nonsense.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hipflask_store::redis::RedisStore;
use hipflask_store::{Created, Deleted, ErrorKind, Replaced, Touched};
use hipflask_testkit::servers::Redis;

use crate::live::fake::{Fake, Manner};
use crate::live::{
    AnyStore, HOUR, MINUTE, created, every_method_fails, garbage_fails_in_time, key, now,
    unreachable_fails_at_once,
};
use crate::open;

/// The call after the one that noticed finds the server again; what was acknowledged is still there.
#[tokio::test]
async fn killed_redis_loses_no_acknowledged_write_real_server() {
    let mut server = Redis::start().unwrap();
    let store = open(&server.url());
    store.ready().await.unwrap();
    let mut written = 0;
    for step in 0..6 {
        let key = key(&format!("killed-{step}"));
        server.kill();
        let error = store.load(&key, now()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        server.restart().unwrap();
        // Reading finds the new connection by itself.
        assert_eq!(store.load(&key, now()).await.unwrap(), None);
        let stored = created(&store, key.id("session:").unwrap(), b"one").await;
        written += 1;
        server.kill();
        server.restart().unwrap();
        // The connection is dead, and what reads notices without an error.
        assert_eq!(store.load(&key, now()).await.unwrap().unwrap().data, b"one");
        server.kill();
        server.restart().unwrap();
        // What writes does not know whether it arrived, says so, and the next try is sound either way.
        let answer = match store.replace(&key, &stored, b"two", MINUTE, now()).await {
            Ok(answer) => answer,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                store.replace(&key, &stored, b"two", MINUTE, now()).await.unwrap()
            }
        };
        assert!(matches!(answer, Replaced::Replaced(_)), "{answer:?}");
        match step % 3 {
            0 => {
                let _ = store.touch(&key, HOUR, now()).await.unwrap();
            }
            1 => {
                assert_eq!(store.delete(&key, now()).await.unwrap(), Deleted::Deleted);
                written -= 1;
            }
            _ => {}
        }
        server.kill();
        server.restart().unwrap();
        let found = store.load(&key, now()).await.unwrap();
        assert_eq!(found.map(|stored| stored.data), (step % 3 != 1).then(|| b"two".to_vec()));
    }
    assert_eq!(server.ask(&["dbsize"]).unwrap(), written.to_string());
}

#[tokio::test]
async fn stalled_server_times_out_and_recovers_real_server() {
    let server = Redis::start().unwrap();
    let store = RedisStore::builder(&server.url()).unwrap().timeout(Duration::from_secs(1)).build().unwrap();
    let store: AnyStore = Arc::new(store);
    let stored = created(&store, "stall", b"one").await;
    server.pause().unwrap();
    for _ in 0..2 {
        let begin = Instant::now();
        every_method_fails(&store, |error| {
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            assert!(error.is_transient());
        })
        .await;
        // Eight calls, one after the other.
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    }
    let error = store.replace(&key("stall"), &stored, b"late", MINUTE, now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    server.resume().unwrap();
    // What was sent may still happen, which is why it was an error and not an answer.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let found = store.load(&key("stall"), now()).await.unwrap().unwrap();
    assert!(matches!(found.data.as_slice(), b"one" | b"late"), "{found:?}");
    assert_eq!(store.touch(&key("stall"), MINUTE, now()).await.unwrap(), Touched::Touched);
}

#[tokio::test]
async fn unreachable_server_fails_at_once() {
    unreachable_fails_at_once(open, "redis").await;
}

#[tokio::test]
async fn garbage_replies_are_errors_in_time() {
    let cases: &[(Manner, &[ErrorKind])] = &[
        (Manner::Silent, &[ErrorKind::Timeout]),
        (Manner::HangsUp, &[ErrorKind::Unavailable]),
        (Manner::Says(b"!?garbage\r\n"), &[ErrorKind::Corrupt, ErrorKind::Unavailable]),
        (Manner::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), &[ErrorKind::Corrupt, ErrorKind::Unavailable]),
        (Manner::Says(b"+OK\r\n+OK\r\n$5\r\nab"), &[ErrorKind::Timeout, ErrorKind::Corrupt]),
        (Manner::SaysAndHangsUp(b"+OK\r\n$100\r\nhalf"), &[ErrorKind::Unavailable, ErrorKind::Corrupt]),
        (Manner::Says(b":7\r\n:7\r\n"), &[ErrorKind::Corrupt, ErrorKind::Unavailable]),
        (Manner::Says(b"*1\r\n*1\r\n*1\r\n*1\r\n"), &[ErrorKind::Timeout, ErrorKind::Corrupt]),
        (
            Manner::Says(b"$2147483647\r\nx"),
            &[ErrorKind::Timeout, ErrorKind::Corrupt, ErrorKind::Unavailable],
        ),
        (
            Manner::Says(
                b"-ERR wrong 'session:very-secret-id', with args beginning with: 'very-secret-data'\r\n",
            ),
            &[ErrorKind::Refused, ErrorKind::Timeout],
        ),
    ];
    let impatient = |url: &str| -> AnyStore { Arc::new(RedisStore::from_url(url).unwrap()) };
    garbage_fails_in_time(impatient, "redis", cases).await;
}

/// `create` would say "it exists already" to its own first try.
#[tokio::test]
async fn lost_reply_never_repeats_a_write() {
    let fake = Fake::start(Manner::SaysAndHangsUp(b"+OK\r\n+OK\r\n"));
    let store = open(&format!("redis://127.0.0.1:{}", fake.port));
    // The first thing that a connection says is who it is.
    let _ = store.create(&key("once"), b"one", MINUTE, now()).await;
    let after_create = fake.requests();
    assert!(after_create <= 2, "{after_create} requests");
    let _ = store.load(&key("once"), now()).await;
    assert!(fake.requests() <= after_create + 4, "{} requests", fake.requests());
}

#[tokio::test]
async fn ready_refuses_a_replica_real_server() {
    let master = Redis::start().unwrap();
    let port = master.port().to_string();
    let replica = Redis::start_as(
        "redis-server",
        &["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"],
    )
    .unwrap();
    let error = open(&replica.url()).ready().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("replica"), "{error}");
}

#[tokio::test]
async fn full_server_is_reported_real_server() {
    let server = Redis::start_as("redis-server", &["--maxmemory-policy", "noeviction"]).unwrap();
    let store = open(&server.url());
    let stored = created(&store, "full", b"one").await;
    server.ask(&["config", "set", "maxmemory", "1"]).unwrap();
    let error = store.create(&key("more"), b"two", MINUTE, now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    let error = store.replace(&key("full"), &stored, b"two", MINUTE, now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    assert_eq!(store.load(&key("full"), now()).await.unwrap().unwrap().data, b"one");
    assert_eq!(store.delete(&key("full"), now()).await.unwrap(), Deleted::Deleted);
    server.ask(&["config", "set", "maxmemory", "0"]).unwrap();
    assert!(matches!(store.create(&key("more"), b"two", MINUTE, now()).await.unwrap(), Created::Created(_)));
}

/// A deletion that is tried again finds nothing to delete, and must wait all the same.
#[tokio::test]
async fn unconfirmed_deletion_is_an_error_real_server() {
    let master = Redis::start_as("redis-server", &["--repl-diskless-sync-delay", "0"]).unwrap();
    let port = master.port().to_string();
    let options = ["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"];
    let replica = Redis::start_as("redis-server", &options).unwrap();
    let waiting = |within| -> AnyStore {
        let builder = RedisStore::builder(&master.url()).unwrap().timeout(Duration::from_secs(10));
        Arc::new(builder.wait_for_replicas(1, within).build().unwrap())
    };
    let impatient = || waiting(Duration::from_millis(300));
    let store = impatient();
    let _ = created(&store, "ended", b"one").await;
    let begin = Instant::now();
    while replica.ask(&["get", "session:ended"]).unwrap() != "one" {
        assert!(begin.elapsed() < Duration::from_secs(20), "the replica does not follow");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    replica.pause().unwrap();
    // The one who deleted, the same one again, and a process that was started meanwhile.
    for store in [&store, &store, &impatient(), &impatient()] {
        let error = store.delete(&key("ended"), now()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains("only 0 of 1 replicas"), "{error}");
    }
    assert_eq!(store.load(&key("ended"), now()).await.unwrap(), None, "the master knows it no more");
    replica.resume().unwrap();
    assert_eq!(waiting(Duration::from_secs(20)).delete(&key("ended"), now()).await.unwrap(), Deleted::Gone);
    assert_eq!(replica.ask(&["exists", "session:ended"]).unwrap(), "0");
}
