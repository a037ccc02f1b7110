//! JSON as msgspec 0.22 writes it.

use base64_simd::STANDARD;
use hipflask_core::tagged::{Event, EventReader, JsonError, JsonErrorKind};
use hipflask_core::value::{Dict, MAX_DEPTH, Text, Value};

use super::budget::Budget;
use super::civil::Fields;
use super::{EncodeError, Format, OpaqueValues, Problem, Record, RecordError, room_for};

pub(super) fn read(data: &[u8]) -> Result<Record, RecordError> {
    let text = core::str::from_utf8(data).map_err(|error| malformed(error.valid_up_to()))?;
    let mut json = EventReader::msgspec(text);
    let value = value(&mut json, Budget::of(data.len()))?;
    json.finish().map_err(refused)?;
    Ok(Record { dict: Record::of_pairs(value)?, opaque: OpaqueValues::default() })
}

/// An open list, or an open dict and the key of its next value.
enum Open {
    List(Vec<Value>),
    Dict(Dict, Text),
}

impl Open {
    fn put(&mut self, value: Value, budget: &mut Budget) -> Result<(), RecordError> {
        match self {
            Self::List(items) => {
                budget.item_after(items.len()).ok_or(RecordError::TooLarge)?;
                items.push(value);
            }
            Self::Dict(dict, key) => {
                budget.entry_after(dict.len()).ok_or(RecordError::TooLarge)?;
                dict.insert(core::mem::take(key), value);
            }
        }
        Ok(())
    }

    /// Steps to the next item, or to the value of the next key. Returns `false` at the end.
    fn next(&mut self, json: &mut EventReader<'_>) -> Result<bool, JsonError> {
        match self {
            Self::List(_) => json.item(),
            Self::Dict(_, key) => Ok(match json.key()? {
                Some(next) => {
                    *key = next.into();
                    true
                }
                None => false,
            }),
        }
    }
}

impl From<Open> for Value {
    fn from(open: Open) -> Self {
        match open {
            Open::List(items) => Self::List(items),
            Open::Dict(dict, _) => Self::Dict(dict),
        }
    }
}

/// Reads a value without recursion.
fn value(json: &mut EventReader<'_>, mut budget: Budget) -> Result<Value, RecordError> {
    let mut open: Vec<Open> = Vec::new();
    loop {
        let mut complete = match json.event().map_err(refused)? {
            Event::None => Some(Value::None),
            Event::Bool(value) => Some(value.into()),
            Event::Int(number) => Some(number.into()),
            Event::Float(number) => Some(number.into()),
            Event::Str(text) => Some(Value::Str(text.into())),
            Event::Value(value) => Some(value),
            Event::List | Event::Tuple => {
                open.push(Open::List(Vec::new()));
                None
            }
            Event::Dict => {
                open.push(Open::Dict(Dict::new(), Text::default()));
                None
            }
        };
        loop {
            let Some(inside) = open.last_mut() else { return Ok(complete.unwrap_or(Value::None)) };
            if let Some(value) = complete.take() {
                inside.put(value, &mut budget)?;
            }
            if inside.next(json).map_err(refused)? {
                break;
            }
            complete = open.pop().map(Value::from);
        }
    }
}

fn refused(error: JsonError) -> RecordError {
    match error.kind() {
        JsonErrorKind::TooDeep => RecordError::TooDeep,
        _ => malformed(error.at()),
    }
}

const fn malformed(at: usize) -> RecordError {
    RecordError::Malformed { format: Format::Json, at }
}

pub(super) fn write(dict: &Dict) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(128);
    out.push(b'{');
    for (index, (key, value)) in dict.iter().enumerate() {
        let written = member(&mut out, index, key, value, MAX_DEPTH - 1);
        written.map_err(|problem| EncodeError { key: key.clone(), format: Format::Json, problem })?;
    }
    out.push(b'}');
    Ok(out)
}

fn member(out: &mut Vec<u8>, index: usize, key: &Text, value: &Value, levels: usize) -> Result<(), Problem> {
    if index > 0 {
        out.push(b',');
    }
    string(out, key)?;
    out.push(b':');
    one(out, value, levels)
}

fn one(out: &mut Vec<u8>, value: &Value, levels: usize) -> Result<(), Problem> {
    match value {
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(number) => {
            room_for(out, 0)?;
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Value::Float(number) if number.is_finite() => {
            // zmij formats it as msgspec does, except for the plus sign of an exponent.
            let mut buffer = zmij::Buffer::new();
            let digits = buffer.format_finite(*number).bytes();
            out.extend(digits.filter(|byte| *byte != b'+'));
        }
        Value::None | Value::Float(_) => out.extend_from_slice(b"null"),
        Value::Str(text) => string(out, text)?,
        Value::Bytes(bytes) => {
            room_for(out, bytes.len())?;
            quoted(out, &STANDARD.encode_to_string(bytes));
        }
        Value::List(items) | Value::Tuple(items) => {
            let inside = levels.checked_sub(1).ok_or(Problem::TooDeep)?;
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                one(out, item, inside)?;
            }
            out.push(b']');
        }
        Value::Dict(dict) => {
            let inside = levels.checked_sub(1).ok_or(Problem::TooDeep)?;
            out.push(b'{');
            let mut members = dict.iter().enumerate();
            members.try_for_each(|(index, (key, value))| member(out, index, key, value, inside))?;
            out.push(b'}');
        }
        Value::DateTime(date) => quoted(out, &Fields::of(*date).iso()),
        Value::Uuid(id) => quoted(out, &id.to_string()),
        Value::Markup(_) => return Err(Problem::Markup),
        _ => return Err(Problem::Unknown),
    }
    Ok(())
}

/// Writes a text that needs no escapes.
fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn string(out: &mut Vec<u8>, text: &Text) -> Result<(), Problem> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    room_for(out, text.len())?;
    for &byte in text.as_str().ok_or(Problem::Surrogate)?.as_bytes() {
        let short = match byte {
            b'"' | b'\\' => byte,
            8 => b'b',
            12 => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            ..0x20 => {
                let [high, low] = [byte >> 4, byte & 0x0F].map(|digit| HEX[usize::from(digit)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                continue;
            }
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.push(b'"');
    Ok(())
}
