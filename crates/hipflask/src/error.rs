//! What can go wrong with a session in a request.

use hipflask_core::value::Text;

/// A session cannot do what was asked. Names keys and types, never a value.
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
    /// A value is of another type, or cannot live in a session.
    #[error(transparent)]
    Value(#[from] hipflask_core::session::EntryError),
    /// A method of the session was called inside of the closure of its own [`with`](crate::Session::with) or
    /// [`edit`](crate::Session::edit).
    #[error(
        "the session is in use by the closure of `with` or `edit` that this call is made in; use what the closure is given"
    )]
    InUse,
    /// The session is only kept in the response's cookie, so nothing can be saved before the response is sent.
    #[error(
        "a session in a cookie is saved when the response is sent, not before; `save_now` needs a session in a store"
    )]
    SavedWithResponse,
    /// The cookie is larger than browsers take, and the strict profile does not send such a one.
    #[error("{0} Keep less in the session, or keep it in a store.")]
    TooLarge(String),
    /// The session was changed, and the app has no secret key. Without one every session is empty: Flask's NullSession.
    #[error(
        "The session is unavailable because no secret key was set.  Set the secret_key on the application to something \
         unique and secret. That is `App::secret_key`, or FLASK_SECRET_KEY with `App::env(\"FLASK\")`; `hipflask key new` \
         makes a key."
    )]
    NoSecretKey,
    /// The session could not be written.
    #[error("the session could not be written: {0}")]
    NotWritten(String),
    /// The store of the sessions failed, so it is not known what the session holds, or whether it was saved.
    #[error("{0}")]
    Store(String),
    /// The response head has left, and the change needs a cookie to go with it.
    #[error(
        "the response head has left, so the session's cookie cannot be sent any more; do this before the handler returns"
    )]
    HeadHasLeft,
    /// The session is empty and cannot be changed in this request, because its store failed and
    /// [`OnStoreFailure::ReadOnly`](crate::SessionsBuilder) lets the request go on.
    #[error(
        "the session cannot be changed in this request: its store failed, so it was opened empty and read-only ({0})"
    )]
    ReadOnly(String),
    /// The session is in a store and was used where nothing can wait for it.
    #[error(
        "the session is in a store and has not been loaded; open it in the handler, with the `Session` extractor or \
         `hipflask::session().await`, before it is used where nothing can wait; a test sets it up by `session_transaction`"
    )]
    NotLoaded,
}

impl SessionError {
    /// The key that the error is about, if it is about one.
    #[must_use]
    pub fn key(&self) -> Option<&Text> {
        match self {
            Self::Value(error) => Some(&error.key),
            _ => None,
        }
    }

    /// Whether a store failed, so that the same request may succeed a moment later.
    #[must_use]
    pub const fn is_store_failure(&self) -> bool {
        matches!(self, Self::Store(_) | Self::ReadOnly(_))
    }

    /// What the visitor gets: 503 if a store failed, so that clients and proxies try again, and 500 else.
    #[must_use]
    pub const fn status(&self) -> u16 {
        if self.is_store_failure() { 503 } else { 500 }
    }
}

/// The request has no session because no layer is above its handler, or the session cannot be opened. The log says what
/// to do, the visitor gets a bare 500.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LayerMissing {
    /// No layer.
    #[error(
        "no session on this request: add `.layer(sessions.layer())` to the axum router, after the routes that use sessions, \
         or `.wrap(sessions.middleware())` to the actix-web app"
    )]
    NoLayer,
    /// The session cannot be opened or read.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl LayerMissing {
    /// What the visitor gets: 503 if a store failed, and 500 else.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Session(error) => error.status(),
            Self::NoLayer => 500,
        }
    }
}
