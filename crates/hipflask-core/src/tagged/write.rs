//! Writing values as text.

use super::error::{JsonError, JsonErrorKind as Bad};
use super::tags;
use crate::steps;
use crate::value::{Dict, MAX_DEPTH, Text, Value, first_code_point, write_repr};

/// The order in which the keys of a dict are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyOrder {
    /// By code point at every level, as Flask writes a session inside a request.
    #[default]
    Sorted,
    /// In the order of insertion: Flask with `app.json.sort_keys = False`, and itsdangerous.
    Insertion,
}

/// The spelling of values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) order: KeyOrder,
    ascii: bool,
    tagged: bool,
}

impl Style {
    pub(crate) const fn flask(order: KeyOrder) -> Self {
        Self { order, ascii: true, tagged: true }
    }

    const PLAIN: Self = Self { order: KeyOrder::Insertion, ascii: false, tagged: false };
}

/// Writes Flask's tagged JSON: ASCII, without spaces, with sorted keys. The bytes equal those of
/// Flask 3.1.
///
/// # Errors
/// [`TooDeep`](super::JsonErrorKind::TooDeep) beyond [`MAX_DEPTH`] levels.
pub fn to_string(value: &Value) -> Result<String, JsonError> {
    to_string_ordered(value, KeyOrder::Sorted)
}

/// Writes as [`to_string`] does, with the keys in `order`.
///
/// # Errors
/// As [`to_string`].
pub fn to_string_ordered(value: &Value, order: KeyOrder) -> Result<String, JsonError> {
    write(value, Style::flask(order))
}

/// Writes JSON as itsdangerous does: without tags and spaces, characters as they are, keys in the
/// order of insertion.
///
/// # Errors
/// [`NotPlain`](super::JsonErrorKind::NotPlain) for bytes, datetimes, UUIDs and lone surrogates,
/// which plain JSON cannot represent; otherwise as [`to_string`].
pub fn to_string_plain(value: &Value) -> Result<String, JsonError> {
    write(value, Style::PLAIN)
}

/// A writer of Flask's tagged JSON for callers with objects of their own.
///
/// Its spelling is that of [`to_string`]. The caller is responsible for the order of keys and for
/// commas, and passes values that need a tag as a [`Value`].
///
/// ```
/// use hipflask_core::tagged::{KeyOrder, Writer};
/// use hipflask_core::value::Value;
/// let mut json = Writer::new();
/// json.open_dict();
/// json.key("cart", true);
/// json.open_list();
/// json.str("pear \u{e9}");
/// json.comma();
/// json.value(&Value::List(vec![1.into(), 2.into()]), KeyOrder::Sorted, 10)?;
/// json.close_list();
/// json.close_dict();
/// assert_eq!(json.finish(), r#"{"cart":["pear \u00e9",[1,2]]}"#);
/// # Ok::<(), hipflask_core::tagged::JsonError>(())
/// ```
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Creates an empty writer.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Creates an empty writer with room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Writes `null`.
    pub fn none(&mut self) {
        self.0.extend_from_slice(b"null");
    }

    /// Writes `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// Writes an integer.
    pub fn int(&mut self, number: i64) {
        self.0.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Writes a float as Python's `repr` does.
    pub fn float(&mut self, number: f64) {
        write_repr(&mut self.0, number);
    }

    /// Writes a string.
    #[inline]
    pub fn str(&mut self, text: &str) {
        self.0.push(b'"');
        write_content(&mut self.0, text.as_bytes());
        self.0.push(b'"');
    }

    /// Writes a whole value that may nest `levels` deep.
    ///
    /// # Errors
    /// [`TooDeep`](super::JsonErrorKind::TooDeep) beyond that.
    pub fn value(&mut self, value: &Value, order: KeyOrder, levels: usize) -> Result<(), JsonError> {
        write_value(&mut self.0, value, Style::flask(order), levels)
    }

    /// Writes `[`.
    pub fn open_list(&mut self) {
        self.0.push(b'[');
    }

    /// Writes `]`.
    pub fn close_list(&mut self) {
        self.0.push(b']');
    }

    /// Writes the beginning of a tuple, whose items are written like those of a list.
    pub fn open_tuple(&mut self) {
        open_tag(&mut self.0, tags::TUPLE);
        self.0.push(b'[');
    }

    /// Writes the end of a tuple.
    pub fn close_tuple(&mut self) {
        self.0.extend_from_slice(b"]}");
    }

    /// Writes the comma between two items of a list.
    pub fn comma(&mut self) {
        self.0.push(b',');
    }

    /// Writes `{`. A dict of one key that is a tag must be written as a [`value`](Self::value),
    /// because it has to be escaped.
    pub fn open_dict(&mut self) {
        self.0.push(b'{');
    }

    /// Writes `}`.
    pub fn close_dict(&mut self) {
        self.0.push(b'}');
    }

    /// Writes a key and the colon, after a comma unless it is the `first`.
    #[inline]
    pub fn key(&mut self, key: &str, first: bool) {
        write_key_bytes(&mut self.0, key.as_bytes(), first);
    }

    /// Returns the JSON.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "cannot panic: everything else is escaped")]
    pub fn finish(self) -> String {
        String::from_utf8(self.0).expect("tagged JSON is ASCII")
    }
}

/// Shows its length, never its content.
impl core::fmt::Debug for Writer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Writer({} bytes)", self.0.len())
    }
}

fn write(value: &Value, style: Style) -> Result<String, JsonError> {
    let mut out = Vec::new();
    write_value(&mut out, value, style, MAX_DEPTH)?;
    String::from_utf8(out).map_err(|_| JsonError::new(Bad::NotUtf8, 0))
}

/// Appends a value that may nest `levels` deep.
pub(crate) fn write_value(
    out: &mut Vec<u8>,
    value: &Value,
    style: Style,
    levels: usize,
) -> Result<(), JsonError> {
    match value {
        Value::None => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(number) => match number.as_i64() {
            Some(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
            None => out.extend_from_slice(number.to_string().as_bytes()),
        },
        Value::Float(number) => write_repr(out, *number),
        Value::Str(text) if style.ascii => write_text(out, text),
        Value::Str(text) => write_text_in(out, text, style)?,
        Value::List(items) => write_items(out, items, style, levels)?,
        Value::Dict(dict) => write_dict(out, dict, style, levels)?,
        Value::Tuple(items) if !style.tagged => write_items(out, items, style, levels)?,
        Value::Markup(text) if !style.tagged => write_text_in(out, text, style)?,
        other if style.tagged => write_tagged(out, other, style, levels)?,
        other => return Err(JsonError::new(Bad::NotPlain { found: other.kind() }, 0)),
    }
    Ok(())
}

fn write_items(out: &mut Vec<u8>, items: &[Value], style: Style, levels: usize) -> Result<(), JsonError> {
    let levels = one_less(levels)?;
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_value(out, item, style, levels)?;
    }
    out.push(b']');
    Ok(())
}

fn write_dict(out: &mut Vec<u8>, dict: &Dict, style: Style, levels: usize) -> Result<(), JsonError> {
    let mut levels = one_less(levels)?;
    let escape = style.tagged && dict.len() == 1 && dict.keys().all(tags::is_registered);
    if escape {
        levels = one_less(levels)?;
        open_tag(out, tags::DICT);
    }
    out.push(b'{');
    let mut write_entry = |at: usize, key: &Text, value: &Value| {
        if style.ascii && !escape {
            write_key(out, key, at == 0);
            return write_value(out, value, style, levels);
        }
        if at > 0 {
            out.push(b',');
        }
        write_text_in(out, key, style)?;
        if escape {
            out.truncate(out.len() - 1);
            out.extend_from_slice(tags::ESCAPE.as_bytes());
            out.push(b'"');
        }
        out.push(b':');
        write_value(out, value, style, levels)
    };
    let in_order = style.order == KeyOrder::Insertion || dict.is_sorted();
    match dict.as_slice() {
        Some(entries) if in_order => {
            for (at, (key, value)) in entries.iter().enumerate() {
                write_entry(at, key, value)?;
            }
        }
        _ => {
            let mut entries: Vec<_> = dict.iter().collect();
            if !in_order {
                entries.sort_unstable_by_key(|(key, _)| *key);
            }
            entries.into_iter().enumerate().try_for_each(|(at, (key, value))| write_entry(at, key, value))?;
        }
    }
    out.push(b'}');
    if escape {
        out.push(b'}');
    }
    Ok(())
}

fn one_less(levels: usize) -> Result<usize, JsonError> {
    levels.checked_sub(1).ok_or_else(|| JsonError::new(Bad::TooDeep, 0))
}

/// Writes the kinds that have a tag.
fn write_tagged(out: &mut Vec<u8>, value: &Value, style: Style, levels: usize) -> Result<(), JsonError> {
    // The object of the tag is a level that Rust does not see.
    let levels = one_less(levels)?;
    match value {
        Value::Tuple(items) => {
            open_tag(out, tags::TUPLE);
            write_items(out, items, style, levels)?;
        }
        Value::Bytes(bytes) => {
            open_tag(out, tags::BYTES);
            out.push(b'"');
            base64_simd::STANDARD.encode_append(bytes, out);
            out.push(b'"');
        }
        Value::Markup(text) => {
            open_tag(out, tags::MARKUP);
            write_text(out, text);
        }
        Value::Uuid(id) => {
            open_tag(out, tags::UUID);
            out.push(b'"');
            out.extend_from_slice(id.simple().encode_lower(&mut [0; 32]).as_bytes());
            out.push(b'"');
        }
        Value::DateTime(date) => {
            let mut text = String::with_capacity(29);
            date.write_http_date(&mut text);
            open_tag(out, tags::DATETIME);
            out.push(b'"');
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
        other => return write_value(out, other, style, levels),
    }
    out.push(b'}');
    Ok(())
}

fn open_tag(out: &mut Vec<u8>, tag: &str) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(tag.as_bytes());
    out.extend_from_slice(b"\":");
}

fn write_text_in(out: &mut Vec<u8>, text: &Text, style: Style) -> Result<(), JsonError> {
    if style.ascii {
        write_text(out, text);
        return Ok(());
    }
    let Some(text) = text.as_str() else {
        return Err(JsonError::new(Bad::NotPlain { found: crate::value::Kind::Str }, 0));
    };
    out.push(b'"');
    for piece in text.split_inclusive(|letter| letter < ' ' || matches!(letter, '"' | '\\')) {
        match piece.as_bytes().split_last() {
            Some((&last, before)) if last < 0x20 || matches!(last, b'"' | b'\\') => {
                out.extend_from_slice(before);
                write_escape(out, u32::from(last));
            }
            _ => out.extend_from_slice(piece.as_bytes()),
        }
    }
    out.push(b'"');
    Ok(())
}

/// Appends a string in ASCII, in the spelling of Python's `json` with `ensure_ascii`.
#[inline]
pub(crate) fn write_text(out: &mut Vec<u8>, text: &Text) {
    out.push(b'"');
    write_content(out, text.as_bytes());
    out.push(b'"');
}

/// Appends the key of a member, after a comma unless it is the first, and the colon.
#[inline]
pub(crate) fn write_key(out: &mut Vec<u8>, key: &Text, first: bool) {
    write_key_bytes(out, key.as_bytes(), first);
}

#[inline]
fn write_key_bytes(out: &mut Vec<u8>, key: &[u8], first: bool) {
    if first {
        out.push(b'"');
    } else {
        out.extend_from_slice(b",\"");
    }
    write_content(out, key);
    out.extend_from_slice(b"\":");
}

/// Appends the content of a string. Most strings are shorter than two words and need no escape.
/// Calling `memcpy` for each of them costs more than copying the bytes.
#[inline]
fn write_content(out: &mut Vec<u8>, text: &[u8]) {
    steps::count(text.len());
    if text.len() < 8 {
        let word = short_word(text);
        if plain_run(word) == text.len() {
            out.extend_from_slice(&word.to_le_bytes());
            out.truncate(out.len() + text.len() - 8);
            return;
        }
    } else if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk())
        && text.len() <= 16
        && (plain_run(u64::from_le_bytes(*first)), plain_run(u64::from_le_bytes(*last))) == (8, 8)
    {
        out.extend_from_slice(first);
        out.truncate(out.len() + text.len() - 16);
        out.extend_from_slice(last);
        return;
    }
    write_long(out, text);
}

fn write_long(out: &mut Vec<u8>, mut rest: &[u8]) {
    // Room for the closing quote and for a whole word after the last byte.
    out.reserve(rest.len() + 1 + 8);
    loop {
        rest = write_plain(out, rest);
        let Some((point, after)) = first_code_point(rest) else { return };
        write_escape(out, point);
        rest = after;
    }
}

/// Appends the bytes up to the first one that needs an escape, and returns the rest. Copies whole
/// words, because most strings are too short for a call of `memcpy`.
#[inline]
fn write_plain<'t>(out: &mut Vec<u8>, mut text: &'t [u8]) -> &'t [u8] {
    while let Some((chunk, rest)) = text.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        out.extend_from_slice(&word.to_le_bytes());
        let run = plain_run(word);
        if run < 8 {
            out.truncate(out.len() - (8 - run));
            return &text[run..];
        }
        text = rest;
    }
    // The missing bytes of a word are filled with bytes that end the run.
    let word = short_word(text);
    let run = plain_run(word);
    out.extend_from_slice(&word.to_le_bytes());
    out.truncate(out.len() - (8 - run));
    &text[run..]
}

/// Returns up to seven bytes as a word, filled with zeros.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    let at = |place: usize| u64::from(bytes[place]) << (place * 8);
    let length = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let last = u64::from(u32::from_le_bytes(*last)) << ((length - 4) * 8);
        u64::from(u32::from_le_bytes(*first)) | last
    } else if length > 0 {
        at(0) | at(length / 2) | at(length - 1)
    } else {
        0
    }
}

/// Returns the number of bytes at the beginning of a word that need no escape.
#[inline]
fn plain_run(word: u64) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let (quote, slash) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    let delete = word ^ (ONES * 0x7F);
    let low = word.wrapping_sub(ONES * 0x20) & !word;
    let equal = quote.wrapping_sub(ONES) & !quote
        | slash.wrapping_sub(ONES) & !slash
        | delete.wrapping_sub(ONES) & !delete;
    let found = (low | equal | word) & HIGH;
    found.trailing_zeros() as usize / 8
}

fn write_escape(out: &mut Vec<u8>, point: u32) {
    match point {
        0x08 => out.extend_from_slice(b"\\b"),
        0x09 => out.extend_from_slice(b"\\t"),
        0x0A => out.extend_from_slice(b"\\n"),
        0x0C => out.extend_from_slice(b"\\f"),
        0x0D => out.extend_from_slice(b"\\r"),
        0x22 => out.extend_from_slice(b"\\\""),
        0x5C => out.extend_from_slice(b"\\\\"),
        0..=0xFFFF => write_unit(out, point),
        _ => {
            write_unit(out, 0xD800 + ((point - 0x10000) >> 10));
            write_unit(out, 0xDC00 + ((point - 0x10000) & 0x3FF));
        }
    }
}

fn write_unit(out: &mut Vec<u8>, unit: u32) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\u");
    out.extend([12, 8, 4, 0].map(|shift| HEX[(unit >> shift & 0xF) as usize]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tagged::from_str;

    #[test]
    fn text_is_written_in_ascii_at_every_offset() {
        for length in 0..20 {
            let mut out = Vec::new();
            let text = format!("{}\"\\/<&'\n\t\u{8}\u{c}\r\u{1f}\u{7f}é\u{ffff}😀 end", "x".repeat(length));
            write_text(&mut out, &Text::new(text));
            let tail = r#"\"\\/<&'\n\t\b\f\r\u001f\u007f\u00e9\uffff\ud83d\ude00 end""#;
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{}{tail}", "x".repeat(length)));
        }
    }

    #[test]
    fn keys_are_sorted_or_stay_in_order() {
        let inner = Dict::from([("\u{1F600}", 1), ("\u{FFFF}", 2), ("10", 3), ("9", 4)]);
        let value = Value::List(vec![inner.into()]);
        assert_eq!(to_string(&value).unwrap(), r#"[{"10":3,"9":4,"\uffff":2,"\ud83d\ude00":1}]"#);
        let unsorted = to_string_ordered(&value, KeyOrder::Insertion).unwrap();
        assert_eq!(unsorted, r#"[{"\ud83d\ude00":1,"\uffff":2,"10":3,"9":4}]"#);
    }

    #[test]
    fn dicts_that_look_like_tags_are_escaped() {
        let cases = [
            (r#"{" di":{" t__":1}}"#, Dict::from([(" t", Value::from(1))])),
            (
                r#"{" di":{" di__":{" di":{" di__":1}}}}"#,
                Dict::from([(" di", Value::from(Dict::from([(" di", 1)])))]),
            ),
            (r#"{" t__":1}"#, Dict::from([(" t__", Value::from(1))])),
            (r#"{" x":1}"#, Dict::from([(" x", Value::from(1))])),
            (r#"{" t":1,"a":2}"#, Dict::from([("a", Value::from(2)), (" t", 1.into())])),
        ];
        for (json, dict) in cases {
            let value = Value::Dict(dict);
            assert_eq!(to_string(&value).unwrap(), json);
            assert_eq!(from_str(json).unwrap(), value);
        }
    }

    #[test]
    fn plain_json_refuses_values_that_need_tags() {
        let value =
            Value::Dict(Dict::from([("b", Value::from("é\"\n")), ("a", Value::Tuple(vec![1.into()]))]));
        assert_eq!(to_string_plain(&value).unwrap(), r#"{"b":"é\"\n","a":[1]}"#);
        let error = to_string_plain(&Value::Bytes(vec![])).unwrap_err();
        assert_eq!(error.kind().to_string(), "plain JSON cannot hold bytes; only Flask's tagged JSON can");
    }

    #[test]
    fn values_nested_too_deep_are_refused() {
        let deep = (0..=MAX_DEPTH).fold(Value::None, |inner, _| Value::List(vec![inner]));
        assert_eq!(to_string(&deep).unwrap_err().kind(), &Bad::TooDeep);
    }
}
