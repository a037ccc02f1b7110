//! Parsing all cookies of a header.

use std::borrow::Cow;
use std::fmt;
use std::iter::FusedIterator;

use super::grammar::{Part, Scanner, latin1};

/// Gives every cookie of one `Cookie` header value, as Flask's `request.cookies` has them.
///
/// The order is kept and names may repeat. Names and unquoted values are taken as they are: no
/// percent-decoding, and octets from 0x80 up become the characters U+0080 to U+00FF. A value in
/// double quotes loses them, `\ooo` becomes an octet of UTF-8 (ill-formed UTF-8 becomes U+FFFD),
/// and `\x` becomes `x`. A part without `=` is a cookie with an empty value. A part with a blank or
/// a quote inside its name or value, without a name, or with a quote that never closes is left out;
/// the parts behind it are still read.
///
/// Any octets are accepted, in linear time. For several header lines see [`values`](super::values).
///
/// ```
/// use hipflask_core::cookie::parse;
///
/// let all: Vec<_> = parse(br#"theme=dark; note="a\054 b"; x=1 2; session=eyJ9"#).collect();
/// assert_eq!(
///     all,
///     [
///         ("theme".into(), "dark".into()),
///         ("note".into(), "a, b".into()), // unquoted
///         ("session".into(), "eyJ9".into()), // and `x` is left out
///     ]
/// );
/// ```
///
/// Same rules as Werkzeug 3.1.9 `parse_cookie`; 3.1.8 and older also kept values with blanks and
/// quotes inside.
#[doc(alias = "request.cookies")]
#[doc(alias = "parse_cookie")]
pub fn parse(header: &[u8]) -> Cookies<'_> {
    Cookies(Scanner::new(header))
}

/// The cookies of a header, name and value, in order. Made by [`parse`].
///
/// Its `Debug` output hides the header, because a session cookie is a credential.
#[derive(Clone)]
#[must_use = "an iterator does nothing until it is used"]
pub struct Cookies<'h>(Scanner<'h>);

impl<'h> Iterator for Cookies<'h> {
    type Item = (Cow<'h, str>, Cow<'h, str>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.0.next_part()? {
                Part::Cookie(name, value) => return Some((latin1(name), value.decode())),
                Part::Junk => {}
                Part::OpenQuote => self.0.skip_part(),
            }
        }
    }
}

impl FusedIterator for Cookies<'_> {}

impl fmt::Debug for Cookies<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookies(..)")
    }
}
