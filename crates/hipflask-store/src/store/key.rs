//! The key of a record.

use core::fmt;

use hipflask_core::hex;
use sha2::{Digest, Sha256};

/// The key of a record: prefix and session id, `session:VE5rPIvv2sw…`.
///
/// 1 to 250 visible ASCII characters without a space. Every backend takes these, and none of them
/// can end a line, leave a directory or start a command. `Debug` prints a short hash, which
/// identifies the key in logs.
///
/// ```
/// use hipflask_store::Key;
/// let key = Key::new("session:", "a-session-id")?;
/// assert_eq!(key.as_str(), "session:a-session-id");
/// assert_eq!(format!("{key:?}"), "Key(#1e00519e)");
/// assert!(Key::new("session:", "x\r\nflush_all").is_err());
/// # Ok::<(), hipflask_store::BadKey>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    text: Box<str>,
    at_rest: bool,
}

impl Key {
    /// The maximum length of a key, which is memcached's.
    pub const MAX_BYTES: usize = 250;

    /// Creates the key of a session id.
    ///
    /// # Errors
    /// [`BadKey`] if prefix and id together are empty, longer than 250 bytes, or contain anything
    /// but visible ASCII.
    pub fn new(prefix: &str, id: &str) -> Result<Self, BadKey> {
        let mut text = String::with_capacity(prefix.len() + id.len());
        text.push_str(prefix);
        text.push_str(id);
        Self::checked(text, false)
    }

    /// Creates the key of a record that its store knows only by another name, such as a file named
    /// after a digest of the key.
    ///
    /// It is valid only in that store. The original key cannot be recovered from it.
    ///
    /// # Errors
    /// Same as [`new`](Self::new).
    pub fn at_rest(name: impl Into<String>) -> Result<Self, BadKey> {
        Self::checked(name.into(), true)
    }

    fn checked(text: String, at_rest: bool) -> Result<Self, BadKey> {
        let good =
            (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if good { Ok(Self { text: text.into(), at_rest }) } else { Err(BadKey) }
    }

    /// Returns the text: for the backend, not for people.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns `true` if it is the store's own name for the record instead of prefix and id. A
    /// store without such names finds nothing under it.
    #[must_use]
    pub const fn is_at_rest(&self) -> bool {
        self.at_rest
    }

    /// Returns eight hex digits that identify the key in logs and listings. The key cannot be
    /// recovered from them.
    ///
    /// A name [`at_rest`](Self::at_rest) that is the SHA-256 digest of the key, as in the file
    /// store, has the same digits as the key.
    #[must_use]
    pub fn short_hash(&self) -> String {
        let is_digest = self.at_rest && self.text.len() == 64 && self.text.bytes().all(is_hex);
        if is_digest {
            self.text[..8].to_owned()
        } else {
            hex::encode(&Sha256::digest(self.text.as_bytes())[..4])
        }
    }

    /// Returns the session id after `prefix`; `None` if the key has another prefix or is
    /// [`at_rest`](Self::at_rest).
    #[must_use]
    pub fn id(&self, prefix: &str) -> Option<&str> {
        if self.at_rest { None } else { self.text.strip_prefix(prefix) }
    }
}

/// Shows a short hash.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(#{})", self.short_hash())
    }
}

const fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// An invalid key. The error does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key must be 1 to {} visible ASCII characters; check the key prefix", Key::MAX_BYTES)]
pub struct BadKey;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_name_has_the_keys_short_hash() {
        let key = Key::new("session:", "VE5rPIvv2sw").unwrap();
        let name = Key::at_rest(hex::encode(&Sha256::digest(key.as_str()))).unwrap();
        assert_eq!(name.short_hash(), key.short_hash());
        let other = Key::at_rest("79bc207ee04a581ab2348ca1f3494e64").unwrap();
        assert_ne!(other.short_hash(), "79bc207e", "a digest of another kind is a name like any other");
    }
}
