//! Secret keys, and the order in which several keys are used.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A secret key: any bytes. Text becomes UTF-8, as in itsdangerous.
///
/// It wipes itself when dropped and prints as `SecretKey(..)`. Keys cannot be compared: a
/// comparison that stops at the first difference would reveal its position.
///
/// ```
/// use hipflask_core::signing::SecretKey;
///
/// let key = SecretKey::from("a long random text");
/// assert_eq!(format!("{key:?}"), "SecretKey(..)");
/// ```
#[derive(Clone)]
pub struct SecretKey {
    bytes: Vec<u8>,
    /// Flask-Login encodes a text as Latin-1, where everything else uses UTF-8.
    is_text: bool,
}

impl Zeroize for SecretKey {
    fn zeroize(&mut self) {
        self.bytes.zeroize();
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for SecretKey {}

impl SecretKey {
    /// Returns `true` if the key has no bytes. A signer cannot be built with such a key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the reason why the key is easy to guess, if it is. An attacker with one cookie can
    /// try keys as fast as they can hash.
    ///
    /// ```
    /// use hipflask_core::signing::{SecretKey, Weakness};
    ///
    /// assert_eq!(SecretKey::from("supersecretkey").weakness(), Some(Weakness::Short));
    /// assert_eq!(SecretKey::from("super secret key").weakness(), Some(Weakness::Published));
    /// assert_eq!(SecretKey::from("9b1c24f0a77d4e6fb0a94f").weakness(), None);
    /// ```
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        let is_published =
            PUBLISHED.iter().any(|published| bool::from(self.bytes.as_slice().ct_eq(published)));
        match () {
            () if is_published => Some(Weakness::Published),
            () if self.len() < SecretKey::SHORTEST => Some(Weakness::Short),
            () => None,
        }
    }

    /// The length in bytes below which a key can be guessed.
    pub const SHORTEST: usize = 16;

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key as Flask-Login uses it: a text as Latin-1, bytes as they are. `None` for a text with
    /// a character beyond Latin-1.
    pub(crate) fn latin1(&self) -> Option<Zeroizing<Vec<u8>>> {
        match core::str::from_utf8(&self.bytes) {
            Ok(text) if self.is_text => {
                text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<u8>>>().map(Zeroizing::new)
            }
            _ => Some(Zeroizing::new(self.bytes.clone())),
        }
    }

    fn text(bytes: Vec<u8>) -> Self {
        Self { bytes, is_text: true }
    }
}

/// The reason why a key is easy to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weakness {
    /// It has less than [`SecretKey::SHORTEST`] bytes.
    Short,
    /// It was published in a manual or a tutorial.
    Published,
}

/// The end of a sentence that begins with the name of the setting.
impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => {
                let shortest = SecretKey::SHORTEST;
                write!(
                    f,
                    "holds a key of less than {shortest} bytes, which can be guessed from a single cookie"
                )
            }
            Self::Published => {
                f.write_str("holds a key from a public example, which is the first that an attacker tries")
            }
        }
    }
}

/// Keys of [`SecretKey::SHORTEST`] bytes or more from manuals and tutorials. Shorter ones are weak
/// anyway.
const PUBLISHED: [&[u8]; 15] = [
    b"192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    b"_5#y2L\"F4Q8z\n\xec]/",
    b"A0Zr98j/3yX R~XHH!jmN]LWX/,?RT",
    b"5791628bb0b13ce0c676dfde280ba245",
    b"you-will-never-guess",
    b"hard to guess string",
    b"super-secret-key",
    b"super secret key",
    b"thisisasecretkey",
    b"this is a secret key",
    b"this-is-a-secret-key",
    b"this-is-a-very-secret-key",
    b"your-secret-key-here",
    b"your_secret_key_here",
    b"change-this-in-production",
];

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl From<Vec<u8>> for SecretKey {
    /// Takes the bytes without leaving a copy.
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, is_text: false }
    }
}

impl From<String> for SecretKey {
    /// Takes the text without leaving a copy.
    fn from(text: String) -> Self {
        Self::text(text.into_bytes())
    }
}

impl From<&str> for SecretKey {
    fn from(text: &str) -> Self {
        Self::text(text.as_bytes().to_vec())
    }
}

impl From<&String> for SecretKey {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&[u8]> for SecretKey {
    fn from(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl<const N: usize> From<[u8; N]> for SecretKey {
    fn from(mut bytes: [u8; N]) -> Self {
        let key = Self::from(bytes.to_vec());
        bytes.zeroize();
        key
    }
}

impl<const N: usize> From<&[u8; N]> for SecretKey {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(bytes.to_vec())
    }
}

/// The key that signs and the other keys that are accepted.
///
/// ```
/// use hipflask_core::signing::KeyRing;
///
/// let keys = KeyRing::new("this year's key").accept("last year's key");
/// assert_eq!(keys.accepted().count(), 2);
/// assert_eq!(format!("{keys:?}"), "KeyRing(2 keys)");
/// ```
///
/// Wherever a ring is expected, a key, text or bytes are a ring of one key.
#[doc(alias = "SECRET_KEY_FALLBACKS")]
#[derive(Clone)]
pub struct KeyRing {
    /// In the order in which they are tried. The first one signs. Never empty.
    keys: Vec<SecretKey>,
}

impl KeyRing {
    /// Creates a ring of one key, which signs and verifies.
    #[must_use]
    pub fn new(current: impl Into<SecretKey>) -> Self {
        Self { keys: vec![current.into()] }
    }

    /// Also accepts signatures of `old`. Keys are tried in the order in which they were added.
    #[must_use]
    pub fn accept(mut self, old: impl Into<SecretKey>) -> Self {
        self.keys.push(old.into());
        self
    }

    /// Creates the ring that Flask makes of `SECRET_KEY` and `SECRET_KEY_FALLBACKS`: `secret_key`
    /// signs. For verifying it is tried first, then the fallbacks **from last to first**.
    ///
    /// This is the order of Flask 3.1.1 and later. Flask 3.1.0 signed with the last fallback
    /// instead. Such cookies verify here like all others that a fallback signed.
    #[must_use]
    pub fn from_flask<K: Into<SecretKey>>(
        secret_key: impl Into<SecretKey>,
        fallbacks: impl IntoIterator<Item = K>,
    ) -> Self {
        let mut keys = vec![secret_key.into()];
        keys.extend(fallbacks.into_iter().map(Into::into));
        keys[1..].reverse();
        Self { keys }
    }

    /// Returns the key that signs.
    #[must_use]
    pub fn signing(&self) -> &SecretKey {
        &self.keys[0]
    }

    /// Returns every key that verifies, in the order in which they are tried. The signing key is
    /// the first.
    pub fn accepted(&self) -> impl ExactSizeIterator<Item = &SecretKey> {
        self.keys.iter()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.len();
        write!(f, "KeyRing({keys} {})", if keys == 1 { "key" } else { "keys" })
    }
}

impl<K: Into<SecretKey>> From<K> for KeyRing {
    fn from(key: K) -> Self {
        Self::new(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const _: () = {
        const fn shareable<T: Send + Sync + Clone>() {}
        shareable::<SecretKey>();
        shareable::<KeyRing>();
    };

    fn texts(keys: &KeyRing) -> Vec<&[u8]> {
        keys.accepted().map(SecretKey::bytes).collect()
    }

    #[test]
    fn debug_output_of_keys_hides_them() {
        let keys = KeyRing::new("hush").accept("whisper");
        let shown = format!("{keys:?} {:?} {:?}", keys.signing(), KeyRing::new(*b"hush"));
        assert_eq!(shown, "KeyRing(2 keys) SecretKey(..) KeyRing(1 key)");
    }

    #[test]
    fn text_keys_are_their_utf8_bytes() {
        let bytes = "ключ".as_bytes();
        for key in [SecretKey::from("ключ"), String::from("ключ").into(), bytes.into(), bytes.to_vec().into()]
        {
            assert_eq!(key.bytes(), bytes);
            assert_eq!((key.len(), key.is_empty()), (8, false));
        }
        assert_eq!(SecretKey::from([1, 2]).bytes(), SecretKey::from(&[1, 2]).bytes());
    }

    #[test]
    fn a_wiped_key_holds_no_bytes() {
        let mut key = SecretKey::from("hush");
        key.zeroize();
        assert!(key.is_empty());
    }

    #[test]
    fn the_first_key_signs_and_accepted_keys_follow() {
        let keys = KeyRing::new("new").accept("old").accept("older");
        assert_eq!(keys.signing().bytes(), b"new");
        assert_eq!(texts(&keys), [b"new".as_slice(), b"old", b"older"]);
    }

    /// Flask 3.1.3 passes `[old0, old1, current]`, and itsdangerous 2.2.0 tries them from the end.
    #[test]
    fn flask_fallbacks_are_tried_from_last_to_first() {
        let keys = KeyRing::from_flask("current", ["old0", "old1"]);
        assert_eq!(keys.signing().bytes(), b"current");
        assert_eq!(texts(&keys), [b"current".as_slice(), b"old1", b"old0"]);
        assert_eq!(texts(&KeyRing::from_flask("current", [""; 0])), [b"current"]);
    }
}
