//! The memcached store on real servers.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

#[path = "memcached/breaks.rs"]
mod breaks;
mod crowd;
#[path = "live/mod.rs"]
mod live;

use std::sync::Arc;
use std::time::Duration;

use crowd::nobody_starves;
use hipflask_store::memcached::MemcachedStore;
use hipflask_store::{ErrorKind, Replaced, Store, Stored};
use hipflask_testkit::contract::store_contract;
use hipflask_testkit::servers::{FlaskSession, Memcached};
use live::beside_flask_session::share_sessions;
use live::{
    AnyStore, MINUTE, a_cancelled_call_disturbs_no_other, created, fresh, key, lives_long, loses_nothing,
    now, pages_list_what_lives,
};

pub(crate) fn connected(url: &str) -> MemcachedStore {
    // Debug builds on a busy machine are slow; no test of an answer should fail for that.
    MemcachedStore::builder(url).unwrap().timeout(Duration::from_secs(20)).build().unwrap()
}

pub(crate) fn open(url: &str) -> AnyStore {
    Arc::new(connected(url))
}

fn several(url: &str) -> Vec<AnyStore> {
    (0..4).map(|_| open(url)).collect()
}

/// Several servers, and the address of all of them.
fn farm(number: usize) -> (Vec<Memcached>, String) {
    let servers: Vec<Memcached> = (0..number).map(|_| Memcached::start().unwrap()).collect();
    let nodes: Vec<String> = servers.iter().map(Memcached::node).collect();
    (servers, format!("memcached://{}", nodes.join(",")))
}

#[tokio::test(flavor = "multi_thread")]
async fn memcached_writers_never_starve_real_server() {
    let server = Memcached::start().unwrap();
    nobody_starves(vec![open(&server.url())]).await;
    nobody_starves(several(&server.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memcached_keeps_the_contract_real_server() {
    let server = Memcached::start().unwrap();
    store_contract(async || connected(&server.url())).await;
    lives_long(&open(&server.url())).await;
    a_cancelled_call_disturbs_no_other(&open(&server.url())).await;
    pages_list_what_lives(open(&server.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memcached_obeys_the_contract_on_socket_real_server() {
    let server = Memcached::start_on_socket().unwrap();
    store_contract(async || connected(&server.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memcached_loses_nothing_real_server() {
    let server = Memcached::shared().unwrap();
    loses_nothing(several(&server.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_obey_the_contract_real_server() {
    let (servers, url) = farm(2);
    store_contract(async || connected(&url)).await;
    pages_list_what_lives(open(&url)).await;
    loses_nothing(several(&url)).await;
    for server in &servers {
        let stats = server.ask("stats").unwrap();
        let gets =
            stats.lines().find_map(|line| line.strip_prefix("STAT cmd_get ")).unwrap().trim().to_owned();
        assert!(gets.parse::<u64>().unwrap() > 1000, "{gets}");
    }
}

/// Another client reads and writes the same records.
#[tokio::test]
async fn memcached_record_equals_pymemcaches_real_server() {
    let server = Memcached::shared().unwrap();
    let store = open(&server.url());
    let id = fresh("bytes");
    let stored = created(&store, &id, b"\x81\xa1a\x01").await;
    let raw = server.ask(&format!("get session:{id}")).unwrap();
    assert!(raw.starts_with(&format!("VALUE session:{id} 0 4\r\n")), "{raw:?}");
    // As Flask-Session after a request that changed nothing: the same bytes under a new number.
    server.ask(&format!("set session:{id} 0 100 4\r\nsame")).unwrap();
    let foreign = store.load(&key(&id), now()).await.unwrap().unwrap();
    assert_eq!(foreign.data, b"same");
    server.ask(&format!("set session:{id} 0 100 4\r\nsame")).unwrap();
    let answer = store.replace(&key(&id), &foreign, b"new", MINUTE, now()).await.unwrap();
    assert!(matches!(answer, Replaced::Replaced(_)), "{answer:?}");
    let answer = store.replace(&key(&id), &stored, b"late", MINUTE, now()).await.unwrap();
    assert!(matches!(answer, Replaced::Conflict(current) if current.data == b"new"));
    // Without end, as another client may have written it.
    server.ask(&format!("set session:{id} 0 0 3\r\nold")).unwrap();
    assert_eq!(store.load(&key(&id), now()).await.unwrap().unwrap().expires, None);
}

/// memcached itself would drop the record that is there.
#[tokio::test]
async fn too_long_record_is_refused_real_server() {
    let server = Memcached::shared().unwrap();
    let store = open(&server.url());
    let most = store.describe().max_bytes.unwrap();
    let longest = "k".repeat(hipflask_store::Key::MAX_BYTES - 8);
    let stored = created(&store, &longest, &vec![b'x'; most]).await;
    assert_eq!(stored.data.len(), most);
    let long = vec![b'y'; most + 1];
    let error = store.replace(&key(&longest), &stored, &long, MINUTE, now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    assert!(error.to_string().contains(&most.to_string()), "{error}");
    assert_eq!(
        store.create(&key(&fresh("long")), &long, MINUTE, now()).await.unwrap_err().kind(),
        ErrorKind::Full
    );
    assert_eq!(store.load(&key(&longest), now()).await.unwrap().unwrap().data.len(), most);
    // Whoever tells us of larger items than there are gets the server's own refusal.
    let wrong = MemcachedStore::builder(&server.url()).unwrap().max_item(3_000_000).build().unwrap();
    let huge = vec![b'z'; 2_000_000];
    let error = wrong.create(&key(&fresh("huge")), &huge, MINUTE, now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error:?}");
    wrong.ready().await.unwrap();
    let server = Memcached::start_with(&["-I", "4m"]).unwrap();
    let roomy = open(&format!("{}?max_item=4194304", server.url()));
    assert_eq!(created(&roomy, "huge", &huge).await.data.len(), 2_000_000);
}

/// A caller without the CAS number replaces by the bytes.
#[tokio::test]
async fn bytes_identify_a_record_without_number_real_server() {
    let server = Memcached::shared().unwrap();
    let store = open(&server.url());
    let id = fresh("bytes-alone");
    let _ = created(&store, &id, b"one").await;
    let (right, wrong) = (Stored::new(b"one".to_vec(), None), Stored::new(b"two".to_vec(), None));
    let answer = store.replace(&key(&id), &wrong, b"three", MINUTE, now()).await.unwrap();
    assert!(matches!(answer, Replaced::Conflict(_)), "{answer:?}");
    let answer = store.replace(&key(&id), &right, b"three", MINUTE, now()).await.unwrap();
    assert!(matches!(answer, Replaced::Replaced(_)), "{answer:?}");
}

#[tokio::test]
async fn each_step_is_one_command_real_server() {
    let server = Memcached::start().unwrap();
    let store = open(&server.url());
    let counts = || {
        let stats = server.ask("stats").unwrap();
        ["cmd_get", "cmd_set", "cmd_touch", "delete_hits", "cas_hits", "cas_badval"].map(|name| {
            let line = stats.lines().find_map(|line| line.strip_prefix(&format!("STAT {name} "))).unwrap();
            line.trim().parse::<u64>().unwrap()
        })
    };
    let mut before = counts();
    let mut spent = || {
        let after = counts();
        let spent: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
        before = after;
        spent
    };
    let key = key("cost");
    let _ = store.create(&key, b"one", MINUTE, now()).await.unwrap();
    assert_eq!(spent(), [0, 1, 0, 0, 0, 0], "create");
    let stored = store.load(&key, now()).await.unwrap().unwrap();
    assert_eq!(spent(), [1, 0, 0, 0, 0, 0], "load");
    let _ = store.replace(&key, &stored, b"two", MINUTE, now()).await.unwrap();
    assert_eq!(spent(), [0, 1, 0, 0, 1, 0], "replace");
    let _ = store.replace(&key, &stored, b"late", MINUTE, now()).await.unwrap();
    assert_eq!(spent(), [1, 1, 0, 0, 0, 1], "conflict");
    let _ = store.touch(&key, MINUTE, now()).await.unwrap();
    assert_eq!(spent(), [0, 0, 1, 0, 0, 0], "touch");
    let _ = store.delete(&key, now()).await.unwrap();
    assert_eq!(spent(), [0, 0, 0, 1, 0, 0], "delete");
}

#[tokio::test(flavor = "multi_thread")]
async fn memcached_is_shared_with_real_flask_real_server() {
    for number in [1, 2, 5] {
        let (servers, url) = farm(number);
        let nodes: Vec<String> = servers.iter().map(Memcached::node).collect();
        share_sessions(open(&url), FlaskSession::on_memcached(&nodes).unwrap()).await;
    }
}
