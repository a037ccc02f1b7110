//! Signing and verifying `value.signature`.

use super::{
    base64,
    error::{SignatureError, SignerConfigError},
    key::KeyRing,
    mac::{Derivation, Digest, LONGEST_TAG, Mac},
};
use crate::{steps, time::UnixTime};

/// A signer of values, which also verifies them.
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
/// The keys are derived once, when the signer is built. Signing and verifying allocate nothing but
/// the result. A signer is immutable: share it by reference or in an `Arc`.
///
/// The rules are those of itsdangerous 2.2.0 `Signer`, with one exception: base64 has several
/// spellings for one signature, and only the one that is written is accepted.
#[derive(Debug, Clone)]
pub struct Signer {
    /// One for each key, in the order of the key ring. Never empty.
    macs: Vec<Mac>,
    separator: u8,
    signature_len: usize,
}

impl Signer {
    /// Creates a builder with the defaults of itsdangerous: salt `itsdangerous.Signer`, separator
    /// `.`, derivation `django-concat`, SHA-1.
    pub fn builder(keys: impl Into<KeyRing>) -> SignerBuilder {
        SignerBuilder {
            keys: keys.into(),
            salt: b"itsdangerous.Signer".to_vec(),
            separator: b'.',
            derivation: Derivation::default(),
            digest: Digest::default(),
        }
    }

    /// Returns the signature of `value` under the signing key, in URL-safe base64 without padding.
    #[must_use]
    pub fn signature(&self, value: &[u8]) -> String {
        let mut text = String::new();
        base64::encode_append(self.macs[0].tag(value).bytes(), &mut text);
        text
    }

    /// Returns `value`, the separator and the signature. The value may contain the separator.
    #[must_use]
    pub fn sign(&self, value: impl AsRef<[u8]>) -> Vec<u8> {
        let value = value.as_ref();
        let mut signed = Vec::with_capacity(value.len() + self.tail_len());
        signed.extend_from_slice(value);
        signed.push(self.separator);
        signed.extend_from_slice(self.signature(value).as_bytes());
        signed
    }

    /// Signs text as [`sign`](Self::sign) signs bytes.
    #[must_use]
    pub fn sign_text(&self, value: &str) -> String {
        let mut text = String::with_capacity(value.len() + self.tail_len());
        text.push_str(value);
        self.sign_in_place(&mut text);
        text
    }

    /// Appends the separator and the signature of `text` to it. Allocates only if `text` has to
    /// grow.
    pub fn sign_in_place(&self, text: &mut String) {
        let tag = self.macs[0].tag(text.as_bytes());
        text.reserve(self.tail_len());
        text.push(char::from(self.separator));
        base64::encode_append(tag.bytes(), text);
    }

    /// Returns the number of the key that made `signature` for `value`: 0 is the signing key,
    /// followed by the accepted ones in the order of [`KeyRing::accepted`]. Returns `None` if no
    /// key did.
    ///
    /// The time depends on the lengths and on the key that matches, but not on the position of the
    /// first difference.
    #[must_use]
    pub fn verify(&self, value: &[u8], signature: &[u8]) -> Option<usize> {
        self.macs.iter().position(|mac| {
            let mut given = [0; LONGEST_TAG];
            mac.verifies(value, || base64::decode_strict(signature, &mut given).unwrap_or_default())
        })
    }

    /// Verifies `signed` and returns the value before the last separator, without copying it.
    ///
    /// [`Unsigned::issued_at`] is `None`. Use a [`TimestampSigner`](super::TimestampSigner) for
    /// values with a time.
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

    /// Returns the byte between value and signature.
    #[must_use]
    pub const fn separator(&self) -> u8 {
        self.separator
    }

    /// Returns the length of a signature as text: 27 bytes for SHA-1, 43 for SHA-256, 86 for
    /// SHA-512.
    #[must_use]
    pub const fn signature_len(&self) -> usize {
        self.signature_len
    }

    /// Returns the verified value and the number of its key.
    pub(super) fn open<'v>(&self, signed: &'v [u8]) -> Result<(&'v [u8], usize), Refused<'v>> {
        // A signature cannot contain the separator, so the position of the last separator in a good
        // value is known.
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
        steps::count(signed.len());
        match signed.iter().rposition(|&byte| byte == self.separator) {
            Some(at) => Refused::BadSignature { value: &signed[..at] },
            None => Refused::NoSeparator,
        }
    }

    const fn tail_len(&self) -> usize {
        1 + self.signature_len
    }
}

/// The reason why [`Signer::open`] refused a value.
pub(super) enum Refused<'v> {
    NoSeparator,
    BadSignature { value: &'v [u8] },
}

/// A value with a good signature.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsigned<'v> {
    /// The signed value, borrowed from the input.
    pub value: &'v [u8],
    /// The time of signing, if the signer adds one.
    pub issued_at: Option<UnixTime>,
    /// The number of the key that signed it: 0 is the signing key, followed by the accepted ones in
    /// the order of [`KeyRing::accepted`].
    pub key: usize,
}

/// Shows the length of the value, never the value.
impl core::fmt::Debug for Unsigned<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Unsigned")
            .field("bytes", &self.value.len())
            .field("issued_at", &self.issued_at)
            .field("key", &self.key)
            .finish()
    }
}

/// The settings of a [`Signer`].
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
    /// Sets the salt. A value that was signed with one salt is refused with another. It is not a
    /// secret: name the purpose.
    pub fn salt(mut self, salt: impl AsRef<[u8]>) -> Self {
        self.salt = salt.as_ref().to_vec();
        self
    }

    /// Sets the byte between value and signature. It must be ASCII, but not a letter, a digit, `-`,
    /// `_` or `=`.
    pub const fn separator(mut self, separator: u8) -> Self {
        self.separator = separator;
        self
    }

    /// Sets the way in which the HMAC's key is derived from the secret key and the salt.
    pub const fn derivation(mut self, derivation: Derivation) -> Self {
        self.derivation = derivation;
        self
    }

    /// Sets the hash of the HMAC and the derivation.
    pub const fn digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// Derives the keys.
    ///
    /// # Errors
    /// [`SignerConfigError::EmptyKey`] if any key is empty. (itsdangerous accepts such a key. Flask
    /// accepts it among the fallbacks and then accepts everybody's signatures.)
    /// [`SignerConfigError::SeparatorInAlphabet`] or [`SignerConfigError::SeparatorNotAscii`] for
    /// such a separator.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const _: () = {
        const fn shareable<T: Send + Sync + Clone>() {}
        shareable::<Signer>();
        shareable::<SignerBuilder>();
    };

    fn signer(keys: impl Into<KeyRing>) -> Signer {
        Signer::builder(keys).build().unwrap()
    }

    /// itsdangerous 2.2.0: `Signer('k').sign('x')`.
    #[test]
    fn defaults_are_those_of_itsdangerous() {
        let signer = signer("k");
        assert_eq!(signer.sign("x"), b"x.tD2euamwNt6VDDfmraYZ59LgyAw");
        assert_eq!(signer.sign_text("x"), "x.tD2euamwNt6VDDfmraYZ59LgyAw");
        assert_eq!(signer.signature(b"x"), "tD2euamwNt6VDDfmraYZ59LgyAw");
        assert_eq!((signer.separator(), signer.signature_len()), (b'.', 27));
    }

    /// itsdangerous 2.2.0 `Signer('k', salt='cookie-session', ..)` on Flask's `{"a":1}` at
    /// 1_700_000_000.
    #[test]
    fn every_derivation_and_digest_signs_as_itsdangerous() {
        use Derivation::{Concat, DjangoConcat, Hmac, None};
        use Digest::{Sha1, Sha256, Sha512};
        let table = [
            (Hmac, Sha1, "-1QlRaColPEibXlFRFd2EAdBB74"),
            (Hmac, Sha256, "uMX9NDK1iUEXE0X4_F0AhuXWsL9OlV_0ak7239ihzpg"),
            (
                Hmac,
                Sha512,
                "QKuchlkA91BmvBVOyaF8dDUCTlnix_Wk9u_l8cpIp-HfrOX9AKHbrC9mokM2boiE2N0jmWOTISO1u8g3BiSwBQ",
            ),
            (Concat, Sha1, "l8kRkbWODG6gw0b_6kbXOL3ttTU"),
            (DjangoConcat, Sha1, "Lw7IKDDCIAlqFJZ7PfUv2LRn6i8"),
            (None, Sha1, "tpkGISYUdHL-nX8Kgia9o1LyRLo"),
        ];
        for (derivation, digest, signature) in table {
            let signer = Signer::builder("k")
                .salt("cookie-session")
                .derivation(derivation)
                .digest(digest)
                .build()
                .unwrap();
            assert_eq!(signer.signature(b"eyJhIjoxfQ.ZVPxAA"), signature, "{derivation} {digest}");
            assert_eq!(signer.verify(b"eyJhIjoxfQ.ZVPxAA", signature.as_bytes()), Some(0));
        }
    }

    /// itsdangerous 2.2.0: `Signer(b'\xff\x00' * 80, salt=b'\x00salt', sep='!',
    /// ..).sign(b'value!\xff')`. The key is longer than the blocks of all three hashes.
    #[test]
    fn any_bytes_can_be_key_salt_and_value() {
        use Derivation::{Concat, DjangoConcat, Hmac, None};
        use Digest::{Sha1, Sha256, Sha512};
        let table = [
            (Sha1, Concat, "RiyXeEFLJXbeFKr98UonlTYwyBQ"),
            (Sha1, DjangoConcat, "41nmdS64mEOy43vrwJ72Cb2Yur0"),
            (Sha1, Hmac, "vkFHGMbWXQbNQTcN401O5Mh7Y-8"),
            (Sha1, None, "n-CENTIpD6RBXUHCLci2bgtKRZE"),
            (Sha256, Concat, "RuZsUnnKTZUgihtkOi6QlXXZU1CBgxDF-DkGvBVV-4Y"),
            (Sha256, DjangoConcat, "cypv3OKQVZLI6hFhQjwLg6g86g7wTHIiW11il2WrRn4"),
            (Sha256, Hmac, "HrDl0lxJf12WmMyc8dP6mO9OK_TsnMchwWZ8ZX37TBI"),
            (Sha256, None, "ZDuXeNNa_pZYtnqCiEP8tD3lZ87RZWKKsgbn-L-CoIw"),
            (
                Sha512,
                Concat,
                "uCMJFldYR6OL8uzOB_ISu9ljHpLSE0ZdlIzvOxJYznpMk4W6Wd8gzGqG5V0qgNk21DWPYRFfqin62JWtLHMbAQ",
            ),
            (
                Sha512,
                DjangoConcat,
                "_eKmDAqNT98CHgZc6PRd5_CPGexf-tutgqgBkv3v2ndB85Aat2zkf5Wufw5t6Y3oEzXpNTaeHmh9XjKTdWl8Hw",
            ),
            (
                Sha512,
                Hmac,
                "XeT4ZFX6JZBT3w1tBm-13DVjMbP8dUEwLJWgmO6A-8dQGoPGWr1zRXqW6b5IxU1DPyFChsmFF6FR5iUc60aXqw",
            ),
            (
                Sha512,
                None,
                "hDyONy-tEDH10rcLtUZAhTcejsSBpeHhXDpIK4AXyiM4K0f_o6uqmgxb0nk_UpXqfZGXhcGoioWbCIjrtxZJjA",
            ),
        ];
        for (digest, derivation, signature) in table {
            let signer = Signer::builder([0xff, 0].repeat(80))
                .salt(b"\0salt")
                .separator(b'!')
                .derivation(derivation)
                .digest(digest)
                .build()
                .unwrap();
            let signed = signer.sign(b"value!\xff");
            assert_eq!(signed, [b"value!\xff!", signature.as_bytes()].concat(), "{digest} {derivation}");
            assert_eq!(signer.unsign(&signed).map(|u| u.value), Ok(b"value!\xff".as_slice()));
        }
    }

    /// Flask-Session 0.8.0 with SESSION_USE_SIGNER and SECRET_KEY "k".
    #[test]
    fn session_id_signed_by_flask_session_is_read() {
        let signer = Signer::builder("k").salt("flask-session").derivation(Derivation::Hmac).build().unwrap();
        let cookie = "VE5rPIvv2sw.XSGSFom5AYgjyEAodiVVWTWyzi0";
        assert_eq!(signer.sign_text("VE5rPIvv2sw"), cookie);
        let unsigned = signer.unsign(cookie.as_bytes()).unwrap();
        assert_eq!((unsigned.value, unsigned.issued_at, unsigned.key), (b"VE5rPIvv2sw".as_slice(), None, 0));
    }

    #[test]
    fn unsigning_reports_the_number_of_the_key() {
        let ring = signer(KeyRing::from_flask("current", ["old0", "old1"]));
        for (key, number) in
            [("current", Some(0)), ("old1", Some(1)), ("old0", Some(2)), ("none of them", None)]
        {
            let signed = signer(key).sign("x");
            assert_eq!(ring.unsign(&signed).ok().map(|unsigned| unsigned.key), number, "{key}");
        }
        assert_eq!(ring.sign("x"), signer("current").sign("x"), "the current key signs");
    }

    #[test]
    fn a_key_given_twice_counts_as_the_newer() {
        let ring = signer(KeyRing::new("k").accept("k"));
        assert_eq!(ring.unsign(b"x.tD2euamwNt6VDDfmraYZ59LgyAw").map(|unsigned| unsigned.key), Ok(0));
    }

    #[test]
    fn a_signature_for_another_purpose_is_refused() {
        let build = |salt: &str| Signer::builder("k").salt(salt).build().unwrap();
        let signed = build("activate").sign("42");
        assert!(build("activate").unsign(&signed).is_ok());
        assert!(build("upgrade").unsign(&signed).is_err());
    }

    #[test]
    fn with_derivation_none_the_salt_has_no_effect() {
        let build =
            |salt: &str| Signer::builder("k").salt(salt).derivation(Derivation::None).build().unwrap();
        assert_eq!(build("a").sign("x"), build("b").sign("x"));
    }

    /// itsdangerous reads each of these as the signature of `x`; no client writes them.
    #[test]
    fn other_spellings_of_a_good_signature_are_refused() {
        let signer = signer("k");
        assert!(signer.unsign(b"x.tD2euamwNt6VDDfmraYZ59LgyAw").is_ok());
        for spelling in [
            "tD2euamwNt6VDDfmraYZ59LgyAw=",
            "tD2euamwNt6VDDfmraYZ59LgyAw=garbage",
            "tD2euamwNt6VDDfmraYZ59LgyAx",
            "tD2euamwNt6VDDfmraYZ59LgyAy",
            "tD2euamwNt6VDDfmraYZ59LgyAz",
            "tD2e****uamwNt6VDDfmraYZ59LgyAw",
        ] {
            let signed = format!("x.{spelling}");
            let refused = signer.unsign(signed.as_bytes());
            assert!(matches!(refused, Err(SignatureError::BadSignature { .. })), "{spelling}");
        }
    }

    #[test]
    fn the_standard_alphabet_is_refused_in_a_signature() {
        let signer =
            Signer::builder("k").salt("cookie-session").derivation(Derivation::Hmac).build().unwrap();
        let value = b"eyJhIjoxfQ.ZVPxAA";
        assert_eq!(signer.verify(value, b"-1QlRaColPEibXlFRFd2EAdBB74"), Some(0));
        assert_eq!(signer.verify(value, b"+1QlRaColPEibXlFRFd2EAdBB74"), None);
    }

    #[test]
    fn a_value_without_separator_says_so() {
        let signer = signer("k");
        for value in [b"".as_slice(), b"x", b"tD2euamwNt6VDDfmraYZ59LgyAw"] {
            assert_eq!(signer.unsign(value), Err(SignatureError::NoSeparator));
        }
        let refused = signer.unsign(b".").unwrap_err();
        assert_eq!(refused, SignatureError::BadSignature { issued_at: None, timed: false });
        assert_eq!(refused.itsdangerous_class(), "BadSignature");
        assert_eq!(SignatureError::NoSeparator.itsdangerous_class(), "BadSignature");
    }

    #[test]
    fn empty_values_and_separators_can_be_signed() {
        let signer = signer("k");
        for value in ["", ".", "..", "a.b.c.", ".a"] {
            let signed = signer.sign_text(value);
            assert_eq!(signer.unsign(signed.as_bytes()).map(|u| u.value), Ok(value.as_bytes()));
        }
    }

    #[test]
    fn separators_that_can_be_in_signatures_are_refused() {
        for separator in 0..=u8::MAX {
            let built = Signer::builder("k").separator(separator).build();
            let allowed =
                separator.is_ascii() && !separator.is_ascii_alphanumeric() && !b"-_=".contains(&separator);
            assert_eq!(built.is_ok(), allowed, "{separator}");
        }
        let error = Signer::builder("k").separator(b'-').build().unwrap_err();
        assert_eq!(error, SignerConfigError::SeparatorInAlphabet { separator: '-' });
    }

    #[test]
    fn an_empty_key_is_refused_at_every_position() {
        let index = |keys: KeyRing| match Signer::builder(keys).build() {
            Err(SignerConfigError::EmptyKey { index }) => Some(index),
            _ => None,
        };
        assert_eq!(index(KeyRing::new("")), Some(0));
        assert_eq!(index(KeyRing::new("k").accept("")), Some(1));
        assert_eq!(index(KeyRing::new("k").accept("l")), None);
    }

    #[test]
    fn debug_output_of_signers_hides_key_and_state() {
        let builder = Signer::builder("hush").salt("s");
        let shown = format!("{builder:?} {:?}", builder.clone().build().unwrap());
        assert!(!shown.contains("hush") && !shown.contains("104, 117"), "{shown}");
        assert!(shown.contains("KeyRing(1 key)") && shown.contains("macs: [Mac(..)]"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_changed_byte_breaks_the_signature(value: Vec<u8>, place: prop::sample::Index, change in 1_u8..) {
            let signer = signer(KeyRing::new("k").accept("old"));
            let mut signed = signer.sign(&value);
            prop_assert_eq!(signer.unsign(&signed).map(|unsigned| unsigned.value), Ok(value.as_slice()));
            let place = place.index(signed.len());
            signed[place] ^= change;
            prop_assert!(signer.unsign(&signed).is_err());
        }

        #[test]
        fn no_bytes_make_a_signer_panic(signed: Vec<u8>, signature: Vec<u8>) {
            let signer = signer("k");
            let _ = (signer.unsign(&signed), signer.verify(&signed, &signature));
        }
    }
}
