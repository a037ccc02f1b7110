//! What can be wrong with a signer's configuration, a signed value, or a payload.

use crate::tagged::JsonError;
use crate::value::ValueError;
use core::time::Duration;

use crate::time::UnixTime;

/// Why a signed value was refused. Holds nothing of the value and nothing of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The value is not of the form `value.signature`.
    #[error("the value holds no separator, so it was never signed; pass the whole signed text")]
    NoSeparator,
    /// No accepted key makes this signature.
    #[error(
        "the signature matches none of the accepted keys: the value was changed, or signed with another key, salt, \
         derivation or digest; compare these with the signing side"
    )]
    #[non_exhaustive]
    BadSignature {
        /// The time that the value claims, if one can be read. It is **not** verified: show it, do not act on it.
        issued_at: Option<UnixTime>,
        /// Whether the value had the form `value.timestamp.signature` and was asked to have it.
        timed: bool,
    },
    /// The signature is good, but the value was signed without a time.
    #[error(
        "the signature is good but there is no timestamp: signed by a plain signer; unsign it with a plain signer"
    )]
    TimestampMissing,
    /// The signature is good, but the timestamp is not base64, longer than 8 bytes, or after the year 9999.
    #[error(
        "the signature is good but the timestamp is malformed: the signing side writes another format; compare both"
    )]
    TimestampMalformed,
    /// The signature is good, but older than accepted.
    #[error(
        "the signature is {}s old and at most {}s are accepted; have it signed anew, or accept a greater age",
        .age.as_secs(),
        .max_age.as_secs()
    )]
    Expired {
        /// How long ago the value was signed, in whole seconds.
        age: Duration,
        /// The greatest age that was accepted, in whole seconds.
        max_age: Duration,
        /// When it was signed (verified).
        issued_at: UnixTime,
    },
    /// The signature is good, but from further in the future than accepted.
    #[error("the signature is from {}s in the future; set the clocks of both machines, or accept a leeway", .ahead.as_secs())]
    Future {
        /// How far ahead of now the timestamp is, in whole seconds.
        ahead: Duration,
        /// When it was signed (verified).
        issued_at: UnixTime,
    },
}

impl SignatureError {
    /// The class that itsdangerous 2.2.0 raises for the same value. All are subclasses of its `BadSignature`.
    #[must_use]
    pub const fn itsdangerous_class(&self) -> &'static str {
        match self {
            Self::NoSeparator | Self::BadSignature { timed: false, .. } => "BadSignature",
            Self::BadSignature { timed: true, .. } | Self::TimestampMissing | Self::TimestampMalformed => {
                "BadTimeSignature"
            }
            Self::Expired { .. } | Self::Future { .. } => "SignatureExpired",
        }
    }

    /// The time of signing as far as the value tells it; verified only if the signature was good.
    #[must_use]
    pub const fn issued_at(&self) -> Option<UnixTime> {
        match self {
            Self::BadSignature { issued_at, .. } => *issued_at,
            Self::Expired { issued_at, .. } | Self::Future { issued_at, .. } => Some(*issued_at),
            _ => None,
        }
    }
}

/// Why a signer could not be built. Names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerConfigError {
    /// A key is empty, so that everybody could sign. `index` counts from the signing key, which is 0.
    #[error(
        "secret key number {index} (0 signs) is empty, so anybody could sign; set it or remove it from the list"
    )]
    EmptyKey {
        /// The place in the key ring; 0 is the signing key.
        index: usize,
    },
    /// The separator may occur in a signature.
    #[error(
        "the separator {separator:?} may be contained in the signature itself; take one that is not an ASCII letter, a \
         digit, `-`, `_` or `=`"
    )]
    SeparatorInAlphabet {
        /// The refused separator.
        separator: char,
    },
    /// The separator is no ASCII character, so signed text would not be text.
    #[error("the separator 0x{separator:02x} is not an ASCII character; take one, for example `.`")]
    SeparatorNotAscii {
        /// The refused separator.
        separator: u8,
    },
    /// There is no algorithm or mode of this name.
    #[error("unknown {what} {name:?}; take one of {expected}")]
    UnknownName {
        /// What was named: "digest", "key derivation" or "compression".
        what: &'static str,
        /// The unknown name, at most 32 characters of it.
        name: String,
        /// The names that exist.
        expected: &'static str,
    },
}

impl SignerConfigError {
    pub(super) fn unknown(what: &'static str, name: &str, expected: &'static str) -> Self {
        Self::UnknownName { what, name: name.chars().take(LONGEST_NAME).collect(), expected }
    }
}

/// Why the payload under a good signature could not be read. Holds nothing of the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Not base64, even to Python's lenient decoder.
    #[error(
        "the payload is not base64, though its signature is good; the signing side writes another format"
    )]
    NotBase64,
    /// Marked as compressed, but not a whole zlib stream.
    #[error(
        "the payload is marked as compressed but is not a whole zlib stream; the signing side writes another format"
    )]
    NotZlib,
    /// Larger than accepted after decompression.
    #[error("the payload inflates to more than {limit} bytes; store less in it, or raise the limit")]
    TooLarge {
        /// The greatest accepted size in bytes.
        limit: usize,
    },
}

impl PayloadError {
    /// The class that itsdangerous 2.2.0 raises for the same payload; it is not a `BadSignature`.
    ///
    /// itsdangerous has no limit: what is [`PayloadError::TooLarge`] here it would inflate.
    #[must_use]
    pub const fn itsdangerous_class(&self) -> &'static str {
        "BadPayload"
    }
}

/// Why a signed payload could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It was not signed by us, or is not accepted any more.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It was signed by us, but cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It was signed by us, but is not JSON.
    #[error("the signature is good, but the payload is not JSON: {0}")]
    Json(JsonError),
    /// It is JSON, but not of the type that was asked for.
    #[error("the signature is good, but the payload is of another type: {0}")]
    Value(ValueError),
}

impl LoadError {
    /// The class that itsdangerous 2.2.0 raises for the same text.
    #[must_use]
    pub const fn itsdangerous_class(&self) -> &'static str {
        match self {
            Self::Signature(error) => error.itsdangerous_class(),
            Self::Payload(_) | Self::Json(_) | Self::Value(_) => "BadPayload",
        }
    }
}

/// Why a value could not be signed: JSON cannot hold it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The type cannot be turned into a value.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The value has no plain JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
}

/// A name in an error is for a person to recognise, not to fill a log.
const LONGEST_NAME: usize = 32;
