//! The Redis store on real servers.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

#[path = "redis/breaks.rs"]
mod breaks;
#[path = "redis/cluster.rs"]
mod cluster;
#[path = "redis/connections.rs"]
mod connections;
#[path = "redis/cost.rs"]
mod cost;
mod crowd;
#[path = "live/mod.rs"]
mod live;
#[path = "redis/sentinel.rs"]
mod sentinel;

use std::sync::Arc;
use std::time::Duration;

use crowd::nobody_starves;
#[cfg(feature = "redis-tls")]
use hipflask_store::Store as _;
use hipflask_store::redis::RedisStore;
use hipflask_store::{DeletedIf, ErrorKind};
use hipflask_testkit::contract::store_contract;
use hipflask_testkit::servers::{FlaskSession, Redis};
use live::beside_flask_session::share_sessions;
use live::{
    AnyStore, a_cancelled_call_disturbs_no_other, created, fresh, key, lives_long, loses_nothing, now,
    pages_list_what_lives,
};

pub(crate) fn connected(url: &str) -> RedisStore {
    // Debug builds on a busy machine are slow; no test of an answer should fail for that.
    RedisStore::builder(url).unwrap().timeout(Duration::from_secs(20)).build().unwrap()
}

pub(crate) fn open(url: &str) -> AnyStore {
    Arc::new(connected(url))
}

fn several(url: &str) -> Vec<AnyStore> {
    (0..4).map(|_| open(url)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract_real_server() {
    let server = Redis::shared().unwrap();
    store_contract(async || connected(&server.url())).await;
    lives_long(&open(&server.url())).await;
    a_cancelled_call_disturbs_no_other(&open(&server.url())).await;
    pages_list_what_lives(open(&server.url())).await;
}

/// A server that does not know a command quotes a part of its arguments, and a record there is not text.
#[tokio::test]
async fn binary_record_is_deleted_if_unchanged_real_server() {
    let server = Redis::shared().unwrap();
    let store = open(&server.url());
    let stored = created(&store, "not-text", b"\x82\xaa_permanent\xc3\xff").await;
    let answer = store.delete_if(&key("not-text"), &stored, now()).await.unwrap();
    assert_eq!(answer, DeletedIf::Deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_obeys_the_contract_on_socket_real_server() {
    let server = Redis::shared().unwrap();
    store_contract(async || connected(&server.socket_url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_loses_nothing_real_server() {
    let server = Redis::shared().unwrap();
    loses_nothing(several(&server.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_writers_never_starve_real_server() {
    let server = Redis::shared().unwrap();
    nobody_starves(vec![open(&server.url())]).await;
    nobody_starves(several(&server.url())).await;
}

#[cfg(feature = "redis-tls")]
#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract_over_tls_real_server() {
    let server = Redis::start_with_tls().unwrap();
    let trusting = format!("{}?timeout=20&ca={}", server.url(), server.certificate().display());
    store_contract(async || RedisStore::from_url(&trusting).unwrap()).await;
    let pem = std::fs::read(server.certificate()).unwrap();
    let store = RedisStore::builder(&server.url()).unwrap().root_certificates(pem).build().unwrap();
    store.ready().await.unwrap();
    // An untrusted certificate, and one for another name, are refused.
    let error = open(&server.url()).ready().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let other_name = trusting.replace("localhost", "127.0.0.2");
    assert!(RedisStore::from_url(&other_name).unwrap().ready().await.is_err());
}

/// Runs where `HIPFLASK_VALKEY` names a `valkey-server`: Debian 12 has it in its backports alone.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "set HIPFLASK_VALKEY to a valkey-server"]
async fn valkey_keeps_the_contract_real_server() {
    let program = std::env::var("HIPFLASK_VALKEY").expect("HIPFLASK_VALKEY names a valkey-server");
    let server = Redis::start_as(&program, &[]).unwrap();
    store_contract(async || connected(&server.url().replace("redis://", "valkey://"))).await;
    pages_list_what_lives(open(&server.url())).await;
    loses_nothing(several(&server.url())).await;
    println!("{:?}", server.calls().unwrap());
}

#[tokio::test]
async fn redis_record_equals_flask_sessions_real_server() {
    let server = Redis::shared().unwrap();
    let store = open(&server.url());
    let id = fresh("bytes");
    let _ = created(&store, &id, b"\x82\xaa_permanent\xc3\xa1a\x01").await;
    let name = format!("session:{id}");
    assert_eq!(server.ask(&["type", &name]).unwrap(), "string");
    assert_eq!(server.ask(&["strlen", &name]).unwrap(), "16");
    let left: u64 = server.ask(&["ttl", &name]).unwrap().parse().unwrap();
    assert!((58..=60).contains(&left), "{left}");
    // Another process without end, and the time that it then has none.
    server.ask(&["set", &name, "plain"]).unwrap();
    let stored = store.load(&key(&id), now()).await.unwrap().unwrap();
    assert_eq!((stored.data.as_slice(), stored.expires), (b"plain".as_slice(), None));
}

#[tokio::test]
async fn foreign_value_is_corrupt_and_unchanged_real_server() {
    let server = Redis::shared().unwrap();
    let store = open(&server.url());
    let id = fresh("hash");
    server.ask(&["hset", &format!("session:{id}"), "field", "value"]).unwrap();
    assert_eq!(store.load(&key(&id), now()).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let expected = hipflask_store::Stored::new(Vec::new(), None);
    let answer = store.replace(&key(&id), &expected, b"new", live::MINUTE, now()).await;
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(server.ask(&["type", &format!("session:{id}")]).unwrap(), "hash");
}

#[tokio::test]
async fn refused_account_differs_from_unreachable_real_server() {
    let server = Redis::start().unwrap();
    server.ask(&["config", "set", "requirepass", "right"]).unwrap();
    let at = |account: &str| open(&server.url().replace("redis://", &format!("redis://{account}")));
    for wrong in ["", ":wrong@", "nobody:right@"] {
        let error = at(wrong).ready().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{wrong}: {error}");
        assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
    }
    at(":right@").ready().await.unwrap();
    at("default:right@").ready().await.unwrap();
}

/// The probe of `ready` is not for such an account, and its sessions work all the same.
#[tokio::test]
async fn account_with_session_keys_suffices_real_server() {
    let server = Redis::start().unwrap();
    server
        .ask(&[
            "acl",
            "setuser",
            "app",
            "on",
            ">pw",
            "~session:*",
            "+@read",
            "+@write",
            "+@scripting",
            "+ping",
        ])
        .unwrap();
    let store = open(&server.url().replace("redis://", "redis://app:pw@"));
    store.ready().await.unwrap();
    let stored = created(&store, "confined", b"one").await;
    let answer = store.replace(&key("confined"), &stored, b"two", live::MINUTE, now()).await.unwrap();
    assert!(matches!(answer, hipflask_store::Replaced::Replaced(_)));
    let outside = hipflask_store::Key::new("other:", "x").unwrap();
    assert_eq!(store.load(&outside, now()).await.unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn forgotten_script_is_sent_again_real_server() {
    let server = Redis::start().unwrap();
    let store = open(&server.url());
    let mut stored = created(&store, "script", b"0").await;
    for number in 1..4_u8 {
        server.ask(&["script", "flush"]).unwrap();
        let data = [number];
        let answer = store.replace(&key("script"), &stored, &data, live::MINUTE, now()).await.unwrap();
        assert!(matches!(answer, hipflask_store::Replaced::Replaced(_)));
        stored = store.load(&key("script"), now()).await.unwrap().unwrap();
        assert_eq!(stored.data, data);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_shared_with_real_flask_real_server() {
    let server = Redis::start().unwrap();
    share_sessions(open(&server.url()), FlaskSession::on_redis(&server.url()).unwrap()).await;
}
