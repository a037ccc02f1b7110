//! Errors of a key in a session.

use crate::value::{Text, ValueError};

/// An error of reading or setting a key of the session. Names the key and the types, never the
/// value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("session key {key:?}: {problem}")]
#[non_exhaustive]
pub struct EntryError {
    /// The key.
    pub key: Text,
    /// The error of its value.
    #[source]
    pub problem: ValueError,
}

impl EntryError {
    /// Creates the error `problem` for the value of `key`: for stores that cannot represent every
    /// value.
    #[must_use]
    pub const fn about(key: Text, problem: ValueError) -> Self {
        Self { key, problem }
    }

    pub(crate) fn new(key: &[u8], problem: ValueError) -> Self {
        Self { key: Text::from_bytes(key).unwrap_or_default(), problem }
    }
}
