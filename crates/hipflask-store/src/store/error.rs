//! Failures of a backend.

use core::fmt;

/// A source error of any type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The backend failed: network, disk, permission. Never a visitor's fault, and no answer about a record.
///
/// Says what happened and what to do, and keeps the cause as its
/// [`source`](std::error::Error::source). Holds neither a key nor data, and neither does its
/// source.
///
/// ```
/// use hipflask_store::{ErrorKind, StoreError};
/// let error = StoreError::new("redis", ErrorKind::Timeout, "no answer within 2s");
/// let text = "redis store: no answer within 2s; check its load and the network, or allow it more time";
/// assert_eq!(error.to_string(), text);
/// assert!(error.at("redis://127.0.0.1/0").to_string().starts_with("redis store at redis://127.0.0.1/0: no answer"));
/// ```
#[derive(Debug)]
pub struct StoreError {
    store: &'static str,
    address: Option<String>,
    kind: ErrorKind,
    what: String,
    source: Option<BoxError>,
}

/// The message of a driver or server, without keys, values and passwords: the
/// [source](std::error::Error::source) of a [`StoreError`] if the driver's own error may contain
/// them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DriverMessage(String);

impl DriverMessage {
    /// Creates a message. The caller removes keys, values and passwords from it first.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// The kind of a failure, which decides what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The backend is unreachable, or the connection broke.
    Unavailable,
    /// The backend did not answer in time.
    Timeout,
    /// The backend denies access: credentials, permissions, read-only.
    Refused,
    /// The reply is malformed, or the backend contains something that is not a session record.
    Corrupt,
    /// The backend is full, or the record is too large for it.
    Full,
    /// The backend does not support the operation.
    Unsupported,
    /// The configuration is wrong: a bad address, a missing table.
    Misconfigured,
}

impl ErrorKind {
    const fn advice(self) -> &'static str {
        match self {
            Self::Unavailable => "start it, or check its address and the network",
            Self::Timeout => "check its load and the network, or allow it more time",
            Self::Refused => "check its credentials and permissions",
            Self::Corrupt => "check that nothing else writes to it",
            Self::Full => "free space, raise its limit, or store less in the session",
            Self::Unsupported => "use another store for this",
            Self::Misconfigured => "check its configuration",
        }
    }
}

impl StoreError {
    /// Creates an error of the store named `store`. `what` says in a few words what happened,
    /// without a key, a value or a password.
    #[must_use]
    pub fn new(store: &'static str, kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { store, address: None, kind, what: what.into(), source: None }
    }

    /// Adds the source. It must not contain a key, a value or a password: use a [`DriverMessage`] if it may.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds the store's address, which is that of its [`Description`](super::Description): without
    /// a password.
    #[must_use]
    pub fn at(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Returns the store's name.
    #[must_use]
    pub const fn store(&self) -> &'static str {
        self.store
    }

    /// Returns the kind of the failure.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns `true` if the same call may succeed a moment later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Timeout)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.store)?;
        f.write_str(" store")?;
        if let Some(address) = &self.address {
            write!(f, " at {address}")?;
        }
        write!(f, ": {}; {}", self.what, self.kind.advice())
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
