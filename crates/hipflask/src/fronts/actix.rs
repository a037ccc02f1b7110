//! Sessions for actix-web: the middleware, the extractors, and [`session()`](crate::session()) below it.
//!
//! ```
//! use actix_web::{App, web};
//! use hipflask::{Session, SessionError, Sessions};
//!
//! async fn visits(session: Session) -> Result<String, SessionError> {
//!     let visits = session.increment("visits", 1)?;
//!     Ok(format!("Visit number {visits}"))
//! }
//!
//! let sessions = Sessions::builder().secret_key("the SECRET_KEY of the Flask app").build()?;
//! let app = App::new().wrap(sessions.middleware()).route("/", web::get().to(visits));
//! # Ok::<(), hipflask::ConfigError>(())
//! ```
//!
//! Take `Session`, not `Option<Session>`: actix-web turns every failed extractor into `None`, so
//! that a middleware that somebody forgot would look like an empty session.

#[cfg(feature = "csrf")]
pub use super::csrf::actix::{CsrfFuture, CsrfMiddleware, CsrfService};
#[cfg(feature = "login")]
pub use super::login::actix::{ExtractedLogin, LoginFuture, LoginMiddleware, LoginService};

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, COOKIE, HeaderMap, HeaderValue, SET_COOKIE, VARY};
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError};
use pin_project_lite::pin_project;
use serde::de::DeserializeOwned;

use super::actix_info::request_info;
use super::response::Answering;
use crate::engine::Sessions;
use crate::engine::{SessionHeaders, Vary};
use crate::error::{SessionError, SessionRejection};
use crate::request::{RequestInfo, RequestSession};
use crate::session::Session;
use crate::session::{SessionData, SessionKey};

impl Sessions {
    /// The actix-web middleware that gives each request its session and each response its cookie:
    /// [`layer`](Self::layer) for `App::wrap`.
    ///
    /// Every worker's app needs the same engine: build it before `HttpServer::new` and clone it
    /// into the factory.
    #[must_use]
    pub fn middleware(&self) -> SessionMiddleware {
        SessionMiddleware { sessions: self.clone(), page: None }
    }
}

/// The function that renders the error page.
type Page = Arc<dyn Fn(&SessionError) -> HttpResponse + Send + Sync>;

/// A middleware that gives each request its session, from [`Sessions::middleware`].
#[derive(Clone)]
pub struct SessionMiddleware {
    sessions: Sessions,
    page: Option<Page>,
}

impl SessionMiddleware {
    /// Answers with `page` where the session could not be opened because its store failed, or could
    /// not be saved; without this the response is bare. See
    /// [`SessionLayer::error_page`](crate::SessionLayer::error_page).
    ///
    /// ```
    /// use actix_web::HttpResponse;
    /// # use hipflask::Sessions;
    /// # let sessions = Sessions::builder().secret_key("a secret key for the docs").build()?;
    /// let middleware = sessions.middleware().error_page(|_| HttpResponse::ServiceUnavailable().body("Back in a moment"));
    /// # Ok::<(), hipflask::ConfigError>(())
    /// ```
    #[must_use]
    pub fn error_page(
        mut self,
        page: impl Fn(&SessionError) -> HttpResponse + Send + Sync + 'static,
    ) -> Self {
        self.page = Some(Arc::new(page));
        self
    }
}

impl fmt::Debug for SessionMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionMiddleware").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

impl<S, B> Transform<S, ServiceRequest> for SessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SessionService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(SessionService {
            page: self.page.clone(),
            ..SessionService::new(inner, self.sessions.clone())
        }))
    }
}

/// A service whose requests have a session, from [`SessionMiddleware`].
pub struct SessionService<S> {
    inner: S,
    sessions: Sessions,
    page: Option<Page>,
}

impl<S: fmt::Debug> fmt::Debug for SessionService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SessionService");
        shown.field("inner", &self.inner).field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

impl<S> SessionService<S> {
    pub(crate) const fn new(inner: S, sessions: Sessions) -> Self {
        Self { inner, sessions, page: None }
    }
}

impl<S, B> Service<ServiceRequest> for SessionService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = ResponseFuture<S::Future, B>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let mut session = self.sessions.begin(request.headers().get_all(COOKIE).cloned());
        let mut finishes = true;
        let outer = request.extensions_mut().insert(session.clone());
        if let Some(outer) = outer {
            (session, finishes) = session.below(outer);
            request.extensions_mut().insert(session.clone());
        }
        let answering = Answering::call(session, finishes, || self.inner.call(request));
        ResponseFuture { answering, page: self.page.clone() }
    }
}

pin_project! {
    /// The future of a response, which adds the session's headers to it.
    pub struct ResponseFuture<F, B> {
        #[pin]
        answering: Answering<F, Result<ServiceResponse<B>, Error>>,
        page: Option<Page>,
    }
}

impl<F, B> ResponseFuture<F, B> {
    /// The request's session; `None` while the handler runs.
    #[cfg(feature = "inspector")]
    pub(crate) const fn session(&self) -> Option<&RequestSession> {
        self.answering.session()
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}

impl<F, B> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // An error of an inner middleware becomes a response, which also carries the session.
        let Ok((outcome, ended)) = ready!(this.answering.poll_answer(cx, Ok::<_, Infallible>));
        Poll::Ready(match ended {
            Some(result) => finished(result, outcome, this.page.as_ref()),
            None => outcome.map(ServiceResponse::map_into_left_body),
        })
    }
}

fn finished<B>(
    result: Result<SessionHeaders, SessionError>,
    outcome: Result<ServiceResponse<B>, Error>,
    page: Option<&Page>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match result {
        Ok(from_session) => {
            let page = page.and_then(|page| store_failure(&outcome).map(|error| page(error)));
            match page {
                Some(page) => instead(page, outcome),
                None => carry(from_session, outcome),
            }
        }
        Err(error) => not_saved(&error, outcome, page),
    }
}

/// The failure of the store that a handler or an inner middleware ended with.
fn store_failure<B>(outcome: &Result<ServiceResponse<B>, Error>) -> Option<&SessionError> {
    let error = match outcome {
        Ok(response) => response.response().error()?,
        Err(error) => error,
    };
    let error = match error.as_error::<SessionRejection>() {
        Some(SessionRejection::Session(error)) => error,
        _ => error.as_error::<SessionError>()?,
    };
    Some(error).filter(|error| error.is_store_failure())
}

/// Replaces the answer by a page. It depends on the cookie, so `Vary` names that.
fn instead<B>(
    mut page: HttpResponse,
    outcome: Result<ServiceResponse<B>, Error>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    vary_by_cookie(page.headers_mut());
    match outcome {
        Ok(response) => Ok(response.into_response(page.map_into_right_body())),
        Err(error) => Err(InternalError::from_response(error, page).into()),
    }
}

/// Puts the session's headers on the response, or on the response that an error will become.
fn carry<B>(
    from_session: SessionHeaders,
    outcome: Result<ServiceResponse<B>, Error>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match outcome {
        Ok(mut response) => {
            apply(&from_session, response.headers_mut());
            Ok(response.map_into_left_body())
        }
        Err(error) if from_session.is_empty() => Err(error),
        Err(error) => Err(WithSession { error, from_session }.into()),
    }
}

fn not_saved<B>(
    error: &SessionError,
    outcome: Result<ServiceResponse<B>, Error>,
    page: Option<&Page>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    tracing::error!(%error, status = error.status().as_u16(), "the session could not be saved; the response is an error");
    match outcome {
        Ok(_) => {
            let bare = || HttpResponse::build(status(error.status())).finish();
            instead(page.map_or_else(bare, |page| page(error)), outcome)
        }
        // The earlier error stays the answer.
        Err(error) => Err(error),
    }
}

/// An error of an inner middleware, and what its response carries for the session.
#[derive(Debug)]
struct WithSession {
    error: Error,
    from_session: SessionHeaders,
}

impl fmt::Display for WithSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for WithSession {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = self.error.error_response();
        apply(&self.from_session, response.headers_mut());
        response
    }
}

/// Adds the session's headers; other cookies and names in `Vary` stay.
fn apply(from_session: &SessionHeaders, headers: &mut HeaderMap) {
    if from_session.vary_cookie {
        vary_by_cookie(headers);
    }
    if let Some(cookie) = &from_session.set_cookie {
        match HeaderValue::try_from(cookie) {
            Ok(cookie) => headers.append(SET_COOKIE, cookie),
            Err(_) => tracing::error!("the session's Set-Cookie is not a valid header and was not sent"),
        }
    }
    if from_session.no_store {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn vary_by_cookie(headers: &mut HeaderMap) {
    if !headers.contains_key(VARY) {
        headers.insert(VARY, HeaderValue::from_static("Cookie"));
        return;
    }
    match Vary::with_cookie(headers.get_all(VARY).map(|line| line.to_str().ok())) {
        Vary::Leave => {}
        Vary::Set(vary) => drop(HeaderValue::try_from(vary).map(|vary| headers.insert(VARY, vary))),
        Vary::Append => headers.append(VARY, HeaderValue::from_static("Cookie")),
    }
}

fn request_session(request: &HttpRequest) -> Option<RequestSession> {
    request.extensions().get().cloned()
}

impl FromRequest for Session {
    type Error = SessionRejection;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request_session(request);
        Extracted(Box::pin(async move { Ok(request.ok_or(SessionRejection::NoLayer)?.open().await?) }))
    }
}

impl FromRequest for RequestInfo {
    type Error = SessionRejection;
    type Future = Ready<Result<Self, SessionRejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let session = request_session(request).ok_or(SessionRejection::NoLayer);
        ready(session.map(|session| request_info(session.sessions(), request)))
    }
}

impl<T: SessionKey + DeserializeOwned + Default + 'static> FromRequest for SessionData<T> {
    type Error = SessionRejection;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let session = Session::from_request(request, payload);
        Extracted(Box::pin(async move { Ok(Self::of(session.await?)?) }))
    }
}

/// The future of an extractor.
pub struct Extracted<T>(Pin<Box<dyn Future<Output = Result<T, SessionRejection>>>>);

impl<T> Future for Extracted<T> {
    type Output = Result<T, SessionRejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Extracted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Extracted(..)")
    }
}

fn status(status: http::StatusCode) -> StatusCode {
    StatusCode::from_u16(status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The error is logged, and the response is a bare 500, or 503 if a store failed.
impl ResponseError for SessionRejection {
    fn status_code(&self) -> StatusCode {
        status(self.status())
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        tracing::error!(error = %self, "session extractor");
        HttpResponse::build(self.status_code()).finish()
    }
}

/// Lets handlers return the error with `?`: the error is logged, and the response is a bare 500, or
/// 503 if a store failed.
impl ResponseError for SessionError {
    fn status_code(&self) -> StatusCode {
        status(self.status())
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        tracing::error!(error = %self, "session");
        HttpResponse::build(self.status_code()).finish()
    }
}
