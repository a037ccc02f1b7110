//! Text to a tree of values.

use super::error::{JsonError, JsonErrorKind as Bad};
use super::lex::{Cursor, Number, unescape};
use super::{MAX_BYTES, tags};
use crate::value::{Dict, Int, MAX_DEPTH, Text, Value, precedes};

/// Reads Flask's tagged JSON.
///
/// Reads what Python's `json.loads` reads, then resolves the tags. At most [`MAX_BYTES`] long and
/// [`MAX_DEPTH`] deep; of equal keys the last counts; names with a space that are no tag stay keys.
///
/// # Errors
/// [`JsonError`] where Flask raises, or a bound is passed.
///
/// ```
/// use hipflask_core::{tagged, value::Value};
/// assert_eq!(tagged::from_str(r#"{" b":"AP8="}"#)?, Value::Bytes(vec![0, 255]));
/// assert!(tagged::from_str("[01]").is_err());
/// # Ok::<(), tagged::JsonError>(())
/// ```
pub fn from_str(text: &str) -> Result<Value, JsonError> {
    read(text, true)
}

/// [`from_str`] for bytes that may turn out not to be UTF-8.
///
/// # Errors
/// As [`from_str`], and [`NotUtf8`](super::JsonErrorKind::NotUtf8).
pub fn from_slice(text: &[u8]) -> Result<Value, JsonError> {
    let text =
        core::str::from_utf8(text).map_err(|error| JsonError::new(Bad::NotUtf8, error.valid_up_to()))?;
    from_str(text)
}

/// Reads JSON as Python's `json.loads` does, tags left as they are.
///
/// # Errors
/// As [`from_str`].
pub fn from_str_plain(text: &str) -> Result<Value, JsonError> {
    read(text, false)
}

fn read(text: &str, tagged: bool) -> Result<Value, JsonError> {
    if text.len() > MAX_BYTES {
        return Err(JsonError::new(Bad::TooLong, 0));
    }
    let mut reader = Reader { cursor: Cursor::new(text), levels: MAX_DEPTH, tagged };
    reader.cursor.skip_space();
    let mut value = Value::None;
    reader.value(&mut value)?;
    reader.cursor.skip_space();
    if reader.cursor.at < text.len() { Err(reader.cursor.error(Bad::TrailingText)) } else { Ok(value) }
}

/// Reads one value of a text that has been scanned, `levels` being what is left of the depth.
pub(super) fn read_inside(text: &str, levels: usize) -> Result<Value, JsonError> {
    value_at(&mut Cursor::new(text), levels)
}

/// Reads the value that begins at `cursor`, and steps over it.
pub(super) fn value_at(cursor: &mut Cursor<'_>, levels: usize) -> Result<Value, JsonError> {
    let mut value = Value::None;
    let mut reader = Reader { cursor: cursor.clone(), levels, tagged: true };
    reader.value(&mut value)?;
    *cursor = reader.cursor;
    Ok(value)
}

/// The value of a member that [`index`](super::index) found well-formed.
pub(crate) fn read_member(text: &str) -> Value {
    let value = read_inside(text, MAX_DEPTH - 1);
    debug_assert!(value.is_ok(), "the scanner lets through only what the reader reads");
    value.unwrap_or(Value::None)
}

struct Reader<'t> {
    cursor: Cursor<'t>,
    levels: usize,
    tagged: bool,
}

/// Everything is written where it will stay: a value that is returned would be moved from stack to stack, and each move
/// waits for the stores of the one before.
impl<'t> Reader<'t> {
    /// Reads a value into `out`, which is [`Value::None`].
    fn value(&mut self, out: &mut Value) -> Result<(), JsonError> {
        match self.cursor.peek() {
            b'{' => self.nested(out, Self::object),
            b'[' => self.nested(out, Self::array),
            _ => self.scalar(out),
        }
    }

    /// The same for what nests no further. Apart from the rest, so that a level needs little stack.
    #[inline]
    fn scalar(&mut self, out: &mut Value) -> Result<(), JsonError> {
        match self.cursor.peek() {
            b'"' => {
                self.cursor.at += 1;
                let (content, escaped) = self.cursor.string()?;
                if escaped {
                    *out = Value::Str(self.unescape(content)?);
                } else {
                    *out = Value::Str(Text::EMPTY);
                    if let Value::Str(text) = out {
                        text.fill(content);
                    }
                }
                Ok(())
            }
            b't' => self.cursor.word(b"true").map(|()| *out = Value::Bool(true)),
            b'f' => self.cursor.word(b"false").map(|()| *out = Value::Bool(false)),
            b'n' => self.cursor.word(b"null").map(|()| *out = Value::None),
            b'N' => self.cursor.word(b"NaN").map(|()| *out = Value::Float(f64::NAN)),
            b'I' => self.cursor.word(b"Infinity").map(|()| *out = Value::Float(f64::INFINITY)),
            b'-' if self.cursor.bytes().get(self.cursor.at + 1) == Some(&b'I') => {
                self.cursor.word(b"-Infinity").map(|()| *out = Value::Float(f64::NEG_INFINITY))
            }
            _ => self.number(out),
        }
    }

    fn nested(
        &mut self,
        out: &mut Value,
        read: fn(&mut Self, &mut Value) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.levels = self.levels.checked_sub(1).ok_or_else(|| self.cursor.error(Bad::TooDeep))?;
        self.cursor.at += 1;
        read(self, out)?;
        self.levels += 1;
        Ok(())
    }

    fn array(&mut self, out: &mut Value) -> Result<(), JsonError> {
        let mut items = Vec::new();
        self.cursor.skip_space();
        if self.cursor.peek() == b']' {
            self.cursor.at += 1;
            *out = Value::List(items);
            return Ok(());
        }
        loop {
            items.push(Value::None);
            if let Some(item) = items.last_mut() {
                self.value(item)?;
            }
            self.cursor.skip_space();
            match self.cursor.peek() {
                b',' => self.cursor.at += 1,
                b']' => break,
                _ => return Err(self.cursor.unexpected()),
            }
            self.cursor.skip_space();
        }
        self.cursor.at += 1;
        *out = Value::List(items);
        Ok(())
    }

    fn object(&mut self, out: &mut Value) -> Result<(), JsonError> {
        let start = self.cursor.at;
        let mut entries: Vec<(Text, Value)> = Vec::new();
        self.cursor.skip_space();
        if self.cursor.peek() == b'}' {
            self.cursor.at += 1;
            *out = Value::Dict(Dict::new());
            return Ok(());
        }
        // Flask sorts keys: where each comes after the one before, none has to be searched for.
        let (mut before, mut distinct): (&[u8], bool) = (&[], true);
        loop {
            let (content, escaped) = self.key()?;
            if entries.is_empty() && !escaped && content.as_bytes().first() == Some(&b' ') {
                // A tag, unless more keys follow: no room for entries yet.
                self.value(out)?;
                self.cursor.skip_space();
                if self.cursor.peek() == b'}' {
                    self.cursor.at += 1;
                    return self.only(start, Text::new(content), out);
                }
                entries.push((Text::new(content), core::mem::replace(out, Value::None)));
            } else {
                distinct &= !escaped && (entries.is_empty() || precedes(before, content.as_bytes()));
                entries.push((Text::EMPTY, Value::None));
                if let Some((key, value)) = entries.last_mut() {
                    if escaped {
                        *key = self.unescape(content)?;
                    } else {
                        key.fill(content);
                    }
                    self.value(value)?;
                }
                self.cursor.skip_space();
            }
            before = content.as_bytes();
            match self.cursor.peek() {
                b',' => self.cursor.at += 1,
                b'}' => break,
                _ => return Err(self.cursor.unexpected()),
            }
            self.cursor.skip_space();
        }
        self.cursor.at += 1;
        if distinct {
            *out = Value::Dict(Dict::from_distinct(entries));
            return Ok(());
        }
        self.equal_keys(start, entries, out)
    }

    /// A dict of entries of which some may have equal keys: those become one, which may then be a tag. So may a key with
    /// escapes.
    #[inline(never)]
    fn equal_keys(
        &self,
        start: usize,
        entries: Vec<(Text, Value)>,
        out: &mut Value,
    ) -> Result<(), JsonError> {
        let mut dict: Dict = entries.into_iter().collect();
        match dict.pop_item() {
            Some((key, value)) if dict.is_empty() => {
                *out = value;
                self.only(start, key, out)
            }
            last => {
                dict.extend(last);
                *out = Value::Dict(dict);
                Ok(())
            }
        }
    }

    /// Steps over a key and the colon; its content, and whether escapes are in it.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn key(&mut self) -> Result<(&'t str, bool), JsonError> {
        self.cursor.expect(b'"')?;
        let key = self.cursor.string()?;
        self.cursor.skip_space();
        self.cursor.expect(b':')?;
        self.cursor.skip_space();
        Ok(key)
    }

    /// The dict of one key, whose value is in `out`, or what it stands for if the key is a tag. Its content began at `start`.
    fn only(&self, start: usize, key: Text, out: &mut Value) -> Result<(), JsonError> {
        let value = core::mem::replace(out, Value::None);
        *out = match tags::tag(key.as_bytes()).filter(|_| self.tagged) {
            Some(tag) => tags::untag(tag, value).map_err(|kind| JsonError::new(kind, start - 1))?,
            None => Value::Dict(Dict::from_distinct(vec![(key, value)])),
        };
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn unescape(&self, content: &str) -> Result<Text, JsonError> {
        unescape(content, true).ok_or_else(|| self.cursor.error(Bad::BadEscape))
    }

    fn number(&mut self, out: &mut Value) -> Result<(), JsonError> {
        let start = self.cursor.at;
        *out = match self.cursor.number()? {
            Number::Int(digits) => match Int::parse(digits) {
                Some(number) => Value::Int(number),
                None => return Err(JsonError::new(Bad::TooManyDigits, start)),
            },
            Number::Float(text) => Value::Float(read_float(text)),
        };
        Ok(())
    }
}

/// The nearest `f64` of a decimal.
pub(super) fn read_float(text: &str) -> f64 {
    read_short_decimal(text.as_bytes()).unwrap_or_else(|| text.parse().unwrap_or(f64::NAN))
}

/// A decimal of at most 15 digits without exponent: its digits and the power of ten are both exact, so that one division
/// rounds to the nearest.
fn read_short_decimal(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > 16 {
        return None;
    }
    let (mut number, mut places, mut after) = (0u64, 0, 0);
    for &byte in digits {
        match byte.wrapping_sub(b'0') {
            digit @ 0..=9 => {
                number = number * 10 + u64::from(digit);
                places += after;
            }
            _ if byte == b'.' => after = 1,
            _ => return None,
        }
    }
    let value = number as f64 / POWERS_OF_TEN.get(places)?;
    Some(if negative { -value } else { value })
}

const POWERS_OF_TEN: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn short_decimals_are_read_as_rust_reads_them(text in "-?(0|[1-9][0-9]{0,17})\\.[0-9]{1,17}") {
            prop_assert_eq!(read_float(&text).to_bits(), text.parse::<f64>().unwrap().to_bits());
        }
    }

    #[test]
    fn equal_keys_become_one_and_that_may_be_a_tag() {
        assert_eq!(from_str(r#"{" t":1," t":[2]}"#).unwrap(), Value::Tuple(vec![2.into()]));
        assert_eq!(from_str(r#"{"b":1,"a":2,"b":3}"#).unwrap(), Dict::from([("b", 3), ("a", 2)]).into());
        assert_eq!(from_str(r#"{"\u0020t":[]}"#).unwrap(), Value::Tuple(vec![]));
    }

    fn fails(text: &str) -> Bad {
        from_str(text).unwrap_err().kind().clone()
    }

    #[test]
    fn what_python_reads_and_strict_json_does_not_is_read() {
        let read =
            from_str(" [NaN, -Infinity ,Infinity,1e400,-0,-0.0,123456789012345678901234567890] ").unwrap();
        let items = read.as_items().unwrap();
        assert_eq!(items[0], f64::NAN.into());
        assert_eq!(items[1], f64::NEG_INFINITY.into());
        assert_eq!(items[3], f64::INFINITY.into());
        assert_eq!(items[4], 0.into());
        assert_eq!(items[5], (-0.0).into());
        assert_eq!(items[6], 123_456_789_012_345_678_901_234_567_890i128.into());
        assert_eq!(from_str(r#"{"a":1,"b":2,"a":3}"#).unwrap(), Dict::from([("a", 3), ("b", 2)]).into());
    }

    #[test]
    fn what_python_refuses_is_refused() {
        let refused = [
            "",
            " ",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "-",
            "-01",
            "1.",
            "1.e5",
            ".5",
            "1e",
            "1e+",
            "+1",
            "nul",
            "tru",
            "Nan",
            "infinity",
            "-NaN",
            "'a'",
            "\"a",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12G4\"",
            "\"\n\"",
            "\"\u{1f}\"",
            "1 2",
            "\u{feff}1",
            "\u{a0}1",
            "[1}",
            "{]",
        ];
        for text in refused {
            assert!(from_str(text).is_err(), "{text:?}");
        }
        assert_eq!(fails(&"9".repeat(4301)), Bad::TooManyDigits);
        assert_eq!(fails(&format!("[{}]", " ".repeat(MAX_BYTES))), Bad::TooLong);
    }

    #[test]
    fn nesting_is_read_to_its_bound_and_no_further() {
        let nest = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(from_str(&nest(MAX_DEPTH)).is_ok());
        assert_eq!(fails(&nest(MAX_DEPTH + 1)), Bad::TooDeep);
        assert_eq!(fails(&"[".repeat(1_000_000)), Bad::TooDeep);
        assert_eq!(fails(&"{\"a\":".repeat(600_000)), Bad::TooDeep);
    }

    #[test]
    fn tags_hold_what_flask_lets_them_hold() {
        let text = |text: &str| Value::from(text);
        let cases = [
            (r#"{" t":"abc"}"#, Value::Tuple(vec![text("a"), text("b"), text("c")])),
            (r#"{" t":{"k":1}}"#, Value::Tuple(vec![text("k")])),
            (r#"{" b":"!!!"}"#, Value::Bytes(vec![])),
            (r#"{" b":"-_-_"}"#, Value::Bytes(vec![])),
            (r#"{" d":"nope"}"#, Value::None),
            (r#"{" d":null}"#, Value::None),
            (r#"{" di":{"a":1}}"#, Dict::from([("", 1)]).into()),
            (r#"{" di":{" t__":[1]}}"#, Dict::from([(" t", Value::List(vec![1.into()]))]).into()),
            (r#"{" m":1}"#, Value::Markup("1".into())),
            (r#"{" m":true}"#, Value::Markup("True".into())),
            (r#"{" u":"{00000000-0000-0000-0000-000000000001}"}"#, uuid::Uuid::from_u128(1).into()),
            (r#"{" x":1}"#, Dict::from([(" x", 1)]).into()),
            (r#"{" t":1," b":2}"#, Dict::from([(" t", 1), (" b", 2)]).into()),
            (r#"{" t":1," t":[]}"#, Value::Tuple(vec![])),
            (r#"{"\u0020t":[]}"#, Value::Tuple(vec![])),
        ];
        for (json, expected) in cases {
            assert_eq!(from_str(json).unwrap(), expected, "{json}");
        }
        for json in [
            r#"{" t":1}"#,
            r#"{" b":"YQ"}"#,
            r#"{" b":1}"#,
            r#"{" b":"é"}"#,
            r#"{" u":"zz"}"#,
            r#"{" u":1}"#,
            r#"{" d":1}"#,
            r#"{" di":{}}"#,
            r#"{" di":[]}"#,
            r#"{" di":{" m":"x"}}"#,
        ] {
            assert!(matches!(fails(json), Bad::BadTag { .. }), "{json}");
        }
        assert_eq!(from_str_plain(r#"{" t":[1]}"#).unwrap().get(" t").unwrap().as_items().unwrap().len(), 1);
    }
}
