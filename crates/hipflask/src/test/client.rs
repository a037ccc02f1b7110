//! The client of a tower service.

use std::fmt;
use std::future::poll_fn;

use bytes::Bytes;
use hipflask_core::value::Text;
use http::header::{CONTENT_TYPE, COOKIE, HeaderValue, SET_COOKIE};
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use serde::Serialize;
use tower_service::Service;

use super::form::{TYPE, encode};
use super::jar::CookieJar;
use super::response::TestResponse;
use crate::engine::Sessions;
use crate::error::SessionError;
use crate::session::Session;

/// A browser without a screen: sends requests to a tower service, such as an axum `Router`, and
/// keeps its cookies.
///
/// See the [module](super) for an example. What cannot be sent or answered is a panic, because it
/// is for tests. A service of another request body than `Full<Bytes>` is made to fit with tower's
/// `map_request`.
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

    /// Sets a key of the session before the next request, for example to log in.
    ///
    /// # Panics
    /// If the value cannot live in a session, or [`session`](Self::session) fails.
    #[must_use]
    pub fn with(mut self, key: impl Into<Text>, value: impl Serialize) -> Self {
        self.jar = self.jar.with(key, value);
        self
    }

    /// Opens the session, as a request would, and saves it if it was changed.
    ///
    /// # Errors
    /// The closure's error, and nothing is saved; otherwise as [`CookieJar::session`].
    pub fn session<R>(
        &mut self,
        work: impl FnOnce(&Session) -> Result<R, SessionError>,
    ) -> Result<R, SessionError> {
        self.jar.session(work)
    }

    /// Flask's `session_transaction`: [`session`](Self::session) for every store.
    ///
    /// # Errors
    /// The closure's error, and nothing is saved; otherwise an error of loading or saving.
    pub async fn session_transaction<R>(
        &mut self,
        work: impl FnOnce(&Session) -> Result<R, SessionError>,
    ) -> Result<R, SessionError> {
        self.jar.session_transaction(work).await
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
        let mut request = request(Method::POST, uri, encode(fields).into_bytes());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TYPE));
        self.send(request).await
    }

    /// Sends any request with the jar's cookies for its path added, and keeps the cookies of the response.
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
