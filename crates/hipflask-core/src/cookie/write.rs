//! The spelling of `Set-Cookie`: quoting, percent-encoding and the order of attributes.

use std::borrow::Cow;
use std::fmt::Write;

use super::same_site::SameSite;
use crate::time::{UnixTime, write_http_date};

/// The attributes of a cookie's header, without value and time.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    pub(super) domain: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    pub(super) same_site: Option<SameSite>,
    pub(super) partitioned: bool,
}

/// The constant parts of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    /// `name=`
    head: String,
    /// The attributes between the value and `Expires`.
    before_expires: String,
    /// The attributes after `Max-Age`.
    tail: String,
}

impl Template {
    pub(super) fn new(name: &str, attributes: &Attributes<'_>) -> Self {
        let mut tail = String::new();
        for (wanted, word) in [(attributes.secure, "; Secure"), (attributes.http_only, "; HttpOnly")] {
            tail.push_str(if wanted { word } else { "" });
        }
        tail.push_str("; Path=");
        tail.push_str(attributes.path);
        if let Some(mode) = attributes.same_site {
            tail.push_str("; SameSite=");
            tail.push_str(mode.as_str());
        }
        tail.push_str(if attributes.partitioned { "; Partitioned" } else { "" });
        Self {
            head: format!("{name}="),
            before_expires: attributes.domain.map_or_else(String::new, |d| format!("; Domain={d}")),
            tail,
        }
    }

    pub(super) fn set(&self, value: &str, expires: Option<UnixTime>) -> String {
        let value = quote_value(value);
        let fixed = self.head.len() + self.before_expires.len() + self.tail.len();
        // The greatest length, because a caller that shrinks a larger buffer allocates again.
        let date = if expires.is_some() { EXPIRES_LEN } else { 0 };
        let mut out = String::with_capacity(fixed + value.len() + date);
        out.push_str(&self.head);
        out.push_str(&value);
        out.push_str(&self.before_expires);
        if let Some(at) = expires {
            out.push_str("; Expires=");
            write_http_date(&mut out, at.as_secs().try_into().unwrap_or(i64::MAX));
        }
        out.push_str(&self.tail);
        out
    }

    pub(super) fn removal(&self) -> String {
        [
            &*self.head,
            &*self.before_expires,
            "; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0",
            &*self.tail,
        ]
        .concat()
    }
}

/// Returns the value as written: unchanged if every octet may be written without quotes, otherwise
/// in quotes with octal escapes.
pub(super) fn quote_value(value: &str) -> Cow<'_, str> {
    // Checks every octet without stopping at the first bad one, so that many are checked at once.
    if value.bytes().fold(true, |bare, octet| bare & may_stand_bare(octet)) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() + 16);
    out.push('"');
    for octet in value.bytes() {
        match octet {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            // Werkzeug's pattern stops at 0x19 and writes 0x1A to 0x1F as they are, which no server
            // and no browser accepts. If they are escaped, both sides read the same value.
            0x00..=0x1F | b',' | b';' | 0x7F.. => {
                out.push('\\');
                out.extend([octet >> 6, octet >> 3 & 7, octet & 7].map(|digit| char::from(b'0' + digit)));
            }
            _ => out.push(char::from(octet)),
        }
    }
    out.push('"');
    Cow::Owned(out)
}

const fn may_stand_bare(octet: u8) -> bool {
    octet.is_ascii_graphic() & (octet != b'"') & (octet != b',') & (octet != b';') & (octet != b'\\')
}

/// Percent-encodes the characters that a path must not contain. `%` stays, so that nothing is
/// encoded twice.
pub(super) fn quote_path(path: &str) -> Cow<'_, str> {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"_.-~%!$&'()*+,/:=@".contains(&b);
    if path.bytes().all(keep) {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len() + 16);
    for octet in path.bytes() {
        if keep(octet) {
            out.push(char::from(octet));
        } else {
            write!(out, "%{octet:02X}").expect("writing to a String cannot fail");
        }
    }
    Cow::Owned(out)
}

const EXPIRES_LEN: usize = "; Expires=Thu, 01 Jan 1970 00:00:00 GMT".len();
