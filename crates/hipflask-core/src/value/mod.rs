//! The values that a Flask session can contain.
//!
//! [`Value`] has one variant for each Python type that Flask's tagged JSON can represent.
//! [`to_value`] and [`from_value`] convert Rust types through serde.

mod de;
mod dict;
mod error;
mod float;
mod int;
mod ser;
mod text;

pub use de::from_value;
pub use dict::{AsKey, Dict};
pub use error::{Kind, ValueError};
pub use int::{Int, NotAnInt};
pub use num_bigint::BigInt;
pub use ser::to_value;
pub use text::Text;
pub use uuid::Uuid;

pub(crate) use de::{Key, VALUE, visit_int};
pub(crate) use dict::precedes;
pub(crate) use float::write_repr;
pub(crate) use text::first_code_point;

use crate::time::DateTime;

/// The greatest depth of nested lists, tuples and dicts.
///
/// Reading, writing, copying, comparing and dropping such a value needs a stack of less than 128
/// KiB, the size of musl's threads, even in a debug build. Flask's own writer stops at 329 levels
/// on CPython 3.11.
pub const MAX_DEPTH: usize = 50;

/// A value in a session, with Python's types.
///
/// Two values are equal if they are written alike: NaN equals NaN, `0.0` and `-0.0` differ, and the
/// order of a dict does not matter.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Value {
    /// `None`.
    None,
    /// `bool`.
    Bool(bool),
    /// `int`, of any size.
    Int(Int),
    /// `float`.
    Float(f64),
    /// `str`.
    Str(Text),
    /// `bytes`.
    Bytes(Vec<u8>),
    /// `list`.
    List(Vec<Value>),
    /// `tuple`.
    Tuple(Vec<Value>),
    /// `dict` with `str` keys.
    Dict(Dict),
    /// An aware `datetime`. A session cookie stores it in whole seconds of UTC.
    DateTime(DateTime),
    /// `uuid.UUID`.
    Uuid(Uuid),
    /// `markupsafe.Markup`: text that templates do not escape.
    Markup(Text),
}

impl Value {
    /// Returns the type, under its Python name.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::None => Kind::None,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Float(_) => Kind::Float,
            Self::Str(_) => Kind::Str,
            Self::Bytes(_) => Kind::Bytes,
            Self::List(_) => Kind::List,
            Self::Tuple(_) => Kind::Tuple,
            Self::Dict(_) => Kind::Dict,
            Self::DateTime(_) => Kind::DateTime,
            Self::Uuid(_) => Kind::Uuid,
            Self::Markup(_) => Kind::Markup,
        }
    }

    /// Returns the text of a `str` or `Markup` without lone surrogates.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) | Self::Markup(text) => text.as_str(),
            _ => None,
        }
    }

    /// Returns `true` if Python treats the value as true in a condition.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(number) => number.as_i64() != Some(0),
            Self::Float(number) => *number != 0.0,
            Self::Str(text) | Self::Markup(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(items) | Self::Tuple(items) => !items.is_empty(),
            Self::Dict(dict) => !dict.is_empty(),
            Self::DateTime(_) | Self::Uuid(_) => true,
        }
    }

    /// Returns the `bool`.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the `int`, if it has at most 64 bits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => number.as_i64(),
            _ => None,
        }
    }

    /// Returns the items of a `list` or `tuple`.
    #[must_use]
    pub fn as_items(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) | Self::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the `dict`.
    #[must_use]
    pub const fn as_dict(&self) -> Option<&Dict> {
        match self {
            Self::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// Returns the value of `key` in a `dict`. Returns `None` if this is not a dict or the key is
    /// missing.
    #[must_use]
    pub fn get(&self, key: impl AsKey) -> Option<&Value> {
        self.as_dict()?.get(key)
    }

    /// Returns the value of `key`, to change in place: Python's `value[key]`.
    ///
    /// # Errors
    /// [`ValueError::Mismatch`] if this is not a dict, [`ValueError::NoSuchKey`] if the key is
    /// missing.
    pub fn at(&mut self, key: impl AsKey) -> Result<&mut Value, ValueError> {
        let dict = self.expect_dict()?;
        match dict.get_mut(&key) {
            Some(value) => Ok(value),
            None => Err(ValueError::no_such_key(key.as_key())),
        }
    }

    /// Returns the item of a list at a position, to change in place.
    ///
    /// # Errors
    /// [`ValueError::Mismatch`] if this is not a list, [`ValueError::NoSuchItem`] if it is shorter.
    pub fn at_index(&mut self, index: usize) -> Result<&mut Value, ValueError> {
        let items = self.expect_list()?;
        let length = items.len();
        items.get_mut(index).ok_or(ValueError::NoSuchItem { index, length })
    }

    /// Sets `key` in a dict and returns its previous value: Python's `value[key] = new`.
    ///
    /// # Errors
    /// [`ValueError::Mismatch`] if this is not a dict.
    pub fn insert(
        &mut self,
        key: impl Into<Text>,
        new: impl Into<Value>,
    ) -> Result<Option<Value>, ValueError> {
        Ok(self.expect_dict()?.insert(key, new))
    }

    /// Removes `key` from a dict and returns its value: Python's `value.pop(key, None)`.
    ///
    /// # Errors
    /// [`ValueError::Mismatch`] if this is not a dict.
    pub fn remove(&mut self, key: impl AsKey) -> Result<Option<Value>, ValueError> {
        Ok(self.expect_dict()?.remove(key))
    }

    /// Appends to a list: Python's `value.append(item)`.
    ///
    /// # Errors
    /// [`ValueError::Mismatch`] if this is not a list.
    pub fn push(&mut self, item: impl Into<Value>) -> Result<(), ValueError> {
        self.expect_list()?.push(item.into());
        Ok(())
    }

    fn expect_dict(&mut self) -> Result<&mut Dict, ValueError> {
        match self {
            Self::Dict(dict) => Ok(dict),
            other => Err(ValueError::Mismatch { found: other.kind(), wanted: "a dict".into() }),
        }
    }

    fn expect_list(&mut self) -> Result<&mut Vec<Value>, ValueError> {
        match self {
            Self::List(items) => Ok(items),
            other => Err(ValueError::Mismatch { found: other.kind(), wanted: "a list".into() }),
        }
    }

    /// Returns the reason why the value could not be read back, if there is one: it nests more than
    /// `levels` deep (a tag is a level), or an integer in it has too many digits. Stops at that
    /// depth.
    pub(crate) fn unreadable(&self, levels: usize) -> Option<Unreadable> {
        match self {
            Self::List(items) => unreadable_inside(items, levels.checked_sub(1)),
            Self::Tuple(items) => unreadable_inside(items, levels.checked_sub(2)),
            Self::Dict(dict) => {
                let may_be_escaped =
                    dict.len() == 1 && dict.keys().all(|key| key.as_bytes().starts_with(b" "));
                unreadable_inside(dict.values(), levels.checked_sub(1 + usize::from(may_be_escaped)))
            }
            Self::Int(number) if !number.is_readable() => Some(Unreadable::TooManyDigits),
            Self::Bytes(_) | Self::Markup(_) | Self::Uuid(_) | Self::DateTime(_) if levels == 0 => {
                Some(Unreadable::TooDeep)
            }
            _ => None,
        }
    }
}

/// The reason why a value could not be read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    TooDeep,
    TooManyDigits,
}

impl From<Unreadable> for ValueError {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::TooDeep => Self::TooDeep,
            Unreadable::TooManyDigits => Self::TooManyDigits,
        }
    }
}

fn unreadable_inside<'v>(
    inside: impl IntoIterator<Item = &'v Value>,
    levels: Option<usize>,
) -> Option<Unreadable> {
    let Some(levels) = levels else { return Some(Unreadable::TooDeep) };
    inside.into_iter().find_map(|value| value.unreadable(levels))
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (Self::Str(a), Self::Str(b)) | (Self::Markup(a), Self::Markup(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => a == b,
            (Self::Dict(a), Self::Dict(b)) => a == b,
            (Self::DateTime(a), Self::DateTime(b)) => a == b,
            (Self::Uuid(a), Self::Uuid(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

macro_rules! from_types {
    ($($source:ty => |$name:ident| $value:expr;)*) => {
        $(impl From<$source> for Value {
            fn from($name: $source) -> Self {
                $value
            }
        })*
    };
}
from_types! {
    bool => |b| Self::Bool(b);
    f32 => |x| Self::Float(f64::from(x));
    f64 => |x| Self::Float(x);
    &str => |s| Self::Str(s.into());
    String => |s| Self::Str(s.into());
    Text => |s| Self::Str(s);
    Int => |n| Self::Int(n);
    BigInt => |n| Self::Int(n.into());
    Vec<Value> => |items| Self::List(items);
    Dict => |dict| Self::Dict(dict);
    DateTime => |date| Self::DateTime(date);
    Uuid => |id| Self::Uuid(id);
}

macro_rules! from_integers {
    ($($source:ty),*) => {
        $(impl From<$source> for Value {
            fn from(number: $source) -> Self {
                Self::Int(number.into())
            }
        })*
    };
}
from_integers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_means_written_alike() {
        assert_eq!(Value::from(f64::NAN), Value::from(-f64::NAN));
        assert_ne!(Value::from(0.0), Value::from(-0.0));
        assert_ne!(Value::from(1), Value::from(1.0));
        assert_ne!(Value::List(vec![]), Value::Tuple(vec![]));
    }

    #[test]
    fn a_wrong_step_names_the_type_found() {
        let mut value = Value::from(Dict::from([("n", 1)]));
        let error = value.at("n").unwrap().remove("x").unwrap_err();
        assert_eq!(error.to_string(), "found int, expected a dict");
        assert_eq!(value.at("m").unwrap_err().to_string(), "the key \"m\" is missing");
        assert_eq!(value.remove("n"), Ok(Some(Value::from(1))));
    }
}
