//! `value.timestamp.signature`.

use core::time::Duration;

use super::{
    base64,
    error::{SignatureError, SignerConfigError},
    key::KeyRing,
    mac::Derivation,
    signer::{Refused, Signer, Unsigned},
};
use crate::time::UnixTime;

/// Signs values together with the time, so that a signature can grow too old.
///
/// ```
/// use core::time::Duration;
/// use hipflask_core::{signing::{Age, SignatureError, Signer, TimestampSigner}, time::UnixTime};
///
/// let signer = TimestampSigner::new(Signer::builder("a long random key").salt("password reset").build()?);
/// let at = UnixTime::from_secs(1_700_000_000);
/// let link = signer.sign("alice", at);
///
/// let hour = Age::at_most(Duration::from_secs(3600));
/// let soon = at.saturating_add(Duration::from_secs(60));
/// assert_eq!(signer.unsign(link.as_bytes(), soon, hour)?.value, b"alice");
///
/// let late = at.saturating_add(Duration::from_secs(3601));
/// assert!(matches!(signer.unsign(link.as_bytes(), late, hour), Err(SignatureError::Expired { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The timestamp is the seconds since 1970, big-endian without leading zero bytes, in URL-safe base64 without padding:
/// six characters until the year 2106.
///
/// Same rules as itsdangerous 2.2.0 `TimestampSigner`, with the one difference of [`Signer`].
#[derive(Debug, Clone)]
pub struct TimestampSigner {
    signer: Signer,
}

impl TimestampSigner {
    /// Adds the time to what `signer` signs. Keys, salt, separator, derivation and digest are those of `signer`, whose
    /// defaults are the same in itsdangerous.
    #[must_use]
    pub const fn new(signer: Signer) -> Self {
        Self { signer }
    }

    /// The signer of Flask's session cookie: salt `cookie-session`, derivation `hmac`, SHA-1.
    ///
    /// # Errors
    /// [`SignerConfigError::EmptyKey`] if a key is empty.
    #[doc(alias = "SecureCookieSessionInterface")]
    pub fn flask_cookie(keys: impl Into<KeyRing>) -> Result<Self, SignerConfigError> {
        let signer = Signer::builder(keys).salt("cookie-session").derivation(Derivation::Hmac).build()?;
        Ok(Self::new(signer))
    }

    /// Appends the time `at` and the signature to what `text` holds. Allocates only if `text` has to grow.
    ///
    /// A time after the year 9999 is written but, as by itsdangerous, not read again.
    pub fn sign_in_place(&self, text: &mut String, at: UnixTime) {
        text.reserve(self.overhead(at));
        text.push(char::from(self.signer.separator()));
        let bytes = at.as_secs().to_be_bytes();
        base64::encode_append(&bytes[leading_zeros(at)..], text);
        self.signer.sign_in_place(text);
    }

    /// `value`, the time `at` and the signature, with separators between. The value may hold the separator.
    #[must_use]
    pub fn sign(&self, value: &str, at: UnixTime) -> String {
        let mut text = String::with_capacity(value.len() + self.overhead(at));
        text.push_str(value);
        self.sign_in_place(&mut text, at);
        text
    }

    /// How many bytes signing at `at` adds to a value: 35 for a Flask cookie until the year 2106.
    #[must_use]
    pub const fn overhead(&self, at: UnixTime) -> usize {
        2 + base64::encoded_len(LONGEST_TIMESTAMP - leading_zeros(at)) + self.signer.signature_len()
    }

    /// Verifies `signed` and returns the value and the time of signing, without copying.
    ///
    /// The signature is checked first: a forged and expired value reports the forgery.
    ///
    /// # Errors
    /// [`SignatureError::NoSeparator`] or [`SignatureError::BadSignature`] if no accepted key signed it; and only under
    /// a good signature [`SignatureError::TimestampMissing`], [`SignatureError::TimestampMalformed`],
    /// [`SignatureError::Expired`] or [`SignatureError::Future`].
    pub fn unsign<'v>(
        &self,
        signed: &'v [u8],
        now: UnixTime,
        age: Age,
    ) -> Result<Unsigned<'v>, SignatureError> {
        let separator = self.signer.separator();
        let (stamped, key) =
            self.signer.open(signed).map_err(|refused| bad_signature(&refused, separator))?;
        let (value, timestamp) = split_last(stamped, separator).ok_or(SignatureError::TimestampMissing)?;
        let issued_at = read_timestamp(timestamp).ok_or(SignatureError::TimestampMalformed)?;
        age.check(issued_at, now)?;
        Ok(Unsigned { value, issued_at: Some(issued_at), key })
    }

    /// The signer without the time.
    #[must_use]
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }
}

/// Which ages are accepted, in whole seconds; fractions are dropped.
///
/// ```
/// use core::time::Duration;
/// use hipflask_core::signing::Age;
///
/// let as_flask = Age::at_most(Duration::from_secs(31 * 24 * 60 * 60));
/// let for_two_clocks = as_flask.leeway(Duration::from_secs(5));
/// assert_eq!(for_two_clocks.leeway, Duration::from_secs(5));
/// ```
///
/// Same rules as itsdangerous 2.2.0 `max_age`; the leeway is ours, and 0 unless set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Age {
    /// The greatest age; one equal to it passes. `None` accepts every time, the future too.
    pub max_age: Option<Duration>,
    /// How far ahead of now a time may be if there is a greatest age. It does not lengthen the greatest age.
    pub leeway: Duration,
}

impl Age {
    /// Accepts every time, the future too.
    #[must_use]
    pub const fn any() -> Self {
        Self { max_age: None, leeway: Duration::ZERO }
    }

    /// Accepts an age from 0 to `max_age`, both included.
    #[must_use]
    pub const fn at_most(max_age: Duration) -> Self {
        Self { max_age: Some(max_age), leeway: Duration::ZERO }
    }

    /// Accepts times up to `leeway` ahead of now as well: clocks of two servers differ.
    #[must_use]
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    const fn check(self, issued_at: UnixTime, now: UnixTime) -> Result<(), SignatureError> {
        let Some(max_age) = self.max_age else { return Ok(()) };
        let (issued, now) = (issued_at.as_secs(), now.as_secs());
        if let Some(age) = now.checked_sub(issued) {
            if age > max_age.as_secs() {
                let (age, max_age) = (Duration::from_secs(age), Duration::from_secs(max_age.as_secs()));
                return Err(SignatureError::Expired { age, max_age, issued_at });
            }
        } else if issued - now > self.leeway.as_secs() {
            return Err(SignatureError::Future { ahead: Duration::from_secs(issued - now), issued_at });
        }
        Ok(())
    }
}

/// The parts of a signed value, **without any check**: for tools that show what a value claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parts<'v> {
    /// What stands before the timestamp, or before the signature if there is nothing between.
    pub value: &'v [u8],
    /// The claimed time of signing, if there is one and it can be read.
    pub timestamp: Option<UnixTime>,
    /// What stands in the place of the timestamp, if anything does.
    pub timestamp_text: Option<&'v [u8]>,
    /// What stands after the last separator.
    pub signature: &'v [u8],
}

/// Takes a signed value apart at its last two separators **without any check**; `None` if it holds no separator.
///
/// ```
/// use hipflask_core::{signing::split_unverified, time::UnixTime};
///
/// let parts = split_unverified(b"eyJhIjoxfQ.ZVPxAA.anything", b'.').expect("there are separators");
/// assert_eq!(parts.value, b"eyJhIjoxfQ");
/// assert_eq!(parts.timestamp, Some(UnixTime::from_secs(1_700_000_000)));
/// ```
#[must_use]
pub fn split_unverified(signed: &[u8], separator: u8) -> Option<Parts<'_>> {
    let (stamped, signature) = split_last(signed, separator)?;
    Some(match split_last(stamped, separator) {
        Some((value, text)) => {
            Parts { value, timestamp: read_timestamp(text), timestamp_text: Some(text), signature }
        }
        None => Parts { value: stamped, timestamp: None, timestamp_text: None, signature },
    })
}

#[cold]
fn bad_signature(refused: &Refused<'_>, separator: u8) -> SignatureError {
    match refused {
        Refused::NoSeparator => SignatureError::NoSeparator,
        Refused::BadSignature { value } => match split_last(value, separator) {
            Some((_, timestamp)) => {
                SignatureError::BadSignature { issued_at: read_timestamp(timestamp), timed: true }
            }
            None => SignatureError::BadSignature { issued_at: None, timed: false },
        },
    }
}

fn split_last(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().rposition(|&byte| byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// The time that `text` stands for, spelled in any way that Python reads: leading zero bytes, padding, junk between.
fn read_timestamp(text: &[u8]) -> Option<UnixTime> {
    if text.len() > LONGEST_TIMESTAMP_TEXT {
        return None;
    }
    let bytes = base64::decode(text)?;
    let mut wide = [0; LONGEST_TIMESTAMP];
    wide[LONGEST_TIMESTAMP.checked_sub(bytes.len())?..].copy_from_slice(&bytes);
    let secs = u64::from_be_bytes(wide);
    (secs <= LAST_SECOND).then_some(UnixTime::from_secs(secs))
}

const fn leading_zeros(at: UnixTime) -> usize {
    at.as_secs().leading_zeros() as usize / 8
}

/// A `u64`.
const LONGEST_TIMESTAMP: usize = 8;

/// Eight bytes are eleven characters; the rest is room for junk that Python skips.
const LONGEST_TIMESTAMP_TEXT: usize = 1024;

/// 9999-12-31T23:59:59Z. Python has no later time: itsdangerous refuses such a timestamp or fails on it.
const LAST_SECOND: u64 = 253_402_300_799;
