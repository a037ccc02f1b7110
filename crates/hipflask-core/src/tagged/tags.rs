//! Flask's tags, and the values that they stand for.

use super::error::JsonErrorKind as Bad;
use crate::base64::{Alphabet, decode_lenient};
use crate::steps;
use crate::time::{DateTime, parse_fixdate};
use crate::value::{Dict, Text, Value, first_code_point, write_repr};

pub(super) const DICT: &str = " di";
pub(super) const TUPLE: &str = " t";
pub(super) const BYTES: &str = " b";
pub(super) const MARKUP: &str = " m";
pub(super) const UUID: &str = " u";
pub(super) const DATETIME: &str = " d";

/// The suffix of the key in an escaped dict, whose only key is itself a tag.
pub(super) const ESCAPE: &str = "__";

/// Returns the tag of this name. Other names that begin with a space stay plain keys.
pub(super) fn tag(key: &[u8]) -> Option<&'static str> {
    Some(match key {
        b" di" => DICT,
        b" t" => TUPLE,
        b" b" => BYTES,
        b" m" => MARKUP,
        b" u" => UUID,
        b" d" => DATETIME,
        _ => return None,
    })
}

/// Returns `true` if a dict with this single key must be escaped when it is written.
pub(crate) fn is_registered(key: &Text) -> bool {
    tag(key.as_bytes()).is_some()
}

/// Converts the content of a tag as `to_python` of Flask's tag classes does.
pub(super) fn untag(tag: &'static str, content: Value) -> Result<Value, Bad> {
    steps::count(content_steps(tag, &content));
    let value = match tag {
        DICT => unescape_dict(content),
        TUPLE => tuple(content),
        BYTES => bytes(&content),
        MARKUP => markup(content),
        UUID => uuid(&content),
        _ => datetime(&content),
    };
    value.ok_or(Bad::BadTag { tag })
}

/// Converts the stub of a tag's content as [`untag`] does, without the items of a tuple.
///
/// Lists, tuples and dicts may be stubs: only whether a dict is empty matters.
pub(super) fn untag_stub(tag: &'static str, content: Value) -> Result<Value, Bad> {
    match (tag, content) {
        (TUPLE, content) if is_iterable(&content) => Ok(Value::Tuple(Vec::new())),
        (tag, content) => untag(tag, content),
    }
}

/// Returns `true` if Python can iterate the value.
fn is_iterable(value: &Value) -> bool {
    value.as_items().is_some()
        || matches!(value, Value::Str(_) | Value::Markup(_) | Value::Bytes(_) | Value::Dict(_))
}

/// Returns the number of steps that a tag takes for its content.
fn content_steps(tag: &str, content: &Value) -> usize {
    match content {
        Value::Str(text) | Value::Markup(text) if tag != MARKUP => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Dict(dict) => dict.len(),
        _ => 1,
    }
}

/// Removes the suffix from the first key. Further keys are dropped, as in Flask.
fn unescape_dict(content: Value) -> Option<Value> {
    let Value::Dict(dict) = content else { return None };
    let (key, value) = dict.into_entries().into_iter().next()?;
    Some(Value::Dict(Dict::from([(without_last_two(&key), value)])))
}

fn without_last_two(key: &Text) -> Text {
    let mut cuts = [0, 0];
    let mut rest = key.as_bytes();
    while let Some((_, after)) = first_code_point(rest) {
        cuts = [cuts[1], key.len() - rest.len()];
        rest = after;
    }
    Text::from_bytes(&key.as_bytes()[..cuts[0]]).unwrap_or_default()
}

/// Converts as `tuple(content)`: Python accepts everything that it can iterate.
fn tuple(content: Value) -> Option<Value> {
    let items = match content {
        Value::List(items) | Value::Tuple(items) => items,
        Value::Str(text) | Value::Markup(text) => characters(&text),
        Value::Dict(dict) => dict.keys().cloned().map(Value::Str).collect(),
        Value::Bytes(bytes) => bytes.into_iter().map(Value::from).collect(),
        _ => return None,
    };
    Some(Value::Tuple(items))
}

fn characters(text: &Text) -> Vec<Value> {
    let mut rest = text.as_bytes();
    core::iter::from_fn(|| {
        let (_, after) = first_code_point(rest)?;
        let character = Text::from_bytes(&rest[..rest.len() - after.len()])?;
        rest = after;
        Some(Value::Str(character))
    })
    .collect()
}

fn bytes(content: &Value) -> Option<Value> {
    let text = match content {
        Value::Str(text) | Value::Markup(text) if text.as_bytes().is_ascii() => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => return None,
    };
    let strict = base64_simd::STANDARD.decode_to_vec(text).ok();
    strict.or_else(|| decode_lenient(text.iter().copied(), Alphabet::Standard)).map(Value::Bytes)
}

/// Converts as `Markup(content)`, for the types whose `str()` is short.
fn markup(content: Value) -> Option<Value> {
    let text = match content {
        Value::Str(text) | Value::Markup(text) => text,
        Value::Int(number) => number.to_string().into(),
        Value::Bool(value) => if value { "True" } else { "False" }.into(),
        Value::None => "None".into(),
        Value::Float(number) if number.is_finite() => {
            let mut repr = Vec::new();
            write_repr(&mut repr, number);
            Text::from_bytes(&repr)?
        }
        Value::Float(number) if number.is_nan() => "nan".into(),
        Value::Float(number) => if number > 0.0 { "inf" } else { "-inf" }.into(),
        _ => return None,
    };
    Some(Value::Markup(text))
}

/// Converts as `uuid.UUID(content)`: 32 hex digits, with or without `urn:`, `uuid:`, braces and
/// dashes.
fn uuid(content: &Value) -> Option<Value> {
    let text = content.as_str()?.replace("urn:", "").replace("uuid:", "");
    let hex = text.trim_matches(['{', '}']).replace('-', "");
    let well_formed = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    well_formed.then(|| u128::from_str_radix(&hex, 16).ok().map(uuid::Uuid::from_u128).map(Value::Uuid))?
}

/// A text that is not a date becomes None, as in Flask. Other types are an error there.
fn datetime(content: &Value) -> Option<Value> {
    match content {
        Value::None => Some(Value::None),
        Value::Str(text) | Value::Markup(text) => {
            let date = DateTime::parse_http_date(&text.to_string_lossy());
            Some(date.map_or(Value::None, Value::DateTime))
        }
        _ => None,
    }
}

/// Returns `true` if a string without escapes, as the content of `tag`, has Flask's spelling.
pub(super) fn is_canonical_content(tag: &str, content: &[u8]) -> bool {
    match tag {
        MARKUP => true,
        BYTES => base64_simd::STANDARD.check(content).is_ok(),
        UUID => content.len() == 32 && content.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
        DATETIME => parse_fixdate(content).is_some(),
        _ => false,
    }
}
