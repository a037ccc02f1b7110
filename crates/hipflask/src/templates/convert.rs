//! Session values to template values and back.

use std::fmt;
use std::sync::Arc;

use hipflask_core::value::{Dict, Int, Text, Value};
use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, Value as Jinja};

use crate::repr;

/// The value as templates have it. A lone surrogate in a text becomes U+FFFD.
pub(super) fn to_jinja(value: &Value) -> Jinja {
    match value {
        Value::None => Jinja::from(()),
        Value::Bool(value) => Jinja::from(*value),
        Value::Int(number) => match (number.as_i64(), number.as_i128()) {
            (Some(number), _) => Jinja::from(number),
            (None, Some(number)) => Jinja::from(number),
            (None, None) => Jinja::from_object(Whole(value.clone())),
        },
        Value::Float(number) => Jinja::from(*number),
        Value::Str(text) => Jinja::from(text.to_string_lossy().as_ref()),
        Value::Markup(text) => Jinja::from_safe_string(text.to_string_lossy().into_owned()),
        Value::Bytes(bytes) => Jinja::from_bytes(bytes.clone()),
        Value::List(items) => items.iter().map(to_jinja).collect(),
        Value::Tuple(items) => Tuple::new(items.iter().map(to_jinja).collect()).into(),
        Value::Dict(dict) => Jinja::from_pairs(dict.iter().map(|(key, value)| (text(key), to_jinja(value)))),
        // Dates, UUIDs, and kinds that are newer than this function.
        other => Jinja::from_object(Whole(other.clone())),
    }
}

pub(super) fn text(text: &Text) -> Jinja {
    Jinja::from(text.to_string_lossy().as_ref())
}

/// The value as a session keeps it.
pub(super) fn from_jinja(value: &Jinja) -> Result<Value, Error> {
    if let Some(Whole(value)) = value.downcast_object_ref() {
        return Ok(value.clone());
    }
    Ok(match value.kind() {
        ValueKind::None => Value::None,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => number(value)?,
        ValueKind::String => match value.as_str().unwrap_or_default() {
            markup if value.is_safe() => Value::Markup(markup.into()),
            plain => Value::Str(plain.into()),
        },
        ValueKind::Bytes => Value::Bytes(value.as_bytes().unwrap_or_default().to_vec()),
        ValueKind::Seq => {
            let items =
                value.try_iter()?.checked().map(|item| from_jinja(&item?)).collect::<Result<_, _>>()?;
            if value.is_tuple() { Value::Tuple(items) } else { Value::List(items) }
        }
        ValueKind::Map => Value::Dict(dict(value)?),
        kind => return Err(refuse(format!("a session cannot hold {kind}"))),
    })
}

/// The entries of a map: Python's `dict(value)`.
pub(super) fn dict(value: &Jinja) -> Result<Dict, Error> {
    let entry = |key: Result<Jinja, Error>| {
        let key = key?;
        Ok((key_text(&key)?, from_jinja(&value.get_item(&key)?)?))
    };
    value.try_iter()?.checked().map(entry).collect()
}

/// A key; numbers become text as in Python's `json`.
pub(super) fn key_text(key: &Jinja) -> Result<Text, Error> {
    match (key.as_str(), key.kind()) {
        (Some(text), _) => Ok(text.into()),
        (None, ValueKind::Number) => Ok(key.to_string().into()),
        (None, kind) => Err(refuse(format!("a key of the session must be text, not {kind}"))),
    }
}

fn number(value: &Jinja) -> Result<Value, Error> {
    if !value.is_integer() {
        return f64::try_from(value.clone()).map(Value::Float);
    }
    let number = Int::parse(value.to_string().as_bytes());
    number.map(Value::Int).ok_or_else(|| refuse("a number is too large".to_owned()))
}

pub(super) fn refuse(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// A value that templates have no type for. It prints as in Python.
#[derive(Debug)]
pub(super) struct Whole(pub(super) Value);

impl Object for Whole {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        repr::write_str(&mut out, &self.0);
        f.write_str(&out)
    }
}

/// The result of `items()`, `keys()` and `values()`, which can be iterated but not indexed.
#[derive(Debug)]
pub(super) struct View {
    /// `dict_items`, `dict_keys` or `dict_values`.
    pub(super) name: &'static str,
    pub(super) items: Vec<Jinja>,
}

impl View {
    /// The view of `pairs` that the method `name` asks for, if it is one of the three.
    pub(super) fn of(method: &str, pairs: impl Iterator<Item = (Jinja, Jinja)>) -> Option<Jinja> {
        let (name, items) = match method {
            "items" => ("dict_items", pairs.map(|(key, value)| Tuple::from([key, value]).into()).collect()),
            "keys" => ("dict_keys", pairs.map(|(key, _)| key).collect()),
            "values" => ("dict_values", pairs.map(|(_, value)| value).collect()),
            _ => return None,
        };
        Some(Jinja::from_object(Self { name, items }))
    }
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items.clone())
    }
}
