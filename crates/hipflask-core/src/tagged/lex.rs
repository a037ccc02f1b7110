//! The lexer of tagged JSON. Every reader steps through strings, numbers, lists and objects with
//! it, and learns from it which objects are tags.

use super::error::{JsonError, JsonErrorKind as Bad};
use super::tags;
use crate::steps;
use crate::value::{Int, MAX_DEPTH, Text};

/// A position in a text, and the number of levels that may still be opened there.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    pub(super) at: usize,
    levels: usize,
    /// `true` if the text since this was last cleared differs from Flask's spelling. The lexer
    /// notes white space and escaped first keys; the scan notes the rest.
    pub(super) unusual: bool,
}

/// The place of a string in the text, without its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted {
    start: usize,
    end: usize,
    /// `true` if it contains escapes.
    pub(super) escaped: bool,
}

/// A value that contains no other values, as it is spelled in the text.
pub(super) enum Scalar<'t> {
    Null,
    Bool(bool),
    Str(Quoted),
    Int(&'t [u8]),
    /// A decimal, or `NaN`, `Infinity` or `-Infinity`.
    Float(&'t str),
}

impl<'t> Cursor<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self::with_levels(text, MAX_DEPTH)
    }

    /// A cursor for a text that is `MAX_DEPTH - levels` levels deep inside another one.
    pub(super) const fn with_levels(text: &'t str, levels: usize) -> Self {
        Self { text, at: 0, levels, unusual: false }
    }

    pub(super) const fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    /// The content of a string, escapes and all.
    #[inline]
    pub(super) fn content(&self, string: Quoted) -> &'t str {
        &self.text[string.start..string.end]
    }

    /// The [`content`](Self::content) as bytes.
    #[inline]
    pub(super) fn content_bytes(&self, string: Quoted) -> &'t [u8] {
        &self.bytes()[string.start..string.end]
    }

    /// The text of a string, its escapes resolved.
    pub(super) fn text(&self, string: Quoted) -> Result<Text, JsonError> {
        let content = self.content(string);
        if !string.escaped {
            return Ok(Text::new(content));
        }
        unescape(content.as_bytes()).ok_or_else(|| self.error(Bad::BadEscape))
    }

    /// The byte here; 0, which JSON allows nowhere, at the end.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        self.bytes().get(self.at).copied().unwrap_or(0)
    }

    /// The next byte that is not white space.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn next(&mut self) -> u8 {
        match self.peek() {
            ..=b' ' => {
                self.skip_any_space();
                self.peek()
            }
            byte => byte,
        }
    }

    #[cold]
    pub(super) fn error(&self, kind: Bad) -> JsonError {
        JsonError::new(kind, self.at)
    }

    /// The error for a byte that JSON does not allow here.
    #[cold]
    pub(super) fn unexpected(&self) -> JsonError {
        let is_end = self.at >= self.bytes().len();
        self.error(if is_end { Bad::UnexpectedEnd } else { Bad::UnexpectedCharacter })
    }

    /// Steps over white space. Flask writes none.
    #[inline]
    pub(super) fn skip_space(&mut self) {
        if self.peek() <= b' ' {
            self.skip_any_space();
        }
    }

    #[cold]
    #[inline(never)]
    fn skip_any_space(&mut self) {
        let start = self.at;
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        steps::count(self.at - start);
        self.unusual |= self.at > start;
    }

    /// Checks that nothing but white space follows.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.at < self.bytes().len() { Err(self.error(Bad::TrailingText)) } else { Ok(()) }
    }

    /// Steps over `[`. Returns `false` if the list is empty, and steps over its end.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn open_list(&mut self) -> Result<bool, JsonError> {
        self.open()?;
        if self.next() == b']' {
            self.close();
            return Ok(false);
        }
        Ok(true)
    }

    /// Steps from the end of an item to the next one. Returns `false` at the end of the list, and
    /// steps over it.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn next_item(&mut self) -> Result<bool, JsonError> {
        match self.next() {
            b',' => {
                self.step();
                self.skip_space();
                Ok(true)
            }
            b']' => {
                self.close();
                Ok(false)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Steps over `{` and the first key, to its value. Returns `None` if the object is empty, and
    /// steps over its end.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn open_object(&mut self) -> Result<Option<Quoted>, JsonError> {
        self.open()?;
        if self.next() == b'}' {
            self.close();
            return Ok(None);
        }
        self.key().map(Some)
    }

    /// Steps from the end of a value over the next key, to its value. Returns `None` at the end of
    /// the object, and steps over it.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn next_key(&mut self) -> Result<Option<Quoted>, JsonError> {
        match self.next() {
            b',' => {
                self.step();
                self.skip_space();
                self.key().map(Some)
            }
            b'}' => {
                self.close();
                Ok(None)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Steps over `}` if it is next, and returns whether it is.
    #[inline]
    pub(super) fn ends_object(&mut self) -> bool {
        let ends = self.next() == b'}';
        if ends {
            self.close();
        }
        ends
    }

    /// [`next_key`](Self::next_key) for the cases that are rare.
    #[cold]
    #[inline(never)]
    pub(super) fn further_key(&mut self) -> Result<Option<Quoted>, JsonError> {
        self.next_key()
    }

    /// The tag that the first key of an object names.
    ///
    /// The object is that tag unless a key follows that is not the same. Of equal keys the last
    /// value counts, as in Python's `json`.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn tag(&mut self, first: Quoted) -> Result<Option<&'static str>, JsonError> {
        if first.escaped {
            return self.escaped_tag(first);
        }
        let name = self.content_bytes(first);
        Ok(if name.first() == Some(&b' ') { tags::tag(name) } else { None })
    }

    #[cold]
    #[inline(never)]
    fn escaped_tag(&mut self, first: Quoted) -> Result<Option<&'static str>, JsonError> {
        self.unusual = true;
        Ok(tags::tag(self.text(first)?.as_bytes()))
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn key(&mut self) -> Result<Quoted, JsonError> {
        self.expect(b'"')?;
        let key = self.string()?;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Ok(key)
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn open(&mut self) -> Result<(), JsonError> {
        self.levels = self.levels.checked_sub(1).ok_or_else(|| self.error(Bad::TooDeep))?;
        self.step();
        Ok(())
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn close(&mut self) {
        self.step();
        self.levels += 1;
    }

    #[inline]
    fn step(&mut self) {
        steps::count(1);
        self.at += 1;
    }

    /// Steps over a string, which begins here.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn quoted(&mut self) -> Result<Quoted, JsonError> {
        self.at += 1;
        self.string()
    }

    /// Steps over a value that is neither a list nor an object.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn scalar(&mut self) -> Result<Scalar<'t>, JsonError> {
        match self.peek() {
            b'"' => self.quoted().map(Scalar::Str),
            b't' => self.word("true").map(|_| Scalar::Bool(true)),
            b'f' => self.word("false").map(|_| Scalar::Bool(false)),
            b'n' => self.word("null").map(|_| Scalar::Null),
            b'N' => self.word("NaN").map(Scalar::Float),
            b'I' => self.word("Infinity").map(Scalar::Float),
            b'-' if self.bytes().get(self.at + 1) == Some(&b'I') => self.word("-Infinity").map(Scalar::Float),
            _ => self.number(),
        }
    }

    /// Steps over `byte`.
    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        steps::count(1);
        if self.peek() == byte {
            self.at += 1;
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Steps over a word such as `null` and returns it.
    fn word(&mut self, word: &'static str) -> Result<&'t str, JsonError> {
        steps::count(word.len());
        if self.bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            Ok(word)
        } else {
            Err(self.unexpected())
        }
    }

    /// Steps over the rest of a string, closing quote included.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn string(&mut self) -> Result<Quoted, JsonError> {
        let start = self.at;
        let escaped = self.skip_string()?;
        steps::count(self.at - start);
        Ok(Quoted { start, end: self.at - 1, escaped })
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn skip_string(&mut self) -> Result<bool, JsonError> {
        self.at = next_special(self.bytes(), self.at);
        if self.peek() == b'"' {
            self.at += 1;
            return Ok(false);
        }
        self.rest_of_string()
    }

    /// Steps over the rest of a string whose first special byte is here and is not the closing
    /// quote.
    #[cold]
    #[inline(never)]
    fn rest_of_string(&mut self) -> Result<bool, JsonError> {
        let mut escaped = false;
        loop {
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.skip_escape()?;
                }
                _ if self.at >= self.bytes().len() => return Err(self.error(Bad::UnexpectedEnd)),
                _ => return Err(self.error(Bad::ControlCharacter)),
            }
            self.at = next_special(self.bytes(), self.at);
        }
    }

    fn skip_escape(&mut self) -> Result<(), JsonError> {
        match self.bytes().get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.bytes().get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.error(Bad::BadEscape));
                }
                self.at += 6;
            }
            Some(_) => return Err(self.error(Bad::BadEscape)),
            None => return Err(self.error(Bad::UnexpectedEnd)),
        }
        Ok(())
    }

    /// Steps over a number.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn number(&mut self) -> Result<Scalar<'t>, JsonError> {
        let start = self.at;
        if self.peek() == b'-' {
            self.at += 1;
        }
        let first = self.peek();
        let whole = self.digits();
        if whole == 0 || (first == b'0' && whole > 1) {
            self.at -= whole.saturating_sub(1);
            return Err(self.unexpected());
        }
        if matches!(self.peek(), b'.' | b'e' | b'E') {
            self.fraction_and_exponent()?;
            return Ok(Scalar::Float(&self.text[start..self.at]));
        }
        if whole > Int::MAX_DIGITS {
            return Err(JsonError::new(Bad::TooManyDigits, start));
        }
        Ok(Scalar::Int(&self.bytes()[start..self.at]))
    }

    fn fraction_and_exponent(&mut self) -> Result<(), JsonError> {
        if self.peek() == b'.' {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.unexpected());
            }
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.unexpected());
            }
        }
        Ok(())
    }

    #[cfg_attr(not(debug_assertions), inline(always))]
    fn digits(&mut self) -> usize {
        let rest = self.bytes().get(self.at..).unwrap_or_default();
        let mut count = rest.first_chunk().map_or(0, |eight| leading_digits(*eight));
        if count == 8 || rest.len() < 8 {
            count += rest[count..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        }
        steps::count(count);
        self.at += count;
        count
    }
}

/// The number of digits at the start of eight bytes.
///
/// Any other byte has its high bit set in `wrong`. A carry can set further bits, but only above the
/// first.
#[inline]
fn leading_digits(eight: [u8; 8]) -> usize {
    let values = u64::from_le_bytes(eight) ^ (ONES * b'0' as u64);
    let wrong = (values.wrapping_add(ONES * (0x80 - 10)) | values) & (ONES * 0x80);
    wrong.trailing_zeros() as usize / 8
}

/// The position of the first quote, backslash or control character at or after `at`, or the end of
/// the text.
///
/// Looks at eight bytes at a time: a byte of `word` is special if one of three tests sets its high
/// bit. A borrow can set further bits, but only above the first, and only the first is needed.
/// (Sixteen bytes in a vector register take fewer instructions, but most strings are short, and the
/// next step waits for the result.)
#[cfg_attr(not(debug_assertions), inline(always))]
fn next_special(text: &[u8], mut at: usize) -> usize {
    const HIGH: u64 = ONES * 0x80;
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let (quote, slash) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quote.wrapping_sub(ONES) & !quote | slash.wrapping_sub(ONES) & !slash | control) & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while text.get(at).is_some_and(|&byte| byte != b'"' && byte != b'\\' && byte >= 0x20) {
        at += 1;
    }
    at
}

const ONES: u64 = u64::from_le_bytes([1; 8]);

/// The text of a string with escapes, which the lexer has checked.
#[cold]
fn unescape(content: &[u8]) -> Option<Text> {
    steps::count(content.len());
    let mut out = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let (&escape, after) = rest.get(at + 1..)?.split_first()?;
        rest = after;
        match escape {
            b'u' => {
                let (point, after) = unicode_escape(rest)?;
                push_code_point(&mut out, point);
                rest = after;
            }
            b'b' => out.push(0x08),
            b'f' => out.push(0x0C),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
    Text::from_bytes(&out)
}

/// The code point of four hex digits, or of a surrogate pair if a second escape with its other half
/// follows.
fn unicode_escape(text: &[u8]) -> Option<(u32, &[u8])> {
    let (first, rest) = four_digits(text)?;
    if let (0xD800..=0xDBFF, [b'\\', b'u', tail @ ..]) = (first, rest)
        && let Some((second @ 0xDC00..=0xDFFF, rest)) = four_digits(tail)
    {
        return Some((0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00), rest));
    }
    Some((first, rest))
}

fn four_digits(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(4)?;
    let digits = core::str::from_utf8(digits).ok()?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

/// Appends a code point as UTF-8, and a lone surrogate as three bytes in the same way.
fn push_code_point(out: &mut Vec<u8>, point: u32) {
    match char::from_u32(point) {
        Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend_from_slice(&[0xED, 0x80 | (point >> 6 & 0x3F) as u8, 0x80 | (point & 0x3F) as u8]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_end_is_found_at_every_distance() {
        for length in 0..40 {
            for filler in [b' ', b'a', 0x7F, 0x80, 0xFF, b'!', b'#', b'[', b']'] {
                for end in [b'"', b'\\', 0x00, 0x1F] {
                    let mut text = vec![filler; length];
                    text.push(end);
                    text.extend_from_slice(b"tail \" \\ \x00");
                    assert_eq!(next_special(&text, 0), length, "{filler} {end}");
                }
            }
            assert_eq!(next_special(&vec![b'a'; length], 0), length);
        }
    }

    #[test]
    fn surrogate_escapes_join_only_as_a_pair() {
        let read = |text: &str| unescape(text.as_bytes()).unwrap().as_bytes().to_vec();
        assert_eq!(read(r"\ud83d\ude00"), "😀".as_bytes());
        assert_eq!(read(r"\ud83d\u0041"), b"\xED\xA0\xBDA");
        assert_eq!(read(r"\ude00\ud83d"), b"\xED\xB8\x80\xED\xA0\xBD");
        assert_eq!(read(r"\ud83d\ud83d\ude00"), b"\xED\xA0\xBD\xF0\x9F\x98\x80");
    }
}
