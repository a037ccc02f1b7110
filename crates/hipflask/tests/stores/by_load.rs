//! Requests that overlap, by HTTP: nothing is lost and nothing comes back.

use std::net::SocketAddr;
use std::time::Instant;

use hipflask::Sessions;
use hipflask_testkit::servers::{Memcached, Postgres, Redis};

use crate::http::{Server, ask, serve};

async fn logged_in(address: SocketAddr) -> String {
    ask(address, "/increment", "").await.cookie.unwrap()
}

/// 50 requests at once, each of which adds one.
async fn increments_all_count(address: SocketAddr) {
    let cookie = logged_in(address).await;
    let all: Vec<_> = (1..50)
        .map(|_| {
            let cookie = cookie.clone();
            tokio::spawn(async move { ask(address, "/increment", &cookie).await })
        })
        .collect();
    for answering in all {
        let answer = answering.await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(ask(address, "/show", &cookie).await.body, "50 0 0");
}

/// Two requests that have both read before one of them saves, each of which sets a key of its own;
/// how many trials lost one.
async fn lost_writes(address: SocketAddr, trials: u64) -> u64 {
    let cookie = logged_in(address).await;
    let mut lost = 0;
    for trial in 1..=trials {
        let (a, b) = (format!("/with-another/a/{trial}"), format!("/with-another/b/{trial}"));
        let (a, b) = tokio::join!(ask(address, &a, &cookie), ask(address, &b, &cookie));
        assert_eq!((a.status, b.status), (200, 200));
        let shown = ask(address, "/show", &cookie).await.body;
        lost += u64::from(shown != format!("1 {trial} {trial}"));
    }
    lost
}

/// A request that has read before a logout and saves after it; how often the session lives again.
async fn undone_logouts(server: &Server, trials: u64) -> u64 {
    let address = server.address;
    let mut undone = 0;
    for _ in 0..trials {
        let cookie = logged_in(address).await;
        let late = {
            let cookie = cookie.clone();
            tokio::spawn(async move { ask(address, "/late", &cookie).await })
        };
        server.meeting.wait().await;
        let logout = ask(address, "/logout", &cookie).await;
        assert_eq!(logout.cookie.as_deref(), Some("session="), "{logout:?}");
        server.meeting.wait().await;
        let late = late.await.unwrap();
        assert!(late.status == 200 && late.cookie.is_none(), "{late:?}");
        undone += u64::from(ask(address, "/show", &cookie).await.body != "0 0 0");
    }
    undone
}

async fn loses_nothing(url: &str) {
    let sessions = Sessions::builder().store_url(url).await.unwrap().build().unwrap();
    let server = serve(&sessions).await;
    let address = server.address;
    let begin = Instant::now();
    for _ in 0..10 {
        increments_all_count(address).await;
    }
    let stats = sessions.server_sessions().unwrap().stats();
    eprintln!("{url}: ten times 50 increments in {:?}; {} conflicts", begin.elapsed(), stats.conflicts);
    assert!(stats.conflicts > 0, "the requests did not overlap");
    assert_eq!(lost_writes(address, 200).await, 0);
    let merges = sessions.server_sessions().unwrap().stats().merges - stats.merges;
    assert_eq!(merges, 200, "in each trial one comes second");
    assert_eq!(undone_logouts(&server, 200).await, 0);
    assert_eq!(sessions.server_sessions().unwrap().stats().gone, 200, "each time the session had ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_requests_lose_nothing_redis_real_server() {
    loses_nothing(&Redis::shared().unwrap().url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_requests_lose_nothing_in_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    loses_nothing(&format!("file:{}", directory.path().display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_requests_lose_nothing_memcached_real_server() {
    loses_nothing(&Memcached::start().unwrap().url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_http_requests_lose_nothing_in_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    loses_nothing(&format!("sqlite:{}/app.db?timeout=30", directory.path().display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_requests_lose_nothing_postgres_real_server() {
    loses_nothing(&Postgres::shared().unwrap().url("postgres", "postgres")).await;
}
