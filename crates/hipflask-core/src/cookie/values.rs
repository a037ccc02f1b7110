//! The cookies of one name in all header lines.

use std::borrow::Cow;
use std::iter::Fuse;

use super::grammar::{Part, RawValue, Scanner, can_be_a_name};

/// Returns the values of all cookies called `name`, in order, from all `Cookie` header lines of a
/// request.
///
/// The result is that of [`parse`](super::parse) for the lines joined by `"; "` (RFC 9113, section
/// 8.2.3), filtered by name. Names are compared as raw octets: case counts, nothing is decoded, and
/// only space and tab are trimmed. Empty values are included.
///
/// Every request pays for this, so cookies of other names are skipped, and a plain ASCII value is
/// borrowed from the header. Lines are joined in memory only if one of them leaves a quoted value
/// open. Any octets are accepted, in linear time. A name that no cookie can have (empty, or with a
/// space, a tab, `=`, `"` or `;`) has no values.
///
/// ```
/// use hipflask_core::cookie::values;
///
/// let lines: [&[u8]; 2] = [b"theme=dark; session=old", b"Session=other; session=new"];
/// assert_eq!(values(lines, "session").collect::<Vec<_>>(), ["old", "new"]);
/// ```
///
/// If there are several cookies, Flask takes the first (`request.cookies.get`). Its development
/// server joins lines with a comma and loses the session; we do not.
pub fn values<'h>(
    lines: impl IntoIterator<Item = &'h [u8]>,
    name: &str,
) -> impl Iterator<Item = Cow<'h, str>> {
    found(lines, name).map(|found| match found {
        Found::InLine(value) => value.decode(),
        Found::Joined(value) => Cow::Owned(value),
    })
}

/// Returns the octets of [`values`] in UTF-8, for a cookie that the caller verifies.
///
/// ```
/// use hipflask_core::cookie::octets;
///
/// let line: &[u8] = b"theme=dark; session=eyJ9";
/// assert_eq!(octets([line], "session").collect::<Vec<_>>(), [&b"eyJ9"[..]]);
/// ```
pub fn octets<'h>(
    lines: impl IntoIterator<Item = &'h [u8]>,
    name: &str,
) -> impl Iterator<Item = Cow<'h, [u8]>> {
    found(lines, name).map(|found| match found {
        Found::InLine(value) => value.octets(),
        Found::Joined(value) => Cow::Owned(value.into_bytes()),
    })
}

fn found<'h, I: IntoIterator<Item = &'h [u8]>>(lines: I, name: &str) -> Values<'h, '_, I::IntoIter> {
    Values {
        lines: lines.into_iter().fuse(),
        line: Scanner::new(b""),
        joined: None,
        name: Some(name.as_bytes()).filter(|name| can_be_a_name(name)),
    }
}

/// A value and its position.
enum Found<'h> {
    InLine(RawValue<'h>),
    Joined(String),
}

struct Values<'h, 'n, I> {
    lines: Fuse<I>,
    line: Scanner<'h>,
    joined: Option<Joined>,
    /// `None` if no cookie can have the name.
    name: Option<&'n [u8]>,
}

impl<'h, I: Iterator<Item = &'h [u8]>> Iterator for Values<'h, '_, I> {
    type Item = Found<'h>;

    fn next(&mut self) -> Option<Found<'h>> {
        let name = self.name?;
        loop {
            if let Some(joined) = &mut self.joined {
                return joined.next(name).map(Found::Joined);
            }
            match self.line.next_named(name) {
                Some(Part::Cookie(_, value)) => return Some(Found::InLine(value)),
                Some(Part::OpenQuote) => self.join(),
                Some(Part::Junk) => {}
                None => self.line = Scanner::new(self.lines.next()?),
            }
        }
    }
}

impl<'h, I: Iterator<Item = &'h [u8]>> Values<'h, '_, I> {
    /// A later line may close the quote, so all remaining lines are joined. On the last line
    /// nothing can close it.
    fn join(&mut self) {
        let Some(next) = self.lines.next() else {
            self.line.skip_part();
            return;
        };
        let mut text = self.line.rest().to_vec();
        for line in std::iter::once(next).chain(&mut self.lines) {
            text.extend_from_slice(b"; ");
            text.extend_from_slice(line);
        }
        self.joined = Some(Joined { text, pos: 0 });
    }
}

/// Joins the remaining lines.
struct Joined {
    text: Vec<u8>,
    pos: usize,
}

impl Joined {
    fn next(&mut self, name: &[u8]) -> Option<String> {
        let mut scanner = Scanner::resume(&self.text, self.pos);
        let value = loop {
            match scanner.next_named(name)? {
                Part::Cookie(_, value) => break value.decode().into_owned(),
                Part::OpenQuote => scanner.skip_part(),
                Part::Junk => {}
            }
        };
        self.pos = scanner.position();
        Some(value)
    }
}
