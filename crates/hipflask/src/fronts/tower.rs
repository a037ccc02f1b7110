//! The tower layer: sessions for everything that speaks `http`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CACHE_CONTROL, COOKIE, Entry, HeaderMap, HeaderValue, SET_COOKIE, VARY};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::error_page::{BarePage, ErrorPage, Failed};
use super::response::Answering;
use crate::engine::Sessions;
use crate::engine::{SessionHeaders, Vary};
use crate::error::SessionError;
use crate::explain::Explanation;
#[cfg(feature = "inspector")]
use crate::request::RequestSession;

impl Sessions {
    /// The tower layer that gives each request its session and each response its cookie.
    ///
    /// Put it outside of everything that uses sessions, and inside of layers that compress or trace.
    /// A layer that catches panics may be on either side. Inside, the session is saved with the
    /// 500, as Flask does; outside, it is not saved. It is not saved either if the connection breaks
    /// before the head is ready.
    ///
    /// A second layer of the same cookie, inside of the first, does nothing: a response has one
    /// session cookie.
    #[must_use]
    pub fn layer(&self) -> SessionLayer {
        SessionLayer { sessions: self.clone(), page: BarePage }
    }
}

/// A layer that gives each request its session, from [`Sessions::layer`].
#[derive(Clone)]
pub struct SessionLayer<P = BarePage> {
    sessions: Sessions,
    page: P,
}

impl SessionLayer {
    /// Answers with `page` where the session could not be opened because its store failed, or could
    /// not be saved; without this the response is bare. The page has its own status:
    /// [`SessionError::status`] says which is right.
    ///
    /// ```
    /// use axum::response::{Html, IntoResponse};
    /// use axum::Router;
    /// use hipflask::{SessionError, Sessions};
    ///
    /// # let sessions = Sessions::builder().secret_key("a secret key for the docs").build()?;
    /// let layer = sessions.layer().error_page(|error: &SessionError| {
    ///     (error.status(), Html("<h1>Back in a moment</h1>")).into_response()
    /// });
    /// let app: Router = Router::new().layer(layer);
    /// # Ok::<(), hipflask::ConfigError>(())
    /// ```
    ///
    /// It replaces the answers of handlers that fail with the session's error, by the extractor or
    /// by `?`. A handler that makes a response of its own out of the error keeps it.
    pub fn error_page<B, F>(self, page: F) -> SessionLayer<F>
    where
        F: Fn(&SessionError) -> Response<B> + Clone,
    {
        SessionLayer { sessions: self.sessions, page }
    }
}

impl<P> fmt::Debug for SessionLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

impl<S, P: Clone> Layer<S> for SessionLayer<P> {
    type Service = SessionService<S, P>;

    fn layer(&self, inner: S) -> SessionService<S, P> {
        SessionService { inner, sessions: self.sessions.clone(), page: self.page.clone() }
    }
}

/// A service whose requests have a session, from [`SessionLayer`].
#[derive(Clone)]
pub struct SessionService<S, P = BarePage> {
    inner: S,
    sessions: Sessions,
    page: P,
}

impl<S: fmt::Debug, P> fmt::Debug for SessionService<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SessionService");
        shown.field("inner", &self.inner).field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

impl<S, P, ReqBody, ResBody> Service<Request<ReqBody>> for SessionService<S, P>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    P: ErrorPage<ResBody> + Clone,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody, P>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let mut session = self.sessions.begin(request.headers().get_all(COOKIE).iter().cloned());
        let mut finishes = true;
        if let Some(outer) = request.extensions_mut().insert(session.clone()) {
            (session, finishes) = session.below(outer);
            request.extensions_mut().insert(session.clone());
        }
        let answering = Answering::call(session, finishes, || self.inner.call(request));
        ResponseFuture { answering, page: self.page.clone() }
    }
}

pin_project! {
    /// The future of a response, which adds the session's headers to it.
    pub struct ResponseFuture<F, B, P = BarePage> {
        #[pin]
        answering: Answering<F, Response<B>>,
        page: P,
    }
}

impl<F, B, P> ResponseFuture<F, B, P> {
    /// The request's session; `None` while the handler runs.
    #[cfg(feature = "inspector")]
    pub(crate) const fn session(&self) -> Option<&RequestSession> {
        self.answering.session()
    }
}

impl<F, B, P> fmt::Debug for ResponseFuture<F, B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}

impl<F, ResBody, P, E> Future for ResponseFuture<F, ResBody, P>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    P: ErrorPage<ResBody>,
    ResBody: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let (response, ended) = ready!(this.answering.poll_answer(cx, |answer| answer))?;
        Poll::Ready(Ok(match ended {
            Some(result) => finish(result, response, this.page),
            None => response,
        }))
    }
}

/// Gives the response its cookie, or puts an error in its place if the session could not be opened or saved.
fn finish<B: Default>(
    result: Result<SessionHeaders, SessionError>,
    mut response: Response<B>,
    page: &impl ErrorPage<B>,
) -> Response<B> {
    match result {
        Ok(from_session) => {
            apply(from_session, response.headers_mut());
            match response.extensions_mut().remove::<Failed>() {
                Some(Failed(error)) => instead(page, response, &error),
                None => response,
            }
        }
        Err(error) => {
            let status = error.status();
            tracing::error!(%error, %status, "the session could not be saved; the response is an error");
            let mut bare = Response::new(B::default());
            *bare.status_mut() = status;
            bare.extensions_mut().insert(Explanation::of(&error));
            instead(page, bare, &error)
        }
    }
}

/// The page of a failure. It depends on the cookie, so `Vary` names that.
fn instead<B>(page: &impl ErrorPage<B>, bare: Response<B>, error: &SessionError) -> Response<B> {
    let mut response = page.in_place_of(bare, error);
    vary_by_cookie(response.headers_mut());
    response
}

/// Adds the session's headers; other cookies and names in `Vary` stay.
fn apply(from_session: SessionHeaders, headers: &mut HeaderMap) {
    if from_session.vary_cookie {
        vary_by_cookie(headers);
    }
    if let Some(cookie) = from_session.set_cookie {
        match HeaderValue::try_from(cookie) {
            Ok(cookie) => drop(headers.append(SET_COOKIE, cookie)),
            Err(_) => tracing::error!("the session's Set-Cookie is not a valid header and was not sent"),
        }
    }
    if from_session.no_store {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn vary_by_cookie(headers: &mut HeaderMap) {
    if let Entry::Vacant(vary) = headers.entry(VARY) {
        vary.insert(HeaderValue::from_static("Cookie"));
        return;
    }
    match Vary::with_cookie(headers.get_all(VARY).iter().map(|line| line.to_str().ok())) {
        Vary::Leave => {}
        Vary::Set(vary) => drop(HeaderValue::try_from(vary).map(|vary| headers.insert(VARY, vary))),
        Vary::Append => drop(headers.append(VARY, HeaderValue::from_static("Cookie"))),
    }
}
