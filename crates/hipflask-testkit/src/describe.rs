//! Session values as text that Rust and Python spell alike; the crate's front page has the table.

use std::fmt::Write as _;

use hipflask_core::time::DateTime;
use hipflask_core::value::{BigInt, Dict, Text, Uuid, Value};

/// The description of `value`.
///
/// ```
/// use hipflask_core::value::{Dict, Value};
/// use hipflask_testkit::describe::describe;
///
/// let session = Value::from(Dict::from([("hi", Value::from(1.0)), ("é", Value::from(vec![Value::None]))]));
/// assert_eq!(describe(&session), "{s6869:f3ff0000000000000,sc3a9:[N]}");
/// ```
///
/// # Panics
/// If hipflask-core has a kind of value that this function does not know.
#[must_use]
pub fn describe(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text
}

/// The value that `text` describes: the inverse of [`describe`].
///
/// # Errors
/// [`DescriptionError`] if `text` is not a description, or describes a value that a session cannot hold.
pub fn parse(text: &str) -> Result<Value, DescriptionError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = reader.value()?;
    if reader.at == text.len() { Ok(value) } else { Err(reader.error("the end")) }
}

/// The error for a text that is not a description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a description of a session value: expected {expected} at byte {at}")]
pub struct DescriptionError {
    /// The forms that are valid at that position.
    pub expected: &'static str,
    /// The position of the error.
    pub at: usize,
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::None => out.push('N'),
        Value::Bool(true) => out.push('T'),
        Value::Bool(false) => out.push('F'),
        Value::Int(number) => push(out, format_args!("i{number}")),
        Value::Float(number) if number.is_nan() => out.push_str("f7ff8000000000000"),
        Value::Float(number) => push(out, format_args!("f{:016x}", number.to_bits())),
        Value::Str(text) => write_hex(out, 's', text.as_bytes()),
        Value::Markup(text) => write_hex(out, 'm', text.as_bytes()),
        Value::Bytes(bytes) => write_hex(out, 'b', bytes),
        Value::Uuid(id) => write_hex(out, 'u', id.as_bytes()),
        Value::DateTime(date) => push(out, format_args!("D{},{}", date.unix_micros(), date.offset_seconds())),
        Value::List(items) => write_all(out, ['[', ']'], items, write),
        Value::Tuple(items) => write_all(out, ['(', ')'], items, write),
        Value::Dict(dict) => write_all(out, ['{', '}'], dict.iter(), |out, (key, value)| {
            write_hex(out, 's', key.as_bytes());
            out.push(':');
            write(out, value);
        }),
        other => panic!("describe has no spelling for {other:?}: add one here and in wire/describe.py"),
    }
}

fn write_all<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    one: impl Fn(&mut String, T),
) {
    out.push(open);
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        one(out, item);
    }
    out.push(close);
}

fn write_hex(out: &mut String, kind: char, bytes: &[u8]) {
    out.push(kind);
    for byte in bytes {
        push(out, format_args!("{byte:02x}"));
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes every write");
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn value(&mut self) -> Result<Value, DescriptionError> {
        match self.next() {
            Some(b'N') => Ok(Value::None),
            Some(b'T') => Ok(Value::Bool(true)),
            Some(b'F') => Ok(Value::Bool(false)),
            Some(b'i') => self.int(),
            Some(b'f') => self.float(),
            Some(b's') => self.str().map(Value::Str),
            Some(b'm') => self.str().map(Value::Markup),
            Some(b'b') => self.bytes().map(Value::Bytes),
            Some(b'u') => self.uuid(),
            Some(b'D') => self.date(),
            Some(b'[') => self.all(b']', Self::value).map(Value::List),
            Some(b'(') => self.all(b')', Self::value).map(Value::Tuple),
            Some(b'{') => self.all(b'}', Self::entry).map(|entries| Value::Dict(Dict::from_iter(entries))),
            _ => Err(self.error("a value")),
        }
    }

    fn entry(&mut self) -> Result<(Text, Value), DescriptionError> {
        self.expect(b's', "a key")?;
        let key = self.str()?;
        self.expect(b':', "`:`")?;
        Ok((key, self.value()?))
    }

    fn all<T>(
        &mut self,
        close: u8,
        one: fn(&mut Self) -> Result<T, DescriptionError>,
    ) -> Result<Vec<T>, DescriptionError> {
        let mut items = Vec::new();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("fewer levels"));
        }
        if self.peek() != Some(close) {
            items.push(one(self)?);
            while self.peek() == Some(b',') {
                self.at += 1;
                items.push(one(self)?);
            }
        }
        self.expect(close, "`,` or the closing bracket")?;
        self.depth -= 1;
        Ok(items)
    }

    // Not `Int::parse`, which refuses what CPython would not read back: a test may want to write it.
    fn int(&mut self) -> Result<Value, DescriptionError> {
        let digits = self.word(b"-0123456789");
        let number = digits.parse::<BigInt>();
        number.map(Value::from).map_err(|_| self.error("an integer"))
    }

    fn float(&mut self) -> Result<Value, DescriptionError> {
        let bits = <[u8; 8]>::try_from(self.bytes()?).map_err(|_| self.error("16 hex digits"))?;
        Ok(Value::Float(f64::from_be_bytes(bits)))
    }

    fn uuid(&mut self) -> Result<Value, DescriptionError> {
        let bytes = <[u8; 16]>::try_from(self.bytes()?).map_err(|_| self.error("32 hex digits"))?;
        Ok(Value::Uuid(Uuid::from_bytes(bytes)))
    }

    fn date(&mut self) -> Result<Value, DescriptionError> {
        let micros = self.word(b"-0123456789").parse().map_err(|_| self.error("microseconds"))?;
        self.expect(b',', "`,`")?;
        let offset = self.word(b"-0123456789").parse().map_err(|_| self.error("seconds"))?;
        let date = DateTime::from_unix_micros(micros).and_then(|utc| utc.with_offset(offset));
        date.map(Value::DateTime).ok_or_else(|| self.error("a date in the years 1 to 9999"))
    }

    fn str(&mut self) -> Result<Text, DescriptionError> {
        let bytes = self.bytes()?;
        Text::from_bytes(&bytes).ok_or_else(|| self.error("the hex of UTF-8"))
    }

    fn bytes(&mut self) -> Result<Vec<u8>, DescriptionError> {
        let digits = self.word(b"0123456789abcdef");
        crate::hex::decode(digits).ok_or_else(|| self.error("pairs of hex digits"))
    }

    /// The longest run of `alphabet` from here on.
    fn word(&mut self, alphabet: &[u8]) -> &'t str {
        let rest = &self.text[self.at..];
        let length = rest.bytes().take_while(|byte| alphabet.contains(byte)).count();
        self.at += length;
        &rest[..length]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Does not consume a byte that is not ASCII, so that `at` is never inside a character.
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek().filter(u8::is_ascii)?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, wanted: u8, expected: &'static str) -> Result<(), DescriptionError> {
        if self.peek() != Some(wanted) {
            return Err(self.error(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn error(&self, expected: &'static str) -> DescriptionError {
        DescriptionError { expected, at: self.at }
    }
}

/// Twice what a session may have, so that a test can describe one level too many.
const MAX_DEPTH: usize = 2 * hipflask_core::value::MAX_DEPTH;

#[cfg(test)]
mod tests {
    use super::{describe, parse};
    use crate::recordings::flask_cookies;

    #[test]
    fn recorded_values_have_flasks_description() {
        for recorded in flask_cookies().unwrap() {
            for text in [recorded.value, recorded.opened] {
                assert_eq!(describe(&parse(&text).unwrap()), text);
            }
        }
    }

    #[test]
    fn invalid_description_is_refused_with_its_position() {
        for text in [
            "", "q", "i", "i-", "f00", "s0", "sff", "u00", "[", "[N", "[N,]", "{N:N}", "{s61}", "NN", "D1",
            "é", "(é)", "[[[[)",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
        let error = parse("[N;T]").unwrap_err();
        assert_eq!(
            error.to_string(),
            "not a description of a session value: expected `,` or the closing bracket at byte 2"
        );
    }
}
