//! Converts the drivers' errors.

use core::time::Duration;

use crate::store::{DriverMessage, ErrorKind, StoreError};
use crate::unreachable;

/// The reason why a statement has no result.
#[derive(Debug)]
pub(super) enum Failure {
    /// The driver reported an error.
    Driver(sqlx::Error),
    /// No connection became free.
    Busy(Duration),
    /// The server did not answer.
    Slow(Duration),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

/// The meaning of a database's error.
pub(super) struct Meaning {
    pub(super) kind: ErrorKind,
    /// A description of the error, with the fix if the kind does not imply it.
    pub(super) what: String,
    /// The server's text is safe to show: it quotes neither a key nor a value.
    pub(super) is_safe: bool,
}

impl Meaning {
    pub(super) fn safe(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), is_safe: true }
    }

    pub(super) fn unknown(code: &str) -> Self {
        let what = format!("the server replied with the error {code}");
        Self { kind: ErrorKind::Corrupt, what, is_safe: false }
    }
}

impl Failure {
    /// Returns the server's error, if it is one.
    pub(super) fn said(&self) -> Option<&dyn sqlx::error::DatabaseError> {
        match self {
            Self::Driver(error) => error.as_database_error(),
            Self::Busy(_) | Self::Slow(_) => None,
        }
    }

    /// Returns `true` if the connection broke.
    pub(super) fn is_broken_connection(&self) -> bool {
        matches!(
            self,
            Self::Driver(sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed)
        )
    }

    pub(super) fn into_store_error(
        self,
        store: &'static str,
        meaning: fn(&dyn sqlx::error::DatabaseError) -> Meaning,
    ) -> StoreError {
        use sqlx::Error;
        let error = |kind, what: &str| StoreError::new(store, kind, what);
        match self {
            Self::Busy(waited) => {
                error(ErrorKind::Timeout, &format!("no connection became free within {waited:?}"))
            }
            Self::Slow(waited) => error(ErrorKind::Timeout, &format!("no answer within {waited:?}")),
            Self::Driver(Error::Database(said)) => {
                let meaning = meaning(&*said);
                let error = error(meaning.kind, &meaning.what);
                if meaning.is_safe { error.caused_by(DriverMessage::new(said.message())) } else { error }
            }
            Self::Driver(Error::Io(source)) => {
                let what = unreachable::reason(&source.to_string()).unwrap_or("the connection broke");
                error(ErrorKind::Unavailable, what).caused_by(source)
            }
            Self::Driver(Error::Tls(source)) => {
                error(ErrorKind::Misconfigured, "no TLS connection; check its certificates and `sslmode`")
                    .caused_by(source)
            }
            Self::Driver(Error::Configuration(source)) => {
                error(ErrorKind::Misconfigured, "invalid URL").caused_by(source)
            }
            Self::Driver(Error::Protocol(what)) => {
                error(ErrorKind::Corrupt, "malformed reply").caused_by(DriverMessage::new(what))
            }
            // The rest may quote a value.
            Self::Driver(_) => error(ErrorKind::Corrupt, "malformed reply"),
        }
    }
}
