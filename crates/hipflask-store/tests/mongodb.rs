//! The MongoDB store on `wire/mongo_front.py`, which is not MongoDB: see there.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod behaviour;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use behaviour::beside_flask_session::share_sessions;
use behaviour::{AnyStore, created, keeps_the_contract, key, loses_nothing, now};
use hipflask_core::time::UnixTime;
use hipflask_store::mongodb::MongoDbStore;
use hipflask_store::mongodb::driver::bson::spec::BinarySubtype;
use hipflask_store::mongodb::driver::bson::{Binary, DateTime, Document, doc};
use hipflask_store::mongodb::driver::{Client, Collection};
use hipflask_store::{Created, ErrorKind, Replaced, Store};
use hipflask_testkit::contract::store_contract;
use hipflask_testkit::servers::{FlaskSession, MongoFront};

const HOUR: Duration = Duration::from_secs(3600);

/// The URL of a collection of one's own.
fn url(server: &MongoFront) -> String {
    static COLLECTIONS: AtomicU32 = AtomicU32::new(0);
    format!("{}?collection=sessions_{}", server.url(), COLLECTIONS.fetch_add(1, Ordering::Relaxed))
}

async fn ready(server: &MongoFront) -> AnyStore {
    let store = MongoDbStore::from_url(&url(server)).await.unwrap();
    store.ready().await.unwrap();
    store.ready().await.unwrap();
    Arc::new(store)
}

async fn collection(server: &MongoFront, name: &str) -> Collection<Document> {
    Client::with_uri_str(server.url()).await.unwrap().database("flask_session").collection(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_obeys_the_contract_real_server() {
    let server = MongoFront::shared().unwrap();
    let url = url(&server);
    store_contract(async || MongoDbStore::from_url(&url).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_keeps_the_contract_real_server() {
    let server = MongoFront::shared().unwrap();
    keeps_the_contract(ready(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_loses_nothing_real_server() {
    let server = MongoFront::shared().unwrap();
    loses_nothing(ready(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_is_shared_with_real_flask_real_server() {
    for ours_first in [false, true] {
        let server = MongoFront::start().unwrap();
        let store: AnyStore = Arc::new(MongoDbStore::from_url(&server.url()).await.unwrap());
        if ours_first {
            store.ready().await.unwrap();
        }
        let mut flask = FlaskSession::on_mongodb(&server.url()).unwrap();
        store.ready().await.unwrap();
        let ours = share_sessions(&store, &mut flask).await;

        // What we write has their fields, and nothing else.
        let _ = store.create(&key("shape"), &ours, HOUR, UnixTime::from_secs(1_999_996_400)).await.unwrap();
        let document = collection(&server, "sessions").await.find_one(doc! { "id": "session:shape" }).await;
        let mut document = document.unwrap().unwrap();
        assert!(document.remove("_id").unwrap().as_object_id().is_some());
        let expected = doc! {
            "id": "session:shape",
            "val": Binary { subtype: BinarySubtype::Generic, bytes: ours },
            "expiration": DateTime::from_millis(2_000_000_000_000),
        };
        assert_eq!(document.keys().count(), 3);
        assert!(expected.iter().all(|(name, value)| document.get(name) == Some(value)), "{document}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_indexes_are_made_real_server() {
    let server = MongoFront::shared().unwrap();
    let store = MongoDbStore::from_url(&format!("{}?collection=indexed", server.url())).await.unwrap();
    store.ready().await.unwrap();
    let mut cursor = collection(&server, "indexed").await.list_indexes().await.unwrap();
    let (mut has_ttl, mut is_unique) = (false, false);
    while cursor.advance().await.unwrap() {
        let index = cursor.deserialize_current().unwrap();
        let options = index.options.unwrap();
        has_ttl |= index.keys == doc! { "expiration": 1 } && options.expire_after == Some(Duration::ZERO);
        is_unique |= index.keys == doc! { "id": 1 } && options.unique == Some(true);
    }
    assert!(has_ttl && is_unique);
}

/// Versions of Flask-Session up to 0.6 kept sessions that are not permanent without an expiry.
#[tokio::test(flavor = "multi_thread")]
async fn document_without_expiry_never_expires_real_server() {
    let server = MongoFront::shared().unwrap();
    let store: AnyStore =
        Arc::new(MongoDbStore::from_url(&format!("{}?collection=old", server.url())).await.unwrap());
    store.ready().await.unwrap();
    let sessions = collection(&server, "old").await;
    let val = || Binary { subtype: BinarySubtype::Generic, bytes: b"one".to_vec() };
    sessions.insert_one(doc! { "id": "session:none", "val": val() }).await.unwrap();
    sessions.insert_one(doc! { "id": "session:null", "val": val(), "expiration": null }).await.unwrap();
    for id in ["none", "null"] {
        let found = store.load(&key(id), now()).await.unwrap().unwrap();
        assert_eq!(found.expires, None);
        assert_eq!(store.create(&key(id), b"two", HOUR, now()).await.unwrap(), Created::Exists);
        let answer = store.replace(&key(id), &found, b"two", HOUR, now()).await.unwrap();
        assert!(matches!(answer, Replaced::Replaced(_)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_says_what_is_wrong_real_server() {
    let server = MongoFront::shared().unwrap();
    let sessions = collection(&server, "twice").await;
    for _ in 0..2 {
        sessions.insert_one(doc! { "id": "session:same" }).await.unwrap();
    }
    let store = MongoDbStore::from_url(&format!("{}?collection=twice", server.url())).await.unwrap();
    let error = store.ready().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    assert!(error.to_string().contains("several documents with the same `id`"), "{error}");
    assert!(!format!("{error:?}").contains("session:same"), "{error:?}");

    let begin = Instant::now();
    let nobody = MongoDbStore::from_url("mongodb://u:secret@127.0.0.1:1/x?timeout=1").await.unwrap();
    assert_eq!(nobody.describe().address, "mongodb://127.0.0.1:1/x?collection=sessions");
    let error = nobody.ready().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(!format!("{error:?}{nobody:?}").contains("secret"));
    assert!(begin.elapsed() < Duration::from_secs(20));
    for url in ["mongodb://", "mongo://x", "mongodb+srv://x.example/y", "mongodb://x/?timeout=soon", "x"] {
        let error = MongoDbStore::from_url(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_survives_kills_real_server() {
    let mut server = MongoFront::start().unwrap();
    let store: AnyStore =
        Arc::new(MongoDbStore::from_url(&format!("{}/x?timeout=3", server.url())).await.unwrap());
    store.ready().await.unwrap();
    let stored = created(&store, "kill", b"one", now()).await;
    server.kill();
    let error = store.load(&key("kill"), now()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let error = store.replace(&key("kill"), &stored, b"two", HOUR, now()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    server.restart().unwrap();
    // The front keeps nothing: the record is gone, and is not made again.
    assert_eq!(store.load(&key("kill"), now()).await.unwrap(), None);
    assert_eq!(store.replace(&key("kill"), &stored, b"two", HOUR, now()).await.unwrap(), Replaced::Gone);
}
