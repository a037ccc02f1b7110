//! The tower layer that checks form tokens.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::csrf::{Csrf, CsrfError, CsrfRejection, present};
use crate::error::SessionRejection;
use crate::fronts::error_page::Failed;
use crate::fronts::info::request_info;
use crate::fronts::page::{HTML, page};
use crate::request::{RequestInfo, RequestSession};

impl Csrf {
    /// The tower layer that refuses requests without a valid token with a 400. Put it inside of the
    /// session's layer.
    ///
    /// The response carries the [`CsrfError`] as an extension, so that a layer around this one can
    /// replace the page.
    #[must_use]
    pub fn layer(self) -> CsrfLayer {
        CsrfLayer(Arc::new(self))
    }
}

/// A layer that checks form tokens, from [`Csrf::layer`].
#[derive(Debug, Clone)]
pub struct CsrfLayer(Arc<Csrf>);

impl<S> Layer<S> for CsrfLayer {
    type Service = CsrfService<S>;

    fn layer(&self, inner: S) -> CsrfService<S> {
        CsrfService { inner, csrf: self.0.clone() }
    }
}

/// A service whose requests have a valid form token, from [`CsrfLayer`].
#[derive(Debug, Clone)]
pub struct CsrfService<S> {
    inner: S,
    csrf: Arc<Csrf>,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for CsrfService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + From<Bytes> + Send + 'static,
    ResBody: From<String>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = CsrfFuture<S::Future, S::Error, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        if !self.csrf.applies_to(request.method().as_str(), request.uri().path()) {
            return CsrfFuture::Unchecked { inner: self.inner.call(request) };
        }
        // The service that is ready is the one to call.
        let ready = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, ready);
        let csrf = self.csrf.clone();
        CsrfFuture::Checked {
            inner: Box::pin(async move {
                match check(&csrf, request).await {
                    Ok(request) => ready.call(request).await,
                    Err(rejection) => Ok(refusal(&rejection)),
                }
            }),
        }
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pin_project! {
    /// The future of a response, which is a 400 if the form token is not valid.
    #[project = CsrfFutureProjected]
    #[allow(missing_docs, reason = "its variants are not for users")]
    pub enum CsrfFuture<F, E, B> {
        Unchecked {
            #[pin]
            inner: F,
        },
        Checked {
            inner: Boxed<Result<Response<B>, E>>,
        },
    }
}

impl<F, E, B> Future for CsrfFuture<F, E, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project() {
            CsrfFutureProjected::Unchecked { inner } => inner.poll(cx),
            CsrfFutureProjected::Checked { inner } => inner.as_mut().poll(cx),
        }
    }
}

impl<F, E, B> fmt::Debug for CsrfFuture<F, E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfFuture(..)")
    }
}

/// Checks a request and returns it unchanged. A form is read and put back.
async fn check<B>(csrf: &Csrf, request: Request<B>) -> Result<Request<B>, CsrfRejection>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + From<Bytes> + Send,
{
    let session = request.extensions().get::<RequestSession>().cloned().ok_or(SessionRejection::NoLayer)?;
    let info = request_info(session.sessions(), &request);
    let headers = request.headers();
    let in_headers = csrf.token_in_headers(|name| headers.get(name).map(HeaderValue::as_bytes));
    if let Some(token) = in_headers.map(ToOwned::to_owned) {
        verify(csrf, session, Some(token), info).await?;
        return Ok(request);
    }
    if !is_form(headers) {
        return Err(present(None).map_or_else(|error| error, |_| CsrfError::TokenMissing.into()));
    }
    let limit = csrf.form_limit();
    let (parts, body) = request.into_parts();
    let body = read(&parts.headers, body, limit).await?;
    verify(csrf, session, csrf.token_in_form(&body), info).await?;
    Ok(Request::from_parts(parts, body.into()))
}

/// Verifies a token. A missing one is refused before the session is opened.
pub(super) async fn verify(
    csrf: &Csrf,
    session: RequestSession,
    token: Option<Vec<u8>>,
    info: RequestInfo,
) -> Result<(), CsrfRejection> {
    let token = present(token.as_deref())?;
    csrf.verify(&session.open().await?, Some(token), &info)
}

async fn read<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, CsrfRejection>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    if content_length(headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes)) > limit {
        return Err(CsrfRejection::TooLarge { limit });
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(CsrfRejection::TooLarge { limit }),
        Err(_) => Err(CsrfRejection::Unreadable),
    }
}

pub(super) fn content_length(header: Option<&[u8]>) -> usize {
    let text = header.and_then(|header| std::str::from_utf8(header).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn is_form(headers: &HeaderMap) -> bool {
    is_form_type(headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes))
}

/// Returns `true` for the media type of a form without files.
pub(super) fn is_form_type(content_type: Option<&[u8]>) -> bool {
    let essence = content_type.and_then(|header| header.split(|byte| *byte == b';').next());
    essence.is_some_and(|essence| {
        essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    })
}

/// The response to a request that is refused.
pub(super) fn refusal<B: From<String>>(rejection: &CsrfRejection) -> Response<B> {
    let body = match rejection {
        CsrfRejection::Session(error) => {
            tracing::error!(%error, "the form token could not be checked");
            String::new()
        }
        refused => page(refused.status(), &refused.description()),
    };
    let mut response = Response::new(B::from(body));
    *response.status_mut() = rejection.status();
    match rejection {
        CsrfRejection::Session(SessionRejection::Session(error)) if error.is_store_failure() => {
            response.extensions_mut().insert(Failed(error.clone()));
        }
        CsrfRejection::Session(_) => {}
        CsrfRejection::Refused(error) => {
            response.extensions_mut().insert(*error);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
        }
        _ => drop(response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(HTML))),
    }
    response
}
