//! Converts the values that a pickle built to a record.

use hipflask_core::steps;
use hipflask_core::value::{Dict, Int, Kind, MAX_DEPTH, Text, Value};

use super::super::budget::Budget;
use super::super::civil::{iso_date, iso_offset, iso_time};
use super::super::{Original, Originals, Raw, Record, RecordError, key_text};
use super::node::{Arena, Node, NodeId};
use super::python_value::PythonValue;

pub(super) fn record(arena: &Arena, budget: Budget) -> Result<Record, RecordError> {
    let entries = match arena.get(arena.root) {
        Node::Dict(entries) | Node::OrderedDict(entries) => entries,
        Node::None => return Err(RecordError::Empty),
        other => return Err(RecordError::NotADict { found: kind(other) }),
    };
    let mut converter = Converter { arena, budget, is_partial: false };
    let (mut dict, mut originals) = (Dict::new(), Originals::default());
    converter.entries(entries.len())?;
    for (key_id, value_id) in entries {
        converter.is_partial = false;
        let before = converter.budget;
        let shown_key = converter.key(*key_id, MAX_DEPTH - 1)?;
        let value = converter.value(*value_id, MAX_DEPTH - 1)?;
        if converter.is_partial {
            converter.budget.twice_since(before).ok_or(RecordError::TooLarge)?;
            converter.entries(1)?;
            let raw =
                Raw::Pickle { key: converter.original(*key_id)?, value: converter.original(*value_id)? };
            originals.insert(shown_key.clone(), Original { shown: value.clone(), raw });
        } else {
            originals.overwrite(&shown_key);
        }
        dict.insert(shown_key, value);
    }
    Ok(Record { dict, opaque: originals.finish() })
}

struct Converter<'a> {
    arena: &'a Arena,
    /// Counts every copy of a node, even of a shared text: callers may copy it.
    budget: Budget,
    is_partial: bool,
}

impl Converter<'_> {
    fn value(&mut self, id: NodeId, levels: usize) -> Result<Value, RecordError> {
        let node = self.arena.get(id);
        self.count(node)?;
        match node {
            Node::List(items) => self.all(items, levels).map(Value::List),
            Node::Tuple(items) => self.all(items, levels).map(Value::Tuple),
            Node::Dict(entries) => self.dict(entries, levels),
            Node::Set(items) | Node::FrozenSet(items) => {
                self.is_partial = true;
                self.all(items, levels).map(Value::List)
            }
            Node::OrderedDict(entries) => {
                self.is_partial = true;
                self.dict(entries, levels)
            }
            scalar => self.scalar(scalar),
        }
    }

    /// Converts a value that contains no others. A separate function, because its variables take
    /// space on the stack.
    fn scalar(&mut self, node: &Node) -> Result<Value, RecordError> {
        Ok(match node {
            Node::None => Value::None,
            Node::Bool(value) => Value::Bool(*value),
            Node::Int(number) => Value::Int(number.clone()),
            Node::Float(number) => Value::Float(*number),
            Node::Str(text) => Value::Str(text.clone()),
            Node::Markup(text) => Value::Markup(text.clone()),
            Node::Bytes(bytes) => Value::Bytes(bytes.clone()),
            Node::Uuid(Some(id)) => Value::Uuid(*id),
            Node::DateTime(fields) => match fields.aware() {
                Some(date) => Value::DateTime(date),
                None => self.partial(fields.iso()),
            },
            Node::Date(date) => self.partial(iso_date(*date)),
            Node::Time(time, offset) => self.partial(iso_time(*time) + &iso_offset(*offset)),
            Node::TimeDelta(days, seconds, micros) => self.partial(iso_duration(*days, *seconds, *micros)),
            Node::TimeZone(offset) => self.partial(format!("UTC{}", iso_offset(Some(*offset)))),
            Node::Decimal(text) => self.partial(text.clone()),
            Node::ByteArray(bytes) => {
                self.is_partial = true;
                Value::Bytes(bytes.clone())
            }
            _ => return Err(RecordError::NotADict { found: Kind::Other }),
        })
    }

    fn partial(&mut self, shown: impl Into<Text>) -> Value {
        self.is_partial = true;
        Value::Str(shown.into())
    }

    /// Returns the text that is shown for a key.
    fn key(&mut self, id: NodeId, levels: usize) -> Result<Text, RecordError> {
        let key = self.value(id, levels)?;
        if let Value::Int(number) = &key {
            // Counts the time for converting it to digits.
            self.take(big_bytes(number).pow(2) / 8)?;
        }
        self.is_partial |= !matches!(key, Value::Str(_));
        Ok(key_text(&key))
    }

    fn all(&mut self, items: &[NodeId], levels: usize) -> Result<Vec<Value>, RecordError> {
        let inside = levels.checked_sub(1).ok_or_else(|| self.too_deep())?;
        self.budget.items(items.len()).ok_or(RecordError::TooLarge)?;
        // A loop, here and below: in a debug build an iterator takes much stack space per level.
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.value(*item, inside)?);
        }
        Ok(values)
    }

    fn dict(&mut self, entries: &[(NodeId, NodeId)], levels: usize) -> Result<Value, RecordError> {
        let inside = levels.checked_sub(1).ok_or_else(|| self.too_deep())?;
        self.entries(entries.len())?;
        let mut dict = Dict::new();
        for (key, value) in entries {
            let key = self.key(*key, inside)?;
            let value = self.value(*value, inside)?;
            dict.insert(key, value);
        }
        Ok(Value::Dict(dict))
    }

    /// Returns the original of a node that [`value`](Self::value) has converted, so that its depth
    /// is bounded.
    fn original(&mut self, id: NodeId) -> Result<PythonValue, RecordError> {
        let node = self.arena.get(id);
        self.count(node)?;
        match node {
            Node::List(items) => self.all_originals(items).map(PythonValue::List),
            Node::Tuple(items) => self.all_originals(items).map(PythonValue::Tuple),
            Node::Set(items) => self.all_originals(items).map(PythonValue::Set),
            Node::FrozenSet(items) => self.all_originals(items).map(PythonValue::FrozenSet),
            Node::Dict(entries) => self.originals(entries).map(PythonValue::Dict),
            Node::OrderedDict(entries) => self.originals(entries).map(PythonValue::OrderedDict),
            scalar => self.scalar_original(scalar),
        }
    }

    fn scalar_original(&mut self, node: &Node) -> Result<PythonValue, RecordError> {
        Ok(match node {
            Node::ByteArray(bytes) => PythonValue::ByteArray(bytes.clone()),
            Node::Date(date) => PythonValue::Date(*date),
            Node::Time(time, offset) => PythonValue::Time(*time, *offset),
            Node::DateTime(fields) => PythonValue::DateTime(*fields),
            Node::TimeDelta(days, seconds, micros) => PythonValue::TimeDelta(*days, *seconds, *micros),
            Node::TimeZone(offset) => PythonValue::TimeZone(*offset),
            Node::Decimal(text) => PythonValue::Decimal(text.clone()),
            _ => PythonValue::Value(self.scalar(node)?),
        })
    }

    fn all_originals(&mut self, items: &[NodeId]) -> Result<Vec<PythonValue>, RecordError> {
        self.budget.items(items.len()).ok_or(RecordError::TooLarge)?;
        let mut originals = Vec::with_capacity(items.len());
        for item in items {
            originals.push(self.original(*item)?);
        }
        Ok(originals)
    }

    fn originals(
        &mut self,
        entries: &[(NodeId, NodeId)],
    ) -> Result<Vec<(PythonValue, PythonValue)>, RecordError> {
        self.entries(entries.len())?;
        let mut originals = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            originals.push((self.original(*key)?, self.original(*value)?));
        }
        Ok(originals)
    }

    fn count(&mut self, node: &Node) -> Result<(), RecordError> {
        steps::count(1);
        self.take(match node {
            Node::Bytes(bytes) | Node::ByteArray(bytes) => bytes.len(),
            Node::Str(text) | Node::Markup(text) | Node::Decimal(text) => text.len(),
            Node::Int(number) => big_bytes(number),
            Node::Date(_) | Node::Time(..) | Node::DateTime(_) | Node::TimeDelta(..) | Node::TimeZone(_) => {
                LONGEST_MOMENT
            }
            _ => 0,
        })
    }

    fn entries(&mut self, length: usize) -> Result<(), RecordError> {
        self.budget.entries(length).ok_or(RecordError::TooLarge)
    }

    fn take(&mut self, bytes: usize) -> Result<(), RecordError> {
        steps::count(bytes);
        self.budget.take(bytes).ok_or(RecordError::TooLarge)
    }

    /// Returns the error for a value that is too deep, which most often contains itself.
    fn too_deep(&self) -> RecordError {
        if is_cyclic(self.arena) { RecordError::Cyclic } else { RecordError::TooDeep }
    }
}

/// The maximum length of a date or a duration as text.
const LONGEST_MOMENT: usize = 64;

/// Returns the number of bytes on the heap of an integer.
fn big_bytes(number: &Int) -> usize {
    match number.as_i128() {
        Some(_) => 0,
        None => number.to_big().bits() as usize / 8,
    }
}

/// Returns `true` if the root contains a value that contains itself. Does not recurse.
fn is_cyclic(arena: &Arena) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; arena.len()];
    let mut open: Vec<(NodeId, Vec<NodeId>)> = vec![(arena.root, children(arena.get(arena.root)))];
    marks[arena.root as usize] = Mark::Open;
    while let Some((id, rest)) = open.last_mut() {
        steps::count(1);
        let Some(child) = rest.pop() else {
            marks[*id as usize] = Mark::Done;
            open.pop();
            continue;
        };
        match marks[child as usize] {
            Mark::Open => return true,
            Mark::Done => {}
            Mark::New => {
                marks[child as usize] = Mark::Open;
                open.push((child, children(arena.get(child))));
            }
        }
    }
    false
}

fn children(node: &Node) -> Vec<NodeId> {
    match node {
        Node::List(items) | Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items) => items.clone(),
        Node::Dict(entries) | Node::OrderedDict(entries) => {
            entries.iter().flat_map(|(key, value)| [*key, *value]).collect()
        }
        _ => Vec::new(),
    }
}

/// Formats a duration as msgspec does: `P1DT1.000005S`.
fn iso_duration(days: i32, seconds: i32, micros: i32) -> String {
    let total = (i64::from(days) * 86_400 + i64::from(seconds)) as i128 * 1_000_000 + i128::from(micros);
    let sign = if total < 0 { "-" } else { "" };
    let total = total.unsigned_abs();
    let (days, rest) = (total / 86_400_000_000, total % 86_400_000_000);
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let mut text = format!("{sign}P");
    if days > 0 || rest == 0 {
        text += &format!("{days}D");
    }
    if rest > 0 {
        text += &format!("T{seconds}");
        if micros > 0 {
            text += format!(".{micros:06}").trim_end_matches('0');
        }
        text.push('S');
    }
    text
}

fn kind(node: &Node) -> Kind {
    match node {
        Node::None => Kind::None,
        Node::Bool(_) => Kind::Bool,
        Node::Int(_) => Kind::Int,
        Node::Float(_) => Kind::Float,
        Node::Str(_) => Kind::Str,
        Node::Markup(_) => Kind::Markup,
        Node::Bytes(_) => Kind::Bytes,
        Node::List(_) => Kind::List,
        Node::Tuple(_) => Kind::Tuple,
        Node::DateTime(_) => Kind::DateTime,
        Node::Uuid(_) => Kind::Uuid,
        _ => Kind::Other,
    }
}
