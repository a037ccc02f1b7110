//! The tower layer that gives each request its login, and each response its remember cookie.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{HeaderValue, SET_COOKIE};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::fronts::info::request_info;
use crate::login::{Closing, FlaskLogin, LoginRequest};
use crate::request::RequestSession;

impl FlaskLogin {
    /// The tower layer that gives each request its login. Put it inside of the session's layer.
    #[must_use]
    pub fn layer(&self) -> LoginLayer {
        LoginLayer(self.clone())
    }
}

/// A layer that gives each request its login, from [`FlaskLogin::layer`].
#[derive(Debug, Clone)]
pub struct LoginLayer(FlaskLogin);

impl<S> Layer<S> for LoginLayer {
    type Service = LoginService<S>;

    fn layer(&self, inner: S) -> LoginService<S> {
        LoginService { inner, login: self.0.clone() }
    }
}

/// A service whose requests have a login, from [`LoginLayer`].
#[derive(Debug, Clone)]
pub struct LoginService<S> {
    inner: S,
    login: FlaskLogin,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for LoginService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = LoginFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let session = request.extensions().get::<RequestSession>().cloned();
        let ending = session.map(|session| {
            let info = request_info(session.sessions(), &request);
            Ending::new(LoginRequest::begin(&self.login, &session, info), session)
        });
        LoginFuture { inner: self.inner.call(request), ending, opening: None }
    }
}

/// Decides the remember cookie when the handler has returned.
pub(super) struct Ending {
    login: Arc<LoginRequest>,
    session: RequestSession,
}

/// The remember cookie of a response, after its session was opened.
pub(super) type Opening = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

impl Ending {
    pub(super) const fn new(login: Arc<LoginRequest>, session: RequestSession) -> Self {
        Self { login, session }
    }

    /// Returns the remember cookie of the response, or what it waits for.
    pub(super) fn close(self) -> Result<Option<String>, Opening> {
        match self.login.close(&self.session) {
            Closing::Now(cookie) => Ok(cookie),
            Closing::NeedsSession => Err(Box::pin(async move {
                if let Err(error) = self.session.open().await {
                    tracing::error!(%error, "the remember cookie could not be refreshed");
                    return None;
                }
                match self.login.close(&self.session) {
                    Closing::Now(cookie) => cookie,
                    Closing::NeedsSession => None,
                }
            })),
        }
    }
}

pin_project! {
    /// The future of a response, which adds the remember cookie to it.
    pub struct LoginFuture<F, B> {
        #[pin]
        inner: F,
        ending: Option<Ending>,
        // The response, while its session is opened.
        opening: Option<(Opening, Response<B>)>,
    }
}

impl<F, B> fmt::Debug for LoginFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginFuture(..)")
    }
}

impl<F, B, E> Future for LoginFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.opening.is_none() {
            let response = ready!(this.inner.poll(cx))?;
            match this.ending.take().map_or(Ok(None), Ending::close) {
                Ok(cookie) => return Poll::Ready(Ok(with_cookie(response, cookie))),
                Err(opening) => *this.opening = Some((opening, response)),
            }
        }
        let Some((opening, _)) = this.opening else { return Poll::Pending };
        let cookie = ready!(opening.as_mut().poll(cx));
        match this.opening.take() {
            Some((_, response)) => Poll::Ready(Ok(with_cookie(response, cookie))),
            None => Poll::Pending,
        }
    }
}

fn with_cookie<B>(mut response: Response<B>, cookie: Option<String>) -> Response<B> {
    if let Some(cookie) = cookie {
        match HeaderValue::try_from(cookie) {
            Ok(cookie) => drop(response.headers_mut().append(SET_COOKIE, cookie)),
            Err(_) => tracing::error!("the remember cookie is not a valid header and was not sent"),
        }
    }
    response
}
