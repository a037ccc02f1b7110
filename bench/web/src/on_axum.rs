//! The same app on axum, alone and under each kind of session.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use axum::extract::{FromRef, Request};
use axum::http::HeaderValue;
use axum::http::header::{COOKIE, SET_COOKIE, VARY};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use axum_extra::extract::SignedCookieJar;
use axum_extra::extract::cookie::{Cookie, Key};
use axum_session::{SessionConfig, SessionNullPool, SessionStore};
use hipflask::core::session::Session as Data;
use hipflask::{Session, SessionError};
use pin_project_lite::pin_project;
use serde_json::{Map, Value};
use tower_service::Service;
use tower_sessions::{MemoryStore, SessionManagerLayer};

use crate::payload::{M, S};
use crate::peer::{Peer, UNTOUCHED, VISITS, WRITE, fill_path, members, read_path};
use crate::visit::sessions;

const LONG_KEY: [u8; 64] = [7; 64];

/// The app under `peer`, which is one of axum's.
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
        Peer::PlaceAndHeaders => placed().layer(tower_layer::layer_fn(Sharing)),
        _ => alone(),
    }
}

/// A service around another that does nothing of its own.
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

/// What a handler says of the session that it would have.
#[derive(Clone)]
struct Place(Arc<AtomicU8>);

const READ: u8 = 1;
const WRITTEN: u8 = 2;

/// A service that puts a place on each request, keeps hold of it and of the cookie until the response is there, and then
/// sends the headers that are due: what is left of a session if opening, changing and sealing it cost nothing.
#[derive(Clone)]
struct Sharing<S>(S);

impl<S: Service<Request, Response = Response>> Service<Request> for Sharing<S>
where
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Kept<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let place = Place(Arc::default());
        request.extensions_mut().insert(place.clone());
        let cookie = request.headers().get(COOKIE).cloned();
        Kept { inner: self.0.call(request), place, cookie }
    }
}

pin_project! {
    struct Kept<F> {
        #[pin]
        inner: F,
        place: Place,
        cookie: Option<HeaderValue>,
    }
}

impl<F: Future<Output = Result<Response, E>>, E> Future for Kept<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let done = this.place.0.load(Ordering::Relaxed);
        if done >= READ {
            response.headers_mut().insert(VARY, HeaderValue::from_static("Cookie"));
        }
        if let Some(cookie) = this.cookie.as_ref().filter(|_| done >= WRITTEN) {
            let mut line = String::with_capacity(cookie.len() + ATTRIBUTES.len());
            line.push_str(cookie.to_str().expect("our own cookie"));
            line.push_str(ATTRIBUTES);
            response.headers_mut().append(SET_COOKIE, HeaderValue::try_from(line).expect("our own cookie"));
        }
        Poll::Ready(Ok(response))
    }
}

/// What our engine writes behind the value.
const ATTRIBUTES: &str = "; HttpOnly; Path=/";

async fn untouched() -> &'static str {
    "untouched"
}

/// What a handler reads is a `String` of its own, so here, too.
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

/// The same with a place that each handler finds.
fn placed() -> Router {
    let visits = Arc::new(AtomicU64::new(0));
    let mut router = Router::new().route(UNTOUCHED, get(untouched)).route(
        WRITE,
        get(move |Extension(place): Extension<Place>| {
            let visits = visits.clone();
            async move {
                place.0.store(WRITTEN, Ordering::Relaxed);
                (visits.fetch_add(1, Ordering::Relaxed) + 1).to_string()
            }
        }),
    );
    for payload in [S, M] {
        router = router
            .route(
                &read_path(payload),
                get(async move |Extension(place): Extension<Place>| {
                    place.0.store(READ, Ordering::Relaxed);
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
                    let filled = Data::from_json(payload.json).expect("the payload is a session");
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
        session.insert(VISITS, visits).await.expect("a number can be kept");
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

/// A session as many write it themselves: an object as JSON in one signed cookie.
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
