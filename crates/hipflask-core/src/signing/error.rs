//! Errors of a signer's configuration, of signed values and of payloads.

use core::fmt;
use core::time::Duration;

use crate::tagged::JsonError;
use crate::time::UnixTime;
use crate::value::ValueError;

/// The reason why a signed value was refused. Contains nothing of the value or of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The value does not have the form `value.signature`.
    #[error("the value holds no separator, so it was never signed; pass the whole signed text")]
    NoSeparator,
    /// None of the accepted keys makes this signature.
    #[error(
        "the signature matches none of the accepted keys: the value was changed, or signed with another key, salt, \
         derivation or digest; compare these with the signing side"
    )]
    #[non_exhaustive]
    BadSignature {
        /// The time that the value claims, if it can be read. It is **not** verified: display it,
        /// but do not act on it.
        issued_at: Option<UnixTime>,
        /// `true` if the signer expected the form `value.timestamp.signature` and the value had it.
        timed: bool,
    },
    /// The signature is good, but the value was signed without a time.
    #[error(
        "the signature is good but the timestamp is missing; verify the value with a signer that adds none"
    )]
    TimestampMissing,
    /// The signature is good, but the timestamp is not base64, longer than 8 bytes, or after the
    /// year 9999.
    #[error(
        "the signature is good but the timestamp is malformed: the signing side writes another format; compare both"
    )]
    TimestampMalformed,
    /// The signature is good, but older than accepted.
    #[error(
        "the signature is {}s old and at most {}s are accepted; sign the value again, or accept a greater age",
        .age.as_secs(),
        .max_age.as_secs()
    )]
    Expired {
        /// The age of the signature in whole seconds.
        age: Duration,
        /// The greatest accepted age in whole seconds.
        max_age: Duration,
        /// The time of signing (verified).
        issued_at: UnixTime,
    },
    /// The signature is good, but further in the future than accepted.
    #[error("the signature is from {}s in the future; synchronise the clocks, or accept a leeway", .ahead.as_secs())]
    Future {
        /// The number of whole seconds between now and the timestamp.
        ahead: Duration,
        /// The time of signing (verified).
        issued_at: UnixTime,
    },
}

impl SignatureError {
    /// Returns the class that itsdangerous 2.2.0 raises for the same value. All of them are
    /// subclasses of its `BadSignature`.
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

    /// Returns the time of signing if the value claims one. It is verified only if the signature is
    /// good.
    #[must_use]
    pub const fn issued_at(&self) -> Option<UnixTime> {
        match self {
            Self::BadSignature { issued_at, .. } => *issued_at,
            Self::Expired { issued_at, .. } | Self::Future { issued_at, .. } => Some(*issued_at),
            _ => None,
        }
    }
}

/// The reason why a signer could not be built. Contains no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerConfigError {
    /// A key is empty, so that anybody could sign. `index` counts from the signing key, which is 0.
    #[error(
        "secret key number {index} (0 signs) is empty, so anybody could sign; set it or remove it from the list"
    )]
    EmptyKey {
        /// The position in the key ring; 0 is the signing key.
        index: usize,
    },
    /// The separator can occur in a signature.
    #[error(
        "the separator {separator:?} may be contained in the signature itself; take one that is not an ASCII letter, a \
         digit, `-`, `_` or `=`"
    )]
    SeparatorInAlphabet {
        /// The refused separator.
        separator: char,
    },
    /// The separator is not an ASCII character, so that signed text would not be text.
    #[error("the separator 0x{separator:02x} is not an ASCII character; take one, for example `.`")]
    SeparatorNotAscii {
        /// The refused separator.
        separator: u8,
    },
    /// No algorithm or mode has this name.
    #[error("unknown {setting} {name:?}; take one of {expected}")]
    UnknownName {
        /// The setting.
        setting: SignerSetting,
        /// The unknown name, at most 32 characters of it.
        name: String,
        /// The names that exist.
        expected: &'static str,
    },
}

/// A setting of a signer that is chosen by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignerSetting {
    /// A [`Digest`](super::Digest).
    Digest,
    /// A [`Derivation`](super::Derivation) of the key.
    Derivation,
    /// A [`Compression`](super::Compression).
    Compression,
}

impl fmt::Display for SignerSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digest => "digest",
            Self::Derivation => "key derivation",
            Self::Compression => "compression",
        })
    }
}

impl SignerConfigError {
    pub(super) fn unknown(setting: SignerSetting, name: &str, expected: &'static str) -> Self {
        Self::UnknownName { setting, name: name.chars().take(LONGEST_NAME).collect(), expected }
    }
}

/// The reason why a payload with a good signature could not be read. Contains nothing of the
/// payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// It is not base64, even for Python's lenient decoder.
    #[error(
        "the payload is not base64, though its signature is good; the signing side writes another format"
    )]
    NotBase64,
    /// It is marked as compressed, but is not a complete zlib stream.
    #[error(
        "the payload is marked as compressed but is not a whole zlib stream; the signing side writes another format"
    )]
    NotZlib,
    /// It is larger than accepted after decompression.
    #[error("the payload inflates to more than {limit} bytes; store less in it, or raise the limit")]
    TooLarge {
        /// The greatest accepted size in bytes.
        limit: usize,
    },
}

impl PayloadError {
    /// Returns the class that itsdangerous 2.2.0 raises for the same payload. It is not a
    /// `BadSignature`.
    ///
    /// itsdangerous has no limit and would inflate a [`PayloadError::TooLarge`].
    #[must_use]
    pub const fn itsdangerous_class(&self) -> &'static str {
        "BadPayload"
    }
}

/// The reason why a signed payload could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// None of the accepted keys signed it, or it has expired.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It was signed by us, but cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It was signed by us, but is not JSON.
    #[error("the signature is good, but the payload is not JSON: {0}")]
    Json(#[source] JsonError),
    /// It is JSON, but not of the requested type.
    #[error("the signature is good, but the payload is of another type: {0}")]
    Value(#[source] ValueError),
}

impl LoadError {
    /// Returns the class that itsdangerous 2.2.0 raises for the same text.
    #[must_use]
    pub const fn itsdangerous_class(&self) -> &'static str {
        match self {
            Self::Signature(error) => error.itsdangerous_class(),
            Self::Payload(_) | Self::Json(_) | Self::Value(_) => "BadPayload",
        }
    }
}

/// The reason why a value could not be signed: JSON cannot represent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The type cannot be converted to a value.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The value cannot be written as plain JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
}

/// Shortens a name, so that an error cannot fill a log.
const LONGEST_NAME: usize = 32;
