//! The same app on axum, without sessions and with each session library.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::extract::FromRef;
use axum::routing::get;
use axum::{Extension, Router};
use axum_extra::extract::SignedCookieJar;
use axum_extra::extract::cookie::{Cookie, Key};
use axum_session::{SessionConfig, SessionNullPool, SessionStore};
use hipflask::hipflask_core::session::SessionDict;
use hipflask::{Session, SessionError};
use serde_json::{Map, Value};
use tower_service::Service;
use tower_sessions::{MemoryStore, SessionManagerLayer};

use crate::minimal_layer::{READ, Sends, SessionUse, Sharing, WRITTEN};
use crate::operations::{UNTOUCHED, VISITS, WRITE, fill_path, members, read_path};
use crate::payload::{M, S};
use crate::peer::Peer;
use crate::visit::sessions;

const LONG_KEY: [u8; 64] = [7; 64];

/// The app for `peer`, which must be an axum peer.
pub async fn app(peer: Peer) -> Router {
    match peer {
        Peer::Ours => ours().layer(sessions().layer()),
        Peer::TowerSessions => tower_sessions().layer(SessionManagerLayer::new(MemoryStore::default())),
        Peer::TowerSessionsSigned => {
            let key = tower_sessions::cookie::Key::from(&LONG_KEY);
            tower_sessions().layer(SessionManagerLayer::new(MemoryStore::default()).with_signed(key))
        }
        Peer::AxumSession => {
            let config = SessionConfig::default().with_secure(false);
            let store = SessionStore::<SessionNullPool>::new(None, config).await;
            axum_session().layer(axum_session::SessionLayer::new(store.expect("no database can fail")))
        }
        Peer::SignedJar => signed_jar().with_state(JarKey(Key::from(&LONG_KEY))),
        Peer::EmptyLayer => alone().layer(tower_layer::layer_fn(Nothing)),
        Peer::PlaceAndHeaders => {
            extension_alone().layer(tower_layer::layer_fn(|inner| Sharing::new(inner, SENDS)))
        }
        _ => alone(),
    }
}

/// A service that only calls the service inside it.
#[derive(Clone)]
struct Nothing<S>(S);

impl<S: Service<R>, R> Service<R> for Nothing<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}

/// The cookie that our engine sends for a session in a cookie.
const SENDS: Sends = Sends { attributes: "; HttpOnly; Path=/", with_reads: false };

async fn untouched() -> &'static str {
    "untouched"
}

/// Handlers read an owned `String`, so this does as well.
fn alone() -> Router {
    let visits = Arc::new(AtomicU64::new(0));
    let mut router = Router::new().route(UNTOUCHED, get(untouched)).route(
        WRITE,
        get(move || {
            let visits = visits.clone();
            async move { (visits.fetch_add(1, Ordering::Relaxed) + 1).to_string() }
        }),
    );
    for payload in [S, M] {
        router = router
            .route(&read_path(payload), get(async move || payload.last.1.to_owned()))
            .route(&fill_path(payload), get(async || ()));
    }
    router
}

/// The same with an extension that each handler reads.
fn extension_alone() -> Router {
    let visits = Arc::new(AtomicU64::new(0));
    let mut router = Router::new().route(UNTOUCHED, get(untouched)).route(
        WRITE,
        get(move |Extension(session): Extension<SessionUse>| {
            let visits = visits.clone();
            async move {
                session.set(WRITTEN);
                (visits.fetch_add(1, Ordering::Relaxed) + 1).to_string()
            }
        }),
    );
    for payload in [S, M] {
        router = router
            .route(
                &read_path(payload),
                get(async move |Extension(session): Extension<SessionUse>| {
                    session.set(READ);
                    payload.last.1.to_owned()
                }),
            )
            .route(&fill_path(payload), get(async || ()));
    }
    router
}

fn ours() -> Router {
    async fn write(session: Session) -> Result<String, SessionError> {
        let visits = session.get::<u64>(VISITS)?.unwrap_or(0) + 1;
        session.set(VISITS, visits)?;
        Ok(visits.to_string())
    }
    let mut router = Router::new().route(UNTOUCHED, get(untouched)).route(WRITE, get(write));
    for payload in [S, M] {
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
                    let filled = SessionDict::from_json(payload.json).expect("the payload is a session");
                    session.update(filled.items().map(|(key, value)| (key.clone(), value.clone())))
                }),
            );
    }
    router
}

fn tower_sessions() -> Router {
    use tower_sessions::Session;
    type Outcome = Result<String, tower_sessions::session::Error>;
    async fn write(session: Session) -> String {
        let visits = session.get::<u64>(VISITS).await.expect("a number").unwrap_or(0) + 1;
        session.insert(VISITS, visits).await.expect("a number can be stored");
        visits.to_string()
    }
    let mut router = Router::new().route(UNTOUCHED, get(untouched)).route(WRITE, get(write));
    for payload in [S, M] {
        router = router
            .route(
                &read_path(payload),
                get(async move |session: Session| {
                    let read: Outcome =
                        session.get::<String>(payload.last.0).await.map(Option::unwrap_or_default);
                    read.expect("a text")
                }),
            )
            .route(
                &fill_path(payload),
                get(async move |session: Session| {
                    for (key, value) in members(payload) {
                        session.insert_value(&key, value).await.expect("memory has room");
                    }
                }),
            );
    }
    router
}

fn axum_session() -> Router {
    type Session = axum_session::Session<SessionNullPool>;
    async fn write(session: Session) -> String {
        let visits = session.get::<u64>(VISITS).unwrap_or(0) + 1;
        session.set(VISITS, visits);
        visits.to_string()
    }
    let mut router = Router::new().route(UNTOUCHED, get(untouched)).route(WRITE, get(write));
    for payload in [S, M] {
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

#[derive(Clone)]
struct JarKey(Key);

impl FromRef<JarKey> for Key {
    fn from_ref(state: &JarKey) -> Self {
        state.0.clone()
    }
}

/// A session as many apps write it by hand: an object as JSON in one signed cookie.
fn signed_jar() -> Router<JarKey> {
    type Jar = SignedCookieJar<Key>;
    fn read(jar: &Jar) -> Map<String, Value> {
        jar.get("session").and_then(|cookie| serde_json::from_str(cookie.value()).ok()).unwrap_or_default()
    }
    fn put(jar: Jar, session: &Map<String, Value>) -> Jar {
        let json = serde_json::to_string(session).expect("texts are keys");
        jar.add(Cookie::build(("session", json)).http_only(true).path("/"))
    }
    async fn write(jar: Jar) -> (Jar, String) {
        let mut session = read(&jar);
        let visits = session.get(VISITS).and_then(Value::as_u64).unwrap_or(0) + 1;
        session.insert(VISITS.to_owned(), visits.into());
        (put(jar, &session), visits.to_string())
    }
    let mut router = Router::new().route(UNTOUCHED, get(untouched)).route(WRITE, get(write));
    for payload in [S, M] {
        router = router
            .route(
                &read_path(payload),
                get(async move |jar: Jar| match read(&jar).remove(payload.last.0) {
                    Some(Value::String(text)) => text,
                    _ => String::new(),
                }),
            )
            .route(&fill_path(payload), get(async move |jar: Jar| put(jar, &members(payload))));
    }
    router
}
