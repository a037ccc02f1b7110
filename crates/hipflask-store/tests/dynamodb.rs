//! The DynamoDB store on moto's server.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod behaviour;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use behaviour::beside_flask_session::share_sessions;
use behaviour::{AnyStore, created, keeps_the_contract, key, loses_nothing, now};
use hipflask_core::time::UnixTime;
use hipflask_store::dynamodb::DynamoDbStore;
use hipflask_store::dynamodb::sdk::Client;
use hipflask_store::dynamodb::sdk::config::{BehaviorVersion, Config, Credentials, Region};
use hipflask_store::dynamodb::sdk::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveStatus,
};
use hipflask_store::{ErrorKind, Replaced, Store};
use hipflask_testkit::contract::store_contract;
use hipflask_testkit::servers::{FlaskSession, Moto};

const HOUR: Duration = Duration::from_secs(3600);

fn fresh_table() -> String {
    static TABLES: AtomicU32 = AtomicU32::new(0);
    format!("Sessions-{}", TABLES.fetch_add(1, Ordering::Relaxed))
}

fn at(server: &Moto, table: &str) -> DynamoDbStore {
    let url = format!("dynamodb://{table}?region=us-east-1&endpoint={}&timeout=20", server.endpoint());
    DynamoDbStore::from_url(&url).unwrap()
}

async fn ready(server: &Moto) -> AnyStore {
    let store = at(server, &fresh_table());
    store.ready().await.unwrap();
    store.ready().await.unwrap();
    Arc::new(store)
}

/// A client of our own, as an application may bring one.
fn client(server: &Moto) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(http)
        .endpoint_url(server.endpoint());
    Client::from_conf(config.build())
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_obeys_the_contract_real_server() {
    let server = Moto::shared().unwrap();
    let table = fresh_table();
    store_contract(async || at(&server, &table)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_keeps_the_contract_real_server() {
    let server = Moto::shared().unwrap();
    keeps_the_contract(ready(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_loses_nothing_real_server() {
    let server = Moto::shared().unwrap();
    loses_nothing(ready(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ttl_is_switched_on_real_server() {
    let server = Moto::shared().unwrap();
    let table = fresh_table();
    let store = DynamoDbStore::from_client(client(&server), table.clone());
    store.ready().await.unwrap();
    let ttl = client(&server).describe_time_to_live().table_name(&table).send().await.unwrap();
    let ttl = ttl.time_to_live_description.unwrap();
    assert_eq!(ttl.time_to_live_status(), Some(&TimeToLiveStatus::Enabled));
    assert_eq!(ttl.attribute_name(), Some("expiration"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_is_shared_with_real_flask_real_server() {
    for ours_first in [false, true] {
        let server = Moto::start().unwrap();
        let store: AnyStore = Arc::new(at(&server, "Sessions"));
        if ours_first {
            store.ready().await.unwrap();
        }
        let mut flask = FlaskSession::on_dynamodb(&server.endpoint()).unwrap();
        store.ready().await.unwrap();
        let _ = share_sessions(&store, &mut flask).await;
    }
}

/// Flask-Session serves an item that DynamoDB has not dropped yet; we do not.
#[tokio::test(flavor = "multi_thread")]
async fn expired_item_is_not_a_session_real_server() {
    let server = Moto::shared().unwrap();
    let table = fresh_table();
    let store: AnyStore = Arc::new(at(&server, &table));
    store.ready().await.unwrap();
    let put = async |id: &str, expiration: Option<&str>| {
        let mut put = client(&server).put_item().table_name(&table);
        put = put.item("id", AttributeValue::S(format!("session:{id}")));
        put =
            put.item("val", AttributeValue::B(hipflask_store::dynamodb::sdk::primitives::Blob::new(*b"one")));
        if let Some(expiration) = expiration {
            put = put.item("expiration", AttributeValue::N(expiration.to_owned()));
        }
        put.send().await.unwrap();
    };
    put("old", Some("1")).await;
    assert_eq!(store.load(&key("old"), now()).await.unwrap(), None);
    put("fraction", Some("2000000000.000001907348632812")).await;
    let found = store.load(&key("fraction"), now()).await.unwrap().unwrap();
    assert_eq!(found.expires, Some(UnixTime::from_secs(2_000_000_001)));
    let answer = store.replace(&key("fraction"), &found, b"two", HOUR, now()).await.unwrap();
    assert!(matches!(answer, Replaced::Replaced(_)));
    // Without an expiry it never ends.
    put("never", None).await;
    let found = store.load(&key("never"), now()).await.unwrap().unwrap();
    assert_eq!(found.expires, None);
    assert!(matches!(
        store.replace(&key("never"), &found, b"two", HOUR, now()).await.unwrap(),
        Replaced::Replaced(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_says_what_is_wrong_real_server() {
    let server = Moto::shared().unwrap();
    let none = at(&server, "none-yet").make_table(false);
    let error = none.ready().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("the table does not exist in this region"), "{error}");

    let name =
        AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S).build();
    let hash = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build();
    let make = client(&server).create_table().table_name("other").billing_mode(BillingMode::PayPerRequest);
    make.attribute_definitions(name.unwrap()).key_schema(hash.unwrap()).send().await.unwrap();
    let error = at(&server, "other").ready().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("is not the string `id`"), "{error}");

    let store = ready(&server).await;
    let too_long = vec![b'x'; 410 * 1024];
    let error = store.create(&key("long"), &too_long, HOUR, now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    let begin = Instant::now();
    let nobody =
        DynamoDbStore::from_url("dynamodb://Sessions?region=x&endpoint=http://127.0.0.1:1&timeout=2")
            .unwrap();
    let error = nobody.ready().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(20));
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let url = format!("dynamodb://Sessions?region=x&endpoint={silent}&timeout=1");
    let error = DynamoDbStore::from_url(&url).unwrap().load(&key("x"), now()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(DynamoDbStore::from_url("dynamodb://a/b?region=x").is_err());
    assert!(DynamoDbStore::from_url("dynamodb://Sessions?region=x&regoin=y").is_err());
}

/// moto loses all data when it stops. The error names the table, and the next start creates it again.
#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_survives_kills_real_server() {
    let mut server = Moto::start().unwrap();
    let url = format!("dynamodb://Sessions?region=us-east-1&endpoint={}&timeout=3", server.endpoint());
    let store: AnyStore = Arc::new(DynamoDbStore::from_url(&url).unwrap());
    store.ready().await.unwrap();
    let stored = created(&store, "kill", b"one", now()).await;
    server.kill();
    let error = store.load(&key("kill"), now()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let error = store.replace(&key("kill"), &stored, b"two", HOUR, now()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    server.restart().unwrap();
    let error = store.load(&key("kill"), now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    store.ready().await.unwrap();
    assert_eq!(store.replace(&key("kill"), &stored, b"two", HOUR, now()).await.unwrap(), Replaced::Gone);
}
