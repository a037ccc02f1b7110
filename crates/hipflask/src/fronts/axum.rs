//! Extractors for axum.

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::error_page::Failed;
use super::info::info;
use crate::error::{SessionError, SessionRejection};
use crate::explain;
use crate::request::{RequestInfo, RequestSession};
use crate::session::Session;
use crate::session::{SessionData, SessionKey};

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        match self {
            Self::Session(error) => error.into_response(),
            Self::NoLayer => explain::error_with(&self, self.status()),
        }
    }
}

/// Lets handlers return the error with `?`: the error is logged, and the response is a bare 500, or
/// 503 if a store failed.
impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        let mut response = explain::error_with(&self, self.status());
        if self.is_store_failure() {
            response.extensions_mut().insert(Failed(self));
        }
        response
    }
}

fn request_session(parts: &Parts) -> Option<&RequestSession> {
    parts.extensions.get()
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        Ok(request_session(parts).ok_or(SessionRejection::NoLayer)?.open().await?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestInfo {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        let sessions = request_session(parts).ok_or(SessionRejection::NoLayer)?.sessions();
        Ok(info(sessions, &parts.uri, &parts.headers, &parts.extensions))
    }
}

/// `None` if the session is empty, or holds only `_permanent` as a new session of Flask-Session
/// does. A missing layer is an error here as well.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, SessionRejection> {
        let session = <Self as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        let is_blank = session.with(|data| data.is_blank())?;
        Ok((!is_blank).then_some(session))
    }
}

impl<S: Send + Sync, T: SessionKey + DeserializeOwned + Default> FromRequestParts<S> for SessionData<T> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionRejection> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(Self::of(session)?)
    }
}
