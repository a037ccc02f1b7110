//! Conversion of Rust types to [`Value`], through serde.

use serde::ser::{self, Serialize, SerializeMap, SerializeSeq, Serializer};

use super::{Dict, Int, MAX_DEPTH, Text, Value, ValueError, write_repr};
use crate::time::DateTime;

/// The names under which our own types pass through serde, so that their kind is preserved. Other
/// formats see the content.
pub(super) const TUPLE: &str = "hipflask::Tuple";
pub(super) const DATE_TIME: &str = "hipflask::DateTime";
pub(super) const UUID: &str = "hipflask::Uuid";
pub(super) const MARKUP: &str = "hipflask::Markup";
pub(super) const INT: &str = "hipflask::Int";
pub(super) const TEXT: &str = "hipflask::Text";

/// Converts everything that serde can serialize to a value.
///
/// Structs and maps become dicts, sequences become lists, tuples and arrays become tuples, `None`
/// and `()` become None. Map keys that are numbers or bools become text, as in Python's `json`.
///
/// # Errors
/// [`ValueError::BadKey`] for a map key that JSON does not allow, [`ValueError::TooDeep`] beyond
/// [`MAX_DEPTH`](super::MAX_DEPTH), [`ValueError::Custom`] for errors of the type itself.
///
/// ```
/// use hipflask_core::value::{Value, to_value};
/// assert_eq!(to_value(&("bob", 3))?, Value::Tuple(vec!["bob".into(), 3.into()]));
/// # Ok::<(), hipflask_core::value::ValueError>(())
/// ```
pub fn to_value<T: Serialize + ?Sized>(source: &T) -> Result<Value, ValueError> {
    source.serialize(ToValue { levels: MAX_DEPTH })
}

/// Converts to a value that may nest `levels` deep.
#[derive(Clone, Copy)]
struct ToValue {
    levels: usize,
}

impl ToValue {
    fn inside(self) -> Result<Self, ValueError> {
        let levels = self.levels.checked_sub(1).ok_or(ValueError::TooDeep)?;
        Ok(Self { levels })
    }

    fn items(self, length: Option<usize>, finish: fn(Vec<Value>) -> Value) -> Result<Items, ValueError> {
        let items = Vec::with_capacity(length.unwrap_or(0).min(1024));
        Ok(Items { items, inside: self.inside()?, finish, variant: None })
    }

    fn entries(self) -> Result<Entries, ValueError> {
        Ok(Entries { dict: Dict::new(), key: None, inside: self.inside()?, variant: None })
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, number: $type) -> Result<Value, ValueError> {
            Ok(Value::from(number))
        })*
    };
}

impl Serializer for ToValue {
    type Ok = Value;
    type Error = ValueError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    integers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64, serialize_bool: bool, serialize_str: &str);

    fn serialize_char(self, letter: char) -> Result<Value, ValueError> {
        Ok(Value::Str(Text::new(letter.encode_utf8(&mut [0; 4]))))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, ValueError> {
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn serialize_none(self) -> Result<Value, ValueError> {
        Ok(Value::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, ValueError> {
        Ok(Value::None)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, ValueError> {
        Ok(Value::None)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, ValueError> {
        Ok(Value::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        restore_kind(name, value.serialize(self)?)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        let value = value.serialize(self.inside()?)?;
        Ok(Value::Dict(Dict::from([(variant, value)])))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items, ValueError> {
        self.items(length, Value::List)
    }

    fn serialize_tuple(self, length: usize) -> Result<Items, ValueError> {
        self.items(Some(length), Value::Tuple)
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items, ValueError> {
        self.items(Some(length), Value::Tuple)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items, ValueError> {
        let items = self.inside()?.items(Some(length), Value::Tuple)?;
        Ok(Items { variant: Some(variant), ..items })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, ValueError> {
        self.entries()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries, ValueError> {
        self.entries()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Entries, ValueError> {
        let entries = self.inside()?.entries()?;
        Ok(Entries { variant: Some(variant), ..entries })
    }
}

/// Restores the kind of a value that announced it by name.
fn restore_kind(name: &str, value: Value) -> Result<Value, ValueError> {
    let lost = || ValueError::Custom(format!("not a valid {name}"));
    Ok(match (name, value) {
        (TUPLE, Value::List(items)) => Value::Tuple(items),
        (MARKUP, Value::Str(text)) => Value::Markup(text),
        (TEXT, Value::Bytes(bytes)) => Value::Str(Text::from_bytes(&bytes).ok_or_else(lost)?),
        (DATE_TIME, Value::Str(text)) => {
            let date = text.as_str().and_then(DateTime::parse_iso);
            Value::DateTime(date.ok_or_else(lost)?)
        }
        (UUID, Value::Str(text)) => {
            let id = text.as_str().and_then(|text| uuid::Uuid::try_parse(text).ok());
            Value::Uuid(id.ok_or_else(lost)?)
        }
        (INT, Value::Str(text)) => Value::Int(Int::parse(text.as_bytes()).ok_or_else(lost)?),
        (_, value) => value,
    })
}

/// A list or tuple under construction.
struct Items {
    items: Vec<Value>,
    inside: ToValue,
    finish: fn(Vec<Value>) -> Value,
    variant: Option<&'static str>,
}

impl Items {
    fn add<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ValueError> {
        self.items.push(item.serialize(self.inside)?);
        Ok(())
    }

    fn done(self) -> Value {
        named(self.variant, (self.finish)(self.items))
    }
}

fn named(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::Dict(Dict::from([(variant, value)])),
        None => value,
    }
}

macro_rules! items {
    ($($trait:ident :: $method:ident),*) => {
        $(impl ser::$trait for Items {
            type Ok = Value;
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ValueError> {
                self.add(item)
            }

            fn end(self) -> Result<Value, ValueError> {
                Ok(self.done())
            }
        })*
    };
}
items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// A dict under construction.
struct Entries {
    dict: Dict,
    key: Option<Text>,
    inside: ToValue,
    variant: Option<&'static str>,
}

impl Entries {
    /// The key of the next value.
    fn add(&mut self, value: Value) -> Result<(), ValueError> {
        let key = self.key.take().ok_or_else(|| ValueError::Custom("a value came before its key".into()))?;
        self.dict.insert(key, value);
        Ok(())
    }
}

impl ser::SerializeMap for Entries {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        self.key = Some(key_text(key.serialize(self.inside)?)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        let value = value.serialize(self.inside)?;
        self.add(value)
    }

    fn end(self) -> Result<Value, ValueError> {
        Ok(named(self.variant, Value::Dict(self.dict)))
    }
}

macro_rules! fields {
    ($($trait:ident),*) => {
        $(impl ser::$trait for Entries {
            type Ok = Value;
            type Error = ValueError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), ValueError> {
                self.dict.insert(key, value.serialize(self.inside)?);
                Ok(())
            }

            fn end(self) -> Result<Value, ValueError> {
                ser::SerializeMap::end(self)
            }
        })*
    };
}
fields!(SerializeStruct, SerializeStructVariant);

/// A dict key as Python's `json` writes it.
fn key_text(key: Value) -> Result<Text, ValueError> {
    Ok(match key {
        Value::Str(text) | Value::Markup(text) => text,
        Value::Int(number) => number.to_string().into(),
        Value::Bool(true) => "true".into(),
        Value::Bool(false) => "false".into(),
        Value::None => "null".into(),
        Value::Float(number) => {
            let mut repr = Vec::new();
            write_repr(&mut repr, number);
            Text::from_bytes(&repr).unwrap_or_default()
        }
        other => return Err(ValueError::BadKey { found: other.kind() }),
    })
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::List(items) => serialize_items(items, to),
            Self::Tuple(items) => to.serialize_newtype_struct(TUPLE, items),
            Self::Dict(dict) => dict.serialize(to),
            scalar => serialize_scalar(scalar, to),
        }
    }
}

/// The kinds that contain no others. Apart from the rest, so that a level needs little stack.
fn serialize_scalar<S: Serializer>(value: &Value, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Value::None => to.serialize_unit(),
        Value::Bool(value) => to.serialize_bool(*value),
        Value::Int(number) => number.serialize(to),
        Value::Float(number) => to.serialize_f64(*number),
        Value::Str(text) => text.serialize(to),
        Value::Bytes(bytes) => to.serialize_bytes(bytes),
        Value::DateTime(date) => date.serialize(to),
        Value::Uuid(id) => to.serialize_newtype_struct(UUID, &id.hyphenated().to_string()),
        Value::Markup(text) => to.serialize_newtype_struct(MARKUP, text),
        Value::List(_) | Value::Tuple(_) | Value::Dict(_) => to.serialize_unit(),
    }
}

/// Plain loops need less stack for each level than serde's own methods.
fn serialize_items<S: Serializer>(items: &[Value], to: S) -> Result<S::Ok, S::Error> {
    let mut list = to.serialize_seq(Some(items.len()))?;
    for item in items {
        list.serialize_element(item)?;
    }
    list.end()
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        struct Raw<'a>(&'a [u8]);
        impl Serialize for Raw<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_bytes(self.0)
            }
        }
        match self.as_str() {
            Some(text) => to.serialize_str(text),
            None => to.serialize_newtype_struct(TEXT, &Raw(self.as_bytes())),
        }
    }
}

impl Serialize for Int {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if let Some(number) = self.as_i64() {
            to.serialize_i64(number)
        } else if let Some(number) = self.as_i128() {
            to.serialize_i128(number)
        } else if let Some(number) = self.as_u128() {
            to.serialize_u128(number)
        } else {
            to.serialize_newtype_struct(INT, &self.to_string())
        }
    }
}

impl Serialize for Dict {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut entries = to.serialize_map(Some(self.len()))?;
        for (key, value) in self.iter() {
            entries.serialize_key(key)?;
            entries.serialize_value(value)?;
        }
        entries.end()
    }
}

/// Other formats see ISO 8601 text.
impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_newtype_struct(DATE_TIME, &self.to_string())
    }
}
