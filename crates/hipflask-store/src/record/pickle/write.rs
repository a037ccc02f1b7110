//! Writes protocol 4, which every Python 3 reads.

use hipflask_core::time::DateTime;
use hipflask_core::value::{Dict, Int, MAX_DEPTH, Text, Uuid, Value};
use jiff::civil;
use sha2::{Digest, Sha256};

use super::super::civil::Fields;
use super::super::{EncodeError, Format, OpaqueValues, Problem, Raw, room_for};
use super::python_value::PythonValue;

pub(super) fn write(dict: &Dict, opaque: &OpaqueValues) -> Result<Vec<u8>, EncodeError> {
    let mut out = Writer { out: Vec::with_capacity(128), sets: Sets::Items };
    out.out.extend_from_slice(b"\x80\x04}");
    if !dict.is_empty() {
        out.out.push(b'(');
        for (key, value) in dict.iter() {
            let written = match opaque.original(key, value) {
                Some(Raw::Pickle { key, value }) => out.py(key).and_then(|()| out.py(value)),
                _ => out.text(key).and_then(|()| out.value(value, MAX_DEPTH - 1)),
            };
            written.map_err(|problem| EncodeError { key: key.clone(), format: Format::Pickle, problem })?;
        }
        out.out.push(b'u');
    }
    out.out.push(b'.');
    Ok(out.out)
}

/// Compares by written bytes, except that the order of sets does not matter: it differs between
/// Python processes.
impl PartialEq for PythonValue {
    fn eq(&self, other: &Self) -> bool {
        matches!((fingerprint(self), fingerprint(other)), (Ok(ours), Ok(theirs)) if ours == theirs)
    }
}

/// Returns the SHA-256 digest of a value's bytes. Each part is written once, whatever its depth.
fn fingerprint(py: &PythonValue) -> Result<[u8; 32], Problem> {
    let mut out = Writer { out: Vec::new(), sets: Sets::Fingerprints };
    out.py(py)?;
    Ok(Sha256::digest(&out.out).into())
}

/// The way in which a writer writes sets.
#[derive(Clone, Copy, PartialEq)]
enum Sets {
    /// Item by item, for Python.
    Items,
    /// As the sorted fingerprints of the items, which do not depend on the order of the items.
    Fingerprints,
}

struct Writer {
    out: Vec<u8>,
    sets: Sets,
}

impl Writer {
    fn value(&mut self, value: &Value, levels: usize) -> Result<(), Problem> {
        match value {
            Value::None => self.out.push(b'N'),
            Value::Bool(true) => self.out.push(0x88),
            Value::Bool(false) => self.out.push(0x89),
            Value::Int(number) => self.int(number)?,
            Value::Float(number) => {
                self.out.push(b'G');
                self.out.extend_from_slice(&number.to_be_bytes());
            }
            Value::Str(text) => self.text(text)?,
            Value::Markup(text) => {
                self.global("markupsafe", "Markup");
                self.text(text)?;
                self.out.extend_from_slice(b"\x85\x81");
            }
            Value::Bytes(bytes) => self.bytes(bytes)?,
            Value::List(items) => {
                self.out.push(b']');
                self.values(items, levels, b'e')?;
            }
            Value::Tuple(items) if items.is_empty() => self.out.push(b')'),
            Value::Tuple(items) => self.values(items, levels, b't')?,
            Value::Dict(dict) => {
                let inside = levels.checked_sub(1).ok_or(Problem::TooDeep)?;
                self.out.extend_from_slice(b"}(");
                let mut entries = dict.iter();
                entries.try_for_each(|(key, value)| {
                    self.text(key)?;
                    self.value(value, inside)
                })?;
                self.out.push(b'u');
            }
            Value::DateTime(date) => self.datetime(*date),
            Value::Uuid(id) => self.uuid(*id),
            _ => return Err(Problem::Unknown),
        }
        Ok(())
    }

    fn values(&mut self, items: &[Value], levels: usize, end: u8) -> Result<(), Problem> {
        let inside = levels.checked_sub(1).ok_or(Problem::TooDeep)?;
        self.out.push(b'(');
        items.iter().try_for_each(|item| self.value(item, inside))?;
        self.out.push(end);
        Ok(())
    }

    fn py(&mut self, py: &PythonValue) -> Result<(), Problem> {
        match py {
            PythonValue::Value(value) => self.value(value, MAX_DEPTH)?,
            PythonValue::ByteArray(bytes) => {
                self.global("builtins", "bytearray");
                self.bytes(bytes)?;
                self.out.extend_from_slice(b"\x85R");
            }
            PythonValue::List(items) => {
                self.out.push(b']');
                self.all(items, b'e')?;
            }
            PythonValue::Tuple(items) if items.is_empty() => self.out.push(b')'),
            PythonValue::Tuple(items) => self.all(items, b't')?,
            PythonValue::Set(items) => {
                self.out.push(0x8F);
                self.set(items, 0x90)?;
            }
            PythonValue::FrozenSet(items) => self.set(items, 0x91)?,
            PythonValue::Dict(entries) => {
                self.out.push(b'}');
                self.entries(entries)?;
            }
            PythonValue::OrderedDict(entries) => {
                self.global("collections", "OrderedDict");
                self.out.extend_from_slice(b")R");
                self.entries(entries)?;
            }
            PythonValue::Date(date) => {
                self.global("datetime", "date");
                let fields = Fields { local: date.to_datetime(civil::Time::midnight()), offset: None };
                self.short_bytes(&fields.to_bytes()[..4]);
                self.out.extend_from_slice(b"\x85R");
            }
            PythonValue::Time(time, offset) => {
                self.global("datetime", "time");
                let fields =
                    Fields { local: civil::Date::constant(1, 1, 1).to_datetime(*time), offset: *offset };
                self.moment(&fields.to_bytes()[4..], *offset);
            }
            PythonValue::DateTime(fields) => {
                self.global("datetime", "datetime");
                self.moment(&fields.to_bytes(), fields.offset);
            }
            PythonValue::TimeDelta(days, seconds, micros) => self.delta([*days, *seconds, *micros]),
            PythonValue::TimeZone(offset) => self.zone(*offset),
            PythonValue::Decimal(text) => {
                self.global("decimal", "Decimal");
                self.text(text)?;
                self.out.extend_from_slice(b"\x85R");
            }
        }
        Ok(())
    }

    fn set(&mut self, items: &[PythonValue], end: u8) -> Result<(), Problem> {
        if self.sets == Sets::Items {
            return self.all(items, end);
        }
        let mut fingerprints = Vec::with_capacity(items.len());
        for item in items {
            fingerprints.push(fingerprint(item)?);
        }
        fingerprints.sort_unstable();
        self.out.push(b'(');
        self.out.extend_from_slice(fingerprints.as_flattened());
        self.out.push(end);
        Ok(())
    }

    fn all(&mut self, items: &[PythonValue], end: u8) -> Result<(), Problem> {
        self.out.push(b'(');
        items.iter().try_for_each(|item| self.py(item))?;
        self.out.push(end);
        Ok(())
    }

    fn entries(&mut self, entries: &[(PythonValue, PythonValue)]) -> Result<(), Problem> {
        self.out.push(b'(');
        for (key, value) in entries {
            self.py(key)?;
            self.py(value)?;
        }
        self.out.push(b'u');
        Ok(())
    }

    fn datetime(&mut self, date: DateTime) {
        let fields = Fields::of(date);
        self.global("datetime", "datetime");
        self.moment(&fields.to_bytes(), fields.offset);
    }

    /// Writes the arguments of a `datetime` or `time`, and the call.
    fn moment(&mut self, state: &[u8], offset: Option<i32>) {
        self.short_bytes(state);
        match offset {
            None => self.out.push(0x85),
            Some(offset) => {
                self.zone(offset);
                self.out.push(0x86);
            }
        }
        self.out.push(b'R');
    }

    fn zone(&mut self, offset: i32) {
        self.global("datetime", "timezone");
        self.delta([offset.div_euclid(86_400), offset.rem_euclid(86_400), 0]);
        self.out.extend_from_slice(b"\x85R");
    }

    /// Writes days, seconds and microseconds.
    fn delta(&mut self, parts: [i32; 3]) {
        self.global("datetime", "timedelta");
        for part in parts {
            self.out.push(b'J');
            self.out.extend_from_slice(&part.to_le_bytes());
        }
        self.out.extend_from_slice(b"\x87R");
    }

    fn uuid(&mut self, id: Uuid) {
        self.global("uuid", "UUID");
        self.out.extend_from_slice(b")\x81}");
        self.short_text("int");
        // One more byte, so that the number is not negative.
        self.out.extend_from_slice(&[0x8A, 17]);
        self.out.extend_from_slice(&id.as_u128().to_le_bytes());
        self.out.extend_from_slice(b"\0sb");
    }

    fn global(&mut self, module: &str, name: &str) {
        self.short_text(module);
        self.short_text(name);
        self.out.push(0x93);
    }

    fn int(&mut self, number: &Int) -> Result<(), Problem> {
        match number.as_i64() {
            Some(small @ 0..=0xFF) => self.out.extend_from_slice(&[b'K', small as u8]),
            Some(small) if i32::try_from(small).is_ok() => {
                self.out.push(b'J');
                self.out.extend_from_slice(&(small as i32).to_le_bytes());
            }
            _ => {
                let bytes = number.to_big().to_signed_bytes_le();
                self.sized(bytes.len(), 0x8A, 0x8B)?;
                self.out.extend_from_slice(&bytes);
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &Text) -> Result<(), Problem> {
        self.sized(text.len(), 0x8C, b'X')?;
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Writes a constant text of fewer than 256 bytes.
    fn short_text(&mut self, text: &str) {
        self.out.extend_from_slice(&[0x8C, text.len() as u8]);
        self.out.extend_from_slice(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.sized(bytes.len(), b'C', b'B')?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn short_bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(&[b'C', bytes.len() as u8]);
        self.out.extend_from_slice(bytes);
    }

    fn sized(&mut self, length: usize, short: u8, long: u8) -> Result<(), Problem> {
        room_for(&self.out, length)?;
        match u8::try_from(length) {
            Ok(length) => self.out.extend_from_slice(&[short, length]),
            _ => {
                let length = u32::try_from(length).map_err(|_| Problem::TooLong)?;
                self.out.push(long);
                self.out.extend_from_slice(&length.to_le_bytes());
            }
        }
        Ok(())
    }
}
