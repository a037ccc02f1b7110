//! The letters of JSON: where strings end, what numbers are, how escapes read.

use super::error::{JsonError, JsonErrorKind as Bad};
use crate::steps;
use crate::value::{Int, Text};

/// A place in a text.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
}

/// A number as it stands in the text.
pub(super) enum Number<'t> {
    Int(&'t [u8]),
    Float(&'t str),
}

impl<'t> Cursor<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) const fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    /// The byte here; 0, which JSON allows nowhere, at the end.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        self.bytes().get(self.at).copied().unwrap_or(0)
    }

    #[cold]
    pub(super) fn error(&self, kind: Bad) -> JsonError {
        JsonError::new(kind, self.at)
    }

    /// The error for a byte that does not belong here.
    #[cold]
    pub(super) fn unexpected(&self) -> JsonError {
        let ended = self.at >= self.bytes().len();
        self.error(if ended { Bad::UnexpectedEnd } else { Bad::UnexpectedCharacter })
    }

    /// Steps over white space; whether there was any. Flask writes none.
    #[inline]
    pub(super) fn skip_space(&mut self) -> bool {
        self.peek() <= b' ' && self.skip_any_space()
    }

    #[cold]
    #[inline(never)]
    fn skip_any_space(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        steps::count(self.at - start);
        self.at > start
    }

    /// Steps over `byte`.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        steps::count(1);
        if self.peek() == byte {
            self.at += 1;
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Steps over a word such as `null`.
    pub(super) fn word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        steps::count(word.len());
        if self.bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Steps over what is left of a string, closing quote included; its content, and whether escapes are in it.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn string(&mut self) -> Result<(&'t str, bool), JsonError> {
        let start = self.at;
        let escaped = self.skip_string()?;
        steps::count(self.at - start);
        Ok((&self.text[start..self.at - 1], escaped))
    }

    /// [`string`](Self::string) as bytes.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn string_bytes(&mut self) -> Result<(&'t [u8], bool), JsonError> {
        let start = self.at;
        let escaped = self.skip_string()?;
        steps::count(self.at - start);
        Ok((&self.bytes()[start..self.at - 1], escaped))
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

    /// The same for a string whose first special byte, which is here, is not its end.
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
    pub(super) fn number(&mut self) -> Result<Number<'t>, JsonError> {
        let start = self.at;
        if self.peek() == b'-' {
            self.at += 1;
        }
        let first = self.peek();
        let whole = self.digits();
        steps::count(whole);
        if whole == 0 || (first == b'0' && whole > 1) {
            self.at -= whole.saturating_sub(1);
            return Err(self.unexpected());
        }
        if matches!(self.peek(), b'.' | b'e' | b'E') {
            self.fraction_and_exponent()?;
            return Ok(Number::Float(&self.text[start..self.at]));
        }
        if whole > Int::MAX_DIGITS {
            return Err(JsonError::new(Bad::TooManyDigits, start));
        }
        Ok(Number::Int(&self.bytes()[start..self.at]))
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
        self.at += count;
        count
    }
}

/// How many of eight bytes, from the first on, are digits.
///
/// A byte that is none has its high bit set in `wrong`; a carry can set a bit too many, but only above the first.
#[inline]
fn leading_digits(eight: [u8; 8]) -> usize {
    let values = u64::from_le_bytes(eight) ^ (ONES * b'0' as u64);
    let wrong = (values.wrapping_add(ONES * (0x80 - 10)) | values) & (ONES * 0x80);
    wrong.trailing_zeros() as usize / 8
}

/// The first quote, backslash or control character at or after `at`, or the end of the text.
///
/// Looks at eight bytes a step: a byte of `word` is special where one of the three tests leaves its high bit set. A
/// borrow can set a bit too many, but only above the first that is right, and the first is all that is asked for.
/// (Sixteen bytes in vector registers are fewer instructions, but most strings are short and wait for the answer.)
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

/// The text of a string's content, which [`Cursor::string`] has found well-formed.
#[inline]
pub(super) fn unescape(content: &str, escaped: bool) -> Option<Text> {
    if escaped { unescape_slowly(content.as_bytes()) } else { Some(Text::new(content)) }
}

fn unescape_slowly(content: &[u8]) -> Option<Text> {
    steps::count(content.len());
    let mut out = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let (&letter, after) = rest.get(at + 1..)?.split_first()?;
        rest = after;
        match letter {
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

/// The code point of four hex digits, or of a surrogate pair if the second half follows as an escape of its own.
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

/// Appends a code point as UTF-8, a surrogate as the three bytes that its number would have.
fn push_code_point(out: &mut Vec<u8>, point: u32) {
    match char::from_u32(point) {
        Some(letter) => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend_from_slice(&[0xED, 0x80 | (point >> 6 & 0x3F) as u8, 0x80 | (point & 0x3F) as u8]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_string_is_found_at_every_distance_and_after_every_byte() {
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
        let read = |text: &str| unescape(text, true).unwrap().as_bytes().to_vec();
        assert_eq!(read(r"\ud83d\ude00"), "😀".as_bytes());
        assert_eq!(read(r"\ud83d\u0041"), b"\xED\xA0\xBDA");
        assert_eq!(read(r"\ude00\ud83d"), b"\xED\xB8\x80\xED\xA0\xBD");
        assert_eq!(read(r"\ud83d\ud83d\ude00"), b"\xED\xA0\xBD\xF0\x9F\x98\x80");
    }
}
