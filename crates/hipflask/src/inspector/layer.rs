//! The inspector's tower layer: the session layer, watched from outside.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{COOKIE, HeaderName, HeaderValue, SET_COOKIE, VARY};
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::Inspector;
use super::exchange::{Came, Goes};
use super::pages::Own;
use super::watch::{Begun, Watch};
use crate::engine::Sessions;
use crate::fronts::{ResponseFuture as Answering, SessionService};
use crate::request::RequestSession;

/// The session layer with an inspector around it. Made by [`Inspector::layer`].
#[derive(Debug, Clone)]
pub struct InspectorLayer {
    inspector: Inspector,
    sessions: Sessions,
}

impl InspectorLayer {
    pub(super) const fn new(inspector: Inspector, sessions: Sessions) -> Self {
        Self { inspector, sessions }
    }
}

impl<S> Layer<S> for InspectorLayer {
    type Service = InspectorService<S>;

    fn layer(&self, inner: S) -> InspectorService<S> {
        InspectorService {
            inner: self.sessions.layer().layer(inner),
            inspector: self.inspector.clone(),
            sessions: self.sessions.clone(),
        }
    }
}

/// A service whose requests have a session that is watched. Made by [`InspectorLayer`].
#[derive(Debug, Clone)]
pub struct InspectorService<S> {
    inner: SessionService<S>,
    inspector: Inspector,
    sessions: Sessions,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for InspectorService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Default + From<String>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let came = Came {
            method: request.method().as_str(),
            path: request.uri().path(),
            below: request.uri().path(),
            lines: request.headers().get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect(),
        };
        match Watch::begin(&self.inspector, &self.sessions, &came) {
            Begun::Page(own) => ResponseFuture { doing: Doing::Own { response: Some(response(own)) } },
            Begun::Watch(watch) => {
                let doing = Doing::Watched { inner: self.inner.call(request), watch: Some(watch) };
                ResponseFuture { doing }
            }
        }
    }
}

/// A page of the inspector.
fn response<B: Default + From<String>>(own: Own) -> Response<B> {
    let body = if own.body.is_empty() { B::default() } else { B::from(own.body) };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(own.status).unwrap_or_default();
    for (name, value) in own.headers {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

pin_project! {
    /// Waits for the response and remembers it.
    pub struct ResponseFuture<F, B> {
        #[pin]
        doing: Doing<F, B>,
    }
}

pin_project! {
    #[project = Projected]
    enum Doing<F, B> {
        Own { response: Option<Response<B>> },
        Watched { #[pin] inner: Answering<F, B>, watch: Option<Box<Watch>> },
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().doing.project() {
            Projected::Own { response } => {
                Poll::Ready(Ok(response.take().expect("a future is not polled after it is ready")))
            }
            Projected::Watched { mut inner, watch } => {
                let mut response = ready!(inner.as_mut().poll(cx))?;
                if let Some(watch) = watch.take() {
                    finish(*watch, &mut response, inner.session());
                }
                Poll::Ready(Ok(response))
            }
        }
    }
}

fn finish<B>(watch: Watch, response: &mut Response<B>, session: Option<&RequestSession>) {
    let lines = |name| response.headers().get_all(name).iter().map(HeaderValue::as_bytes).collect();
    let status = response.status().as_u16();
    let line = watch.finish(&Goes { status, set_cookies: lines(SET_COOKIE), vary: lines(VARY) }, session);
    if let Some(line) = line.and_then(|line| HeaderValue::try_from(line).ok()) {
        response.headers_mut().append(SET_COOKIE, line);
    }
}

impl<F, B> std::fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}
