//! The app on axum, with bare redis-rs and with each session library.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::routing::get;
use axum_session::{SessionConfig, SessionLayer, SessionStore};
use axum_session_redispool::SessionRedisPool;
use hipflask::store::record::Format;
use hipflask::{Session, SessionError, Sessions};
use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use tower_sessions::SessionManagerLayer;
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};

use crate::floor;
use crate::operations::{UNTOUCHED, VISITS, WRITE, fill_path, members, read_path};
use crate::payload::ALL;
use crate::peer::{LIFETIME, Peer, contents};

pub async fn app(peer: Peer, url: &str) -> Router {
    match peer {
        Peer::Ours => ours().layer(sessions(url).await.layer()),
        Peer::OursForABrowser => {
            let builder = Sessions::builder().session_permanent(false);
            let sessions = builder.store_url(url).await.expect("Redis is reachable").build();
            ours().layer(sessions.expect("the configuration is complete").layer())
        }
        Peer::TowerSessions => {
            let config = Config::from_url(url).expect("the URL is a Redis URL");
            let pool = Pool::new(config, None, None, None, 1).expect("one connection is enough");
            pool.init().await.expect("Redis is reachable");
            tower_sessions().layer(SessionManagerLayer::new(RedisStore::new(pool)).with_secure(false))
        }
        Peer::AxumSession => {
            let client = redis::Client::open(url).expect("the URL is a Redis URL");
            let pool = redis_pool::RedisPool::from(client);
            let config = SessionConfig::default().with_secure(false);
            let store = SessionStore::<SessionRedisPool>::new(Some(pool.into()), config).await;
            axum_session().layer(SessionLayer::new(store.expect("Redis is reachable")))
        }
        Peer::Floor => floor::app(url, floor::PERMANENT).await,
        Peer::FloorForABrowser => floor::app(url, floor::FOR_A_BROWSER).await,
        peer => bare(url, peer == Peer::BareWithExpiry).await,
    }
}

/// Our engine on Redis with its defaults.
pub async fn sessions(url: &str) -> Sessions {
    Sessions::builder()
        .store_url(url)
        .await
        .expect("Redis is reachable")
        .build()
        .expect("the configuration is complete")
}

async fn untouched() -> &'static str {
    "untouched"
}

#[derive(Clone)]
struct Bare {
    connection: MultiplexedConnection,
    with_expiry: bool,
    visits: Arc<AtomicU64>,
}

fn key(headers: &HeaderMap) -> String {
    let line = headers.get(header::COOKIE).and_then(|line| line.to_str().ok()).unwrap_or_default();
    format!("session:{}", line.strip_prefix("session=").unwrap_or_default())
}

impl Bare {
    async fn read(&mut self, key: &str) -> Vec<u8> {
        let record = if self.with_expiry {
            let (record, left): (Vec<u8>, i64) = redis::pipe()
                .get(key)
                .pttl(key)
                .query_async(&mut self.connection)
                .await
                .expect("Redis is reachable");
            assert!(left > 0);
            record
        } else {
            self.connection.get(key).await.expect("Redis is reachable")
        };
        assert!(!record.is_empty());
        record
    }
}

async fn bare(url: &str, with_expiry: bool) -> Router {
    async fn write(State(mut bare): State<Bare>, headers: HeaderMap) -> String {
        let key = key(&headers);
        let record = bare.read(&key).await;
        let _: () = bare.connection.set_ex(&key, record, LIFETIME).await.expect("Redis is reachable");
        (bare.visits.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }
    let client = redis::Client::open(url).expect("the URL is a Redis URL");
    let connection = client.get_multiplexed_async_connection().await.expect("Redis is reachable");
    let mut router = Router::new().route(UNTOUCHED, get(untouched)).route(WRITE, get(write));
    for payload in ALL {
        router = router
            .route(
                &read_path(payload),
                get(async move |State(mut bare): State<Bare>, headers: HeaderMap| {
                    bare.read(&key(&headers)).await;
                    payload.last.1.to_owned()
                }),
            )
            .route(
                &fill_path(payload),
                get(async move |State(mut bare): State<Bare>| {
                    let id = format!(
                        "{}{:0>42}",
                        u8::from(bare.with_expiry),
                        bare.visits.fetch_add(1, Ordering::Relaxed)
                    );
                    let record =
                        Format::Msgpack.write(&contents(payload)).expect("msgpack can store the payload");
                    let key = format!("session:{id}");
                    let _: () =
                        bare.connection.set_ex(key, record, LIFETIME).await.expect("Redis is reachable");
                    ([(header::SET_COOKIE, format!("session={id}; Path=/"))], "")
                }),
            );
    }
    router.with_state(Bare { connection, with_expiry, visits: Arc::default() })
}

fn ours() -> Router {
    async fn write(session: Session) -> Result<String, SessionError> {
        let visits = session.get::<u64>(VISITS)?.unwrap_or(0) + 1;
        session.set(VISITS, visits)?;
        Ok(visits.to_string())
    }
    let mut router = Router::new().route(UNTOUCHED, get(untouched)).route(WRITE, get(write));
    for payload in ALL {
        router = router
            .route(
                &read_path(payload),
                get(async move |session: Session| -> Result<String, SessionError> {
                    Ok(session.get(payload.last.0)?.unwrap_or_default())
                }),
            )
            .route(
                &fill_path(payload),
                get(async move |session: Session| -> Result<(), SessionError> {
                    session.update(contents(payload).into_entries())
                }),
            );
    }
    router
}

fn tower_sessions() -> Router {
    use tower_sessions::Session;
    async fn write(session: Session) -> String {
        let visits = session.get::<u64>(VISITS).await.expect("a number").unwrap_or(0) + 1;
        session.insert(VISITS, visits).await.expect("a number can be stored");
        visits.to_string()
    }
    let mut router = Router::new().route(UNTOUCHED, get(untouched)).route(WRITE, get(write));
    for payload in ALL {
        router = router
            .route(
                &read_path(payload),
                get(async move |session: Session| {
                    session.get::<String>(payload.last.0).await.expect("a text").unwrap_or_default()
                }),
            )
            .route(
                &fill_path(payload),
                get(async move |session: Session| {
                    for (key, value) in members(payload) {
                        session.insert_value(&key, value).await.expect("Redis has room");
                    }
                }),
            );
    }
    router
}

fn axum_session() -> Router {
    type Session = axum_session::Session<SessionRedisPool>;
    async fn write(session: Session) -> String {
        let visits = session.get::<u64>(VISITS).unwrap_or(0) + 1;
        session.set(VISITS, visits);
        visits.to_string()
    }
    let mut router = Router::new().route(UNTOUCHED, get(untouched)).route(WRITE, get(write));
    for payload in ALL {
        router = router
            .route(
                &read_path(payload),
                get(async move |session: Session| session.get::<String>(payload.last.0).unwrap_or_default()),
            )
            .route(
                &fill_path(payload),
                get(async move |session: Session| {
                    for (key, value) in members(payload) {
                        session.set(&key, value);
                    }
                }),
            );
    }
    router
}
