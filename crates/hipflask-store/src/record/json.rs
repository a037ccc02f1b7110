//! JSON as msgspec 0.22 writes it.

use base64_simd::STANDARD;
use hipflask_core::steps;
use hipflask_core::value::{Dict, Int, MAX_DEPTH, Text, Value};

use super::budget::Budget;
use super::civil::Fields;
use super::{EncodeError, Format, OpaqueValues, Problem, Record, RecordError, room_for};

pub(super) fn read(data: &[u8]) -> Result<Record, RecordError> {
    let mut reader = Reader { data, at: 0, budget: Budget::of(data.len()) };
    let value = reader.value()?;
    reader.skip_space();
    if reader.at < data.len() {
        return Err(reader.malformed());
    }
    Ok(Record { dict: Record::of_pairs(value)?, opaque: OpaqueValues::default() })
}

struct Reader<'d> {
    data: &'d [u8],
    at: usize,
    budget: Budget,
}

/// An open list, or an open dict and the key of its next value.
enum Open {
    List(Vec<Value>),
    Dict(Dict, Text),
}

impl Reader<'_> {
    /// Reads a value without recursion.
    fn value(&mut self) -> Result<Value, RecordError> {
        let mut open = Vec::new();
        'values: loop {
            self.skip_space();
            if matches!(self.peek(), Some(b'{' | b'[')) && open.len() >= MAX_DEPTH {
                return Err(RecordError::TooDeep);
            }
            let mut value = match self.peek() {
                Some(b'{') if self.opens(b'}') => Value::Dict(Dict::new()),
                Some(b'{') => {
                    open.push(Open::Dict(Dict::new(), self.key()?));
                    continue;
                }
                Some(b'[') if self.opens(b']') => Value::List(Vec::new()),
                Some(b'[') => {
                    open.push(Open::List(Vec::new()));
                    continue;
                }
                Some(b'"') => self.string().map(Value::from)?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word("true", Value::Bool(true))?,
                Some(b'f') => self.word("false", Value::Bool(false))?,
                Some(b'n') => self.word("null", Value::None)?,
                _ => return Err(self.malformed()),
            };
            loop {
                let Some(inside) = open.last_mut() else { return Ok(value) };
                self.put(inside, value)?;
                self.skip_space();
                match (self.next(), inside) {
                    (Some(b','), Open::List(_)) => continue 'values,
                    (Some(b','), Open::Dict(_, key)) => {
                        *key = self.key()?;
                        continue 'values;
                    }
                    (Some(b']'), Open::List(items)) => value = Value::List(core::mem::take(items)),
                    (Some(b'}'), Open::Dict(dict, _)) => value = Value::Dict(core::mem::take(dict)),
                    _ => return Err(self.malformed()),
                }
                open.pop();
            }
        }
    }

    /// Skips an opening bracket, and `close` if it follows. Returns `true` if it does.
    fn opens(&mut self, close: u8) -> bool {
        self.at += 1;
        self.skip_space();
        let is_empty = self.peek() == Some(close);
        self.at += usize::from(is_empty);
        is_empty
    }

    fn key(&mut self) -> Result<Text, RecordError> {
        self.skip_space();
        let key = self.string()?;
        self.skip_space();
        self.expect(b':')?;
        Ok(key)
    }

    fn put(&mut self, open: &mut Open, value: Value) -> Result<(), RecordError> {
        match open {
            Open::List(items) => {
                self.budget.item_after(items.len()).ok_or(RecordError::TooLarge)?;
                items.push(value);
            }
            Open::Dict(dict, key) => {
                self.budget.entry_after(dict.len()).ok_or(RecordError::TooLarge)?;
                dict.insert(core::mem::take(key), value);
            }
        }
        Ok(())
    }

    fn string(&mut self) -> Result<Text, RecordError> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            let rest = &self.data[self.at..];
            let plain = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..0x20)).count();
            steps::count(plain);
            text.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.next() {
                Some(b'"') => break,
                Some(b'\\') => self.escape(&mut text)?,
                _ => return Err(self.malformed()),
            }
        }
        String::from_utf8(text).map(Text::from).map_err(|_| self.malformed())
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), RecordError> {
        let byte = match self.next() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let point = self.code_point()?;
                let mut room = [0; 4];
                text.extend_from_slice(point.encode_utf8(&mut room).as_bytes());
                return Ok(());
            }
            _ => return Err(self.malformed()),
        };
        text.push(byte);
        Ok(())
    }

    fn code_point(&mut self) -> Result<char, RecordError> {
        let unit = self.four_digits()?;
        let point = match unit {
            0xD800..=0xDBFF if self.data[self.at..].starts_with(b"\\u") => {
                self.at += 2;
                let low = self.four_digits()?.wrapping_sub(0xDC00);
                // If the second unit is not a low surrogate, the result is not a character.
                if low < 0x400 { 0x1_0000 + ((unit - 0xD800) << 10) + low } else { unit }
            }
            unit => unit,
        };
        char::from_u32(point).ok_or_else(|| self.malformed())
    }

    fn four_digits(&mut self) -> Result<u32, RecordError> {
        let digits = self.data.get(self.at..self.at + 4).ok_or_else(|| self.malformed())?;
        steps::count(4);
        self.at += 4;
        digits.iter().try_fold(0, |number, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or_else(|| self.malformed())?;
            Ok(number << 4 | digit)
        })
    }

    fn number(&mut self) -> Result<Value, RecordError> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let whole = self.digits();
        let is_canonical = whole > 0 && (whole == 1 || self.data[self.at - whole] != b'0');
        let mut is_float = false;
        let mut is_good = is_canonical;
        if self.peek() == Some(b'.') {
            self.at += 1;
            is_float = true;
            is_good &= self.digits() > 0;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            is_float = true;
            is_good &= self.digits() > 0;
        }
        let text = &self.data[start..self.at];
        let value = if is_float { float(text) } else { Int::parse(text).map(Value::Int) };
        value.filter(|_| is_good).ok_or_else(|| self.malformed())
    }

    fn digits(&mut self) -> usize {
        let count = self.data[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        steps::count(count);
        self.at += count;
        count
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, RecordError> {
        if !self.data[self.at..].starts_with(word.as_bytes()) {
            return Err(self.malformed());
        }
        steps::count(word.len());
        self.at += word.len();
        Ok(value)
    }

    fn expect(&mut self, wanted: u8) -> Result<(), RecordError> {
        if self.peek() == Some(wanted) {
            self.at += 1;
            return Ok(());
        }
        Err(self.malformed())
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        steps::count(1);
        self.data.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    const fn malformed(&self) -> RecordError {
        RecordError::Malformed { format: Format::Json, at: self.at }
    }
}

/// Parses a float. msgspec refuses one that is too large.
fn float(text: &[u8]) -> Option<Value> {
    let number: f64 = core::str::from_utf8(text).ok()?.parse().ok()?;
    number.is_finite().then_some(Value::Float(number))
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
