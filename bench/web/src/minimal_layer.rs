//! A layer that does a session layer's work without the session: an extension on each request, and
//! the headers that are due.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{COOKIE, SET_COOKIE, VARY};
use axum::response::Response;
use pin_project_lite::pin_project;
use tower_service::Service;

/// The extension in which a handler notes how it would use the session.
#[derive(Clone)]
pub struct SessionUse(Arc<AtomicU8>);

pub const READ: u8 = 1;
pub const WRITTEN: u8 = 2;

impl SessionUse {
    pub fn set(&self, done: u8) {
        self.0.store(done, Ordering::Relaxed);
    }
}

/// The cookie of a response.
#[derive(Clone, Copy)]
pub struct Sends {
    /// The text after the value.
    pub attributes: &'static str,
    /// Set if the response to a read has a cookie as well.
    pub with_reads: bool,
}

/// A service that puts an extension on each request and the due headers on each response.
///
/// It keeps the extension and the cookie until the response is ready. This is the cost of a session
/// if opening, changing and saving it cost nothing.
#[derive(Clone)]
pub struct Sharing<S> {
    inner: S,
    sends: Sends,
}

impl<S> Sharing<S> {
    pub const fn new(inner: S, sends: Sends) -> Self {
        Self { inner, sends }
    }
}

impl<S: Service<Request, Response = Response>> Service<Request> for Sharing<S>
where
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let session_use = SessionUse(Arc::default());
        request.extensions_mut().insert(session_use.clone());
        let cookie = request.headers().get(COOKIE).cloned();
        ResponseFuture { inner: self.inner.call(request), session_use, cookie, sends: self.sends }
    }
}

pin_project! {
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        session_use: SessionUse,
        cookie: Option<HeaderValue>,
        sends: Sends,
    }
}

impl<F: Future<Output = Result<Response, E>>, E> Future for ResponseFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let done = this.session_use.0.load(Ordering::Relaxed);
        if done >= READ {
            response.headers_mut().insert(VARY, HeaderValue::from_static("Cookie"));
        }
        let sends = done >= if this.sends.with_reads { READ } else { WRITTEN };
        if let Some(cookie) = this.cookie.as_ref().filter(|_| sends) {
            let attributes = this.sends.attributes;
            let mut line = String::with_capacity(cookie.len() + attributes.len());
            line.push_str(cookie.to_str().expect("our own cookie"));
            line.push_str(attributes);
            response.headers_mut().append(SET_COOKIE, HeaderValue::try_from(line).expect("our own cookie"));
        }
        Poll::Ready(Ok(response))
    }
}
