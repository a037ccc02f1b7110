//! Text to an index of the session's keys, their values left as text.
//!
//! Most requests ask for one or two keys. The scan checks everything that the reader would check, so that what it lets
//! through can be read later without an error, but builds only what is as short as a note of its place. It also notes whether each member is spelled as we
//! would spell it, for then a member that nobody changed can be copied as text when the session is written.

use core::ops::Range;

use super::error::{JsonError, JsonErrorKind as Bad};
use super::lex::{Cursor, Number, unescape};
use super::read::{read_inside, value_at};
use super::{MAX_BYTES, tags};
use crate::steps;
use crate::value::{Dict, Int, MAX_DEPTH, Text, Value, precedes, write_repr};

/// Where the value of a key stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    start: u32,
    end: u32,
    /// Whether the text is what we would write for the value.
    pub(crate) canonical: bool,
}

impl From<(Self, Option<Value>)> for Member {
    fn from((member, _): (Self, Option<Value>)) -> Self {
        member
    }
}

impl Member {
    /// A value that stands there in something else than JSON.
    pub(crate) const fn at(range: Range<u32>) -> Self {
        Self { start: range.start, end: range.end, canonical: false }
    }

    pub(crate) const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Finds the members of a session's JSON and checks all of it. Values of a few bytes are read at once.
///
/// `None` if the text is not simply an object of keys and values: a tag, a list of pairs, `null`. Then the reader decides.
pub(crate) fn index<V: From<(Member, Option<Value>)>>(text: &str) -> Result<Option<Dict<V>>, JsonError> {
    if text.len() > MAX_BYTES {
        return Err(JsonError::new(Bad::TooLong, 0));
    }
    index_of_any_length(text)
}

/// The key whose value takes the most bytes of a session's JSON, and how many. For JSON that is too long to be read.
#[cold]
pub(crate) fn longest(text: &str) -> Option<(Text, usize)> {
    let members = index_of_any_length::<Member>(text).ok()??.into_entries().into_iter();
    members.map(|(key, member)| (key, member.range().len())).max_by_key(|(_, length)| *length)
}

fn index_of_any_length<V: From<(Member, Option<Value>)>>(text: &str) -> Result<Option<Dict<V>>, JsonError> {
    let bytes = text.as_bytes();
    // Flask writes printable ASCII only. Anything else is readable, but not as we would write it.
    steps::count(bytes.len());
    let ascii = bytes.iter().fold(0, |most, &byte| most.max(byte)) < 0x7F;
    let mut scanner =
        Scanner { cursor: Cursor::new(text), levels: MAX_DEPTH - 1, canonical: ascii, noted: None };
    scanner.cursor.skip_space();
    if scanner.cursor.peek() != b'{' {
        return Ok(None);
    }
    scanner.cursor.at += 1;
    let members = scanner.members(ascii)?;
    scanner.cursor.skip_space();
    if scanner.cursor.at < bytes.len() {
        return Err(scanner.cursor.error(Bad::TrailingText));
    }
    let is_tag = members.only_key().is_some_and(tags::is_registered);
    Ok((!is_tag).then_some(members))
}

struct Scanner<'t> {
    cursor: Cursor<'t>,
    levels: usize,
    /// Whether everything since it was last set is spelled as we spell it.
    canonical: bool,
    /// A stub of the unusual object that ended last, and where it began: an object around it may be a tag.
    noted: Option<(usize, Value)>,
}

/// The stub of a dict that is not empty.
fn filled_dict() -> Value {
    Value::Dict(Dict::from([("", Value::None)]))
}

impl<'t> Scanner<'t> {
    /// The members of the outermost object, its brace being behind us.
    fn members<V: From<(Member, Option<Value>)>>(&mut self, ascii: bool) -> Result<Dict<V>, JsonError> {
        self.cursor.skip_space();
        if self.cursor.peek() == b'}' {
            self.cursor.at += 1;
            return Ok(Dict::new());
        }
        let mut entries: Vec<(Text, V)> = Vec::with_capacity(8);
        let (mut before, mut distinct): (&[u8], bool) = (&[], true);
        loop {
            self.canonical = ascii;
            self.cursor.expect(b'"')?;
            let (key, escaped) = self.cursor.string()?;
            self.colon()?;
            let start = self.cursor.at;
            let value = self.short_value()?;
            let end = self.cursor.at;
            let member = Member { start: start as u32, end: end as u32, canonical: self.canonical };
            distinct &= !escaped && (entries.is_empty() || precedes(before, key.as_bytes()));
            before = key.as_bytes();
            entries.push((Text::EMPTY, (member, value).into()));
            if let Some((name, _)) = entries.last_mut() {
                if escaped {
                    *name = unescape(key, true).ok_or_else(|| self.cursor.error(Bad::BadEscape))?;
                } else {
                    name.fill(key);
                }
            }
            self.cursor.skip_space();
            match self.cursor.peek() {
                b',' => self.cursor.at += 1,
                b'}' => break,
                _ => return Err(self.cursor.unexpected()),
            }
            self.cursor.skip_space();
        }
        self.cursor.at += 1;
        Ok(if distinct { Dict::from_distinct(entries) } else { entries.into_iter().collect() })
    }

    /// Checks a value, and reads it if that is no work.
    #[inline]
    fn short_value(&mut self) -> Result<Option<Value>, JsonError> {
        match self.cursor.peek() {
            b'"' => {
                self.cursor.at += 1;
                let (content, escaped) = self.cursor.string()?;
                if escaped {
                    self.canonical &= is_canonical_escaped(content.as_bytes());
                    return Ok(None);
                }
                Ok(Text::is_short(content).then(|| Value::Str(Text::new(content))))
            }
            b't' => self.cursor.word(b"true").map(|()| Some(Value::Bool(true))),
            b'f' => self.cursor.word(b"false").map(|()| Some(Value::Bool(false))),
            b'n' => self.cursor.word(b"null").map(|()| Some(Value::None)),
            b'0'..=b'9' | b'-' => {
                let start = self.cursor.at;
                self.value()?;
                let digits = &self.cursor.bytes()[start..self.cursor.at];
                Ok(Int::parse_short(digits).map(Value::Int))
            }
            _ => self.value().map(|()| None),
        }
    }

    fn colon(&mut self) -> Result<(), JsonError> {
        if self.cursor.peek() != b':' {
            self.space();
        }
        self.cursor.expect(b':')?;
        self.space();
        Ok(())
    }

    /// Steps over white space, which we would not have written.
    #[inline]
    fn space(&mut self) {
        if self.cursor.skip_space() {
            self.canonical = false;
        }
    }

    /// The next byte that is no white space.
    #[inline]
    fn next(&mut self) -> u8 {
        match self.cursor.peek() {
            0..=b' ' => {
                self.space();
                self.cursor.peek()
            }
            byte => byte,
        }
    }

    fn value(&mut self) -> Result<(), JsonError> {
        match self.cursor.peek() {
            b'"' => {
                self.cursor.at += 1;
                let (content, escaped) = self.cursor.string_bytes()?;
                self.canonical &= !escaped || is_canonical_escaped(content);
                Ok(())
            }
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b't' => self.cursor.word(b"true"),
            b'f' => self.cursor.word(b"false"),
            b'n' => self.cursor.word(b"null"),
            b'N' => self.cursor.word(b"NaN"),
            b'I' => self.cursor.word(b"Infinity"),
            b'-' if self.cursor.bytes().get(self.cursor.at + 1) == Some(&b'I') => {
                self.cursor.word(b"-Infinity")
            }
            _ => self.number(),
        }
    }

    fn nested(&mut self, scan: fn(&mut Self) -> Result<(), JsonError>) -> Result<(), JsonError> {
        self.levels = self.levels.checked_sub(1).ok_or_else(|| self.cursor.error(Bad::TooDeep))?;
        self.cursor.at += 1;
        scan(self)?;
        self.levels += 1;
        Ok(())
    }

    fn array(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.cursor.peek() == b']' {
            self.cursor.at += 1;
            return Ok(());
        }
        loop {
            self.value()?;
            match self.next() {
                b',' => self.cursor.at += 1,
                b']' => break,
                _ => return Err(self.cursor.unexpected()),
            }
            self.space();
        }
        self.cursor.at += 1;
        Ok(())
    }

    fn object(&mut self) -> Result<(), JsonError> {
        let open = self.cursor.at - 1;
        self.space();
        if self.cursor.peek() == b'}' {
            self.cursor.at += 1;
            return Ok(());
        }
        let mut before: Option<&[u8]> = None;
        loop {
            let (key, escaped) = self.key()?;
            match before {
                // Only the first key decides: a tag is the only key of its object.
                None if escaped || key.first() == Some(&b' ') => return self.tag_or_dict(open, key, escaped),
                None => {}
                Some(before) => self.canonical &= !escaped && precedes(before, key),
            }
            before = Some(key);
            self.value()?;
            match self.next() {
                b',' => self.cursor.at += 1,
                b'}' => break,
                _ => return Err(self.cursor.unexpected()),
            }
            self.space();
        }
        self.cursor.at += 1;
        Ok(())
    }

    /// Steps over a key and the colon; its content, and whether escapes are in it.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn key(&mut self) -> Result<(&'t [u8], bool), JsonError> {
        self.cursor.expect(b'"')?;
        let key = self.cursor.string_bytes()?;
        self.colon()?;
        Ok(key)
    }

    /// Checks an object whose first key may be a tag: it begins with a space, or escapes are in it. Its value is next.
    fn tag_or_dict(&mut self, open: usize, key: &'t [u8], escaped: bool) -> Result<(), JsonError> {
        let content = self.cursor.at;
        self.value()?;
        let end = self.cursor.at;
        if self.next() == b'}' && !escaped {
            self.cursor.at += 1;
            return self.tag(open, key, content..end);
        }
        self.equal_keys(open, key, escaped, content..end)
    }

    /// Checks an object whose only key begins with a space.
    fn tag(&mut self, open: usize, key: &[u8], content: Range<usize>) -> Result<(), JsonError> {
        let Some(tag) = tags::tag(key) else {
            return Ok(());
        };
        let fits = match &self.cursor.bytes()[content.clone()] {
            [b'[', ..] => tag == tags::TUPLE,
            [b'"', content @ .., b'"'] if !content.contains(&b'\\') => {
                tags::is_canonical_content(tag, content)
            }
            [b'"', ..] => tag == tags::MARKUP,
            _ => false,
        };
        if fits { Ok(()) } else { self.check_tag(open, tag, content) }
    }

    /// Checks the rest of an object whose first key has escapes, or which has several keys. Equal keys become one, whose
    /// last value counts, and that one may be a tag.
    #[cold]
    #[inline(never)]
    fn equal_keys(
        &mut self,
        open: usize,
        first: &'t [u8],
        escaped: bool,
        mut content: Range<usize>,
    ) -> Result<(), JsonError> {
        self.canonical &= !escaped;
        let name = self.unescaped(first, escaped)?;
        let (mut before, mut is_only) = (first, true);
        while self.cursor.peek() == b',' {
            self.cursor.at += 1;
            self.space();
            let (key, escaped) = self.key()?;
            self.canonical &= !escaped && precedes(before, key);
            is_only = is_only && self.unescaped(key, escaped)? == name;
            before = key;
            let start = self.cursor.at;
            self.value()?;
            content = start..self.cursor.at;
            self.next();
        }
        self.cursor.expect(b'}')?;
        match tags::tag(name.as_bytes()).filter(|_| is_only) {
            Some(tag) => self.check_tag(open, tag, content),
            None => {
                self.noted = Some((open, filled_dict()));
                Ok(())
            }
        }
    }

    #[cold]
    fn unescaped(&self, key: &[u8], escaped: bool) -> Result<Text, JsonError> {
        steps::count(key.len());
        let key = core::str::from_utf8(key).ok().and_then(|key| unescape(key, escaped));
        key.ok_or_else(|| self.cursor.error(Bad::BadEscape))
    }

    /// Checks a tag whose content is not as we write it, and notes what it makes of that content.
    #[cold]
    #[inline(never)]
    fn check_tag(&mut self, open: usize, tag: &'static str, content: Range<usize>) -> Result<(), JsonError> {
        self.canonical = false;
        let value = tags::untag_stub(tag, self.stub(content)?).map_err(|kind| JsonError::new(kind, open))?;
        self.noted = Some((open, value));
        Ok(())
    }

    /// The value at `content`, which was scanned last, as a stub: lists have no items, and a dict at most one.
    #[cold]
    fn stub(&mut self, content: Range<usize>) -> Result<Value, JsonError> {
        match self.cursor.bytes().get(content.start) {
            Some(b'[') => Ok(Value::List(Vec::new())),
            Some(b'{') => self.object_stub(content),
            _ => read_inside(&self.cursor.text[content], 0),
        }
    }

    /// The same for an object. If nothing was noted of it, its first key tells which of the usual ones it is.
    #[cold]
    fn object_stub(&mut self, object: Range<usize>) -> Result<Value, JsonError> {
        if let Some((_, value)) = self.noted.take_if(|(open, _)| *open == object.start) {
            return Ok(value);
        }
        let mut cursor = Cursor { text: self.cursor.text, at: object.start + 1 };
        cursor.skip_space();
        if cursor.peek() == b'}' {
            return Ok(Value::Dict(Dict::new()));
        }
        cursor.at += 1;
        let Some(tag) = tags::tag(cursor.string_bytes()?.0) else { return Ok(filled_dict()) };
        cursor.skip_space();
        cursor.expect(b':')?;
        cursor.skip_space();
        if cursor.peek() == b'[' {
            return Ok(Value::Tuple(Vec::new()));
        }
        let content = value_at(&mut cursor, 0)?;
        tags::untag_stub(tag, content).map_err(|kind| JsonError::new(kind, object.start))
    }

    fn number(&mut self) -> Result<(), JsonError> {
        self.canonical &= match self.cursor.number()? {
            Number::Int(text) => text != b"-0",
            Number::Float(text) => is_canonical_float(text),
        };
        Ok(())
    }
}

/// Whether every escape of a string, which is well-formed, is the one that we would write.
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

/// Whether these four hex digits are how we write their UTF-16 unit, which may be half of a pair.
fn is_canonical_unit(digits: [u8; 4]) -> bool {
    let lower = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    // Printable ASCII stands for itself, and these five control characters have letters.
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

/// A decimal of at most 15 digits, of ordinary size and without a needless zero, is its own shortest spelling.
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

    /// What the scan says must be what the reader and the writer say.
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

    #[test]
    fn members_are_canonical_exactly_where_we_would_write_the_same() {
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
    fn what_is_no_plain_object_is_left_to_the_reader() {
        for text in ["null", "[]", " [[\"a\",1]]", r#"{" t":[]}"#, r#"{" di":{" t__":1}}"#] {
            assert_eq!(index::<Member>(text).unwrap(), None, "{text}");
        }
        assert!(index::<Member>("{}").unwrap().unwrap().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn scanner_reader_and_writer_agree_on_nasty_text(
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
