//! The inspector's middleware for actix-web: the session middleware, watched from outside.
//!
//! ```
//! use actix_web::{App, web};
//! use hipflask::{Session, SessionError, Sessions, inspector::Inspector};
//!
//! async fn index(session: Session) -> Result<String, SessionError> {
//!     Ok(format!("{} keys", session.len()?))
//! }
//!
//! let sessions = Sessions::builder().secret_key("the SECRET_KEY of the Flask app").build()?;
//! # if cfg!(debug_assertions) {
//! let inspector = Inspector::new()?;
//! let app = App::new().wrap(inspector.middleware(&sessions)).route("/", web::get().to(index));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::StatusCode;
use actix_web::http::header::{COOKIE, HeaderValue, SET_COOKIE, VARY};
use actix_web::{Error, HttpResponse};
use pin_project_lite::pin_project;

use super::Inspector;
use super::exchange::{Came, Goes};
use super::pages::Own;
use super::watch::{Begun, Watch};
use crate::engine::Sessions;
use crate::fronts::actix::{ResponseFuture as Answering, SessionService};
use crate::request::RequestSession;

impl Inspector {
    /// [`layer`](Self::layer) for `App::wrap` of actix-web, in place of `sessions.middleware()`.
    ///
    /// Every worker's app needs the same inspector: make it before `HttpServer::new` and clone it
    /// into the factory.
    #[must_use]
    pub fn middleware(&self, sessions: &Sessions) -> InspectorMiddleware {
        InspectorMiddleware { inspector: self.clone(), sessions: sessions.clone() }
    }
}

/// The session middleware with an inspector around it. Made by [`Inspector::middleware`].
#[derive(Debug, Clone)]
pub struct InspectorMiddleware {
    inspector: Inspector,
    sessions: Sessions,
}

impl<S, B> Transform<S, ServiceRequest> for InspectorMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<EitherBody<B>>>;
    type Error = Error;
    type Transform = InspectorService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let inner = SessionService::new(inner, self.sessions.clone());
        let (inspector, sessions) = (self.inspector.clone(), self.sessions.clone());
        ready(Ok(InspectorService { inner, inspector, sessions }))
    }
}

/// A service whose requests have a session that is watched. Made by [`InspectorMiddleware`].
#[derive(Debug)]
pub struct InspectorService<S> {
    inner: SessionService<S>,
    inspector: Inspector,
    sessions: Sessions,
}

impl<S, B> Service<ServiceRequest> for InspectorService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<EitherBody<B>>>;
    type Error = Error;
    type Future = ResponseFuture<S::Future, B>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let came = Came {
            method: request.method().as_str(),
            path: request.path(),
            below: request.match_info().unprocessed(),
            lines: request.headers().get_all(COOKIE).map(HeaderValue::as_bytes).collect(),
        };
        let doing = match Watch::begin(&self.inspector, &self.sessions, &came) {
            Begun::Page(own) => Doing::Own { response: Some(request.into_response(response(own))) },
            Begun::Watch(watch) => Doing::Watched { inner: self.inner.call(request), watch: Some(watch) },
        };
        ResponseFuture { doing }
    }
}

/// A page of the inspector.
fn response(own: Own) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::from_u16(own.status).unwrap_or_default());
    for header in own.headers {
        response.insert_header(header);
    }
    response.body(own.body)
}

pin_project! {
    /// Waits for the response and remembers it. An error that no inner middleware has made a
    /// response of is not remembered.
    pub struct ResponseFuture<F, B> {
        #[pin]
        doing: Doing<F, B>,
    }
}

pin_project! {
    #[project = Projected]
    enum Doing<F, B> {
        Own { response: Option<ServiceResponse> },
        Watched { #[pin] inner: Answering<F, B>, watch: Option<Box<Watch>> },
    }
}

impl<F, B> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<EitherBody<EitherBody<B>>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().doing.project() {
            Projected::Own { response } => {
                let response = response.take().expect("a future is not polled after it is ready");
                Poll::Ready(Ok(response.map_into_right_body()))
            }
            Projected::Watched { mut inner, watch } => {
                let mut response = ready!(inner.as_mut().poll(cx))?;
                if let Some(watch) = watch.take() {
                    finish(*watch, &mut response, inner.session());
                }
                Poll::Ready(Ok(response.map_into_left_body()))
            }
        }
    }
}

fn finish<B>(watch: Watch, response: &mut ServiceResponse<B>, session: Option<&RequestSession>) {
    let lines = |name| response.headers().get_all(name).map(HeaderValue::as_bytes).collect();
    let status = response.status().as_u16();
    let line = watch.finish(&Goes { status, set_cookies: lines(SET_COOKIE), vary: lines(VARY) }, session);
    if let Some(line) = line.and_then(|line| HeaderValue::try_from(line).ok()) {
        response.headers_mut().append(SET_COOKIE, line);
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}
