//! Writing protocol 4, which every Python 3 reads.

use hipflask_core::time::DateTime;
use hipflask_core::value::{Dict, Int, MAX_DEPTH, Text, Uuid, Value};
use jiff::civil;

use super::super::civil::Fields;
use super::super::{EncodeError, Format, Kept, Problem, Raw};
use super::py::Py;

pub(super) fn write(dict: &Dict, kept: &Kept) -> Result<Vec<u8>, EncodeError> {
    let mut out = Writer(Vec::with_capacity(128));
    out.0.extend_from_slice(b"\x80\x04}");
    if !dict.is_empty() {
        out.0.push(b'(');
        for (key, value) in dict.iter() {
            let written = match kept.original(key, value) {
                Some(Raw::Pickle { key, value }) => out.py(key).and_then(|()| out.py(value)),
                _ => out.text(key).and_then(|()| out.value(value, MAX_DEPTH - 1)),
            };
            written.map_err(|problem| EncodeError { key: key.clone(), format: Format::Pickle, problem })?;
        }
        out.0.push(b'u');
    }
    out.0.push(b'.');
    Ok(out.0)
}

/// Equal if written alike, sets in any order: theirs differs from one Python process to the next.
impl PartialEq for Py {
    fn eq(&self, other: &Self) -> bool {
        matches!((spelling(&in_order(self)), spelling(&in_order(other))), (Ok(ours), Ok(theirs)) if ours == theirs)
    }
}

fn spelling(py: &Py) -> Result<Vec<u8>, Problem> {
    let mut out = Writer(Vec::new());
    out.py(py)?;
    Ok(out.0)
}

/// The same with the items of sets in an order of our own.
fn in_order(py: &Py) -> Py {
    let all = |items: &[Py]| items.iter().map(in_order).collect::<Vec<_>>();
    let sorted = |items: &[Py]| {
        let mut items = all(items);
        items.sort_by_cached_key(|item| spelling(item).unwrap_or_default());
        items
    };
    let pairs =
        |entries: &[(Py, Py)]| entries.iter().map(|(key, value)| (in_order(key), in_order(value))).collect();
    match py {
        Py::List(items) => Py::List(all(items)),
        Py::Tuple(items) => Py::Tuple(all(items)),
        Py::Set(items) => Py::Set(sorted(items)),
        Py::FrozenSet(items) => Py::FrozenSet(sorted(items)),
        Py::Dict(entries) => Py::Dict(pairs(entries)),
        Py::OrderedDict(entries) => Py::OrderedDict(pairs(entries)),
        other => other.clone(),
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn value(&mut self, value: &Value, levels: usize) -> Result<(), Problem> {
        match value {
            Value::None => self.0.push(b'N'),
            Value::Bool(true) => self.0.push(0x88),
            Value::Bool(false) => self.0.push(0x89),
            Value::Int(number) => self.int(number)?,
            Value::Float(number) => {
                self.0.push(b'G');
                self.0.extend_from_slice(&number.to_be_bytes());
            }
            Value::Str(text) => self.text(text)?,
            Value::Markup(text) => {
                self.global("markupsafe", "Markup");
                self.text(text)?;
                self.0.extend_from_slice(b"\x85\x81");
            }
            Value::Bytes(bytes) => self.bytes(bytes)?,
            Value::List(items) => {
                self.0.push(b']');
                self.values(items, levels, b'e')?;
            }
            Value::Tuple(items) if items.is_empty() => self.0.push(b')'),
            Value::Tuple(items) => self.values(items, levels, b't')?,
            Value::Dict(dict) => {
                let inside = levels.checked_sub(1).ok_or(Problem::TooDeep)?;
                self.0.extend_from_slice(b"}(");
                let mut entries = dict.iter();
                entries.try_for_each(|(key, value)| {
                    self.text(key)?;
                    self.value(value, inside)
                })?;
                self.0.push(b'u');
            }
            Value::DateTime(date) => self.datetime(*date),
            Value::Uuid(id) => self.uuid(*id),
            _ => return Err(Problem::Unknown),
        }
        Ok(())
    }

    fn values(&mut self, items: &[Value], levels: usize, end: u8) -> Result<(), Problem> {
        let inside = levels.checked_sub(1).ok_or(Problem::TooDeep)?;
        self.0.push(b'(');
        items.iter().try_for_each(|item| self.value(item, inside))?;
        self.0.push(end);
        Ok(())
    }

    fn py(&mut self, py: &Py) -> Result<(), Problem> {
        match py {
            Py::Value(value) => self.value(value, MAX_DEPTH)?,
            Py::ByteArray(bytes) => {
                self.global("builtins", "bytearray");
                self.bytes(bytes)?;
                self.0.extend_from_slice(b"\x85R");
            }
            Py::List(items) => {
                self.0.push(b']');
                self.all(items, b'e')?;
            }
            Py::Tuple(items) if items.is_empty() => self.0.push(b')'),
            Py::Tuple(items) => self.all(items, b't')?,
            Py::Set(items) => {
                self.0.push(0x8F);
                self.all(items, 0x90)?;
            }
            Py::FrozenSet(items) => self.all(items, 0x91)?,
            Py::Dict(entries) => {
                self.0.push(b'}');
                self.entries(entries)?;
            }
            Py::OrderedDict(entries) => {
                self.global("collections", "OrderedDict");
                self.0.extend_from_slice(b")R");
                self.entries(entries)?;
            }
            Py::Date(date) => {
                self.global("datetime", "date");
                let fields = Fields { local: date.to_datetime(civil::Time::midnight()), offset: None };
                self.short_bytes(&fields.to_bytes()[..4]);
                self.0.extend_from_slice(b"\x85R");
            }
            Py::Time(time, offset) => {
                self.global("datetime", "time");
                let fields =
                    Fields { local: civil::Date::constant(1, 1, 1).to_datetime(*time), offset: *offset };
                self.moment(&fields.to_bytes()[4..], *offset);
            }
            Py::DateTime(fields) => {
                self.global("datetime", "datetime");
                self.moment(&fields.to_bytes(), fields.offset);
            }
            Py::TimeDelta(days, seconds, micros) => self.delta([*days, *seconds, *micros]),
            Py::TimeZone(offset) => self.zone(*offset),
            Py::Decimal(text) => {
                self.global("decimal", "Decimal");
                self.text(&Text::new(text))?;
                self.0.extend_from_slice(b"\x85R");
            }
        }
        Ok(())
    }

    fn all(&mut self, items: &[Py], end: u8) -> Result<(), Problem> {
        self.0.push(b'(');
        items.iter().try_for_each(|item| self.py(item))?;
        self.0.push(end);
        Ok(())
    }

    fn entries(&mut self, entries: &[(Py, Py)]) -> Result<(), Problem> {
        self.0.push(b'(');
        for (key, value) in entries {
            self.py(key)?;
            self.py(value)?;
        }
        self.0.push(b'u');
        Ok(())
    }

    fn datetime(&mut self, date: DateTime) {
        let fields = Fields::of(date);
        self.global("datetime", "datetime");
        self.moment(&fields.to_bytes(), fields.offset);
    }

    /// The arguments of a `datetime` or `time`, and the call.
    fn moment(&mut self, state: &[u8], offset: Option<i32>) {
        self.short_bytes(state);
        match offset {
            None => self.0.push(0x85),
            Some(offset) => {
                self.zone(offset);
                self.0.push(0x86);
            }
        }
        self.0.push(b'R');
    }

    fn zone(&mut self, offset: i32) {
        self.global("datetime", "timezone");
        self.delta([offset.div_euclid(86_400), offset.rem_euclid(86_400), 0]);
        self.0.extend_from_slice(b"\x85R");
    }

    /// Days, seconds and microseconds.
    fn delta(&mut self, parts: [i32; 3]) {
        self.global("datetime", "timedelta");
        for part in parts {
            self.0.push(b'J');
            self.0.extend_from_slice(&part.to_le_bytes());
        }
        self.0.extend_from_slice(b"\x87R");
    }

    fn uuid(&mut self, id: Uuid) {
        self.global("uuid", "UUID");
        self.0.extend_from_slice(b")\x81}");
        self.short_text("int");
        // A byte more, so that the number is not taken for a negative one.
        self.0.extend_from_slice(&[0x8A, 17]);
        self.0.extend_from_slice(&id.as_u128().to_le_bytes());
        self.0.extend_from_slice(b"\0sb");
    }

    fn global(&mut self, module: &str, name: &str) {
        self.short_text(module);
        self.short_text(name);
        self.0.push(0x93);
    }

    fn int(&mut self, number: &Int) -> Result<(), Problem> {
        match number.as_i64() {
            Some(small @ 0..=0xFF) => self.0.extend_from_slice(&[b'K', small as u8]),
            Some(small) if i32::try_from(small).is_ok() => {
                self.0.push(b'J');
                self.0.extend_from_slice(&(small as i32).to_le_bytes());
            }
            _ => {
                let bytes = number.to_big().to_signed_bytes_le();
                self.sized(bytes.len(), 0x8A, 0x8B)?;
                self.0.extend_from_slice(&bytes);
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &Text) -> Result<(), Problem> {
        self.sized(text.len(), 0x8C, b'X')?;
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// A text of ours of fewer than 256 bytes.
    fn short_text(&mut self, text: &str) {
        self.0.extend_from_slice(&[0x8C, text.len() as u8]);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.sized(bytes.len(), b'C', b'B')?;
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn short_bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&[b'C', bytes.len() as u8]);
        self.0.extend_from_slice(bytes);
    }

    fn sized(&mut self, length: usize, short: u8, long: u8) -> Result<(), Problem> {
        match u8::try_from(length) {
            Ok(length) => self.0.extend_from_slice(&[short, length]),
            _ => {
                let length = u32::try_from(length).map_err(|_| Problem::TooLong)?;
                self.0.push(long);
                self.0.extend_from_slice(&length.to_le_bytes());
            }
        }
        Ok(())
    }
}
