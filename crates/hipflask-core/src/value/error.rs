//! Errors of converting a value, or of reaching a value inside it.

use core::fmt;

use serde::de::Unexpected;

use super::{Int, MAX_DEPTH, Text};

/// The type of a [`Value`](super::Value), printed under its Python name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is the Python type of its name")]
pub enum Kind {
    None,
    Bool,
    Int,
    Float,
    Str,
    Bytes,
    List,
    Tuple,
    Dict,
    DateTime,
    Uuid,
    Markup,
    /// A type that serde knows and a session does not.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Str => "str",
            Self::Bytes => "bytes",
            Self::List => "list",
            Self::Tuple => "tuple",
            Self::Dict => "dict",
            Self::DateTime => "datetime",
            Self::Uuid => "UUID",
            Self::Markup => "Markup",
            Self::Other => "another type",
        })
    }
}

/// An error of a value: it is not of the requested type, or a session cannot store it. Never shows
/// the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The value has another type.
    #[error("found {found}, expected {wanted}")]
    Mismatch {
        /// The type that was found.
        found: Kind,
        /// The requested type.
        wanted: String,
    },
    /// The key is missing in a dict.
    #[error("the key {key:?} is missing")]
    NoSuchKey {
        /// The key.
        key: Text,
    },
    /// A list is shorter than the position.
    #[error("item {index} is missing: the list has {length}")]
    NoSuchItem {
        /// The position, from 0.
        index: usize,
        /// The number of items.
        length: usize,
    },
    /// Lists and dicts nest too deep.
    #[error("nested deeper than {MAX_DEPTH} levels; it could not be read back")]
    TooDeep,
    /// An integer has more digits than can be read back.
    #[error("an int of more than {} digits, which could not be read back", Int::MAX_DIGITS)]
    TooManyDigits,
    /// An integer does not fit the type that was requested.
    #[error("an int outside the range of {wanted}")]
    OutOfRange {
        /// The requested type and its range: `u8, 0 to 255`.
        wanted: &'static str,
    },
    /// A dict key has a type that JSON does not allow.
    #[error("a dict key must be text, a number or a bool; {found} cannot be one")]
    BadKey {
        /// The type of the key.
        found: Kind,
    },
    /// The error of a `Serialize` or `Deserialize` implementation, in its own words.
    #[error("{0}")]
    Custom(String),
}

impl ValueError {
    pub(crate) fn no_such_key(key: &[u8]) -> Self {
        Self::NoSuchKey { key: Text::from_bytes(key).unwrap_or_default() }
    }
}

impl serde::ser::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}

impl serde::de::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn serde::de::Expected) -> Self {
        Self::Mismatch { found: kind_of(&found), wanted: wanted.to_string() }
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn serde::de::Expected) -> Self {
        let kind = kind_of(&found);
        Self::Custom(format!("the value of this {kind} does not fit; expected {wanted}"))
    }

    fn unknown_variant(_: &str, wanted: &'static [&'static str]) -> Self {
        Self::Custom(format!("not one of the variants {}", wanted.join(", ")))
    }
}

fn kind_of(found: &Unexpected<'_>) -> Kind {
    match found {
        Unexpected::Bool(_) => Kind::Bool,
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => Kind::Int,
        Unexpected::Float(_) => Kind::Float,
        Unexpected::Char(_) | Unexpected::Str(_) => Kind::Str,
        Unexpected::Bytes(_) => Kind::Bytes,
        Unexpected::Unit | Unexpected::Option => Kind::None,
        Unexpected::Seq => Kind::List,
        Unexpected::Map => Kind::Dict,
        _ => Kind::Other,
    }
}

/// Results that contain it are on the stack of every level of a value.
const _: () = assert!(size_of::<ValueError>() <= 32);
