//! The floor: the least work for a session in Redis that loses no update.
//!
//! This is the bare client in axum, plus what every session needs. It stores the session on the
//! request, finds the cookie, checks the form of its id, builds the key, and sends the headers of a
//! session. A write compares the record with the one that was read. No value is decoded or encoded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::routing::get;
use axum::{Extension, Router};
use hipflask::store::record::Format;
use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;

use crate::minimal_layer::{READ, Sends, SessionUse, Sharing, WRITTEN};
use crate::operations::{UNTOUCHED, WRITE, fill_path, read_path};
use crate::payload::ALL;
use crate::peer::{LIFETIME, contents};

/// The cookie that our engine sends for permanent sessions, with a constant date.
pub const PERMANENT: Sends =
    Sends { attributes: "; Expires=Sat, 26 Dec 2026 12:00:00 GMT; HttpOnly; Path=/", with_reads: true };
pub const FOR_A_BROWSER: Sends = Sends { attributes: "; HttpOnly; Path=/", with_reads: false };

#[derive(Clone)]
struct Floor {
    connection: MultiplexedConnection,
    replace: Arc<str>,
    visits: Arc<AtomicU64>,
}

/// The record's key, if the cookie has the form of an id.
fn key(headers: &HeaderMap) -> String {
    let line = headers.get(header::COOKIE).and_then(|line| line.to_str().ok()).unwrap_or_default();
    let mut pairs = line.split(';').filter_map(|pair| pair.trim_start().split_once('='));
    let (_, id) = pairs.find(|(name, _)| *name == "session").expect("every client has a cookie");
    let is_url_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    assert!(id.len() == 43 && id.bytes().all(is_url_safe));
    format!("session:{id}")
}

impl Floor {
    async fn read(&mut self, key: &str) -> Vec<u8> {
        let record: Vec<u8> = self.connection.get(key).await.expect("Redis is reachable");
        assert!(!record.is_empty());
        record
    }

    /// Replaces the record that was read with one of the same length.
    async fn replace(&mut self, key: &str, read: &[u8]) {
        let new = read.to_vec();
        let mut replace = redis::cmd("EVALSHA");
        replace.arg(&*self.replace).arg(1).arg(key).arg(read).arg(new).arg(LIFETIME);
        let done: i64 = replace.query_async(&mut self.connection).await.expect("Redis is reachable");
        assert_eq!(done, 1);
    }
}

pub async fn app(url: &str, sends: Sends) -> Router {
    async fn write(
        State(mut floor): State<Floor>,
        Extension(session): Extension<SessionUse>,
        headers: HeaderMap,
    ) -> String {
        let key = key(&headers);
        let record = floor.read(&key).await;
        floor.replace(&key, &record).await;
        session.set(WRITTEN);
        (floor.visits.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }
    let client = redis::Client::open(url).expect("the URL is a Redis URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis is reachable");
    let mut load = redis::cmd("SCRIPT");
    load.arg("LOAD").arg(REPLACE);
    let replace: String = load.query_async(&mut connection).await.expect("Redis supports scripts");
    let mut router = Router::new().route(UNTOUCHED, get(async || "untouched")).route(WRITE, get(write));
    for payload in ALL {
        router = router
            .route(
                &read_path(payload),
                get(
                    async move |State(mut floor): State<Floor>,
                                Extension(session): Extension<SessionUse>,
                                headers: HeaderMap| {
                        floor.read(&key(&headers)).await;
                        session.set(READ);
                        payload.last.1.to_owned()
                    },
                ),
            )
            .route(
                &fill_path(payload),
                get(async move |State(mut floor): State<Floor>| {
                    let mark = if sends.with_reads { 'P' } else { 'B' };
                    let id = format!("{mark}{:0>42}", floor.visits.fetch_add(1, Ordering::Relaxed));
                    let record =
                        Format::Msgpack.write(&contents(payload)).expect("msgpack can store the payload");
                    let key = format!("session:{id}");
                    let _: () =
                        floor.connection.set_ex(key, record, LIFETIME).await.expect("Redis is reachable");
                    ([(header::SET_COOKIE, format!("session={id}; Path=/"))], "")
                }),
            );
    }
    let floor = Floor { connection, replace: replace.into(), visits: Arc::default() };
    router.with_state(floor).layer(tower_layer::layer_fn(move |inner| Sharing::new(inner, sends)))
}

/// Replaces the record if it is still the one that was read.
const REPLACE: &str = "local current = redis.call('GET', KEYS[1])
if current ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1";
