//! [`StoreError`]: the backend itself failed.

use core::fmt;

/// A cause of any type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The backend failed: network, disk, permission. Never a visitor's fault, and no answer about a record.
///
/// Says what happened and what to do, and keeps the cause as its [`source`](std::error::Error::source). Holds neither a key
/// nor data; whoever makes one sees to it that the cause does not, either.
///
/// ```
/// use hipflask_store::store::{ErrorKind, StoreError};
/// let error = StoreError::new("redis", ErrorKind::Timeout, "no answer within 2s");
/// assert_eq!(error.to_string(), "redis store: no answer within 2s; check its load and the network, or allow it more time");
/// assert!(error.at("redis://127.0.0.1/0").to_string().starts_with("redis store at redis://127.0.0.1/0: no answer"));
/// ```
#[derive(Debug)]
pub struct StoreError {
    store: &'static str,
    place: Option<String>,
    kind: ErrorKind,
    what: String,
    source: Option<BoxError>,
}

/// What kind of failure it is. Decides what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It cannot be reached, or went away.
    Unavailable,
    /// It did not answer in time.
    Timeout,
    /// It does not let us in, or does not let us do this: credentials, permissions, read-only.
    Refused,
    /// It answered with something that is no answer, or keeps something that is no record of ours.
    Corrupt,
    /// It has no room, or the record is too large for it.
    Full,
    /// It cannot do this at all.
    Unsupported,
    /// It is set up in a way that cannot work: a wrong address, a missing table.
    Misconfigured,
}

impl ErrorKind {
    const fn advice(self) -> &'static str {
        match self {
            Self::Unavailable => "start it, or check its address and the network",
            Self::Timeout => "check its load and the network, or allow it more time",
            Self::Refused => "check its credentials and permissions",
            Self::Corrupt => "check that nothing else writes there",
            Self::Full => "make room, raise its limit, or keep less in the session",
            Self::Unsupported => "use another store for this",
            Self::Misconfigured => "check its configuration",
        }
    }
}

impl StoreError {
    /// An error of the store named `store`; `what` happened, in a few words without a key, a value or a password.
    #[must_use]
    pub fn new(store: &'static str, kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { store, place: None, kind, what: what.into(), source: None }
    }

    /// With its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// With where the store is, as its [`Description`](super::Description) tells it: without a password.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// The store's word for itself.
    #[must_use]
    pub const fn store(&self) -> &'static str {
        self.store
    }

    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may succeed a moment later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Timeout)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.store)?;
        f.write_str(" store")?;
        if let Some(place) = &self.place {
            write!(f, " at {place}")?;
        }
        write!(f, ": {}; {}", self.what, self.kind.advice())
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
