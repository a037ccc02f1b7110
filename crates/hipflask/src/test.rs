//! For the tests of an app: a client with a cookie jar, sessions to set up and to read, and a clock to set.
//!
//! What `app.test_client()` and `client.session_transaction()` are in Flask:
//!
//! ```
//! use axum::{Router, routing::get};
//! use hipflask::test::{SetClock, TestClient};
//! use hipflask::{Session, SessionError, Sessions};
//!
//! async fn index(session: Session) -> Result<String, SessionError> {
//!     session.increment("visits", 1)?;
//!     Ok(format!("Hello {}", session.get::<String>("username")?.unwrap_or("stranger".into())))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = SetClock::at(1_700_000_000);
//! let sessions = Sessions::builder().secret_key("a secret key for tests").clock(clock.clone()).build()?;
//! let app: Router = Router::new().route("/", get(index)).layer(sessions.layer());
//!
//! // A signed-in request in one line.
//! assert_eq!(TestClient::new(app.clone(), &sessions).with("username", "ada").get("/").await.text(), "Hello ada");
//!
//! // The client keeps its cookies, and its session can be looked into and set up between requests.
//! let mut client = TestClient::new(app, &sessions);
//! client.get("/").await;
//! assert_eq!(client.session(|session| session.get::<u32>("visits"))?, Some(1));
//! client.session(|session| session.set("username", "bob"))?;
//! assert_eq!(client.get("/").await.text(), "Hello bob");
//!
//! // 31 days and a second later the session has expired.
//! clock.advance(sessions.lifetime() + std::time::Duration::from_secs(1));
//! assert_eq!(client.get("/").await.text(), "Hello stranger");
//! # Ok(()) }
//! ```
//!
//! [`CookieJar`] is the half of it that knows no framework. With actix-web:
//!
#![cfg_attr(feature = "actix", doc = "```")]
#![cfg_attr(not(feature = "actix"), doc = "```ignore")]
//! # use actix_web::{App, test, web};
//! # use hipflask::{Session, SessionError, Sessions};
//! use hipflask::test::CookieJar;
//! # async fn index(session: Session) -> Result<String, SessionError> {
//! #     Ok(format!("Hello {}", session.get::<String>("username")?.unwrap_or_default()))
//! # }
//! # actix_web::rt::System::new().block_on(async {
//! # let sessions = Sessions::builder().secret_key("a secret key for tests").build().unwrap();
//! let app = test::init_service(App::new().wrap(sessions.middleware()).route("/", web::get().to(index))).await;
//! let mut jar = CookieJar::new(&sessions);
//! jar.session(|session| session.set("username", "ada")).unwrap();
//!
//! let request = test::TestRequest::get().uri("/").insert_header(("cookie", jar.header("/")));
//! let response = test::call_service(&app, request.to_request()).await;
//! jar.take(response.headers().get_all("set-cookie").map(|line| line.as_bytes()));
//! assert_eq!(test::read_body(response).await, "Hello ada");
//! # });
//! ```

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hipflask_core::time::{DateTime, UnixTime};
use hipflask_core::value::Text;
use http::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use serde::Serialize;
use tower_service::Service;

use crate::clock::Clock;
use crate::engine::Sessions;
use crate::error::SessionError;
use crate::session::Session;

/// A browser without a screen: sends requests to a tower service, such as an axum `Router`, and keeps its cookies.
///
/// See the [module](self) for an example. What cannot be sent or answered is a panic, because it is for tests. A service
/// of another request body than `Full<Bytes>` is made to fit with tower's `map_request`.
#[derive(Clone)]
pub struct TestClient<S> {
    service: S,
    jar: CookieJar,
}

impl<S> TestClient<S> {
    /// A client of `service`, whose sessions are those of `sessions`.
    #[must_use]
    pub fn new(service: S, sessions: &Sessions) -> Self {
        Self { service, jar: CookieJar::new(sessions) }
    }

    /// Sets a key of the session before the next request: signs somebody in.
    ///
    /// # Panics
    /// If the value cannot live in a session.
    #[must_use]
    pub fn with(mut self, key: impl Into<Text>, value: impl Serialize) -> Self {
        match self.session(|session| session.set(key, value)) {
            Ok(()) => self,
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens the session, as a request would, and saves it if it was changed: Flask's `session_transaction`.
    ///
    /// # Errors
    /// What the closure returns; then nothing is saved.
    #[doc(alias = "session_transaction")]
    pub fn session<R>(
        &mut self,
        work: impl FnOnce(&Session) -> Result<R, SessionError>,
    ) -> Result<R, SessionError> {
        self.jar.session(work)
    }

    /// Its cookies.
    pub fn jar(&mut self) -> &mut CookieJar {
        &mut self.jar
    }

    /// Sends a GET request.
    pub async fn get<B>(&mut self, uri: &str) -> TestResponse
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
        S::Error: fmt::Debug,
        B: Body,
        B::Error: fmt::Debug,
    {
        self.send(request(Method::GET, uri, Vec::new())).await
    }

    /// Sends a form, as a browser does.
    pub async fn post_form<B>(&mut self, uri: &str, fields: &[(&str, &str)]) -> TestResponse
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
        S::Error: fmt::Debug,
        B: Body,
        B::Error: fmt::Debug,
    {
        let mut request = request(Method::POST, uri, form(fields).into_bytes());
        let urlencoded = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, urlencoded);
        self.send(request).await
    }

    /// Sends any request, with the cookies of its path beside those that it has, and keeps the cookies of the response.
    ///
    /// # Panics
    /// If the service fails, or the body of its response does.
    pub async fn send<B>(&mut self, request: Request<Vec<u8>>) -> TestResponse
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
        S::Error: fmt::Debug,
        B: Body,
        B::Error: fmt::Debug,
    {
        let mut request = request.map(Full::from);
        let cookies = self.jar.header(request.uri().path());
        if let (false, Ok(cookies)) = (cookies.is_empty(), HeaderValue::try_from(cookies)) {
            request.headers_mut().append(COOKIE, cookies);
        }
        let mut service = self.service.clone();
        poll_fn(|cx| service.poll_ready(cx)).await.expect("the service is ready");
        let (head, body) = service.call(request).await.expect("the service answers").into_parts();
        self.jar.take(head.headers.get_all(SET_COOKIE).iter().map(HeaderValue::as_bytes));
        let body = body.collect().await.expect("the body arrives whole").to_bytes().to_vec();
        TestResponse { status: head.status, headers: head.headers, body }
    }
}

impl<S> fmt::Debug for TestClient<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient").field("jar", &self.jar).finish_non_exhaustive()
    }
}

fn request(method: Method, uri: &str, body: Vec<u8>) -> Request<Vec<u8>> {
    Request::builder().method(method).uri(uri).body(body).expect("the URI is one")
}

fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

/// What came back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TestResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl TestResponse {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first header of this name; empty if there is none.
    #[must_use]
    pub fn header(&self, name: HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// All `Set-Cookie` values.
    #[must_use]
    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()).collect()
    }
}

/// Keeps the cookies of one host, as a browser does: by name and path, until they expire.
///
/// Every request counts as https, and `Domain` is not looked at.
#[derive(Clone)]
pub struct CookieJar {
    sessions: Sessions,
    cookies: Vec<Cookie>,
}

#[derive(Clone)]
struct Cookie {
    name: String,
    value: String,
    path: String,
    expires: Option<UnixTime>,
}

impl CookieJar {
    /// An empty jar. Its clock is that of `sessions`.
    #[must_use]
    pub fn new(sessions: &Sessions) -> Self {
        Self { sessions: sessions.clone(), cookies: Vec::new() }
    }

    /// The `Cookie` header of a request for `path`; empty if no cookie goes there.
    #[must_use]
    pub fn header(&self, path: &str) -> String {
        let now = self.sessions.now();
        let sent = self.cookies.iter().filter(|cookie| cookie.is_live(now) && cookie.goes_to(path));
        sent.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect::<Vec<_>>().join("; ")
    }

    /// Takes over the `Set-Cookie` values of a response.
    pub fn take(&mut self, set_cookies: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        let now = self.sessions.now();
        for line in set_cookies {
            let Some(cookie) = Cookie::read(&String::from_utf8_lossy(line.as_ref()), now) else { continue };
            self.cookies.retain(|held| (&held.name, &held.path) != (&cookie.name, &cookie.path));
            if cookie.is_live(now) {
                self.cookies.push(cookie);
            }
        }
    }

    /// The value of the cookie `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let now = self.sessions.now();
        let mut cookies = self.cookies.iter().filter(|cookie| cookie.is_live(now));
        cookies.find(|cookie| cookie.name == name).map(|cookie| cookie.value.as_str())
    }

    /// Forgets every cookie, as a browser that was closed and had none to keep.
    pub fn clear(&mut self) {
        self.cookies.clear();
    }

    /// Opens the session, as a request would, and saves it if it was changed: Flask's `session_transaction`.
    ///
    /// # Errors
    /// What the closure returns; then nothing is saved. And what saving says: a cookie too large for the strict profile.
    #[doc(alias = "session_transaction")]
    pub fn session<R>(
        &mut self,
        work: impl FnOnce(&Session) -> Result<R, SessionError>,
    ) -> Result<R, SessionError> {
        let path = self.sessions.cookie().path().to_owned();
        let request = self.sessions.begin([self.header(&path).as_str()]);
        let result = work(&request.open_cookie())?;
        self.take(request.finish_cookie()?.set_cookie);
        Ok(result)
    }
}

/// Shows names, never a value.
impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.sessions.now();
        let live = self.cookies.iter().filter(|cookie| cookie.is_live(now));
        f.debug_set().entries(live.map(|cookie| &cookie.name)).finish()
    }
}

impl Cookie {
    fn read(set_cookie: &str, now: UnixTime) -> Option<Self> {
        let mut parts = set_cookie.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let mut cookie = Self { name: name.into(), value: value.into(), path: "/".into(), expires: None };
        let mut age = None;
        for (attribute, value) in parts.filter_map(|part| part.split_once('=')) {
            match attribute.to_ascii_lowercase().as_str() {
                "path" => cookie.path = value.into(),
                "expires" => cookie.expires = DateTime::parse_http_date(value).map(seconds),
                "max-age" => age = value.parse::<i64>().ok(),
                _ => {}
            }
        }
        if let Some(age) = age {
            let age = Duration::from_secs(u64::try_from(age).unwrap_or(0));
            cookie.expires = Some(now.saturating_add(age));
        }
        Some(cookie)
    }

    fn is_live(&self, now: UnixTime) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }

    fn goes_to(&self, path: &str) -> bool {
        let below = path.strip_prefix(&self.path);
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'))
    }
}

fn seconds(date: DateTime) -> UnixTime {
    UnixTime::from_secs(u64::try_from(date.unix_micros() / 1_000_000).unwrap_or(0))
}

/// A clock that stands until a test moves it. Clones show the same time.
#[derive(Debug, Clone)]
pub struct SetClock(Arc<AtomicU64>);

impl SetClock {
    /// A clock that shows `secs` seconds since 1970.
    #[must_use]
    pub fn at(secs: u64) -> Self {
        Self(Arc::new(AtomicU64::new(secs)))
    }

    /// Makes it show `secs` seconds since 1970, which may be earlier than before.
    pub fn set(&self, secs: u64) {
        self.0.store(secs, Ordering::SeqCst);
    }

    /// Moves it forward by the whole seconds of `by`.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.load(Ordering::SeqCst))
    }
}
