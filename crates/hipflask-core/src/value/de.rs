//! Conversion of [`Value`] to Rust types, through serde.

use core::cell::Cell;
use core::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer, U32Deserializer};
use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _,
    IntoDeserializer, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::ser::DATE_TIME;
use super::{Dict, Int, Text, Value, ValueError};
use crate::time::DateTime;

/// The name under which the type [`Value`] is requested, so that every kind is preserved.
pub(crate) const VALUE: &str = "hipflask::Value";

/// Converts a value to a Rust type.
///
/// A datetime is read as ISO 8601 text, a UUID as hyphenated text, Markup as text, bytes as bytes
/// or a sequence of numbers. Lists and tuples are the same to Rust.
///
/// # Errors
/// [`ValueError::Mismatch`] names the type that was found and the requested one.
///
/// ```
/// use hipflask_core::value::{Value, from_value};
/// assert_eq!(from_value::<u8>(&Value::from(7))?, 7);
/// let error = from_value::<u8>(&Value::from("seven")).unwrap_err();
/// assert_eq!(error.to_string(), "found str, expected u8");
/// # Ok::<(), hipflask_core::value::ValueError>(())
/// ```
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, ValueError> {
    T::deserialize(value)
}

/// Every integer can be read as every type that it fits. The error names the range, which serde's
/// own would not.
macro_rules! integers {
    ($($method:ident => $visit:ident: $type:ident, $range:literal);*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            let Value::Int(number) = self else { return self.deserialize_any(visitor) };
            match number.to::<$type>() {
                Some(number) => visitor.$visit(number),
                None => Err(ValueError::OutOfRange { wanted: concat!(stringify!($type), ", ", $range) }),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for &'de Value {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Value::List(items) | Value::Tuple(items) => visit_items(items.iter(), visitor),
            Value::Dict(dict) => visit_dict(dict, visitor),
            scalar => visit_scalar(scalar, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Value::None => visitor.visit_none(),
            value => visitor.visit_some(value),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self {
            Value::List(items) | Value::Tuple(items) => visit_items(items.iter(), visitor),
            value => visit_bytes_as_items(value, visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        if name == VALUE { visitor.visit_enum(hand_over(self)) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self {
            Value::Str(text) => visitor.visit_enum(Variant { name: text.into(), content: None }),
            Value::Dict(dict) if dict.len() == 1 => match dict.iter().next() {
                Some((name, content)) => {
                    visitor.visit_enum(Variant { name: name.into(), content: Some(content) })
                }
                None => Err(ValueError::custom("an empty dict is not a variant")),
            },
            other => Err(ValueError::Mismatch { found: other.kind(), wanted: "an enum".into() }),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    integers!(
        deserialize_i8 => visit_i8: i8, "-128 to 127";
        deserialize_i16 => visit_i16: i16, "-32768 to 32767";
        deserialize_i32 => visit_i32: i32, "-2147483648 to 2147483647";
        deserialize_i64 => visit_i64: i64, "-9223372036854775808 to 9223372036854775807";
        deserialize_i128 => visit_i128: i128, "-170141183460469231731687303715884105728 to 170141183460469231731687303715884105727";
        deserialize_u8 => visit_u8: u8, "0 to 255";
        deserialize_u16 => visit_u16: u16, "0 to 65535";
        deserialize_u32 => visit_u32: u32, "0 to 4294967295";
        deserialize_u64 => visit_u64: u64, "0 to 18446744073709551615";
        deserialize_u128 => visit_u128: u128, "0 to 340282366920938463463374607431768211455"
    );

    forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct map struct identifier
    }
}

pub(crate) fn visit_int<'de, V: Visitor<'de>, E: de::Error>(number: &Int, visitor: V) -> Result<V::Value, E> {
    if let Some(number) = number.as_i64() {
        visitor.visit_i64(number)
    } else if let Some(number) = number.as_u64() {
        visitor.visit_u64(number)
    } else if let Some(number) = number.as_i128() {
        visitor.visit_i128(number)
    } else if let Some(number) = number.as_u128() {
        visitor.visit_u128(number)
    } else {
        visitor.visit_string(number.to_string())
    }
}

/// The kinds that contain no others. Apart from the rest, so that a level needs little stack.
fn visit_scalar<'de, V: Visitor<'de>>(value: &'de Value, visitor: V) -> Result<V::Value, ValueError> {
    match value {
        Value::None | Value::List(_) | Value::Tuple(_) | Value::Dict(_) => visitor.visit_unit(),
        Value::Bool(value) => visitor.visit_bool(*value),
        Value::Int(number) => visit_int(number, visitor),
        Value::Float(number) => visitor.visit_f64(*number),
        Value::Str(text) | Value::Markup(text) => visit_text(text, visitor),
        Value::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
        Value::DateTime(date) => visitor.visit_string(date.to_string()),
        Value::Uuid(id) => visitor.visit_string(id.hyphenated().to_string()),
    }
}

/// Bytes as a sequence of numbers, and every other value as it is.
fn visit_bytes_as_items<'de, V: Visitor<'de>>(value: &'de Value, visitor: V) -> Result<V::Value, ValueError> {
    match value {
        Value::Bytes(bytes) => visit_items(bytes.iter().copied(), visitor),
        value => value.deserialize_any(visitor),
    }
}

fn visit_text<'de, V: Visitor<'de>>(text: &'de Text, visitor: V) -> Result<V::Value, ValueError> {
    match text.as_str() {
        Some(text) => visitor.visit_borrowed_str(text),
        None => visitor.visit_borrowed_bytes(text.as_bytes()),
    }
}

fn visit_items<'de, T, V>(items: impl Iterator<Item = T>, visitor: V) -> Result<V::Value, ValueError>
where
    T: IntoDeserializer<'de, ValueError>,
    V: Visitor<'de>,
{
    let mut items = SeqDeserializer::new(items);
    let value = visitor.visit_seq(&mut items)?;
    items.end().map(|()| value)
}

fn visit_dict<'de, V: Visitor<'de>>(dict: &'de Dict, visitor: V) -> Result<V::Value, ValueError> {
    let mut entries = MapDeserializer::new(dict.iter().map(|(key, value)| (Key::from(key), value)));
    let value = visitor.visit_map(&mut entries)?;
    entries.end().map(|()| value)
}

impl<'de> IntoDeserializer<'de, ValueError> for &'de Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> IntoDeserializer<'de, ValueError> for Key<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> From<&'de Text> for Key<'de> {
    fn from(key: &'de Text) -> Self {
        Self(key.as_str().ok_or(key.as_bytes()))
    }
}

/// A dict key: text, or the number that a map with number keys wrote as text. With lone surrogates
/// it is bytes.
#[derive(Debug)]
pub(crate) struct Key<'de>(Result<&'de str, &'de [u8]>);

impl<'de> Key<'de> {
    pub(crate) const fn new(key: &'de str) -> Self {
        Self(Ok(key))
    }
}

macro_rules! number_keys {
    ($($method:ident => $visit:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            match self.0.ok().and_then(|text| text.parse().ok()) {
                Some(number) => visitor.$visit(number),
                None => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(bytes) => visitor.visit_borrowed_bytes(bytes),
        }
    }

    number_keys!(deserialize_i8 => visit_i8, deserialize_i16 => visit_i16, deserialize_i32 => visit_i32,
        deserialize_i64 => visit_i64, deserialize_i128 => visit_i128, deserialize_u8 => visit_u8,
        deserialize_u16 => visit_u16, deserialize_u32 => visit_u32, deserialize_u64 => visit_u64,
        deserialize_u128 => visit_u128, deserialize_bool => visit_bool);

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        if self.0 == Ok("null") { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_enum(Variant { name: self, content: None })
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A variant of an enum and its content.
struct Variant<'de> {
    name: Key<'de>,
    content: Option<&'de Value>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = ValueError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), ValueError> {
        Ok((seed.deserialize(Key(self.name.0))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        match self.content {
            None | Some(Value::None) => Ok(()),
            Some(other) => Err(ValueError::Mismatch {
                found: other.kind(),
                wanted: "a variant with nothing in it".into(),
            }),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ValueError> {
        seed.deserialize(self.content.unwrap_or(&Value::None))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.content.unwrap_or(&Value::None).deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.content.unwrap_or(&Value::None).deserialize_any(visitor)
    }
}

thread_local! {
    /// The value that [`hand_over`] passes to [`ValueVisitor`].
    static ON_ITS_WAY: Cell<Option<Value>> = const { Cell::new(None) };
}

/// The number of the variant that announces it.
const HANDED_OVER: u32 = u32::from_be_bytes(*b"hipf");

/// Passes a value to the [`Value`] that is read from it. Serde carries only a number and the value
/// bypasses it, so that every kind is preserved and no level needs stack.
fn hand_over(value: &Value) -> U32Deserializer<ValueError> {
    ON_ITS_WAY.set(Some(value.clone()));
    HANDED_OVER.into_deserializer()
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_newtype_struct(VALUE, ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that a session can hold")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        let (number, content) = access.variant::<u32>()?;
        content.unit_variant()?;
        let value = ON_ITS_WAY.take().filter(|_| number == HANDED_OVER);
        value.ok_or_else(|| A::Error::invalid_type(Unexpected::Enum, &self))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        Value::deserialize(from)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i128<E>(self, number: i128) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u128<E>(self, number: u128) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut dict = Dict::new();
        while let Some((key, value)) = access.next_entry::<Text, Value>()? {
            dict.insert(key, value);
        }
        Ok(Value::Dict(dict))
    }
}

impl<'de> Deserialize<'de> for Dict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::Dict(dict) => Ok(dict),
            other => {
                Err(D::Error::custom(ValueError::Mismatch { found: other.kind(), wanted: "a dict".into() }))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl Visitor<'_> for TextVisitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(text.into())
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Text, E> {
                Text::from_bytes(bytes).ok_or_else(|| E::invalid_type(Unexpected::Bytes(bytes), &self))
            }
        }
        from.deserialize_str(TextVisitor)
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::Int(number) => Ok(number),
            other => {
                Err(D::Error::custom(ValueError::Mismatch { found: other.kind(), wanted: "an int".into() }))
            }
        }
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct DateTimeVisitor;
        impl<'de> Visitor<'de> for DateTimeVisitor {
            type Value = DateTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a datetime with an offset")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<DateTime, D::Error> {
                from.deserialize_str(self)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<DateTime, E> {
                DateTime::parse_iso(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        from.deserialize_newtype_struct(DATE_TIME, DateTimeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::super::{BigInt, MAX_DEPTH, to_value};
    use super::*;

    fn every_kind() -> Value {
        Value::Dict(Dict::from([
            ("none", Value::None),
            ("bool", true.into()),
            ("int", i64::MIN.into()),
            ("wide", u128::MAX.into()),
            ("huge", "9".repeat(60).parse::<BigInt>().unwrap().into()),
            ("float", f64::NAN.into()),
            ("str", "é".into()),
            ("lone", Value::Str(Text::from_bytes(b"\xED\xA0\x80").unwrap())),
            ("bytes", Value::Bytes(vec![0, 255])),
            ("list", Value::List(vec![1.into(), Value::List(vec![])])),
            ("tuple", Value::Tuple(vec![Value::Tuple(vec![]), 2.into()])),
            ("dict", Dict::from([("k", 1)]).into()),
            ("date", DateTime::from_unix_micros(6).unwrap().with_offset(-3600).unwrap().into()),
            ("uuid", uuid::Uuid::from_u128(1).into()),
            ("markup", Value::Markup("<b>".into())),
        ]))
    }

    #[test]
    fn serde_preserves_every_kind_of_value() {
        assert_eq!(to_value(&every_kind()).unwrap(), every_kind());
        assert_eq!(from_value::<Value>(&every_kind()).unwrap(), every_kind());
    }

    #[test]
    fn rust_types_survive_a_round_trip() {
        #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
        enum Plan {
            Free,
            Paid { until: DateTime },
            Trial(u8),
        }
        #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
        struct Account {
            name: String,
            plan: Vec<Plan>,
            pair: (i8, Option<f32>),
            visits: BTreeMap<u32, char>,
        }
        let account = Account {
            name: "ada".into(),
            plan: vec![
                Plan::Free,
                Plan::Paid { until: DateTime::from_unix_micros(0).unwrap() },
                Plan::Trial(3),
            ],
            pair: (-1, None),
            visits: BTreeMap::from([(7, 'x')]),
        };
        let value = to_value(&account).unwrap();
        assert_eq!(value.get("pair"), Some(&Value::Tuple(vec![(-1).into(), Value::None])));
        assert_eq!(from_value::<Account>(&value).unwrap(), account);
    }

    #[test]
    fn an_error_names_types_and_not_the_value() {
        let error = from_value::<u64>(&Value::from("hunter2")).unwrap_err();
        assert_eq!(error.to_string(), "found str, expected u64");
        let error = from_value::<u8>(&Value::from(70_000)).unwrap_err();
        assert_eq!(error.to_string(), "an int outside the range of u8, 0 to 255");
        #[derive(Debug, serde::Deserialize)]
        enum Colour {
            Red,
        }
        let error = from_value::<Colour>(&Value::from("hunter2")).unwrap_err();
        assert_eq!(error.to_string(), "not one of the variants Red");
        let _ = Colour::Red;
    }

    #[test]
    fn a_value_nested_too_deep_is_refused() {
        let nest = |depth| (0..depth).fold(Value::None, |inner, _| Value::List(vec![inner]));
        assert!(to_value(&nest(MAX_DEPTH)).is_ok());
        assert_eq!(to_value(&nest(MAX_DEPTH + 1)), Err(ValueError::TooDeep));
    }
}
