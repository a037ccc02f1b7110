//! `value.signature`.

use subtle::ConstantTimeEq;

use super::{
    base64,
    error::{SignatureError, SignerConfigError},
    key::KeyRing,
    mac::{Derivation, Digest, LONGEST_TAG, Mac, Tag},
};
use crate::time::UnixTime;

/// Signs values and verifies signed ones.
///
/// ```
/// use hipflask_core::signing::{Derivation, Digest, KeyRing, Signer};
///
/// let keys = KeyRing::new("new key").accept("old key");
/// let signer = Signer::builder(keys).salt("unsubscribe").derivation(Derivation::Hmac).digest(Digest::Sha256).build()?;
///
/// let link = signer.sign_text("alice@example.org");
/// assert_eq!(signer.unsign(link.as_bytes())?.value, b"alice@example.org");
/// assert!(signer.unsign(b"mallory@example.org.AAAA").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The keys are derived once, where the signer is built; signing and verifying do not allocate but for the result. A
/// signer is immutable: share it by reference or `Arc`.
///
/// Same rules as itsdangerous 2.2.0 `Signer`, but for one: of the spellings that base64 has for one signature only the
/// one that is written is accepted.
#[derive(Debug, Clone)]
pub struct Signer {
    /// One per key, in the order of the key ring; never empty.
    macs: Vec<Mac>,
    separator: u8,
    signature_len: usize,
}

impl Signer {
    /// Starts with the defaults of itsdangerous: salt `itsdangerous.Signer`, separator `.`, derivation `django-concat`,
    /// SHA-1.
    pub fn builder(keys: impl Into<KeyRing>) -> SignerBuilder {
        SignerBuilder {
            keys: keys.into(),
            salt: b"itsdangerous.Signer".to_vec(),
            separator: b'.',
            derivation: Derivation::default(),
            digest: Digest::default(),
        }
    }

    /// The signature of `value` under the signing key: URL-safe base64 without padding.
    #[must_use]
    pub fn signature(&self, value: &[u8]) -> String {
        let mut text = String::new();
        base64::encode_append(self.macs[0].tag(value).bytes(), &mut text);
        text
    }

    /// `value`, the separator and the signature. The value may hold the separator.
    #[must_use]
    pub fn sign(&self, value: impl AsRef<[u8]>) -> Vec<u8> {
        let value = value.as_ref();
        let mut signed = Vec::with_capacity(value.len() + self.tail_len());
        signed.extend_from_slice(value);
        signed.push(self.separator);
        signed.extend_from_slice(SignatureText::of(&self.macs[0].tag(value)).bytes());
        signed
    }

    /// [`sign`](Self::sign) for text.
    #[must_use]
    pub fn sign_text(&self, value: &str) -> String {
        let mut text = String::with_capacity(value.len() + self.tail_len());
        text.push_str(value);
        self.sign_in_place(&mut text);
        text
    }

    /// Appends the separator and the signature of what `text` holds. Allocates only if `text` has to grow.
    pub fn sign_in_place(&self, text: &mut String) {
        let tag = self.macs[0].tag(text.as_bytes());
        text.reserve(self.tail_len());
        text.push(char::from(self.separator));
        base64::encode_append(tag.bytes(), text);
    }

    /// Which key made `signature` for `value`: 0 is the signing key, then the accepted ones in the order of
    /// [`KeyRing::accepted`]. `None` if no key did.
    ///
    /// The time does not depend on where a wrong signature differs, only on the lengths and on which key matches.
    #[must_use]
    pub fn verify(&self, value: &[u8], signature: &[u8]) -> Option<usize> {
        if signature.len() != self.signature_len {
            return None;
        }
        // The texts are compared, not the bytes: so exactly the spelling that we would write is accepted.
        self.macs.iter().position(|mac| SignatureText::of(&mac.tag(value)).bytes().ct_eq(signature).into())
    }

    /// Verifies `signed` and returns the value before the last separator, without copying it.
    ///
    /// [`Unsigned::issued_at`] is `None`: for a time see [`TimestampSigner`](super::TimestampSigner).
    ///
    /// # Errors
    /// [`SignatureError::NoSeparator`] or [`SignatureError::BadSignature`].
    pub fn unsign<'v>(&self, signed: &'v [u8]) -> Result<Unsigned<'v>, SignatureError> {
        match self.open(signed) {
            Ok((value, key)) => Ok(Unsigned { value, issued_at: None, key }),
            Err(Refused::NoSeparator) => Err(SignatureError::NoSeparator),
            Err(Refused::BadSignature { .. }) => {
                Err(SignatureError::BadSignature { issued_at: None, timed: false })
            }
        }
    }

    /// The byte between value and signature.
    #[must_use]
    pub const fn separator(&self) -> u8 {
        self.separator
    }

    /// The length of every signature in bytes of text: 27 for SHA-1, 43 for SHA-256, 86 for SHA-512.
    #[must_use]
    pub const fn signature_len(&self) -> usize {
        self.signature_len
    }

    /// The verified value and the number of its key.
    pub(super) fn open<'v>(&self, signed: &'v [u8]) -> Result<(&'v [u8], usize), Refused<'v>> {
        // A signature cannot hold the separator, so the last separator of a good value stands at a known place.
        if let Some((value, tail)) = signed.len().checked_sub(self.tail_len()).map(|at| signed.split_at(at))
            && let [separator, signature @ ..] = tail
            && *separator == self.separator
            && let Some(key) = self.verify(value, signature)
        {
            return Ok((value, key));
        }
        Err(self.refuse(signed))
    }

    #[cold]
    fn refuse<'v>(&self, signed: &'v [u8]) -> Refused<'v> {
        match signed.iter().rposition(|&byte| byte == self.separator) {
            Some(at) => Refused::BadSignature { value: &signed[..at] },
            None => Refused::NoSeparator,
        }
    }

    const fn tail_len(&self) -> usize {
        1 + self.signature_len
    }
}

/// Why [`Signer::open`] found nothing.
pub(super) enum Refused<'v> {
    NoSeparator,
    BadSignature { value: &'v [u8] },
}

/// What a good signature was on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsigned<'v> {
    /// The signed value, a part of what was handed in.
    pub value: &'v [u8],
    /// When it was signed, if the signer signs the time too.
    pub issued_at: Option<UnixTime>,
    /// Which key signed it: 0 is the signing key, then the accepted ones in the order of [`KeyRing::accepted`].
    pub key: usize,
}

/// Settings of a [`Signer`] to be.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct SignerBuilder {
    keys: KeyRing,
    salt: Vec<u8>,
    separator: u8,
    derivation: Derivation,
    digest: Digest,
}

impl SignerBuilder {
    /// What is signed for one salt is not accepted for another. Not a secret; name the purpose.
    pub fn salt(mut self, salt: impl AsRef<[u8]>) -> Self {
        self.salt = salt.as_ref().to_vec();
        self
    }

    /// The byte between value and signature: ASCII, but no letter, no digit and none of `-`, `_`, `=`.
    pub const fn separator(mut self, separator: u8) -> Self {
        self.separator = separator;
        self
    }

    /// How the HMAC's key comes from the secret key and the salt.
    pub const fn derivation(mut self, derivation: Derivation) -> Self {
        self.derivation = derivation;
        self
    }

    /// The hash under the HMAC and under the derivation.
    pub const fn digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// Derives the keys.
    ///
    /// # Errors
    /// [`SignerConfigError::EmptyKey`] if any key is empty (itsdangerous takes it; Flask takes it among the fallbacks,
    /// and then accepts what anybody signed), and [`SignerConfigError::SeparatorInAlphabet`] or
    /// [`SignerConfigError::SeparatorNotAscii`] for such a separator.
    pub fn build(self) -> Result<Signer, SignerConfigError> {
        let Self { keys, salt, separator, derivation, digest } = self;
        if !separator.is_ascii() {
            return Err(SignerConfigError::SeparatorNotAscii { separator });
        }
        if separator.is_ascii_alphanumeric() || matches!(separator, b'-' | b'_' | b'=') {
            return Err(SignerConfigError::SeparatorInAlphabet { separator: char::from(separator) });
        }
        if let Some(index) = keys.accepted().position(|key| key.is_empty()) {
            return Err(SignerConfigError::EmptyKey { index });
        }
        let macs = keys.accepted().map(|key| Mac::derived(digest, derivation, key.bytes(), &salt)).collect();
        Ok(Signer { macs, separator, signature_len: base64::encoded_len(digest.len()) })
    }
}

/// A signature as text, on the stack.
struct SignatureText {
    bytes: [u8; base64::encoded_len(LONGEST_TAG)],
    len: usize,
}

impl SignatureText {
    fn of(tag: &Tag) -> Self {
        let mut bytes = [0; base64::encoded_len(LONGEST_TAG)];
        let len = base64::encode_to(tag.bytes(), &mut bytes).len();
        Self { bytes, len }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
