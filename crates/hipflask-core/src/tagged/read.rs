//! Reading text as a tree of values.

use super::error::{JsonError, JsonErrorKind as Bad};
use super::lex::{Cursor, Quoted, Scalar};
use super::{MAX_BYTES, tags};
use crate::value::{Dict, Int, MAX_DEPTH, Text, Value, precedes};

/// Reads Flask's tagged JSON.
///
/// Reads what Python's `json.loads` reads, then resolves the tags. The text may be [`MAX_BYTES`]
/// long and [`MAX_DEPTH`] levels deep. The last of equal keys counts. An object is a tag if its
/// only key is one of Flask's; other names that begin with a space stay keys.
///
/// # Errors
/// [`JsonError`] where Flask raises, and for a text that is too long or too deep.
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

/// Reads bytes as [`from_str`] reads text.
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
    let mut tree = Tree { cursor: Cursor::new(text), tagged };
    tree.cursor.skip_space();
    let mut value = Value::None;
    tree.value(&mut value)?;
    tree.cursor.end()?;
    Ok(value)
}

/// The value of a member that [`index`](super::index) has checked.
pub(crate) fn read_member(text: &str) -> Value {
    let mut tree = Tree { cursor: Cursor::with_levels(text, MAX_DEPTH - 1), tagged: true };
    let mut value = Value::None;
    let read = tree.value(&mut value);
    debug_assert!(read.is_ok(), "the index accepts only what the tree reads");
    if read.is_ok() { value } else { Value::None }
}

/// Reads the value at `cursor`, which is neither a list nor an object, and steps over it.
#[cold]
pub(super) fn scalar_at(cursor: &mut Cursor<'_>) -> Result<Value, JsonError> {
    at(cursor, |tree, out| tree.scalar(out))
}

/// Reads the tag of an object that begins at `start`; its content is next. Steps over the object.
#[cold]
pub(super) fn tag_at(cursor: &mut Cursor<'_>, tag: &'static str, start: usize) -> Result<Value, JsonError> {
    at(cursor, |tree, out| tree.tag(tag, start, out))
}

/// Reads the entries of an object from the key `first` on, and steps over its end.
#[cold]
pub(super) fn entries_at(cursor: &mut Cursor<'_>, first: Quoted) -> Result<Dict, JsonError> {
    match at(cursor, |tree, out| tree.entries(first, out))? {
        Value::Dict(dict) => Ok(dict),
        _ => Ok(Dict::new()),
    }
}

fn at<'t>(
    cursor: &mut Cursor<'t>,
    read: impl FnOnce(&mut Tree<'t>, &mut Value) -> Result<(), JsonError>,
) -> Result<Value, JsonError> {
    let mut tree = Tree { cursor: cursor.clone(), tagged: true };
    let mut value = Value::None;
    read(&mut tree, &mut value)?;
    *cursor = tree.cursor;
    Ok(value)
}

/// Reads values into the place where they stay. A value that is returned would be moved from stack
/// to stack, and each move waits for the stores of the one before.
struct Tree<'t> {
    cursor: Cursor<'t>,
    tagged: bool,
}

impl<'t> Tree<'t> {
    /// Reads a value into `out`, which is [`Value::None`].
    fn value(&mut self, out: &mut Value) -> Result<(), JsonError> {
        match self.cursor.peek() {
            b'{' => self.object(out),
            b'[' => self.list(out),
            b'"' => self.string(out),
            _ => self.scalar(out),
        }
    }

    /// Reads a value that contains no others. Apart from the rest, so that a level needs little
    /// stack.
    #[inline]
    fn scalar(&mut self, out: &mut Value) -> Result<(), JsonError> {
        let start = self.cursor.at;
        *out = match self.cursor.scalar()? {
            Scalar::Str(string) => Value::Str(self.cursor.text(string)?),
            Scalar::Null => Value::None,
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Int(digits) => {
                Value::Int(Int::parse(digits).ok_or_else(|| JsonError::new(Bad::TooManyDigits, start))?)
            }
            Scalar::Float(text) => Value::Float(read_float(text)),
        };
        Ok(())
    }

    #[inline]
    fn string(&mut self, out: &mut Value) -> Result<(), JsonError> {
        let string = self.cursor.quoted()?;
        if string.escaped {
            *out = Value::Str(self.cursor.text(string)?);
            return Ok(());
        }
        *out = Value::Str(Text::EMPTY);
        if let Value::Str(text) = out {
            text.fill(self.cursor.content(string));
        }
        Ok(())
    }

    fn list(&mut self, out: &mut Value) -> Result<(), JsonError> {
        let mut items = Vec::new();
        let mut more = self.cursor.open_list()?;
        while more {
            items.push(Value::None);
            if let Some(item) = items.last_mut() {
                self.value(item)?;
            }
            more = self.cursor.next_item()?;
        }
        *out = Value::List(items);
        Ok(())
    }

    fn object(&mut self, out: &mut Value) -> Result<(), JsonError> {
        let start = self.cursor.at;
        let Some(first) = self.cursor.open_object()? else {
            *out = Value::Dict(Dict::new());
            return Ok(());
        };
        match if self.tagged { self.cursor.tag(first)? } else { None } {
            Some(tag) => self.tag(tag, start, out),
            None => self.entries(first, out),
        }
    }

    /// Reads the entries of an object from the key `first` on.
    fn entries(&mut self, first: Quoted, out: &mut Value) -> Result<(), JsonError> {
        let mut entries: Vec<(Text, Value)> = Vec::new();
        // Flask sorts keys. If each key comes after the one before it, no key needs to be searched
        // for.
        let (mut before, mut distinct): (&[u8], bool) = (&[], true);
        let mut next = Some(first);
        while let Some(key) = next {
            let name = self.cursor.content(key);
            distinct &= !key.escaped && (entries.is_empty() || precedes(before, name.as_bytes()));
            before = name.as_bytes();
            entries.push((Text::EMPTY, Value::None));
            if let Some((text, value)) = entries.last_mut() {
                if key.escaped {
                    *text = self.cursor.text(key)?;
                } else {
                    text.fill(name);
                }
                self.value(value)?;
            }
            next = self.cursor.next_key()?;
        }
        *out =
            Value::Dict(if distinct { Dict::from_distinct(entries) } else { entries.into_iter().collect() });
        Ok(())
    }

    /// Reads the object at `start`, whose first key is a tag.
    fn tag(&mut self, tag: &'static str, start: usize, out: &mut Value) -> Result<(), JsonError> {
        self.value(out)?;
        if self.cursor.ends_object() {
            return self.untag(tag, start, out);
        }
        match self.cursor.further_key()? {
            None => self.untag(tag, start, out),
            Some(key) => self.further_keys(tag, key, start, out),
        }
    }

    /// Reads the rest of an object with several keys, the first of which is a tag. If all of them
    /// are equal, it is that tag.
    #[cold]
    #[inline(never)]
    fn further_keys(
        &mut self,
        tag: &'static str,
        key: Quoted,
        start: usize,
        out: &mut Value,
    ) -> Result<(), JsonError> {
        let first = core::mem::replace(out, Value::None);
        self.entries(key, out)?;
        let Value::Dict(rest) = out else { return Ok(()) };
        let mut dict = Dict::from([(tag, first)]);
        dict.extend(core::mem::take(rest).into_entries());
        if dict.len() > 1 {
            *out = Value::Dict(dict);
            return Ok(());
        }
        *out = dict.pop_item().map_or(Value::None, |(_, value)| value);
        self.untag(tag, start, out)
    }

    /// Replaces the content of a tag by what the tag makes of it.
    fn untag(&self, tag: &'static str, start: usize, out: &mut Value) -> Result<(), JsonError> {
        let content = core::mem::replace(out, Value::None);
        *out = tags::untag(tag, content).map_err(|kind| JsonError::new(kind, start))?;
        Ok(())
    }
}

/// The `f64` nearest to a decimal, or the one that `NaN` or `Infinity` names.
pub(super) fn read_float(text: &str) -> f64 {
    read_short_decimal(text.as_bytes()).unwrap_or_else(|| text.parse().unwrap_or(f64::NAN))
}

/// Reads a decimal of at most 15 digits without an exponent. Its digits and the power of ten are
/// both exact, so that one division rounds to the nearest `f64`.
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
    fn equal_keys_become_one_key_or_tag() {
        assert_eq!(from_str(r#"{" t":1," t":[2]}"#).unwrap(), Value::Tuple(vec![2.into()]));
        assert_eq!(from_str(r#"{"b":1,"a":2,"b":3}"#).unwrap(), Dict::from([("b", 3), ("a", 2)]).into());
        assert_eq!(from_str(r#"{"\u0020t":[]}"#).unwrap(), Value::Tuple(vec![]));
    }

    fn fails(text: &str) -> Bad {
        from_str(text).unwrap_err().kind().clone()
    }

    #[test]
    fn numbers_of_python_are_read() {
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
    fn text_that_python_refuses_is_refused() {
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
    fn nesting_is_read_up_to_its_limit() {
        let nest = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(from_str(&nest(MAX_DEPTH)).is_ok());
        assert_eq!(fails(&nest(MAX_DEPTH + 1)), Bad::TooDeep);
        assert_eq!(fails(&"[".repeat(1_000_000)), Bad::TooDeep);
        assert_eq!(fails(&"{\"a\":".repeat(600_000)), Bad::TooDeep);
    }

    #[test]
    fn tags_accept_the_content_that_flask_accepts() {
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
