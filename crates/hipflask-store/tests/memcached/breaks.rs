//! Servers that die, stall, or talk nonsense.

use std::sync::Arc;

use hipflask_store::memcached::MemcachedStore;
use hipflask_store::{ErrorKind, Replaced};
use hipflask_testkit::servers::Memcached;

use crate::live::fake::{Fake, Manner};
use crate::live::{AnyStore, MINUTE, created, garbage_fails_in_time, key, now, unreachable_fails_at_once};
use crate::{farm, open};

#[tokio::test]
async fn killed_memcached_is_empty_and_reconnected_real_server() {
    let mut server = Memcached::start().unwrap();
    let store = open(&server.url());
    for step in 0..5 {
        let id = format!("killed-{step}");
        let stored = created(&store, &id, b"one").await;
        server.kill();
        let error = store.load(&key(&id), now()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let error = store.create(&key("other"), b"one", MINUTE, now()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        server.restart().unwrap();
        // What memcached knew is gone, and a record that is gone is not made again.
        assert_eq!(store.replace(&key(&id), &stored, b"two", MINUTE, now()).await.unwrap(), Replaced::Gone);
        let _ = created(&store, &id, b"one").await;
        server.kill();
        server.restart().unwrap();
        // All connections are dead; what reads notices without an error, and the others are not
        // tried any more.
        assert_eq!(store.load(&key(&id), now()).await.unwrap(), None);
        let _ = created(&store, &format!("{id}-again"), b"one").await;
    }
}

#[tokio::test]
async fn failed_server_affects_its_own_sessions_real_server() {
    let (mut servers, url) = farm(3);
    let store = open(&url);
    for number in 0..60 {
        let _ = created(&store, &format!("away-{number}"), b"one").await;
    }
    servers[1].kill();
    let mut lost = 0;
    for number in 0..60 {
        match store.load(&key(&format!("away-{number}")), now()).await {
            Ok(found) => assert_eq!(found.unwrap().data, b"one"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                lost += 1;
            }
        }
    }
    assert!((5..45).contains(&lost), "{lost} of 60");
    assert_eq!(store.ready().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn unreachable_server_fails_at_once() {
    unreachable_fails_at_once(open, "memcached").await;
}

#[tokio::test]
async fn garbage_replies_are_errors_in_time() {
    let cases: &[(Manner, &[ErrorKind])] = &[
        (Manner::Silent, &[ErrorKind::Timeout]),
        (Manner::HangsUp, &[ErrorKind::Unavailable]),
        (Manner::Says(b"!?garbage\r\n"), &[ErrorKind::Corrupt, ErrorKind::Unsupported]),
        (Manner::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), &[ErrorKind::Corrupt, ErrorKind::Unsupported]),
        (Manner::SaysAndHangsUp(b"VA 100 t60 c1\r\nhalf"), &[ErrorKind::Unavailable, ErrorKind::Corrupt]),
        (Manner::Says(b"VA 4294967295 t60 c1\r\nx"), &[ErrorKind::Timeout, ErrorKind::Corrupt]),
        (Manner::Says(b"ERROR\r\n"), &[ErrorKind::Unsupported, ErrorKind::Corrupt]),
        (
            Manner::Says(b"SERVER_ERROR out of memory storing object\r\n"),
            &[ErrorKind::Full, ErrorKind::Corrupt],
        ),
        (
            Manner::Says(b"CLIENT_ERROR bad key session:very-secret-id very-secret-data\r\n"),
            &[ErrorKind::Refused, ErrorKind::Corrupt],
        ),
        (Manner::Says(b"VERSION 1.4.15\r\n"), &[ErrorKind::Unsupported, ErrorKind::Corrupt]),
    ];
    let impatient = |url: &str| -> AnyStore { Arc::new(MemcachedStore::from_url(url).unwrap()) };
    garbage_fails_in_time(impatient, "memcached", cases).await;
}

#[tokio::test]
async fn lost_reply_never_repeats_a_write() {
    let fake = Fake::start(Manner::SaysAndHangsUp(b""));
    let store = open(&format!("memcached://127.0.0.1:{}", fake.port));
    let error = store.create(&key("once"), b"one", MINUTE, now()).await.unwrap_err();
    assert_eq!((error.kind(), fake.requests()), (ErrorKind::Unavailable, 1));
    let error = store.touch(&key("once"), MINUTE, now()).await.unwrap_err();
    assert_eq!((error.kind(), fake.requests()), (ErrorKind::Unavailable, 2));
    let error = store.load(&key("once"), now()).await.unwrap_err();
    assert_eq!((error.kind(), fake.requests()), (ErrorKind::Unavailable, 4));
}
