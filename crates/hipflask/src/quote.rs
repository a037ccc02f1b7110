//! Percent-encoding of texts in URLs.

use std::fmt::Write as _;

/// Percent-encodes UTF-8, all but letters, digits, `_.-~` and what is safe in this part of a URL.
pub(crate) fn quote(url: &mut String, text: &str, safe: &[u8]) {
    for byte in text.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) || safe.contains(&byte) => {
                url.push(char::from(byte));
            }
            byte => drop(write!(url, "%{byte:02X}")),
        }
    }
}

/// [`quote`] for a query, where a space is a plus.
pub(crate) fn quote_plus(url: &mut String, text: &str, safe: &[u8]) {
    for (at, word) in text.split(' ').enumerate() {
        url.push_str(if at > 0 { "+" } else { "" });
        quote(url, word, safe);
    }
}
