//! Errors of a session in a request.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use hipflask_core::codec::OpenError;
use hipflask_core::cookie::CookieTooLarge;
use hipflask_core::session::EntryError;
use hipflask_core::value::Text;
use http::StatusCode;

/// An operation on a session failed. Messages name keys and types, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// [`session`](crate::session()) was called where no request is being handled.
    #[error(
        "Working outside of request context. `hipflask::session()` finds the session of the request that the current \
         task handles. Call it below `Sessions::layer()`; a task that was spawned by a handler does not have it: hand \
         the `Session` over instead."
    )]
    OutsideRequest,
    /// A value has another type, or a session cannot hold it.
    #[error(transparent)]
    Value(#[from] EntryError),
    /// A method was called on the session from inside its own [`with`](crate::Session::with) or
    /// [`edit`](crate::Session::edit) closure.
    #[error(
        "the session is in use by the closure of `with` or `edit` that makes this call; use the closure's argument instead"
    )]
    InUse,
    /// The session is in the response's cookie, so it cannot be saved before the response is sent.
    #[error(
        "a session in a cookie is saved when the response is sent, not before; `save_now` needs a session in a store"
    )]
    SavedWithResponse,
    /// The sessions of this engine are in a store, so no cookie holds one.
    #[error("sessions are in a store, and the cookie carries only an id; there is nothing to sign")]
    NotInCookie,
    /// The cookie is larger than browsers accept. Only the strict profile fails; the other sends it
    /// and warns.
    #[error("{0} Keep less in the session, or keep it in a store.")]
    TooLarge(#[source] CookieTooLarge),
    /// The session was changed and the app has no secret key. Without one every session is empty: Flask's
    /// `NullSession`.
    #[error(
        "The session is unavailable because no secret key was set.  Set the secret_key on the application to something \
         unique and secret. That is `App::secret_key`, or FLASK_SECRET_KEY with `App::env(\"FLASK\")`; `hipflask key new` \
         makes a key."
    )]
    NoSecretKey,
    /// The session could not be written.
    #[error("the session could not be written: {0}")]
    NotWritten(#[from] WriteError),
    /// The store failed, so the session could not be loaded, or may not have been saved.
    #[error(transparent)]
    Store(Cause),
    /// The change needs a new cookie, and the response head was already sent.
    #[error(
        "the response head was already sent, so the session's cookie cannot be sent any more; do this before the handler \
         returns"
    )]
    ResponseStarted,
    /// The session is empty and read-only in this request, because its store failed and
    /// [`OnStoreFailure::ReadOnly`](crate::SessionsBuilder) lets the request go on.
    #[error(
        "the session cannot be changed in this request: its store failed, so it was opened empty and read-only ({0})"
    )]
    ReadOnly(#[source] Cause),
    /// The session is in a store and was used by code that cannot wait for it to be loaded.
    #[error(
        "the session is in a store and has not been loaded; open it in the handler, with the `Session` extractor or \
         `hipflask::session().await`, before code uses it that cannot wait; in a test, use `session_transaction`"
    )]
    NotLoaded,
}

impl SessionError {
    /// The key that the error is about, if any.
    #[must_use]
    pub fn key(&self) -> Option<&Text> {
        match self {
            Self::Value(error) => Some(&error.key),
            _ => None,
        }
    }

    /// Returns `true` if a store failed, so that the same request may succeed a moment later.
    #[must_use]
    pub const fn is_store_failure(&self) -> bool {
        matches!(self, Self::Store(_) | Self::ReadOnly(_))
    }

    /// The status of the error response: 503 if a store failed, so that clients and proxies try
    /// again, or 500.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        if self.is_store_failure() {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// The reason why a session could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The session cannot be encoded, for its cookie or for its record.
    #[error(transparent)]
    Encoding(Cause),
    /// The session was deleted meanwhile: by a logout, by its expiry, or because it has a new id.
    #[error("the session was deleted meanwhile, so it cannot be changed; ask the user to log in again")]
    Deleted,
    /// Another request saved the session first.
    #[error("another request was first")]
    Conflict,
    /// The store panicked.
    #[error("the store panicked")]
    Panicked,
}

impl WriteError {
    pub(crate) fn encoding(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Encoding(Cause::new(error))
    }
}

/// The value of a cookie is not a valid session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The value is forged, expired or malformed.
    #[error(transparent)]
    Invalid(#[from] OpenError),
    /// The engine keeps sessions in a store or has no key, so no cookie holds one.
    #[error("this engine does not keep sessions in signed cookies")]
    NotInCookie,
}

/// The error behind another one, shared by its clones.
///
/// Displays as that error; [`source`](Error::source) returns it, to be downcast to `StoreError` for example.
/// Two causes are equal if they are clones of one cause.
#[derive(Debug, Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    pub(crate) fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Cause {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// A handler's session cannot be extracted, because no layer was added or the session cannot be opened.
///
/// The log says what to do. The response is a bare 500 or 503.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionRejection {
    /// No session layer was added around the handler.
    #[error(
        "no session on this request: add `.layer(sessions.layer())` to the axum router, after the routes that use sessions, \
         or `.wrap(sessions.middleware())` to the actix-web app"
    )]
    NoLayer,
    /// The session cannot be opened or read.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl SessionRejection {
    /// The status of the error response: 503 if a store failed, or 500.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Session(error) => error.status(),
            Self::NoLayer => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
