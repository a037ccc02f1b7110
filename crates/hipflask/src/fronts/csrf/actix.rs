//! The check of form tokens for actix-web.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use actix_web::web::{self, Bytes};
use actix_web::{Error, HttpMessage as _, HttpResponse, ResponseError};

use super::layer::{content_length, is_form_type, verify};
use crate::csrf::{Csrf, CsrfRejection, present};
use crate::error::SessionRejection;
use crate::fronts::actix_info::request_info;
use crate::fronts::page::{HTML, page};
use crate::request::RequestSession;

impl Csrf {
    /// The actix-web middleware that refuses requests without a valid token: [`layer`](Self::layer) for
    /// `App::wrap`. Wrap it before the session's middleware, so that it is inside of that.
    ///
    /// ```
    /// use actix_web::App;
    /// use hipflask::Sessions;
    ///
    /// let sessions = Sessions::builder().secret_key("the SECRET_KEY of the Flask app").build()?;
    /// let csrf = sessions.csrf()?.exempt("/hooks/").middleware();
    /// let app = App::new().wrap(csrf.clone()).wrap(sessions.middleware());
    /// # Ok::<(), hipflask::ConfigError>(())
    /// ```
    #[must_use]
    pub fn middleware(self) -> CsrfMiddleware {
        CsrfMiddleware(Arc::new(self))
    }
}

/// A middleware that checks form tokens, from [`Csrf::middleware`].
#[derive(Debug, Clone)]
pub struct CsrfMiddleware(Arc<Csrf>);

impl<S, B> Transform<S, ServiceRequest> for CsrfMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = CsrfService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(CsrfService { inner: Rc::new(inner), csrf: self.0.clone() }))
    }
}

/// A service whose requests have a valid form token, from [`CsrfMiddleware`].
#[derive(Debug)]
pub struct CsrfService<S> {
    inner: Rc<S>,
    csrf: Arc<Csrf>,
}

impl<S, B> Service<ServiceRequest> for CsrfService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = CsrfFuture<B>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let (inner, csrf) = (self.inner.clone(), self.csrf.clone());
        CsrfFuture(Box::pin(async move {
            if csrf.applies_to(request.method().as_str(), request.path())
                && let Err(rejection) = check(&csrf, &mut request).await
            {
                return Ok(request.error_response(rejection).map_into_right_body());
            }
            Ok(inner.call(request).await?.map_into_left_body())
        }))
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// The future of a response, which is a 400 if the form token is not valid.
pub struct CsrfFuture<B>(Boxed<Result<ServiceResponse<EitherBody<B>>, Error>>);

impl<B> Future for CsrfFuture<B> {
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<B> fmt::Debug for CsrfFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfFuture(..)")
    }
}

/// Checks a request. A form is read and put back.
async fn check(csrf: &Csrf, request: &mut ServiceRequest) -> Result<(), CsrfRejection> {
    let session = request.extensions().get::<RequestSession>().cloned().ok_or(SessionRejection::NoLayer)?;
    let info = request_info(session.sessions(), request.request());
    let headers = request.headers();
    let in_headers = csrf.token_in_headers(|name| headers.get(name).map(HeaderValue::as_bytes));
    if let Some(token) = in_headers.map(ToOwned::to_owned) {
        return verify(csrf, session, Some(token), info).await;
    }
    if !is_form_type(headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes)) {
        return present(None).map(drop);
    }
    let body = read(request, csrf.form_limit()).await?;
    let token = csrf.token_in_form(&body);
    request.set_payload(Payload::from(body));
    verify(csrf, session, token, info).await
}

/// Reads the body, up to a number of bytes.
async fn read(request: &mut ServiceRequest, limit: usize) -> Result<Bytes, CsrfRejection> {
    if content_length(request.headers().get(CONTENT_LENGTH).map(HeaderValue::as_bytes)) > limit {
        return Err(CsrfRejection::TooLarge { limit });
    }
    let body = request.extract::<web::Payload>().await.map_err(|_| CsrfRejection::Unreadable)?;
    match body.to_bytes_limited(limit).await {
        Ok(body) => body.map_err(|_| CsrfRejection::Unreadable),
        Err(_) => Err(CsrfRejection::TooLarge { limit }),
    }
}

impl ResponseError for CsrfRejection {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        match self {
            Self::Session(error) => error.error_response(),
            refused => HttpResponse::build(refused.status_code())
                .insert_header((CONTENT_TYPE, HTML))
                .body(page(refused.status(), &refused.description())),
        }
    }
}
