//! The SQL store on real databases.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod behaviour;
#[path = "sql/beside_flask_session.rs"]
mod beside_flask_session;
mod crowd;
#[path = "sql/faults.rs"]
mod faults;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use behaviour::beside_flask_session::share_sessions;
use behaviour::{AnyStore, keeps_the_contract, key, loses_nothing, now};
use crowd::nobody_starves;
use hipflask_core::time::UnixTime;
use hipflask_store::sql::SqlStore;
use hipflask_store::{Created, ErrorKind, Key, NewRecord, Store, StoreError};
use hipflask_testkit::contract::store_contract;
use hipflask_testkit::servers::{MariaDb, Postgres};
use tempfile::TempDir;

/// A store with a table of its own.
async fn ready(url: &str) -> AnyStore {
    static TABLES: AtomicU32 = AtomicU32::new(0);
    let table = format!("sessions_{}", TABLES.fetch_add(1, Ordering::Relaxed));
    let store = SqlStore::builder(url).unwrap().table(table).build().unwrap();
    store.ready().await.unwrap();
    // The second time it is there already.
    store.ready().await.unwrap();
    Arc::new(store)
}

fn sqlite_url(directory: &TempDir) -> String {
    format!("sqlite:{}", directory.path().join("app.db").display())
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_obeys_the_contract() {
    let directory = TempDir::new().unwrap();
    store_contract(async || SqlStore::from_url(&sqlite_url(&directory)).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_obeys_the_contract_real_server() {
    let server = Postgres::shared().unwrap();
    let url = format!("{}?table=contract", server.url("postgres", "postgres"));
    store_contract(async || SqlStore::from_url(&url).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_obeys_the_contract_real_server() {
    let server = MariaDb::shared().unwrap();
    let url = format!("{}?table=contract", server.url("root", "test"));
    store_contract(async || SqlStore::from_url(&url).unwrap()).await;
}

/// Issue 11, point 26. New ones, a live one, an expired one, and one that is in the group twice.
async fn creates_a_group(store: AnyStore) {
    let key = |number: u32| Key::new("group:", &number.to_string()).unwrap();
    let (hour, begin) = (Duration::from_secs(3600), UnixTime::from_secs(1_700_000_000));
    let later = begin.saturating_add(Duration::from_secs(60));
    let _ = store.create(&key(1), b"live", hour, begin).await.unwrap();
    let _ = store.create(&key(2), b"expired", Duration::from_secs(30), begin).await.unwrap();
    let keys: Vec<Key> = (0..300).chain([7]).map(key).collect();
    let records: Vec<NewRecord<'_>> =
        keys.iter().map(|key| NewRecord { key, data: b"new", ttl: hour }).collect();
    let created = store.create_many(&records, later).await.unwrap();
    for (at, created) in created.iter().enumerate() {
        assert_eq!(*created == Created::Exists, at == 1 || at == 300, "{at}");
    }
    for (number, data) in [(0, "new"), (1, "live"), (2, "new"), (7, "new"), (299, "new")] {
        let stored = store.load(&key(number), later).await.unwrap().unwrap();
        assert_eq!(stored.data, data.as_bytes(), "{number}");
    }
    assert_eq!(store.create_many(&[], later).await.unwrap(), []);
}

#[tokio::test]
async fn sqlite_creates_a_group_in_one_transaction() {
    let directory = TempDir::new().unwrap();
    let store = ready(&sqlite_url(&directory)).await;
    creates_a_group(Arc::clone(&store)).await;
    // SQLite counts the transactions that have changed the file.
    let changes = || {
        let file = std::fs::read(directory.path().join("app.db")).unwrap();
        u32::from_be_bytes(file[24..28].try_into().unwrap())
    };
    let before = changes();
    let keys: Vec<Key> = (0..500).map(|number| Key::new("more:", &number.to_string()).unwrap()).collect();
    let records: Vec<NewRecord<'_>> =
        keys.iter().map(|key| NewRecord { key, data: b"x", ttl: Duration::from_secs(60) }).collect();
    let created = store.create_many(&records, now()).await.unwrap();
    assert!(created.iter().all(|created| *created != Created::Exists));
    assert_eq!(changes() - before, 1);
}

#[tokio::test]
async fn postgres_creates_a_group_real_server() {
    creates_a_group(ready(&Postgres::shared().unwrap().url("postgres", "postgres")).await).await;
}

#[tokio::test]
async fn mariadb_creates_a_group_real_server() {
    creates_a_group(ready(&MariaDb::shared().unwrap().url("root", "test")).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract() {
    let directory = TempDir::new().unwrap();
    keeps_the_contract(ready(&sqlite_url(&directory)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_loses_nothing() {
    let directory = TempDir::new().unwrap();
    loses_nothing(ready(&sqlite_url(&directory)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_with_a_write_ahead_log_loses_nothing() {
    let directory = TempDir::new().unwrap();
    loses_nothing(ready(&format!("{}?wal=true", sqlite_url(&directory))).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_the_contract_real_server() {
    let server = Postgres::shared().unwrap();
    keeps_the_contract(ready(&server.url("postgres", "postgres")).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_loses_nothing_real_server() {
    let server = Postgres::shared().unwrap();
    loses_nothing(ready(&server.url("postgres", "postgres")).await).await;
}

/// One store, and four that share a table as processes do.
async fn nobody_starves_at(url: &str) {
    nobody_starves(vec![ready(url).await]).await;
    let mut processes: Vec<AnyStore> = Vec::new();
    for _ in 0..4 {
        let store = SqlStore::builder(url).unwrap().table("crowd").build().unwrap();
        store.ready().await.unwrap();
        processes.push(Arc::new(store));
    }
    nobody_starves(processes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_writers_never_starve_real_server() {
    nobody_starves_at(&Postgres::shared().unwrap().url("postgres", "postgres")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_writers_never_starve_real_server() {
    nobody_starves_at(&MariaDb::shared().unwrap().url("root", "test")).await;
}

/// Where the server isolates more strictly than by default, a writer that comes second fails and is
/// sent again.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_that_serializes_loses_nothing_real_server() {
    let server = Postgres::shared().unwrap();
    server.sql("create role strict superuser login password 'x'").unwrap();
    server.sql("alter role strict set default_transaction_isolation = 'serializable'").unwrap();
    loses_nothing(ready(&server.url("strict:x", "postgres")).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_keeps_the_contract_real_server() {
    let server = MariaDb::shared().unwrap();
    keeps_the_contract(ready(&server.url("root", "test")).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_loses_nothing_real_server() {
    let server = MariaDb::shared().unwrap();
    loses_nothing(ready(&server.url("root", "test")).await).await;
}
