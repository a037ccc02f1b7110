//! Logins for actix-web: the middleware and the extractors.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, SET_COOKIE};
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError};
use pin_project_lite::pin_project;

use super::layer::{Ending, Opening};
use crate::fronts::actix_info::request_info;
use crate::fronts::page::{HTML, UNAUTHORIZED, page};
use crate::login::{
    FlaskLogin, FreshLogin, LoginError, LoginRejection, LoginRequest, LoginUser, fresh_user, required_user,
};
use crate::request::RequestSession;

impl FlaskLogin {
    /// The actix-web middleware that gives each request its login: [`layer`](Self::layer) for
    /// `App::wrap`. Wrap it before the session's middleware, so that it is inside of that.
    ///
    /// ```
    /// use actix_web::{App, web};
    /// use hipflask::Sessions;
    /// use hipflask::login::{FlaskLogin, LoginUser};
    ///
    /// async fn account(user: LoginUser<String>) -> String {
    ///     format!("Hello {}", user.user())
    /// }
    ///
    /// let sessions = Sessions::builder().secret_key("the SECRET_KEY of the Flask app").build()?;
    /// let login = FlaskLogin::builder(&sessions).load(async |id| Some(id)).login_view("/login").build()?;
    /// let app = App::new()
    ///     .wrap(login.middleware())
    ///     .wrap(sessions.middleware())
    ///     .route("/account", web::get().to(account));
    /// # Ok::<(), hipflask::ConfigError>(())
    /// ```
    #[must_use]
    pub fn middleware(&self) -> LoginMiddleware {
        LoginMiddleware(self.clone())
    }
}

/// A middleware that gives each request its login, from [`FlaskLogin::middleware`].
#[derive(Debug, Clone)]
pub struct LoginMiddleware(FlaskLogin);

impl<S, B> Transform<S, ServiceRequest> for LoginMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = LoginService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(LoginService { inner, login: self.0.clone() }))
    }
}

/// A service whose requests have a login, from [`LoginMiddleware`].
#[derive(Debug)]
pub struct LoginService<S> {
    inner: S,
    login: FlaskLogin,
}

impl<S, B> Service<ServiceRequest> for LoginService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = LoginFuture<S::Future, B>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let session = request.extensions().get::<RequestSession>().cloned();
        let ending = session.map(|session| {
            let info = request_info(session.sessions(), request.request());
            Ending::new(LoginRequest::begin(&self.login, &session, info), session)
        });
        LoginFuture { inner: self.inner.call(request), ending, opening: None }
    }
}

/// The response of a handler, or the error of an inner middleware that becomes one.
type Outcome<B> = Result<ServiceResponse<B>, Error>;

pin_project! {
    /// The future of a response, which adds the remember cookie to it.
    pub struct LoginFuture<F, B> {
        #[pin]
        inner: F,
        ending: Option<Ending>,
        // The response, while its session is opened.
        opening: Option<(Opening, Outcome<B>)>,
    }
}

impl<F, B> fmt::Debug for LoginFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginFuture(..)")
    }
}

impl<F: Future<Output = Outcome<B>>, B> Future for LoginFuture<F, B> {
    type Output = Outcome<B>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<B>> {
        let this = self.project();
        let (mut opening, outcome) = match this.opening.take() {
            Some(waiting) => waiting,
            None => {
                let outcome = ready!(this.inner.poll(cx));
                match this.ending.take().map_or(Ok(None), Ending::close) {
                    Ok(cookie) => return Poll::Ready(with_cookie(outcome, cookie)),
                    Err(opening) => (opening, outcome),
                }
            }
        };
        match opening.as_mut().poll(cx) {
            Poll::Ready(cookie) => Poll::Ready(with_cookie(outcome, cookie)),
            Poll::Pending => {
                *this.opening = Some((opening, outcome));
                Poll::Pending
            }
        }
    }
}

fn with_cookie<B>(outcome: Outcome<B>, cookie: Option<String>) -> Outcome<B> {
    let Some(cookie) = cookie else { return outcome };
    let Ok(cookie) = HeaderValue::try_from(cookie) else {
        tracing::error!("the remember cookie is not a valid header and was not sent");
        return outcome;
    };
    match outcome {
        Ok(mut response) => {
            response.headers_mut().append(SET_COOKIE, cookie);
            Ok(response)
        }
        Err(error) => Err(WithCookie { error, cookie }.into()),
    }
}

/// An error of an inner middleware, and the remember cookie of its response.
struct WithCookie {
    error: Error,
    cookie: HeaderValue,
}

impl fmt::Debug for WithCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Display for WithCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for WithCookie {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = self.error.error_response();
        let headers: &mut HeaderMap = response.headers_mut();
        headers.append(SET_COOKIE, self.cookie.clone());
        response
    }
}

/// The future of an extractor.
pub struct ExtractedLogin<T>(Pin<Box<dyn Future<Output = Result<T, LoginRejection>>>>);

impl<T> Future for ExtractedLogin<T> {
    type Output = Result<T, LoginRejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for ExtractedLogin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExtractedLogin(..)")
    }
}

fn session(request: &HttpRequest) -> Option<RequestSession> {
    request.extensions().get().cloned()
}

impl<U: Send + Sync + 'static> FromRequest for LoginUser<U> {
    type Error = LoginRejection;
    type Future = ExtractedLogin<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ExtractedLogin(Box::pin(required_user(session(request))))
    }
}

impl<U: Send + Sync + 'static> FromRequest for FreshLogin<U> {
    type Error = LoginRejection;
    type Future = ExtractedLogin<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ExtractedLogin(Box::pin(fresh_user(session(request))))
    }
}

/// The error is logged, and the response is a bare 500, or 503 if a store failed.
impl ResponseError for LoginError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        tracing::error!(error = %self, "login");
        HttpResponse::build(self.status_code()).finish()
    }
}

impl ResponseError for LoginRejection {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unauthorized(_) | Self::NeedsRefresh(_) => StatusCode::UNAUTHORIZED,
            Self::Failed(error) => error.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        match self {
            Self::Unauthorized(redirect) | Self::NeedsRefresh(redirect) => match redirect.prepare() {
                Ok(Some(url)) => HttpResponse::Found().insert_header((LOCATION, url)).finish(),
                Ok(None) => unauthorized(),
                Err(error) => error.error_response(),
            },
            Self::Failed(error) => error.error_response(),
        }
    }
}

fn unauthorized() -> HttpResponse {
    let body = page(http::StatusCode::UNAUTHORIZED, UNAUTHORIZED);
    HttpResponse::Unauthorized().insert_header((CONTENT_TYPE, HTML)).body(body)
}
