//! The grammar of one part of a `Cookie` header, as Werkzeug 3.1.9 matches it.
//!
//! A part is `name`, `name=token` or `name="quoted"`, with blanks around each piece, and ends at
//! `;` or the end of the line. Only space and tab are blanks. Every other octet (NUL, newline, 0x80
//! and above) is an ordinary one.

use std::borrow::Cow;

use crate::steps;

/// A scanner of one header line, part by part.
#[derive(Clone)]
pub(super) struct Scanner<'h> {
    line: &'h [u8],
    pos: usize,
}

/// The part at a scanner's position.
pub(super) enum Part<'h> {
    /// A well-formed cookie. The scanner is after it.
    Cookie(&'h [u8], RawValue<'h>),
    /// A part that Werkzeug would skip. The scanner is after the next `;`.
    Junk,
    /// A quoted value that the line does not close. The scanner has not moved, because a later
    /// header line may close it; [`Scanner::skip_part`] skips it.
    OpenQuote,
}

/// A value in the header.
#[derive(Clone, Copy)]
pub(super) enum RawValue<'h> {
    Token(&'h [u8]),
    /// The octets between the quotes, with their escapes.
    Quoted(&'h [u8]),
}

impl<'h> Scanner<'h> {
    pub(super) const fn new(line: &'h [u8]) -> Self {
        Self::resume(line, 0)
    }

    /// Creates a scanner of `line` at the position of another scanner of the same text.
    pub(super) const fn resume(line: &'h [u8], pos: usize) -> Self {
        Self { line, pos }
    }

    pub(super) const fn position(&self) -> usize {
        self.pos
    }

    /// The rest of the line.
    pub(super) fn rest(&self) -> &'h [u8] {
        self.line.get(self.pos..).unwrap_or_default()
    }

    /// Reads the part at the current position. Returns `None` at the end of the line.
    pub(super) fn next_part(&mut self) -> Option<Part<'h>> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        Some(match read_part(rest) {
            Read::Cookie { name, value, end } => {
                self.pos += end;
                Part::Cookie(name, value)
            }
            Read::Junk => {
                self.skip_part();
                Part::Junk
            }
            Read::OpenQuote => Part::OpenQuote,
        })
    }

    /// Returns the value of the next cookie whose name is exactly `name`: `Part::Cookie`,
    /// `Part::OpenQuote`, or `None` at the end.
    ///
    /// Parts of other names without a quote are skipped without parsing: whatever they are, they
    /// end at the next `;`.
    pub(super) fn next_named(&mut self, name: &[u8]) -> Option<Part<'h>> {
        loop {
            let rest = self.rest();
            if !starts_with_name(rest, name) {
                let found = memchr::memchr2(b';', b'"', rest);
                steps::count(found.unwrap_or(rest.len()));
                let stop = found?;
                if rest[stop] == b';' {
                    self.pos += stop + 1;
                    continue;
                }
            }
            match self.next_part()? {
                Part::Cookie(found, _) if found != name => {}
                Part::Junk => {}
                ours_or_open => return Some(ours_or_open),
            }
        }
    }

    /// Moves after the next `;`, with or without quotes.
    pub(super) fn skip_part(&mut self) {
        let rest = self.rest();
        let length = memchr::memchr(b';', rest).map_or(rest.len(), |i| i + 1);
        steps::count(length);
        self.pos += length;
    }
}

impl<'h> RawValue<'h> {
    /// Returns the value as in `request.cookies`. It is borrowed if it is ASCII without escapes.
    pub(super) fn decode(self) -> Cow<'h, str> {
        match self {
            Self::Quoted(octets) if octets.contains(&b'\\') => Cow::Owned(unescape(octets)),
            Self::Token(octets) | Self::Quoted(octets) => latin1(octets),
        }
    }

    /// Returns the UTF-8 of [`decode`](Self::decode), for callers that need no text.
    pub(super) fn octets(self) -> Cow<'h, [u8]> {
        match self {
            Self::Token(octets) if octets.is_ascii() => Cow::Borrowed(octets),
            _ => match self.decode() {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
        }
    }
}

/// Returns `true` if a cookie can have this name: it is not empty and has none of the octets that
/// end a name.
pub(super) fn can_be_a_name(name: &[u8]) -> bool {
    !name.is_empty() && !name.iter().any(|b| NAME_ENDS.contains(b))
}

/// Converts octets to the characters U+0000 to U+00FF, as WSGI passes a header to Flask.
pub(super) fn latin1(octets: &[u8]) -> Cow<'_, str> {
    steps::count(octets.len());
    match std::str::from_utf8(octets) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(octets.iter().copied().map(char::from).collect()),
    }
}

enum Read<'h> {
    Cookie { name: &'h [u8], value: RawValue<'h>, end: usize },
    Junk,
    OpenQuote,
}

fn read_part(text: &[u8]) -> Read<'_> {
    let start = skip_blanks(text, 0);
    let name_end = text[start..].iter().position(|b| NAME_ENDS.contains(b)).map_or(text.len(), |i| start + i);
    if name_end == start {
        return Read::Junk;
    }
    let name = &text[start..name_end];
    steps::count(name_end);
    let equals = skip_blanks(text, name_end);
    if text.get(equals) != Some(&b'=') {
        return finish(text, name, RawValue::Token(b""), equals);
    }
    let value = skip_blanks(text, equals + 1);
    if text.get(value) != Some(&b'"') {
        let end = value + token_len(&text[value..]);
        return finish(text, name, RawValue::Token(&text[value..end]), end);
    }
    let body = &text[value + 1..];
    match closing_quote(body) {
        Quote::Closed(len) => finish(text, name, RawValue::Quoted(&body[..len]), value + len + 2),
        Quote::Broken => Read::Junk,
        Quote::Open => Read::OpenQuote,
    }
}

/// A cookie counts only if there are only blanks between its value and the `;` or the end.
fn finish<'h>(text: &'h [u8], name: &'h [u8], value: RawValue<'h>, at: usize) -> Read<'h> {
    let at = skip_blanks(text, at);
    match text.get(at) {
        None => Read::Cookie { name, value, end: at },
        Some(b';') => Read::Cookie { name, value, end: at + 1 },
        Some(_) => Read::Junk,
    }
}

enum Quote {
    /// The body has this many octets.
    Closed(usize),
    /// A backslash before a newline, which Werkzeug's pattern does not match.
    Broken,
    Open,
}

/// Returns the end of the quoted value whose body starts here.
///
/// Every scan stops at the next quote that could open another value. (An opening quote follows `=`
/// or a blank, so it is never escaped.) This keeps the whole header linear, although a failed part
/// is read again from its first `;`.
fn closing_quote(body: &[u8]) -> Quote {
    let mut at = 0;
    loop {
        let found = memchr::memchr2(b'"', b'\\', &body[at..]);
        steps::count(found.unwrap_or(body.len() - at) + 1);
        match found {
            None => return Quote::Open,
            Some(step) => at += step,
        }
        if body[at] == b'"' {
            return Quote::Closed(at);
        }
        match body.get(at + 1) {
            None => return Quote::Open,
            Some(b'\n') => return Quote::Broken,
            Some(_) => at += 2,
        }
    }
}

/// Resolves `\ooo` (000 to 377, an octet of UTF-8) and `\x` (the character itself). Ill-formed
/// UTF-8 becomes U+FFFD.
fn unescape(body: &[u8]) -> String {
    steps::count(body.len());
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        match (octet, behind) {
            (b'\\', &[a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ref tail @ ..]) => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            (b'\\', &[escaped, ref tail @ ..]) => {
                push_latin1(&mut out, escaped);
                rest = tail;
            }
            _ => push_latin1(&mut out, octet),
        }
    }
    // `from_utf8_lossy` would copy well-formed text once more.
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Appends the octet's latin-1 character in UTF-8: Werkzeug encodes the text before it resolves
/// escapes.
fn push_latin1(out: &mut Vec<u8>, octet: u8) {
    out.extend_from_slice(char::from(octet).encode_utf8(&mut [0; 2]).as_bytes());
}

/// Returns `true` if `rest` begins, after blanks, with `name` and an octet that ends a name. Only a
/// hint for speed; the parser decides.
fn starts_with_name(rest: &[u8], name: &[u8]) -> bool {
    let behind = rest[skip_blanks(rest, 0)..].strip_prefix(name);
    behind.is_some_and(|behind| behind.first().is_none_or(|b| NAME_ENDS.contains(b)))
}

fn skip_blanks(text: &[u8], from: usize) -> usize {
    let blanks = text[from..].iter().take_while(|&&b| b == b' ' || b == b'\t').count();
    steps::count(blanks);
    from + blanks
}

/// Removes the blanks at both ends of `text`.
pub(super) fn trim_blanks(text: &[u8]) -> &[u8] {
    let text = &text[skip_blanks(text, 0)..];
    let blanks = text.iter().rev().take_while(|&&octet| octet == b' ' || octet == b'\t').count();
    &text[..text.len() - blanks]
}

/// Returns the length of the unquoted value at the beginning of `text`.
fn token_len(text: &[u8]) -> usize {
    let len = memchr::memchr3(b';', b' ', b'"', text).unwrap_or(text.len());
    steps::count(len);
    memchr::memchr(b'\t', &text[..len]).unwrap_or(len)
}

const NAME_ENDS: [u8; 5] = *b" \t=\";";
