//! From what a driver says to what an operator can do.

use core::fmt;
use core::time::Duration;

use crate::store::{ErrorKind, StoreError};
use crate::unreachable;

/// Why a statement has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The driver says so.
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

/// What a database means by an error of its own.
pub(super) struct Meaning {
    pub(super) kind: ErrorKind,
    /// What happened, and what to do if the kind does not say it.
    pub(super) what: String,
    /// Whether the server's text is safe to show: it names no key and no value.
    pub(super) is_safe: bool,
}

impl Meaning {
    pub(super) fn safe(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), is_safe: true }
    }

    pub(super) fn unknown(code: &str) -> Self {
        let what = format!("the server answered with the error {code}");
        Self { kind: ErrorKind::Corrupt, what, is_safe: false }
    }
}

impl Failure {
    /// The error of the server itself, if it is one.
    pub(super) fn said(&self) -> Option<&dyn sqlx::error::DatabaseError> {
        match self {
            Self::Driver(error) => error.as_database_error(),
            Self::Busy(_) | Self::Slow(_) => None,
        }
    }

    /// Whether the connection broke.
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
                if meaning.is_safe { error.caused_by(Said(said.message().to_owned())) } else { error }
            }
            Self::Driver(Error::Io(source)) => {
                let what = unreachable::reason(&source.to_string()).unwrap_or("the connection broke");
                error(ErrorKind::Unavailable, what).caused_by(source)
            }
            Self::Driver(Error::Tls(source)) => {
                error(ErrorKind::Misconfigured, "no TLS connection; see its certificates and `sslmode`")
                    .caused_by(source)
            }
            Self::Driver(Error::Configuration(source)) => {
                error(ErrorKind::Misconfigured, "its URL is not understood").caused_by(source)
            }
            Self::Driver(Error::Protocol(what)) => {
                error(ErrorKind::Corrupt, "it does not speak the protocol").caused_by(Said(what))
            }
            // The rest can quote a value.
            Self::Driver(_) => {
                error(ErrorKind::Corrupt, "it answered with something else than was asked for")
            }
        }
    }
}

/// What the server said, in its own words.
#[derive(Debug)]
struct Said(String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}
