//! The inspector's tower layer: the session layer, watched from both sides.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use hipflask_core::cookie;
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::Inspector;
use super::exchange::{Answer, Exchange};
use super::pages::Page;
use super::view::View;
use crate::engine::Sessions;
use crate::layer::SessionService;
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
            inner: self.sessions.layer().layer(Tap { inner }),
            inspector: self.inspector.clone(),
            sessions: self.sessions.clone(),
        }
    }
}

/// A service whose requests have a session that is watched. Made by [`InspectorLayer`].
#[derive(Debug, Clone)]
pub struct InspectorService<S> {
    inner: SessionService<Tap<S>>,
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
    type Future = ResponseFuture<<SessionService<Tap<S>> as Service<Request<ReqBody>>>::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let exchange = Exchange::begin(&request, &self.sessions);
        let id = id(request.headers());
        if let Some(page) = Page::at(request.uri().path()) {
            let history = self.inspector.visitors().history(id.as_deref(), exchange.sent.as_deref());
            let views: Vec<View> =
                history.iter().map(|(number, seen)| View::new(*number, seen, &self.sessions)).collect();
            return ResponseFuture::Own { response: Some(page.answer(request.method(), &views)) };
        }
        let tapped = Tapped::default();
        request.extensions_mut().insert(tapped.clone());
        ResponseFuture::Watched {
            inner: self.inner.call(request),
            watch: Some(Watch {
                exchange,
                id,
                tapped,
                inspector: self.inspector.clone(),
                sessions: self.sessions.clone(),
            }),
        }
    }
}

pin_project! {
    /// Waits for the response and remembers it.
    #[project = Projected]
    pub enum ResponseFuture<F, B> {
        /// A page of the inspector.
        #[doc(hidden)]
        Own { response: Option<Response<B>> },
        /// A response of the application.
        #[doc(hidden)]
        Watched { #[pin] inner: F, watch: Option<Watch> },
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project() {
            Projected::Own { response } => {
                Poll::Ready(Ok(response.take().expect("a future is not polled after it is ready")))
            }
            Projected::Watched { inner, watch } => {
                let mut response = ready!(inner.poll(cx))?;
                if let Some(watch) = watch.take() {
                    watch.finish(&mut response);
                }
                Poll::Ready(Ok(response))
            }
        }
    }
}

impl<F, B> std::fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}

/// What is known of a request while it is answered.
#[doc(hidden)]
pub struct Watch {
    exchange: Exchange,
    id: Option<String>,
    tapped: Tapped,
    inspector: Inspector,
    sessions: Sessions,
}

/// Shows no cookie.
impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch(..)")
    }
}

impl Watch {
    fn finish<B>(self, response: &mut Response<B>) {
        let seen = self.tapped.0.get().and_then(RequestSession::seen);
        let name = self.sessions.cookie().name();
        let answer = Answer::new(response.status(), response.headers(), name, seen);
        let exchange = Exchange { answer, ..self.exchange };
        let Some(fresh) = random_id() else { return };
        let given = self.inspector.visitors().record(self.id.as_deref(), exchange, || fresh);
        if let Some(id) = given {
            // Where the session's cookie goes, so that apps below different paths have inspectors of their own.
            let path = self.sessions.cookie().path();
            let line = format!("{COOKIE_NAME}={id}; HttpOnly; Path={path}; SameSite=Lax");
            if let Ok(line) = HeaderValue::try_from(line) {
                response.headers_mut().append(SET_COOKIE, line);
            }
        }
    }
}

/// Stands inside of the session layer and keeps hold of the request's session.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Tap<S> {
    inner: S,
}

/// Where the tap puts it.
#[derive(Debug, Clone, Default)]
struct Tapped(Arc<OnceLock<RequestSession>>);

impl<S, B> Service<Request<B>> for Tap<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let tapped = request.extensions_mut().remove::<Tapped>();
        if let (Some(tapped), Some(session)) = (tapped, request.extensions().get::<RequestSession>()) {
            // Each request has a place of its own, so it is empty.
            let _ = tapped.0.set(session.clone());
        }
        self.inner.call(request)
    }
}

/// The id that the browser says it was given.
fn id(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    cookie::values(lines, COOKIE_NAME).next().map(|id| id.into_owned())
}

/// 128 bits that nobody can guess, or nothing if the system has none: then nothing is remembered.
fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

const COOKIE_NAME: &str = "_hipflask_inspector";
