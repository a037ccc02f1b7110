//! The ways to read tagged JSON besides [`from_str`](hipflask_core::tagged::from_str), to compare with it.

use core::fmt;

use hipflask_core::tagged::{Event, EventReader, JsonError, JsonStr, TupleEnd};
use hipflask_core::value::{Dict, Text, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Builds the value of a text from its events.
pub fn from_events(text: &str) -> Result<Value, JsonError> {
    let mut json = EventReader::new(text)?;
    let value = next_value(&mut json)?;
    json.finish()?;
    Ok(value)
}

fn next_value(json: &mut EventReader<'_>) -> Result<Value, JsonError> {
    Ok(match json.event()? {
        Event::None => Value::None,
        Event::Bool(value) => Value::Bool(value),
        Event::Int(number) => Value::Int(number.into()),
        Event::Float(number) => Value::Float(number),
        Event::Str(text) => Value::Str(text_of(text)),
        Event::List => Value::List(items(json)?),
        Event::Tuple => tuple(json)?,
        Event::Dict => {
            let mut dict = Dict::new();
            while let Some(key) = json.key()? {
                dict.insert(text_of(key), next_value(json)?);
            }
            Value::Dict(dict)
        }
        Event::Value(value) => value,
    })
}

fn items(json: &mut EventReader<'_>) -> Result<Vec<Value>, JsonError> {
    let mut items = Vec::new();
    while json.item()? {
        items.push(next_value(json)?);
    }
    Ok(items)
}

fn tuple(json: &mut EventReader<'_>) -> Result<Value, JsonError> {
    let items = items(json)?;
    Ok(match json.end_tuple()? {
        TupleEnd::Tuple => Value::Tuple(items),
        TupleEnd::Value(value) => value,
        TupleEnd::Dict(rest) => {
            let mut dict = Dict::from([(" t", Value::List(items))]);
            dict.extend(rest.into_entries());
            Value::Dict(dict)
        }
    })
}

fn text_of(text: JsonStr<'_>) -> Text {
    match text {
        JsonStr::Plain(text) => Text::new(text),
        JsonStr::Escaped(text) => text,
    }
}

/// A type that accepts everything and records, as text, which methods of its visitor serde called.
#[derive(PartialEq)]
pub struct Calls(String);

/// Shows the text as it is: escapes would double at each level.
impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Calls {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Recorder)
    }
}

struct Recorder;

macro_rules! record {
    ($($method:ident: $given:ty),*) => {
        $(fn $method<E>(self, value: $given) -> Result<Calls, E> {
            Ok(Calls(format!("{} {value:?}", stringify!($method))))
        })*
    };
}

impl<'de> Visitor<'de> for Recorder {
    type Value = Calls;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    record!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64,
        visit_str: &str, visit_bytes: &[u8]);

    fn visit_unit<E>(self) -> Result<Calls, E> {
        Ok(Calls("unit".to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Calls, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Calls>()? {
            items.push(item);
        }
        Ok(Calls(format!("{items:?}")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Calls, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry::<Calls, Calls>()? {
            entries.push(entry);
        }
        Ok(Calls(format!("{entries:?}")))
    }
}
