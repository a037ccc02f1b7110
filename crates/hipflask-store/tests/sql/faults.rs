//! Errors for operators, and crashes.

use std::time::{Duration, Instant};

use hipflask_store::sql::SqlStoreBuilder;
use hipflask_store::{Deleted, Replaced};

use super::behaviour::created;
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// The error of `ready` with its source, as an operator reads it.
async fn refusal(builder: SqlStoreBuilder) -> (ErrorKind, String) {
    let error = builder.build().unwrap().ready().await.expect_err("it cannot be ready");
    (error.kind(), told(&error))
}

fn told(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(" <- {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

fn at(url: &str) -> SqlStoreBuilder {
    SqlStore::builder(url).unwrap().timeout(Duration::from_secs(2))
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_says_what_is_wrong_real_server() {
    let server = Postgres::shared().unwrap();
    server.sql("create role app login password 'right'").unwrap();
    let (kind, said) = refusal(at(&server.url("app:wrong-one", "postgres"))).await;
    assert_eq!(kind, ErrorKind::Refused);
    assert!(
        said.starts_with("postgres store: the server refuses the user or the password; check its "),
        "{said}"
    );
    assert!(!said.contains("wrong-one"), "{said}");

    let (kind, said) = refusal(at(&server.url("app:right", "nowhere"))).await;
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(said.contains("does not have this database; create it with createdb"), "{said}");

    // Everybody may read the table that somebody else made, and nobody may write or make one.
    let table = "create table if not exists public.theirs (id serial primary key, session_id varchar(255) unique, \
                 data bytea, expiry timestamp); grant select on public.theirs to app";
    server.sql(table).unwrap();
    let (kind, said) = refusal(at(&server.url("app:right", "postgres")).table("theirs")).await;
    assert_eq!(kind, ErrorKind::Refused);
    assert!(said.contains("no permission to use the table; see GRANT"), "{said}");
    let (kind, said) = refusal(at(&server.url("app:right", "postgres")).table("none_yet")).await;
    assert_eq!(kind, ErrorKind::Refused, "{said}");

    let (kind, said) =
        refusal(at(&server.url("postgres", "postgres")).table("none_yet").make_table(false)).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{said}");
    let (kind, said) = refusal(at(&server.url("postgres", "postgres")).schema("nowhere")).await;
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(said.contains("CREATE SCHEMA"), "{said}");

    server.sql("create table public.other (id int)").unwrap();
    let (kind, said) = refusal(at(&server.url("postgres", "postgres")).table("other")).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{said}");
    server
        .sql("create table public.twice (id serial, session_id text, data bytea, expiry timestamp)")
        .unwrap();
    let (kind, said) = refusal(at(&server.url("postgres", "postgres")).table("twice")).await;
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(said.contains("not UNIQUE"), "{said}");

    server.sql("create role standby superuser login password 'x'").unwrap();
    server.sql("alter role standby set default_transaction_read_only = on").unwrap();
    let (kind, said) = refusal(at(&server.url("standby:x", "postgres")).table("theirs")).await;
    assert_eq!(kind, ErrorKind::Refused);
    assert!(said.contains("read-only"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_says_what_is_wrong_real_server() {
    let server = MariaDb::shared().unwrap();
    server
        .sql("create or replace user app@'%' identified by 'right'; create or replace database theirs")
        .unwrap();
    let (kind, said) = refusal(at(&server.url("app:wrong-one", "theirs"))).await;
    assert_eq!(kind, ErrorKind::Refused);
    assert!(said.contains("the server refuses the user or the password"), "{said}");
    assert!(!said.contains("wrong-one"), "{said}");

    let (kind, said) = refusal(at(&server.url("root", "nowhere"))).await;
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(said.contains("does not have this database; create it with CREATE DATABASE"), "{said}");

    let table =
        "(id int auto_increment primary key, session_id varchar(255) unique, data blob, expiry datetime)";
    server
        .sql(&format!("create table theirs.sessions {table}; grant select on theirs.* to app@'%'"))
        .unwrap();
    let (kind, said) = refusal(at(&server.url("app:right", "theirs"))).await;
    assert_eq!(kind, ErrorKind::Refused);
    assert!(said.contains("no permission to use the table; see GRANT"), "{said}");
    let (kind, said) = refusal(at(&server.url("root", "theirs")).table("none_yet").make_table(false)).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{said}");
    server.sql("create table theirs.other (id int)").unwrap();
    let (kind, said) = refusal(at(&server.url("root", "theirs")).table("other")).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{said}");
}

/// SQLAlchemy makes a BLOB of 64 KiB: a longer record is an error and never a cut one, also where
/// the server would cut.
#[tokio::test(flavor = "multi_thread")]
async fn mariadb_never_cuts_a_record_real_server() {
    let server = MariaDb::shared().unwrap();
    server.sql("set global sql_mode = ''").unwrap();
    let table =
        "(id int auto_increment primary key, session_id varchar(255) unique, data blob, expiry datetime)";
    server.sql(&format!("create or replace table test.short {table}")).unwrap();
    let store: AnyStore = Arc::new(at(&server.url("root", "test")).table("short").build().unwrap());
    store.ready().await.unwrap();
    let error = store.create(&key("long"), &[b'x'; 70_000], MINUTE, now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(error.to_string().contains("make it a LONGBLOB"), "{error}");
    assert_eq!(store.load(&key("long"), now()).await.unwrap(), None);
    // Their ids are alike whatever their case: what is written as `a` is not found as `A`.
    let _ = created(&store, "case", b"one", now()).await;
    assert_eq!(store.load(&key("CASE"), now()).await.unwrap(), None);
    assert_eq!(store.delete(&key("CASE"), now()).await.unwrap(), Deleted::Gone);
    assert!(store.load(&key("case"), now()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_says_what_is_wrong() {
    let directory = TempDir::new().unwrap();
    let missing = format!("sqlite:{}/no/app.db", directory.path().display());
    let (kind, said) = refusal(at(&missing)).await;
    assert_eq!(kind, ErrorKind::Misconfigured);
    assert!(said.contains("it or its directory does not exist"), "{said}");

    std::fs::write(
        directory.path().join("app.db"),
        "this is not a database, and long enough to be recognized as such",
    )
    .unwrap();
    let (kind, said) = refusal(at(&sqlite_url(&directory))).await;
    assert_eq!(kind, ErrorKind::Corrupt);
    assert!(said.contains("not a SQLite database"), "{said}");
}

/// Another process holds the file's lock, as a Flask request that writes slowly would.
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_lock_times_out_real_server() {
    let directory = TempDir::new().unwrap();
    let slow: AnyStore = Arc::new(at(&sqlite_url(&directory)).build().unwrap());
    slow.ready().await.unwrap();
    let mut other = std::process::Command::new("python3")
        .args(["-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('begin exclusive'); print('held', flush=True); sys.stdin.read()"])
        .arg(directory.path().join("app.db"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(other.stdout.take().unwrap()), &mut line)
        .unwrap();
    let begin = Instant::now();
    let error = slow.create(&key("wait"), b"one", MINUTE, now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains("another writer held the file's lock"), "{error}");
    assert!(begin.elapsed() > Duration::from_secs(1) && begin.elapsed() < Duration::from_secs(20));
    drop(other.stdin.take());
    other.wait().unwrap();
    let _ = created(&slow, "wait", b"one", now()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_address_fails_at_once_real_server() {
    for url in ["postgres://postgres@127.0.0.1:1/x", "mysql://root@127.0.0.1:1/x"] {
        let begin = Instant::now();
        let (kind, said) = refusal(at(url)).await;
        assert_eq!(kind, ErrorKind::Unavailable);
        assert!(
            said.contains("nothing listens at its address; start it, or check its address and the network"),
            "{said}"
        );
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
}

/// It accepts the connection and then says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn silent_server_times_out_real_server() {
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    for url in [format!("postgres://u@127.0.0.1:{port}/x"), format!("mysql://u@127.0.0.1:{port}/x")] {
        let begin = Instant::now();
        let (kind, said) = refusal(at(&url)).await;
        assert_eq!(kind, ErrorKind::Timeout, "{said}");
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
}

/// Kills the server between any two steps: acknowledged writes survive, lost ones are errors, and
/// the next call after the restart works.
async fn survives_kills(store: &AnyStore, mut kill: impl FnMut(), mut restart: impl FnMut()) {
    for round in 0..3 {
        let id = format!("kill-{round}");
        let first = created(store, &id, b"one", now()).await;
        kill();
        let error = store.load(&key(&id), now()).await.unwrap_err();
        assert!(error.is_transient(), "{}", told(&error));
        assert!(!format!("{error:?}").contains(&id), "{error:?}");
        let error = store.replace(&key(&id), &first, b"two", MINUTE, now()).await.unwrap_err();
        assert!(error.is_transient(), "{}", told(&error));
        restart();
        assert_eq!(store.load(&key(&id), now()).await.unwrap(), Some(first.clone()));
        let answer = store.replace(&key(&id), &first, b"three", MINUTE, now()).await.unwrap();
        assert!(matches!(answer, Replaced::Replaced(_)));
        kill();
        restart();
        // The pool holds a connection to the server that was: a read finds that out by itself.
        assert_eq!(store.load(&key(&id), now()).await.unwrap().unwrap().data, b"three");
        assert_eq!(store.delete(&key(&id), now()).await.unwrap(), Deleted::Deleted);
        kill();
        restart();
        assert_eq!(store.load(&key(&id), now()).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_survives_kills_real_server() {
    let server = Postgres::start().unwrap();
    let store = ready(&server.url("postgres", "postgres")).await;
    let server = std::cell::RefCell::new(server);
    survives_kills(&store, || server.borrow_mut().kill(), || server.borrow_mut().restart().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_survives_kills_real_server() {
    let server = MariaDb::start().unwrap();
    let store = ready(&server.url("root", "test")).await;
    let server = std::cell::RefCell::new(server);
    survives_kills(&store, || server.borrow_mut().kill(), || server.borrow_mut().restart().unwrap()).await;
}

/// Callers that give up in the middle leave nothing behind: the next one gets its own answer.
async fn gives_each_caller_its_own_answer(store: AnyStore) {
    for number in 0..20 {
        let _ = created(&store, &format!("own-{number}"), format!("own-{number}").as_bytes(), now()).await;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..40_u64 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for turn in 0..50_u64 {
                let id = format!("own-{}", (task + turn) % 20);
                let (key, moment) = (key(&id), Duration::from_micros((task * 37 + turn * 113) % 1500));
                if let Ok(stored) = tokio::time::timeout(moment, store.load(&key, now())).await {
                    assert_eq!(stored.unwrap().unwrap().data, id.as_bytes());
                }
            }
        });
    }
    tasks.join_all().await;
    for number in 0..20 {
        let stored = store.load(&key(&format!("own-{number}")), now()).await.unwrap();
        assert_eq!(stored.unwrap().data, format!("own-{number}").as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_replies_never_mix_real_server() {
    let server = Postgres::shared().unwrap();
    gives_each_caller_its_own_answer(ready(&server.url("postgres", "postgres")).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_replies_never_mix_real_server() {
    let server = MariaDb::shared().unwrap();
    gives_each_caller_its_own_answer(ready(&server.url("root", "test")).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_gives_each_caller_its_own_answer() {
    let directory = TempDir::new().unwrap();
    gives_each_caller_its_own_answer(ready(&sqlite_url(&directory)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn load_and_save_are_single_statements_real_server() {
    let server = Postgres::shared().unwrap();
    server.sql("create role counted superuser login password 'x'").unwrap();
    server.sql("alter role counted set log_statement = 'all'").unwrap();
    let store = ready(&server.url("counted:x", "postgres")).await;
    let key = key("trips");
    let sent = || server.log().lines().filter(|line| line.starts_with("counted:LOG:  execute")).count();
    let mut before = sent();
    let mut one_more = |what: &str| {
        let after = sent();
        assert_eq!(after - before, 1, "{what}: {}", server.log());
        before = after;
    };
    let _ = store.create(&key, b"one", MINUTE, now()).await.unwrap();
    one_more("create");
    let stored = store.load(&key, now()).await.unwrap().unwrap();
    one_more("load");
    let _ = store.replace(&key, &stored, b"two", MINUTE, now()).await.unwrap();
    one_more("replace");
    let _ = store.touch(&key, MINUTE, now()).await.unwrap();
    one_more("touch");
    let _ = store.delete(&key, now()).await.unwrap();
    one_more("delete");
    let open = "select count(*) from pg_stat_activity where usename = 'counted'";
    assert_eq!(server.sql(open).unwrap(), "1", "one connection serves one caller");
}
