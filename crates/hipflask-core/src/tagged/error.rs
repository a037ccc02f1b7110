//! Errors of reading and writing the JSON of a session.

use crate::value::{Int, Kind, MAX_DEPTH, Text};

use super::MAX_BYTES;

/// An error of reading or writing JSON: Python's `json` or Flask's tags would not read the text, or
/// JSON cannot represent the value.
///
/// It names the position as a byte offset from 0 and never shows the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct JsonError(Box<Inner>);

impl core::fmt::Display for JsonError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match &self.0.kind {
            // Nothing was read.
            kind @ (JsonErrorKind::SessionTooLong { .. } | JsonErrorKind::NotPlain { .. }) => kind.fmt(f),
            kind => write!(f, "{kind} (at byte {})", self.0.at),
        }
    }
}

/// Boxed, so that the results of readers and writers fit into registers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    kind: JsonErrorKind,
    at: usize,
}

impl JsonError {
    #[cold]
    pub(super) fn new(kind: JsonErrorKind, at: usize) -> Self {
        Self(Box::new(Inner { kind, at }))
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> &JsonErrorKind {
        &self.0.kind
    }

    /// Returns the position in bytes from the beginning of the text, or 0 if a value could not be
    /// written.
    #[must_use]
    pub fn at(&self) -> usize {
        self.0.at
    }
}

/// Creates the error of a whole text or value.
impl From<JsonErrorKind> for JsonError {
    fn from(kind: JsonErrorKind) -> Self {
        Self::new(kind, 0)
    }
}

/// The kind of an error in a text or a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// The text ends in the middle of a value.
    #[error("the JSON ends too early")]
    UnexpectedEnd,
    /// JSON does not allow this character here.
    #[error("a character that JSON does not allow here")]
    UnexpectedCharacter,
    /// Text follows after the value.
    #[error("more text after the JSON")]
    TrailingText,
    /// A backslash begins an unknown escape.
    #[error("a bad escape in a string")]
    BadEscape,
    /// A control character is in a string without an escape.
    #[error("a raw control character in a string")]
    ControlCharacter,
    /// The text is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// An integer has more digits than CPython reads.
    #[error("an integer of more than {} digits", Int::MAX_DIGITS)]
    TooManyDigits,
    /// Lists and objects nest too deep.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// The text is longer than a session may be.
    #[error("longer than {MAX_BYTES} bytes")]
    TooLong,
    /// The session's JSON is too long to be read back from a cookie.
    #[error(
        "the session has {length} bytes of JSON, and no more than {limit} can be read back; \
         its largest key is {key:?} with {key_length} bytes: keep it elsewhere, or the session in a store"
    )]
    SessionTooLong {
        /// The length of the JSON in bytes.
        length: usize,
        /// The greatest length that can be read.
        limit: usize,
        /// The key whose value takes the most bytes.
        key: Text,
        /// The number of these bytes.
        key_length: usize,
    },
    /// The content of a tag such as `{" t": ..}` does not fit the tag.
    #[error("the tag {tag:?} holds something that it cannot")]
    BadTag {
        /// The tag, with its space.
        tag: &'static str,
    },
    /// The session is neither an object nor a list of pairs.
    #[error("a session must be an object, but this is {found}")]
    NotASession {
        /// The type that was found.
        found: Kind,
    },
    /// Plain JSON, without Flask's tags, cannot represent the value.
    #[error("plain JSON cannot hold {found}; only Flask's tagged JSON can")]
    NotPlain {
        /// The type that was found.
        found: Kind,
    },
}
