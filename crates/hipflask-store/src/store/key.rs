//! [`Key`]: the name of a record.

use core::fmt;

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// The name of a record: prefix and session id, `session:VE5rPIvv2sw…`.
///
/// 1 to 250 visible ASCII characters without a space: what every backend takes, and nothing that could end a line, leave a
/// directory or start a command. Prints as a short hash, which stands for the key in logs.
///
/// ```
/// use hipflask_store::store::Key;
/// let key = Key::new("session:", "a-session-id")?;
/// assert_eq!(key.as_str(), "session:a-session-id");
/// assert_eq!(format!("{key:?}"), "Key(#1e00519e)");
/// assert!(Key::new("session:", "x\r\nflush_all").is_err());
/// # Ok::<(), hipflask_store::store::BadKey>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    text: Box<str>,
    at_rest: bool,
}

impl Key {
    /// How long a key may be: memcached's limit.
    pub const MAX_BYTES: usize = 250;

    /// The key of a session id.
    ///
    /// # Errors
    /// [`BadKey`] if prefix and id together are empty, too long, or hold anything else than visible ASCII.
    pub fn new(prefix: &str, id: &str) -> Result<Self, BadKey> {
        let mut text = String::with_capacity(prefix.len() + id.len());
        text.push_str(prefix);
        text.push_str(id);
        Self::checked(text, false)
    }

    /// The key of a record that its store knows only by another name, such as a file named for a digest of the key.
    ///
    /// Only that store finds it, and only there it is good: what the key was cannot be told.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn at_rest(name: impl Into<String>) -> Result<Self, BadKey> {
        Self::checked(name.into(), true)
    }

    fn checked(text: String, at_rest: bool) -> Result<Self, BadKey> {
        let good =
            (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if good { Ok(Self { text: text.into(), at_rest }) } else { Err(BadKey) }
    }

    /// The text: for the backend, not for people.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is the store's own name for the record and not prefix and id. A store that has no such names finds
    /// nothing under it.
    #[must_use]
    pub const fn is_at_rest(&self) -> bool {
        self.at_rest
    }

    /// Eight hex digits that stand for the key in logs and listings. The key cannot be found from them.
    ///
    /// A name [`at_rest`](Self::at_rest) that is the SHA-256 of the key, as cachelib's files have it, gives the same digits as
    /// the key.
    #[must_use]
    pub fn short_hash(&self) -> String {
        let is_digest = self.at_rest && self.text.len() == 64 && self.text.bytes().all(is_hex);
        if is_digest { self.text[..8].to_owned() } else { hex(&Sha256::digest(self.text.as_bytes())[..4]) }
    }

    /// The session id behind `prefix`; `None` if the key begins otherwise or is [`at_rest`](Self::at_rest).
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

/// A key that no store takes. Does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key must be 1 to {} visible ASCII characters; check the key prefix", Key::MAX_BYTES)]
pub struct BadKey;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_named_for_the_digest_of_a_key_has_the_short_hash_of_the_key() {
        let key = Key::new("session:", "VE5rPIvv2sw").unwrap();
        let name = Key::at_rest(hex(&Sha256::digest(key.as_str()))).unwrap();
        assert_eq!(name.short_hash(), key.short_hash());
        let other = Key::at_rest("79bc207ee04a581ab2348ca1f3494e64").unwrap();
        assert_ne!(other.short_hash(), "79bc207e", "a digest of another kind is a name like any other");
    }
}
