//! What can go wrong with a key of a session.

use crate::value::{Text, ValueError};

/// A key of the session cannot be read or set as asked. Names the key and the types, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("session key {key:?}: {problem}")]
#[non_exhaustive]
pub struct EntryError {
    /// The key.
    pub key: Text,
    /// What is wrong with its value.
    pub problem: ValueError,
}

impl EntryError {
    /// `problem` is what is wrong with the value of `key`: for what keeps sessions, and cannot keep every value.
    #[must_use]
    pub const fn about(key: Text, problem: ValueError) -> Self {
        Self { key, problem }
    }

    pub(crate) fn new(key: &[u8], problem: ValueError) -> Self {
        Self { key: Text::from_bytes(key).unwrap_or_default(), problem }
    }
}
