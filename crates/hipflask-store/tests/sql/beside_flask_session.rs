//! Flask-Session and we on one table: what one writes the other reads, in tables made by either.

use std::time::Duration;

use hipflask_core::time::UnixTime;
use hipflask_store::{Created, Deleted};
use hipflask_testkit::servers::FlaskSession;
use serde_json::json;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// `statement` runs SQL past both.
async fn share_a_table(store: AnyStore, mut flask: FlaskSession, statement: impl Fn(&str)) {
    let ours = share_sessions(&store, &mut flask).await;

    // What has ended for one has ended for the other; a cleanup takes both kinds and nothing else.
    let early = UnixTime::from_secs(now().as_secs() - 7200);
    for (id, at) in [("ended", early), ("lives", now())] {
        assert!(matches!(store.create(&key(id), &ours, HOUR, at).await.unwrap(), Created::Created(_)));
    }
    assert_eq!(flask.show("ended").unwrap(), None);
    assert!(matches!(store.create(&key("ended"), &ours, HOUR, early).await.unwrap(), Created::Created(_)));
    flask.cleanup().unwrap();
    assert_eq!(store.load(&key("ended"), early).await.unwrap(), None, "they cleaned ours");
    assert!(flask.show("lives").unwrap().is_some());
    let theirs = flask.login(&json!({"user": "bob"})).unwrap();
    let later = UnixTime::from_secs(now().as_secs() + 3602);
    assert_eq!(store.load(&key(&theirs), later).await.unwrap(), None);
    assert_eq!(store.purge_expired(later).await.unwrap(), 2, "theirs and the one that lived");

    // A row without an expiry is not a session for either side, and both cleanups leave it.
    let _ = store.create(&key("null"), &ours, HOUR, now()).await.unwrap();
    statement("UPDATE {t} SET expiry = NULL");
    assert_eq!(store.load(&key("null"), now()).await.unwrap(), None);
    assert_eq!(store.purge_expired(later).await.unwrap(), 0);
    assert_eq!(flask.show("null").unwrap(), None);
    let _ = store.create(&key("null"), &ours, HOUR, now()).await.unwrap();
    statement("UPDATE {t} SET expiry = NULL");
    assert!(matches!(store.create(&key("null"), &ours, HOUR, now()).await.unwrap(), Created::Created(_)));
    assert!(flask.show("null").unwrap().is_some());
    assert_eq!(store.delete(&key("null"), now()).await.unwrap(), Deleted::Deleted);
    // An expiry in the middle of a second has ended when the next one begins.
    let _ = store.create(&key("half"), &ours, HOUR, now()).await.unwrap();
    statement("UPDATE {t} SET expiry = '2033-05-18 03:33:20.500000'");
    if let Some(half) = store.load(&key("half"), UnixTime::from_secs(2_000_000_000)).await.unwrap() {
        assert_eq!(half.expires, Some(UnixTime::from_secs(2_000_000_001)));
    }
    assert_eq!(store.load(&key("half"), UnixTime::from_secs(2_000_000_001)).await.unwrap(), None);
}

async fn store_at(url: &str, table: &str) -> AnyStore {
    let store = SqlStore::builder(url).unwrap().table(table).build().unwrap();
    store.ready().await.unwrap();
    Arc::new(store)
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_is_shared_with_real_flask_session() {
    for ours_first in [false, true] {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("app.db");
        let (ours, theirs) = (sqlite_url(&directory), format!("sqlite:///{}", file.display()));
        if ours_first {
            store_at(&ours, "sessions").await;
        }
        let flask = FlaskSession::on_sql(&theirs, &[]).unwrap();
        let store = store_at(&ours, "sessions").await;
        let statement = |text: &str| {
            let program =
                "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()";
            let mut python = std::process::Command::new("python3");
            let text = text.replace("{t}", "sessions");
            assert!(python.args(["-c", program]).arg(&file).arg(text).status().unwrap().success());
        };
        share_a_table(store, flask, statement).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_shared_with_real_flask_real_server() {
    let server = Postgres::shared().unwrap();
    server.sql("create schema if not exists web").unwrap();
    for (ours_first, table, schema) in [
        (false, "theirs", None),
        (true, "ours", None),
        (false, "Mixed", Some("web")),
        (true, "Other", Some("web")),
    ] {
        let url = server.url("postgres", "postgres");
        let theirs = url.replace("postgres://", "postgresql+psycopg2://");
        let ours = schema.map_or(url.clone(), |schema| format!("{url}?schema={schema}"));
        let names: Vec<&str> = [table].into_iter().chain(schema).collect();
        if ours_first {
            store_at(&ours, table).await;
        }
        let flask = FlaskSession::on_sql(&theirs, &names).unwrap();
        let store = store_at(&ours, table).await;
        let place = format!("{}.\"{table}\"", schema.unwrap_or("public"));
        share_a_table(store, flask, |text| drop(server.sql(&text.replace("{t}", &place)).unwrap())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_is_shared_with_real_flask_real_server() {
    let server = MariaDb::shared().unwrap();
    for (ours_first, table) in [(false, "theirs"), (true, "ours")] {
        let url = server.url("root", "test");
        let theirs = url.replace("mysql://", "mysql+pymysql://");
        if ours_first {
            store_at(&url, table).await;
        }
        let flask = FlaskSession::on_sql(&theirs, &[table]).unwrap();
        // Their URL with its driver works here as well.
        let store = store_at(&theirs, table).await;
        let place = format!("test.{table}");
        share_a_table(store, flask, |text| drop(server.sql(&text.replace("{t}", &place)).unwrap())).await;
    }
}

/// With `SESSION_SQLALCHEMY_SEQUENCE` the table does not number its rows by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_numbers_the_rows_real_server() {
    let server = Postgres::shared().unwrap();
    let builder = |table| SqlStore::builder(&server.url("postgres", "postgres")).unwrap().table(table);
    let store: AnyStore = Arc::new(builder("numbered").sequence("numbers").build().unwrap());
    store.ready().await.unwrap();
    behaviour::keeps_the_contract(store).await;
    let without = builder("numbered").build().unwrap();
    let error = without.create(&key("x"), b"", HOUR, now()).await.unwrap_err();
    assert!(error.to_string().contains("name its sequence"), "{error}");
}
