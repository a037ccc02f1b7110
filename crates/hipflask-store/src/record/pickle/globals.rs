//! The globals that a session's pickle may use, and the results of calling them.

use hipflask_core::value::{Int, Text, Uuid};

use super::super::civil::{civil_date, civil_time};
use super::super::{RecordError, civil::Fields};
use super::node::{Arena, Global, Node, NodeId};

impl Global {
    pub(super) fn find(module: &str, name: &str) -> Result<Self, RecordError> {
        Ok(match (module, name) {
            ("datetime", "date") => Self::Date,
            ("datetime", "time") => Self::Time,
            ("datetime", "datetime") => Self::DateTime,
            ("datetime", "timedelta") => Self::TimeDelta,
            ("datetime", "timezone") => Self::TimeZone,
            ("uuid", "UUID") => Self::Uuid,
            ("uuid", "SafeUUID") => Self::SafeUuid,
            ("decimal" | "_decimal" | "_pydecimal", "Decimal") => Self::Decimal,
            ("markupsafe", "Markup") => Self::Markup,
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("builtins" | "__builtin__", "set") => Self::Set,
            ("builtins" | "__builtin__", "frozenset") => Self::FrozenSet,
            ("builtins" | "__builtin__", "bytes") => Self::Bytes,
            ("builtins" | "__builtin__", "bytearray") => Self::ByteArray,
            ("builtins", "str") | ("__builtin__", "unicode") => Self::Str,
            ("builtins" | "__builtin__", "object") => Self::Object,
            ("_codecs", "encode") => Self::Encode,
            ("copyreg" | "copy_reg", "_reconstructor") => Self::Reconstruct,
            _ => return Err(forbidden(&format!("{module}.{name}"))),
        })
    }
}

/// Returns the error for a forbidden name, which is shortened for log lines.
pub(super) fn forbidden(name: &str) -> RecordError {
    RecordError::Forbidden { name: name.chars().take(80).collect() }
}

/// Returns the number of bytes that a call with these arguments reads or copies.
pub(super) fn copied(arena: &Arena, args: &[NodeId]) -> usize {
    let length = |id: &NodeId| match arena.get(*id) {
        Node::Str(text) => text.len(),
        Node::Bytes(bytes) | Node::ByteArray(bytes) => bytes.len(),
        Node::List(items) => size_of_val(items.as_slice()),
        _ => 0,
    };
    // A call with more arguments is refused.
    args.iter().take(MAX_ARGUMENTS).map(length).sum()
}

const MAX_ARGUMENTS: usize = 4;

/// Returns the result of `callable(*args)`; `None` if Python's own pickles never have such arguments.
pub(super) fn call(arena: &Arena, callable: Global, args: &[NodeId]) -> Option<Node> {
    if args.len() > MAX_ARGUMENTS {
        return None;
    }
    let nodes: Vec<&Node> = args.iter().map(|id| arena.get(*id)).collect();
    Some(match (callable, nodes.as_slice()) {
        (Global::Date, [state]) => Node::Date(civil_date(octets(state)?.try_into().ok()?)?),
        (Global::Time, [state]) => time(state, None)?,
        (Global::Time, [state, Node::TimeZone(offset)]) => time(state, Some(*offset))?,
        (Global::DateTime, [state]) => datetime(state, None)?,
        (Global::DateTime, [state, Node::None]) => datetime(state, None)?,
        (Global::DateTime, [state, Node::TimeZone(offset)]) => datetime(state, Some(*offset))?,
        (Global::TimeDelta, [Node::Int(days), Node::Int(seconds), Node::Int(micros)]) => {
            let (days, seconds, micros) = (days.as_i64()?, seconds.as_i64()?, micros.as_i64()?);
            let is_normal = days.abs() < 1_000_000_000
                && (0..86_400).contains(&seconds)
                && (0..1_000_000).contains(&micros);
            is_normal.then_some(Node::TimeDelta(days as i32, seconds as i32, micros as i32))?
        }
        (Global::TimeZone, [Node::TimeDelta(days, seconds, 0)]) => {
            let offset = i64::from(*days) * 86_400 + i64::from(*seconds);
            Node::TimeZone(i32::try_from(offset).ok().filter(|offset| offset.abs() < 86_400)?)
        }
        // A zone with a name, which is ignored: only the offset counts.
        (Global::TimeZone, [delta @ Node::TimeDelta(..), Node::Str(_)]) => {
            let _ = delta;
            call(arena, callable, &args[..1])?
        }
        (Global::Decimal, [Node::Str(text)]) => Node::Decimal(decimal(text)?),
        (Global::Markup, [Node::Str(text)]) => Node::Markup(text.clone()),
        (Global::Uuid, []) => Node::Uuid(None),
        (Global::SafeUuid, [_]) => Node::None,
        (Global::OrderedDict, []) => Node::OrderedDict(Vec::new()),
        (Global::Set, []) => Node::Set(Vec::new()),
        (Global::Set, [Node::List(items)]) => Node::Set(items.clone()),
        (Global::FrozenSet, []) => Node::FrozenSet(Vec::new()),
        (Global::FrozenSet, [Node::List(items)]) => Node::FrozenSet(items.clone()),
        (Global::Bytes, []) => Node::Bytes(Vec::new()),
        (Global::Encode, [Node::Str(text), Node::Str(codec)]) if *codec == "latin1" => {
            Node::Bytes(latin1(text)?)
        }
        (Global::ByteArray, []) => Node::ByteArray(Vec::new()),
        (Global::ByteArray, [Node::Bytes(bytes)]) => Node::ByteArray(bytes.clone()),
        (Global::ByteArray, [Node::Str(text), Node::Str(codec)]) if *codec == "latin-1" => {
            Node::ByteArray(latin1(text)?)
        }
        (Global::Reconstruct, [Node::Global(Global::Uuid), Node::Global(Global::Object), Node::None]) => {
            Node::Uuid(None)
        }
        (Global::Reconstruct, [Node::Global(Global::Markup), Node::Global(Global::Str), Node::Str(text)]) => {
            Node::Markup(text.clone())
        }
        _ => return None,
    })
}

/// Returns the result of `object.__setstate__(state)`; only a UUID has a state here.
pub(super) fn build(arena: &Arena, object: &Node, state: &Node) -> Option<Node> {
    let (Node::Uuid(None), Node::Dict(entries)) = (object, state) else { return None };
    let mut found = None;
    // A state may be shared by many objects, and is read for each of them.
    if entries.len() > MAX_ATTRIBUTES {
        return None;
    }
    for (key, value) in entries {
        match (arena.get(*key), arena.get(*value)) {
            (Node::Str(key), Node::Int(number)) if *key == "int" => {
                found = Some(Uuid::from_u128(u128::try_from(&number.to_big()).ok()?));
            }
            (Node::Str(key), _) if *key == "is_safe" => {}
            _ => return None,
        }
    }
    found.map(|id| Node::Uuid(Some(id)))
}

/// A UUID has `int`, and `is_safe` since Python 3.7.
const MAX_ATTRIBUTES: usize = 4;

/// Returns bytes, or the text that old Pythons wrote instead.
fn octets(node: &Node) -> Option<Vec<u8>> {
    match node {
        Node::Bytes(bytes) => Some(bytes.clone()),
        Node::Str(text) => latin1(text),
        _ => None,
    }
}

fn latin1(text: &Text) -> Option<Vec<u8>> {
    text.code_points().map(|point| u8::try_from(point).ok()).collect()
}

fn time(state: &Node, offset: Option<i32>) -> Option<Node> {
    Some(Node::Time(civil_time(octets(state)?.try_into().ok()?)?, offset))
}

fn datetime(state: &Node, offset: Option<i32>) -> Option<Node> {
    Fields::from_bytes(octets(state)?.try_into().ok()?, offset).map(Node::DateTime)
}

/// Returns the text of a decimal, if Python could have written it.
fn decimal(shared: &Text) -> Option<Text> {
    let text = shared.as_str().filter(|text| text.len() <= Int::MAX_DIGITS)?;
    let is_number = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'E' | b'e'));
    let is_special = matches!(
        text.trim_start_matches('-').trim_end_matches(|c: char| c.is_ascii_digit()),
        "NaN" | "sNaN" | "Infinity"
    );
    ((is_number && !text.is_empty()) || is_special).then(|| shared.clone())
}
