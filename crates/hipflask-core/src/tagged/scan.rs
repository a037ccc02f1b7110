//! Indexing text: finding the session's keys, and checking their values without reading them.
//!
//! Most requests use one or two keys. The index checks everything that the tree would check, so
//! that reading a value later cannot fail, but builds only the positions of values. It also notes
//! which values are spelled as Flask would spell them: such a value can be copied as text when the
//! session is written, if nobody has changed it.

use core::ops::Range;

use super::error::{JsonError, JsonErrorKind as Bad};
use super::lex::{Cursor, Quoted, Scalar};
use super::read::scalar_at;
use super::{MAX_BYTES, tags};
use crate::steps;
use crate::value::{Dict, Int, Text, Value, precedes, write_repr};

/// The position of a key's value in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    start: u32,
    end: u32,
    /// `true` if the text is spelled as we would write the value.
    pub(crate) canonical: bool,
}

impl From<(Self, Option<Value>)> for Member {
    fn from((member, _): (Self, Option<Value>)) -> Self {
        member
    }
}

impl Member {
    /// A value in bytes that are not JSON.
    pub(crate) const fn at(range: Range<u32>) -> Self {
        Self { start: range.start, end: range.end, canonical: false }
    }

    pub(crate) const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Finds the members of a session's JSON and checks all of it. Reads values of a few bytes at once.
///
/// Returns `None` if the text is not an object of keys and values but a tag, a list of pairs or
/// `null`. Such a text has to be read as a tree.
pub(crate) fn index<V: From<(Member, Option<Value>)>>(text: &str) -> Result<Option<Dict<V>>, JsonError> {
    if text.len() > MAX_BYTES {
        return Err(JsonError::new(Bad::TooLong, 0));
    }
    index_of_any_length(text)
}

/// The key whose value takes the most bytes of a session's JSON, and that number of bytes. For JSON
/// that is too long to read.
#[cold]
pub(crate) fn longest(text: &str) -> Option<(Text, usize)> {
    let members = index_of_any_length::<Member>(text).ok()??.into_entries().into_iter();
    members.map(|(key, member)| (key, member.range().len())).max_by_key(|(_, length)| *length)
}

fn index_of_any_length<V: From<(Member, Option<Value>)>>(text: &str) -> Result<Option<Dict<V>>, JsonError> {
    let mut cursor = Cursor::new(text);
    if cursor.next() != b'{' {
        return Ok(None);
    }
    let members = cursor.members(is_printable_ascii(text))?;
    cursor.end()?;
    let is_tag = members.only_key().is_some_and(tags::is_registered);
    Ok((!is_tag).then_some(members))
}

/// Returns `true` if the text has only characters that Flask writes.
fn is_printable_ascii(text: &str) -> bool {
    steps::count(text.len());
    text.bytes().fold(0, |most, byte| most.max(byte)) < 0x7F
}

/// The stub of a dict that is not empty.
fn filled_dict() -> Value {
    Value::Dict(Dict::from([("", Value::None)]))
}

impl<'t> Cursor<'t> {
    /// Steps over the outermost object and returns its members.
    fn members<V: From<(Member, Option<Value>)>>(&mut self, ascii: bool) -> Result<Dict<V>, JsonError> {
        let mut next = self.open_object()?;
        if next.is_none() {
            return Ok(Dict::new());
        }
        let mut entries: Vec<(Text, V)> = Vec::with_capacity(8);
        let (mut before, mut distinct): (&[u8], bool) = (&[], true);
        while let Some(key) = next {
            let name = self.content(key);
            distinct &= !key.escaped && (entries.is_empty() || precedes(before, name.as_bytes()));
            before = name.as_bytes();
            entries.push((Text::EMPTY, self.member(ascii)?.into()));
            if let Some((text, _)) = entries.last_mut() {
                if key.escaped {
                    *text = self.text(key)?;
                } else {
                    text.fill(name);
                }
            }
            next = self.next_key()?;
        }
        Ok(if distinct { Dict::from_distinct(entries) } else { entries.into_iter().collect() })
    }

    /// Steps over a value. Returns its position, and the value itself if it is short.
    #[inline]
    fn member(&mut self, ascii: bool) -> Result<(Member, Option<Value>), JsonError> {
        self.unusual = !ascii;
        let start = self.at as u32;
        let value = match self.peek() {
            b'{' | b'[' => self.check().map(|()| None),
            b'"' => self.check_string().map(|string| self.short_text(string)),
            _ => self.short_value(),
        }?;
        Ok((Member { start, end: self.at as u32, canonical: !self.unusual }, value))
    }

    #[inline]
    fn short_text(&self, string: Quoted) -> Option<Value> {
        let content = self.content(string);
        (!string.escaped && Text::is_short(content)).then(|| Value::Str(Text::new(content)))
    }

    #[inline]
    fn short_value(&mut self) -> Result<Option<Value>, JsonError> {
        Ok(match self.check_scalar()? {
            Scalar::Bool(value) => Some(Value::Bool(value)),
            Scalar::Null => Some(Value::None),
            Scalar::Int(digits) => Int::parse_short(digits).map(Value::Int),
            Scalar::Str(_) | Scalar::Float(_) => None,
        })
    }

    /// Steps over a value, having checked all that reading it would check.
    pub(super) fn check(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            b'"' => self.check_string().map(drop),
            b'{' => self.check_object(),
            b'[' => self.check_list(),
            _ => self.check_scalar().map(drop),
        }
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn check_string(&mut self) -> Result<Quoted, JsonError> {
        let string = self.quoted()?;
        if string.escaped {
            self.unusual |= !is_canonical_escaped(self.content_bytes(string));
        }
        Ok(string)
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn check_scalar(&mut self) -> Result<Scalar<'t>, JsonError> {
        let scalar = self.scalar()?;
        let is_canonical = match scalar {
            Scalar::Str(string) => !string.escaped,
            Scalar::Int(digits) => digits != b"-0",
            Scalar::Float(text) => is_canonical_float(text),
            Scalar::Null | Scalar::Bool(_) => true,
        };
        self.unusual |= !is_canonical;
        Ok(scalar)
    }

    fn check_list(&mut self) -> Result<(), JsonError> {
        let mut more = self.open_list()?;
        while more {
            self.check()?;
            more = self.next_item()?;
        }
        Ok(())
    }

    fn check_object(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let Some(first) = self.open_object()? else { return Ok(()) };
        match self.tag(first)? {
            Some(tag) => self.check_tag(tag, start),
            None => self.check_entries(first),
        }
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn check_entries(&mut self, first: Quoted) -> Result<(), JsonError> {
        self.unusual |= first.escaped;
        let mut before = self.content_bytes(first);
        self.check()?;
        while let Some(key) = self.next_key()? {
            let name = self.content_bytes(key);
            self.unusual |= key.escaped || !precedes(before, name);
            before = name;
            self.check()?;
        }
        Ok(())
    }

    /// Checks the object at `start`, whose first key is a tag.
    fn check_tag(&mut self, tag: &'static str, start: usize) -> Result<(), JsonError> {
        let content = self.at;
        let is_canonical = match self.peek() {
            b'[' if tag == tags::TUPLE => self.check_list().map(|()| true)?,
            b'"' => match self.check_string()? {
                string if string.escaped => tag == tags::MARKUP,
                string => tags::is_canonical_content(tag, self.content_bytes(string)),
            },
            _ => false,
        };
        if !is_canonical {
            self.at = content;
            return self.tag_stub(tag, start).map(drop);
        }
        if self.ends_object() {
            return Ok(());
        }
        match self.further_key()? {
            None => Ok(()),
            Some(key) => self.further_keys_stub(tag, key, start).map(drop),
        }
    }

    /// Checks the object at `start`, whose first key is a tag, and returns the [`stub`](Self::stub)
    /// of its value.
    #[cold]
    #[inline(never)]
    fn tag_stub(&mut self, tag: &'static str, start: usize) -> Result<Value, JsonError> {
        let content = self.stub()?;
        match self.further_key()? {
            None => tags::untag_stub(tag, content).map_err(|kind| JsonError::new(kind, start)),
            Some(key) => self.further_keys_stub(tag, key, start),
        }
    }

    /// Checks the rest of an object with several keys, the first of which is a tag. If all of them
    /// are equal, it is that tag.
    #[cold]
    #[inline(never)]
    fn further_keys_stub(
        &mut self,
        tag: &'static str,
        key: Quoted,
        start: usize,
    ) -> Result<Value, JsonError> {
        let (mut before, mut is_tag, mut last) = (tag.as_bytes(), true, Value::None);
        let mut next = Some(key);
        while let Some(key) = next {
            let name = self.content_bytes(key);
            self.unusual |= key.escaped || !precedes(before, name);
            before = name;
            is_tag = is_tag && self.tag(key)? == Some(tag);
            if is_tag {
                last = self.stub()?;
            } else {
                self.check()?;
            }
            next = self.further_key()?;
        }
        if !is_tag {
            return Ok(filled_dict());
        }
        tags::untag_stub(tag, last).map_err(|kind| JsonError::new(kind, start))
    }

    /// Checks the unusual content of a tag and returns its stub: a list without its items, a dict
    /// with at most one entry.
    #[cold]
    fn stub(&mut self) -> Result<Value, JsonError> {
        self.unusual = true;
        let start = self.at;
        match self.peek() {
            b'[' => self.check_list().map(|()| Value::List(Vec::new())),
            b'{' => {
                let Some(first) = self.open_object()? else { return Ok(Value::Dict(Dict::new())) };
                match self.tag(first)? {
                    Some(tag) => self.tag_stub(tag, start),
                    None => self.check_entries(first).map(|()| filled_dict()),
                }
            }
            _ => scalar_at(self),
        }
    }
}

/// Returns `true` if every escape of a well-formed string is the one that we would write.
fn is_canonical_escaped(mut content: &[u8]) -> bool {
    while let Some(at) = content.iter().position(|&byte| byte == b'\\') {
        content = match &content[at + 1..] {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => rest,
            [b'u', a, b, c, d, rest @ ..] if is_canonical_unit([*a, *b, *c, *d]) => rest,
            _ => return false,
        };
    }
    true
}

/// Returns `true` if we would write these four hex digits for their UTF-16 unit, which may be half
/// of a pair.
fn is_canonical_unit(digits: [u8; 4]) -> bool {
    let lower = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    // We write printable ASCII as it is, and a letter for each of five control characters.
    let otherwise = match digits {
        [b'0', b'0', b'0', low] => matches!(low, b'8' | b'9' | b'a' | b'c' | b'd'),
        [b'0', b'0', b'1', _] => false,
        [b'0', b'0', b'2'..=b'7', _] => digits != *b"007f",
        _ => false,
    };
    lower && !otherwise
}

fn is_canonical_float(text: &str) -> bool {
    if is_short_decimal(text.as_bytes()) {
        return true;
    }
    let mut written = Vec::new();
    write_repr(&mut written, text.parse().unwrap_or(f64::NAN));
    written == text.as_bytes()
}

/// Returns `true` for a decimal of at most 15 digits, of ordinary size and without a needless zero.
/// It is its own shortest spelling.
fn is_short_decimal(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let Some(point) = text.iter().position(|&byte| byte == b'.') else { return false };
    let (whole, part) = (&text[..point], &text[point + 1..]);
    let ordinary = whole != b"0" && part.iter().all(u8::is_ascii_digit);
    ordinary && whole.len() + part.len() <= 15 && (part == b"0" || part.last() != Some(&b'0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{KeyOrder, Style, from_str, write_value};
    use super::*;
    use crate::value::MAX_DEPTH;

    /// Compares the index of a text with its tree and with what is written for each member.
    fn agrees_with_reader_and_writer(text: &str) -> Result<(), String> {
        let (scanned, read) = (index::<(Member, Option<Value>)>(text), from_str(text));
        match (&scanned, &read) {
            (Ok(None), _) => return Ok(()),
            (Err(_), Err(_)) => return Ok(()),
            (Ok(Some(_)), Ok(Value::Dict(_))) => {}
            _ => return Err(format!("{text:?}: scanned {scanned:?}, read {read:?}")),
        }
        let (Ok(Some(members)), Ok(Value::Dict(dict))) = (scanned, read) else { unreachable!() };
        if !members.keys().eq(dict.keys()) {
            return Err(format!("{text:?}: other keys"));
        }
        for (key, (member, short)) in members.iter() {
            let value = from_str(&text[member.range()]).map_err(|error| error.to_string())?;
            if Some(&value) != dict.get(key) || short.as_ref().is_some_and(|short| *short != value) {
                return Err(format!("{text:?}: other value of {key}"));
            }
            let mut written = Vec::new();
            write_value(&mut written, &value, Style::flask(KeyOrder::Sorted), MAX_DEPTH).unwrap();
            if member.canonical && written != text[member.range()].as_bytes() {
                return Err(format!("{text:?}: {key} is not canonical"));
            }
        }
        Ok(())
    }

    /// Two tags in one object make it a dict, whose second value need not fit the first tag.
    #[test]
    fn two_tags_in_one_object_are_a_dict() {
        for inner in [r#"{" b":"eA=="," t":[1]}"#, r#"{" d":"Thu, 01 Jan 1970 00:00:00 GMT"," b":"!"}"#] {
            let text = format!(r#"{{"k":{{" t":{inner}}}}}"#);
            assert!(from_str(&text).is_ok(), "{text}");
            agrees_with_reader_and_writer(&text).unwrap();
        }
    }

    #[test]
    fn members_are_canonical_if_we_would_write_them() {
        let canonical = [
            "1",
            "-1",
            "1.5",
            "0.1",
            "1e+16",
            "1e-05",
            "NaN",
            "-Infinity",
            "\"a\\n\\u00e9\\ud83d\\ude00\"",
            "\"\\u0000\\u0007\\u000b\\u000e\\u001f\\u007f\\u0080\\ud800\"",
            "[]",
            "{}",
            r#"{"a":1,"b":{"c":[null,true]}}"#,
            r#"{" t":[1,{" t":[]}]}"#,
            r#"{" d":"Tue, 02 Jan 2024 03:04:05 GMT"}"#,
            r#"{" u":"00000000000000000000000000000001"}"#,
            r#"{" b":"AP8="}"#,
            r#"{" m":"<b>"}"#,
            r#"{" x":1}"#,
            "true",
            "-999999999999999999",
            "9223372036854775808",
            "\"abcdefghijklmnopqrstuv\"",
            "\"abcdefghijklmnopqrstuvw\"",
        ];
        let other = [
            " 1",
            "1 ",
            "-0",
            "1.50",
            "1e16",
            "100000000000000000000.0",
            "\"\\u00E9\"",
            "\"\\/\"",
            "\"\\u0008\"",
            "\"\\u000a\"",
            "\"\\u000d\"",
            "\"\\u0022\"",
            "\"\\u005c\"",
            "\"\\u007e\"",
            "\"\\uD83d\\ude00\"",
            "\"é\"",
            "\"\u{7f}\"",
            "[1, 2]",
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"\u0061":1}"#,
            r#"{" t":"ab"}"#,
            r#"{" d":null}"#,
            r#"{" d":"Wed, 02 Jan 2024 03:04:05 GMT"}"#,
            r#"{" u":"0000000000000000000000000000000A"}"#,
            r#"{" b":"AP9="}"#,
            r#"{" di":{" t__":1}}"#,
        ];
        for (text, expected) in canonical.map(|t| (t, true)).into_iter().chain(other.map(|t| (t, false))) {
            let session = format!("{{\"k\":{text},\"z\":0}}");
            let members = index::<Member>(&session).unwrap().unwrap();
            let near_space = text.ends_with(' ') || text.starts_with(' ');
            assert!(near_space || members.get("k").unwrap().canonical == expected, "{text}");
            agrees_with_reader_and_writer(&session).unwrap();
        }
    }

    #[test]
    fn only_plain_objects_are_indexed() {
        for text in ["null", "[]", " [[\"a\",1]]", r#"{" t":[]}"#, r#"{" di":{" t__":1}}"#] {
            assert_eq!(index::<Member>(text).unwrap(), None, "{text}");
        }
        assert!(index::<Member>("{}").unwrap().unwrap().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn index_tree_and_writer_agree_on_nasty_text(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"b\":", "\" t\":", "\" d\":", "\" b\":\"AP8=\"", "\" di\":",
                "\"\\u0020t\":", "\" t__\":", "null", "true", "1", "-0", "1.0", "1e5", "0.10", " ", "\\", "\\u00e9", "é",
                "\"k\":{", "},", "\" m\":\"x\"", "NaN", "\u{7f}", "\"\\ud800\"",
            ]), 0..14),
        ) {
            let inside = pieces.concat();
            for text in [format!("{{\"k\":{inside}}}"), format!("{{{inside}}}"), format!("{{\"k\":{{{inside}}},\"z\":1}}")] {
                prop_assert_eq!(agrees_with_reader_and_writer(&text), Ok(()));
            }
        }
    }
}
