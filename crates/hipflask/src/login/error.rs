//! Errors of logins.

use http::StatusCode;

use crate::error::{Cause, SessionError, SessionRejection};

/// A login could not be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// No login layer is around the handler.
    #[error(
        "no login on this request: add `.layer(login.layer())` to the axum router inside of the session's layer, or \
         `.wrap(login.middleware())` to the actix-web app before the session's middleware"
    )]
    NoLayer,
    /// The session could not be opened or changed, or no session layer is around the handler.
    #[error(transparent)]
    Session(#[from] SessionRejection),
    /// The app's function that loads users failed.
    #[error("the user could not be loaded: {0}")]
    Load(#[source] Cause),
    /// The handler wants a user of another type than the app's function returns.
    #[error(
        "the handler takes a user of type {wanted}, but the function given to `FlaskLoginBuilder::load` returns another type"
    )]
    OtherType {
        /// The type that the handler takes.
        wanted: &'static str,
    },
}

impl From<SessionError> for LoginError {
    fn from(error: SessionError) -> Self {
        Self::Session(error.into())
    }
}

impl LoginError {
    /// The status of the error response: 503 if a store failed, or 500.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Session(error) => error.status(),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
