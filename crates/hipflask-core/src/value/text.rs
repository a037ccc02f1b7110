//! [`Text`]: a Python `str`.

use core::cmp::Ordering;
use core::fmt;
use std::borrow::Cow;
use std::sync::Arc;

use crate::steps;

/// A Python `str`: Unicode text that may contain lone surrogates, which Rust's `str` cannot.
///
/// Nearly every text is plain UTF-8, and [`as_str`](Self::as_str) returns it. Flask's cookies can
/// contain a lone surrogate (`"\ud800"`), and such a text survives reading and writing. Texts are
/// ordered by code point, as in Python. Up to 22 bytes are stored inline. Longer texts are shared,
/// so that cloning them copies nothing.
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    /// UTF-8 of this many bytes.
    Short(u8, [u8; SHORT]),
    Long(Arc<str>),
    /// UTF-8 extended to surrogates (WTF-8), with at least one of them.
    Wtf8(Arc<[u8]>),
}

const SHORT: usize = 22;

impl Text {
    /// Creates a text of plain UTF-8.
    #[must_use]
    #[inline]
    pub fn new(text: impl AsRef<str>) -> Self {
        let mut new = Self::EMPTY;
        new.fill(text.as_ref());
        new
    }

    /// Returns `true` if such a text is stored inline.
    #[inline]
    pub(crate) const fn is_short(text: &str) -> bool {
        text.len() <= SHORT
    }

    /// The empty text.
    pub(crate) const EMPTY: Self = Self(Repr::Short(0, [0; SHORT]));

    /// Replaces an empty text in place, because moving bytes that have just been stored waits for
    /// the stores.
    #[inline]
    pub(crate) fn fill(&mut self, text: &str) {
        if text.len() > SHORT {
            self.0 = Repr::Long(text.into());
            return;
        }
        *self = Self::EMPTY;
        if let Repr::Short(length, bytes) = &mut self.0 {
            *length = text.len() as u8;
            bytes[..text.len()].copy_from_slice(text.as_bytes());
        }
    }

    /// Returns the text as `str`, or `None` if it contains a lone surrogate.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Repr::Short(length, bytes) => core::str::from_utf8(bytes.get(..usize::from(*length))?).ok(),
            Repr::Long(text) => Some(text),
            Repr::Wtf8(_) => None,
        }
    }

    /// Returns the text with U+FFFD in place of each lone surrogate.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        match self.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(
                self.code_points().map(|point| char::from_u32(point).unwrap_or('\u{FFFD}')).collect(),
            ),
        }
    }

    /// Returns the text as UTF-8, with each lone surrogate as the three bytes that Python's
    /// `surrogatepass` writes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Repr::Long(text) => text.as_bytes(),
            Repr::Wtf8(bytes) => bytes,
        }
    }

    /// Reads UTF-8 in which a lone surrogate is three bytes. Returns `None` for other bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        steps::count(bytes.len());
        if let Ok(text) = core::str::from_utf8(bytes) {
            return Some(Self::new(text));
        }
        let mut rest = bytes;
        while let Err(error) = core::str::from_utf8(rest) {
            steps::count(error.valid_up_to() + 3);
            rest = &rest[error.valid_up_to()..];
            let [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..] = rest else {
                return None;
            };
            rest = &rest[3..];
        }
        Some(Self(Repr::Wtf8(bytes.into())))
    }

    /// Iterates over the code points, including lone surrogates.
    pub fn code_points(&self) -> impl Iterator<Item = u32> + '_ {
        let mut rest = self.as_bytes();
        core::iter::from_fn(move || {
            let (point, after) = first_code_point(rest)?;
            steps::count(rest.len() - after.len());
            rest = after;
            Some(point)
        })
    }

    /// Returns the length of [`as_bytes`](Self::as_bytes).
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns `true` if the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Returns the first code point of extended UTF-8 and the bytes after it.
pub(crate) fn first_code_point(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (&lead, rest) = bytes.split_first()?;
    let (length, bits) = match lead {
        ..0x80 => return Some((u32::from(lead), rest)),
        0x80..0xE0 => (1, u32::from(lead & 0x1F)),
        0xE0..0xF0 => (2, u32::from(lead & 0x0F)),
        _ => (3, u32::from(lead & 0x07)),
    };
    let (tail, rest) = rest.split_at_checked(length)?;
    let point = tail.iter().fold(bits, |point, byte| point << 6 | u32::from(byte & 0x3F));
    Some((point, rest))
}

impl Default for Text {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl core::hash::Hash for Text {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// Allows a map of texts to be searched by the bytes of a key.
impl core::borrow::Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Shows lone surrogates as U+FFFD.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_string_lossy())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string_lossy(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_surrogate_is_shown_as_u_fffd() {
        let text = Text::from_bytes(b"a\xED\xA0\x80b").unwrap();
        assert_eq!(text.as_str(), None);
        assert_eq!(text.to_string_lossy(), "a\u{FFFD}b");
        assert_eq!(text.code_points().collect::<Vec<_>>(), [0x61, 0xD800, 0x62]);
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in [&b"\xFF"[..], b"a\xED\xA0", b"\xC0\x80", b"\xED\xA0\x80\xFE"] {
            assert_eq!(Text::from_bytes(bytes), None);
        }
    }

    #[test]
    fn texts_order_by_code_point() {
        assert!(Text::new("\u{FFFF}") < Text::new("\u{1F600}"));
    }
}
