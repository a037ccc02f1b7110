//! Extractors for axum.

use std::fmt;
use std::ops::Deref;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::SessionError;
use crate::request::RequestSession;
use crate::session::Session;

/// The request has no session because no layer is above its handler, or the session cannot be opened. The log says what
/// to do, the visitor gets a bare 500.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LayerMissing {
    /// No layer.
    #[error(
        "no session on this request: add `.layer(sessions.layer())` to the router, after the routes that use sessions"
    )]
    NoLayer,
    /// The session cannot be opened or read.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl IntoResponse for LayerMissing {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "session extractor");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

/// So that a handler can end in `?`: the log gets the error, the visitor a bare 500.
impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "session");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

fn request_session(parts: &Parts) -> Option<&RequestSession> {
    parts.extensions.get()
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = LayerMissing;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, LayerMissing> {
        let request = request_session(parts).ok_or(LayerMissing::NoLayer)?.clone();
        Ok(request.open().await?)
    }
}

/// `None` if nothing is in the session. A missing layer is an error here, too.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = LayerMissing;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, LayerMissing> {
        let session = <Self as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok((!session.is_empty()).then_some(session))
    }
}

/// A struct of yours under one key of the session: the key is the type's [`KEY`](SessionKey::KEY).
///
/// ```
/// use hipflask::{SessionData, SessionError};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Cart { items: Vec<String> }
///
/// impl hipflask::SessionKey for Cart {
///     const KEY: &'static str = "cart";
/// }
///
/// async fn add(mut cart: SessionData<Cart>) -> Result<(), SessionError> {
///     cart.update(|cart| cart.items.push("pear".into()))
/// }
/// ```
pub struct SessionData<T> {
    session: Session,
    data: T,
}

/// Under which key of the session a type is kept.
pub trait SessionKey {
    /// The key.
    const KEY: &'static str;
}

impl<T: SessionKey + Serialize> SessionData<T> {
    /// Changes the data and keeps it in the session.
    ///
    /// # Errors
    /// [`SessionError::Value`] if it cannot live in a session.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Result<R, SessionError> {
        let result = change(&mut self.data);
        self.session.set(T::KEY, &self.data)?;
        Ok(result)
    }
}

impl<T> Deref for SessionData<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T> fmt::Debug for SessionData<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionData").finish_non_exhaustive()
    }
}

impl<S: Send + Sync, T: SessionKey + DeserializeOwned + Default> FromRequestParts<S> for SessionData<T> {
    type Rejection = LayerMissing;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, LayerMissing> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        let data = session.get(T::KEY)?.unwrap_or_default();
        Ok(Self { session, data })
    }
}
