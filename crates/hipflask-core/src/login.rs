//! Logins as Flask-Login keeps them: the keys in the session, the identifier and the remember cookie.
//!
//! Everything here is a pure function; callers pass the request's headers, the time and the keys.
//! Formats are those of Flask-Login 0.6.3.

use core::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

use crate::hex;
use crate::signing::SecretKey;

/// The session's key for the id of the user: what `get_id()` returned.
pub const USER_ID: &str = "_user_id";
/// The session's key for `true` if the user entered the password in this session.
pub const FRESH: &str = "_fresh";
/// The session's key for the identifier of the client that logged in; see [`identifier`].
pub const IDENTIFIER: &str = "_id";
/// The session's key for an order about the remember cookie: `"set"` or `"clear"`.
pub const REMEMBER: &str = "_remember";
/// The session's key for the lifetime of the remember cookie in seconds.
pub const REMEMBER_SECONDS: &str = "_remember_seconds";
/// The session's key for the page to return to after a login: `USE_SESSION_FOR_NEXT`.
pub const NEXT: &str = "next";

/// All keys that Flask-Login removes from a session that it no longer trusts.
pub const SESSION_KEYS: [&str; 6] = [USER_ID, REMEMBER, REMEMBER_SECONDS, IDENTIFIER, FRESH, NEXT];

/// The parts of a request that identify its client, as the bytes of the headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Client<'r> {
    /// The address of the peer: `REMOTE_ADDR`.
    pub address: Option<&'r [u8]>,
    /// The header `X-Forwarded-For`. It is not trustworthy; only [`Identifier::V06`] uses it.
    pub forwarded_for: Option<&'r [u8]>,
    /// The header `User-Agent`.
    pub user_agent: Option<&'r [u8]>,
}

impl<'r> Client<'r> {
    /// Creates a client from the address of the peer and the header `User-Agent`.
    #[must_use]
    pub const fn new(address: Option<&'r [u8]>, user_agent: Option<&'r [u8]>) -> Self {
        Self { address, forwarded_for: None, user_agent }
    }

    /// Adds the header `X-Forwarded-For`.
    #[must_use]
    pub const fn forwarded_for(mut self, header: Option<&'r [u8]>) -> Self {
        self.forwarded_for = header;
        self
    }
}

/// The version of Flask-Login whose identifier is computed.
///
/// Applications of the two versions that share a session make each other's logins stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Identifier {
    /// Flask-Login 0.6: the first address of `X-Forwarded-For`, or the address of the peer.
    #[default]
    V06,
    /// Flask-Login 0.7: the address of the peer.
    V07,
}

/// Returns the identifier of a client: a SHA-512 in hex of its address and its `User-Agent`.
///
/// ```
/// use hipflask_core::login::{Client, Identifier, identifier};
///
/// let client = Client::new(Some(b"127.0.0.1"), Some(b"Mozilla/5.0"));
/// assert!(identifier(Identifier::V06, &client).starts_with("4b58f43e05616ba2eb7be4c7562bf7fa"));
/// ```
#[must_use]
pub fn identifier(version: Identifier, client: &Client<'_>) -> String {
    let mut text = Vec::with_capacity(TYPICAL_CLIENT);
    match version {
        Identifier::V06 => {
            let address = client.forwarded_for.or(client.address);
            let first = address.map(|address| address.split(|byte| *byte == b',').next().unwrap_or(address));
            push_bytes(&mut text, first.map(trim_python));
            text.push(b'|');
            push_bytes(&mut text, client.user_agent);
        }
        Identifier::V07 => {
            push_text(&mut text, client.address);
            text.push(b'|');
            push_text(&mut text, client.user_agent);
        }
    }
    hex::encode(&Sha512::digest(text))
}

/// Removes the bytes that Python's `bytes.strip` removes.
fn trim_python(mut bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    while let [first, rest @ ..] = bytes
        && is_space(first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_space(last)
    {
        bytes = rest;
    }
    bytes
}

/// Longer than most addresses with their `User-Agent`.
const TYPICAL_CLIENT: usize = 192;

/// Appends a header as a text of Python in UTF-8: WSGI reads its bytes as Latin-1. A missing one is `None`.
fn push_text(text: &mut Vec<u8>, header: Option<&[u8]>) {
    match header {
        None => text.extend_from_slice(b"None"),
        Some(bytes) => bytes.iter().for_each(|byte| text.extend_from_slice(utf8(*byte, &mut [0; 2]))),
    }
}

/// The character of Latin-1 in UTF-8.
fn utf8(byte: u8, buffer: &mut [u8; 2]) -> &[u8] {
    char::from(byte).encode_utf8(buffer).as_bytes()
}

/// Appends `repr(header.encode("utf-8"))` of Python, where the header was read as Latin-1. A missing one
/// is `None`.
fn push_bytes(text: &mut Vec<u8>, header: Option<&[u8]>) {
    let Some(bytes) = header else { return text.extend_from_slice(b"None") };
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' };
    text.extend_from_slice(&[b'b', quote]);
    for byte in bytes {
        match *byte {
            b'\\' => text.extend_from_slice(b"\\\\"),
            b'\t' => text.extend_from_slice(b"\\t"),
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\r' => text.extend_from_slice(b"\\r"),
            byte if byte == quote => text.extend_from_slice(&[b'\\', quote]),
            byte @ 0x20..=0x7e => text.push(byte),
            byte => utf8(byte, &mut [0; 2]).iter().for_each(|byte| {
                text.extend_from_slice(b"\\x");
                text.extend_from_slice(hex::encode(&[*byte]).as_bytes());
            }),
        }
    }
    text.push(quote);
}

/// Signs and verifies the value of the remember cookie: `id|HMAC-SHA512`.
///
/// The value has no time: it is valid until the key or the user's id changes.
///
/// ```
/// use hipflask_core::login::RememberTokens;
///
/// let tokens = RememberTokens::new(&"k".into())?;
/// let cookie = tokens.sign("7");
/// assert_eq!(tokens.verify(&cookie), Some("7"));
/// assert_eq!(tokens.verify(&cookie.replace('7', "8")), None);
/// # Ok::<(), hipflask_core::login::RememberKeyError>(())
/// ```
#[derive(Clone)]
pub struct RememberTokens {
    key: Zeroizing<Vec<u8>>,
}

impl RememberTokens {
    /// Uses `key` as Flask-Login does: a text as Latin-1, bytes as they are.
    ///
    /// # Errors
    /// [`RememberKeyError`] if the key is empty, or a text with a character beyond Latin-1.
    pub fn new(key: &SecretKey) -> Result<Self, RememberKeyError> {
        if key.is_empty() {
            return Err(RememberKeyError::Empty);
        }
        let key = key.latin1().ok_or(RememberKeyError::NotLatin1)?;
        Ok(Self { key })
    }

    /// Returns the cookie's value for a user.
    #[must_use]
    pub fn sign(&self, user_id: &str) -> String {
        format!("{user_id}|{}", self.signature(user_id))
    }

    /// Returns the id of the user if the value is signed with our key.
    #[must_use]
    pub fn verify<'v>(&self, value: &'v str) -> Option<&'v str> {
        let (user_id, signature) = value.rsplit_once('|')?;
        let expected = self.signature(user_id);
        let is_ours: bool = subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), signature.as_bytes()).into();
        is_ours.then_some(user_id)
    }

    fn signature(&self, user_id: &str) -> String {
        let mut mac = Hmac::<Sha512>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(user_id.as_bytes());
        hex::encode(&mac.finalize().into_bytes())
    }
}

impl fmt::Debug for RememberTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RememberTokens(..)")
    }
}

/// The reason why a key cannot sign remember cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RememberKeyError {
    /// The key is empty, so that anybody could sign.
    #[error("the secret key is empty, so anybody could sign a remember cookie; set one")]
    Empty,
    /// The key is a text that Flask-Login cannot encode.
    #[error(
        "the secret key has a character beyond Latin-1, with which Flask-Login cannot sign; use another key, or bytes"
    )]
    NotLatin1,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client<'r>(address: &'r str, agent: Option<&'r [u8]>, forwarded: Option<&'r str>) -> Client<'r> {
        Client::new(Some(address.as_bytes()), agent).forwarded_for(forwarded.map(str::as_bytes))
    }

    /// Flask-Login 0.6.3.
    #[test]
    fn identifiers_equal_those_of_flask_login() {
        let home = "127.0.0.1";
        for (client, begins) in [
            (client(home, Some(b"Mozilla/5.0"), None), "4b58f43e05616ba2eb7be4c7562bf7fa"),
            (client(home, None, None), "656d8f867997c2a40397700861e67a33"),
            (
                client("10.0.0.1", Some(b"Mozilla/5.0"), Some("203.0.113.9, 10.0.0.1")),
                "726e61a01c2435eb7d4aea81f13a9e7a",
            ),
            (client(home, Some(b"it's"), None), "c995ff0c175f6ee89ac9b0843ceb32ad"),
            (client(home, Some(b"it's \"q\""), None), "7e1f48796066be9b60f511f5b8cca61e"),
            (client(home, Some(b"a\\b\tc"), None), "866b08106e87548af9cad28e17a3495e"),
            (client(home, Some(b"caf\xe9"), None), "4cc4f0e0ef78fab93c2c5e01c206a25f"),
            (client("::1", Some(b""), None), "9671108a7d3b2758e68f4d993956ed3c"),
            (client(home, Some(b"x"), Some("")), "dde28e1ceaabe24287b1119e449c73ed"),
        ] {
            assert!(identifier(Identifier::V06, &client).starts_with(begins), "{client:?}");
        }
    }

    /// The unreleased Flask-Login 0.7.
    #[test]
    fn newer_identifiers_use_the_peer() {
        let client = client("127.0.0.1", Some(b"Mozilla/5.0"), Some("203.0.113.9"));
        assert!(identifier(Identifier::V07, &client).starts_with("5f2613f522d786d3e4404c200dcc749a"));
    }

    /// Flask-Login 0.6.3.
    #[test]
    fn remember_cookies_equal_those_of_flask_login() {
        for (key, id, begins) in [
            ("k", "7", "d00c7d8f315af7b31b870ddfa276911ef52edc60e69e5e97b90822a8ddaf63e5"),
            ("k", "ada lovelace", "91ccae985226c49d3ecf8c94ae64d09f42231684068cf7ad24bfe4243ceb419a"),
            ("k", "é", "b26eefb1fbe4efd0c70c9245dd2d2d92081f24a74412c100081178b2e7b7353a"),
            ("k", "a|b", "6d271013d12135c7865552c264c80b902433b86b3b171b876323fbd0c7d5970b"),
            ("schüssel", "7", "1dbf01ee77e2d46be7937d23297c2be75838698e3455ed843f4f8cbe775c84dc"),
        ] {
            let tokens = RememberTokens::new(&key.into()).unwrap();
            let cookie = tokens.sign(id);
            assert!(cookie.starts_with(&format!("{id}|{begins}")), "{key} {id}: {cookie}");
            assert_eq!(tokens.verify(&cookie), Some(id));
        }
        let of_bytes = RememberTokens::new(&[0xff, 0].into()).unwrap().sign("7");
        assert!(of_bytes.starts_with("7|57882b7c4f3f051398078c4ef439403eaf5d05a01edfe7e8819b721ffd8e1e30"));
    }

    #[test]
    fn forged_remember_cookies_are_refused() {
        let tokens = RememberTokens::new(&"k".into()).unwrap();
        let good = tokens.sign("7");
        let forged =
            ["", "|", "7", "7|", "7|é", &good[..good.len() - 1], &good.to_uppercase(), &format!("{good} ")];
        for value in forged {
            assert_eq!(tokens.verify(value), None, "{value}");
        }
    }

    #[test]
    fn keys_that_flask_login_cannot_use_are_refused() {
        assert_eq!(RememberTokens::new(&"".into()).unwrap_err(), RememberKeyError::Empty);
        assert_eq!(RememberTokens::new(&"ключ".into()).unwrap_err(), RememberKeyError::NotLatin1);
    }
}
