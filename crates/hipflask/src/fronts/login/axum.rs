//! The extractors of logins for axum.

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::request::Parts;
use http::{Extensions, StatusCode};

use crate::explain;
use crate::fronts::page::{HTML, UNAUTHORIZED, page};
use crate::login::{
    FreshLogin, LoginError, LoginRejection, LoginUser, fresh_user, optional_user, required_user,
};
use crate::request::RequestSession;

fn session(extensions: &Extensions) -> Option<RequestSession> {
    extensions.get().cloned()
}

impl<S: Send + Sync, U: Send + Sync + 'static> FromRequestParts<S> for LoginUser<U> {
    type Rejection = LoginRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, LoginRejection> {
        required_user(session(&parts.extensions)).await
    }
}

/// `None` if nobody is logged in. A missing layer, or a session that cannot be opened, is an error here
/// as well.
impl<S: Send + Sync, U: Send + Sync + 'static> OptionalFromRequestParts<S> for LoginUser<U> {
    type Rejection = LoginError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, LoginError> {
        optional_user(session(&parts.extensions)).await
    }
}

impl<S: Send + Sync, U: Send + Sync + 'static> FromRequestParts<S> for FreshLogin<U> {
    type Rejection = LoginRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, LoginRejection> {
        fresh_user(session(&parts.extensions)).await
    }
}

/// The error is logged, and the response is a bare 500, or 503 if a store failed.
impl IntoResponse for LoginError {
    fn into_response(self) -> Response {
        match self {
            Self::Session(error) => error.into_response(),
            error => explain::internal_error(&error),
        }
    }
}

impl IntoResponse for LoginRejection {
    fn into_response(self) -> Response {
        match self {
            Self::Unauthorized(redirect) | Self::NeedsRefresh(redirect) => match redirect.prepare() {
                Ok(Some(url)) => found(&url),
                Ok(None) => unauthorized(),
                Err(error) => error.into_response(),
            },
            Self::Failed(error) => error.into_response(),
        }
    }
}

fn found(url: &str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::FOUND;
    let location = HeaderValue::try_from(url).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, location);
    response
}

fn unauthorized() -> Response {
    let status = StatusCode::UNAUTHORIZED;
    let mut response = Response::new(page(status, UNAUTHORIZED).into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    response
}
