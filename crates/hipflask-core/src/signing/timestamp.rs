//! Signing and verifying `value.timestamp.signature`.

use core::time::Duration;

use super::{
    base64,
    error::{SignatureError, SignerConfigError},
    key::KeyRing,
    mac::Derivation,
    signer::{Refused, Signer, Unsigned},
};
use crate::{steps, time::UnixTime};

/// A signer that adds the time, so that a signature can expire.
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
/// The timestamp is the number of seconds since 1970, big-endian without leading zero bytes, in
/// URL-safe base64 without padding: six characters until the year 2106.
///
/// The rules are those of itsdangerous 2.2.0 `TimestampSigner`, with the one exception of
/// [`Signer`].
#[derive(Debug, Clone)]
pub struct TimestampSigner {
    signer: Signer,
}

impl TimestampSigner {
    /// Adds the time to the values that `signer` signs. Keys, salt, separator, derivation and
    /// digest are those of `signer`, whose defaults are the same in itsdangerous.
    #[must_use]
    pub const fn new(signer: Signer) -> Self {
        Self { signer }
    }

    /// Creates the signer of Flask's session cookie: salt `cookie-session`, derivation `hmac`,
    /// SHA-1.
    ///
    /// # Errors
    /// [`SignerConfigError::EmptyKey`] if a key is empty.
    #[doc(alias = "SecureCookieSessionInterface")]
    pub fn flask_cookie(keys: impl Into<KeyRing>) -> Result<Self, SignerConfigError> {
        let signer = Signer::builder(keys).salt("cookie-session").derivation(Derivation::Hmac).build()?;
        Ok(Self::new(signer))
    }

    /// Appends the time `at` and the signature of `text` to it. Allocates only if `text` has to
    /// grow.
    ///
    /// A time after the year 9999 is written, but cannot be read back, as in itsdangerous.
    pub fn sign_in_place(&self, text: &mut String, at: UnixTime) {
        text.reserve(self.overhead(at));
        text.push(char::from(self.signer.separator()));
        let bytes = at.as_secs().to_be_bytes();
        base64::encode_append(&bytes[leading_zeros(at)..], text);
        self.signer.sign_in_place(text);
    }

    /// Returns `value`, the time `at` and the signature, with separators in between. The value may
    /// contain the separator.
    #[must_use]
    pub fn sign(&self, value: &str, at: UnixTime) -> String {
        let mut text = String::with_capacity(value.len() + self.overhead(at));
        text.push_str(value);
        self.sign_in_place(&mut text, at);
        text
    }

    /// Signs bytes as [`sign`](Self::sign) signs text.
    #[must_use]
    pub fn sign_bytes(&self, value: &[u8], at: UnixTime) -> Vec<u8> {
        let mut stamp = String::with_capacity(self.overhead(at));
        stamp.push(char::from(self.signer.separator()));
        base64::encode_append(&at.as_secs().to_be_bytes()[leading_zeros(at)..], &mut stamp);
        self.signer.sign([value, stamp.as_bytes()].concat())
    }

    /// Returns the number of bytes that signing at `at` adds to a value: 35 for a Flask cookie
    /// until the year 2106.
    #[must_use]
    pub const fn overhead(&self, at: UnixTime) -> usize {
        2 + base64::encoded_len(LONGEST_TIMESTAMP - leading_zeros(at)) + self.signer.signature_len()
    }

    /// Verifies `signed` and returns the value and the time of signing, without copying.
    ///
    /// The signature is checked first: for a forged and expired value the error reports the
    /// forgery.
    ///
    /// # Errors
    /// [`SignatureError::NoSeparator`] or [`SignatureError::BadSignature`] if none of the accepted
    /// keys signed it. With a good signature, [`SignatureError::TimestampMissing`],
    /// [`SignatureError::TimestampMalformed`], [`SignatureError::Expired`] or
    /// [`SignatureError::Future`].
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

    /// Returns the signer that adds no time.
    #[must_use]
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }
}

/// The accepted ages in whole seconds, without fractions.
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
/// The rules are those of itsdangerous 2.2.0 `max_age`. The leeway is our addition and 0 by
/// default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Age {
    /// The greatest accepted age, inclusive. `None` accepts every time, also in the future.
    pub max_age: Option<Duration>,
    /// The greatest accepted time ahead of now, if there is a greatest age. It does not extend the
    /// greatest age.
    pub leeway: Duration,
}

impl Age {
    /// Accepts every time, also in the future.
    #[must_use]
    pub const fn any() -> Self {
        Self { max_age: None, leeway: Duration::ZERO }
    }

    /// Accepts an age from 0 to `max_age`, both inclusive.
    #[must_use]
    pub const fn at_most(max_age: Duration) -> Self {
        Self { max_age: Some(max_age), leeway: Duration::ZERO }
    }

    /// Also accepts times up to `leeway` ahead of now, because the clocks of servers differ.
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

/// The parts of a signed value **without any check**: for tools that display the claims of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parts<'v> {
    /// The value before the timestamp, or before the signature if the timestamp is missing.
    pub value: &'v [u8],
    /// The claimed time of signing, if it exists and can be read.
    pub timestamp: Option<UnixTime>,
    /// The text at the position of the timestamp, if it exists.
    pub timestamp_text: Option<&'v [u8]>,
    /// The text after the last separator.
    pub signature: &'v [u8],
}

/// Shows the length of the value, never the value or its signature.
impl core::fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Parts")
            .field("bytes", &self.value.len())
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}

/// Splits a signed value at its last two separators **without any check**. Returns `None` without a
/// separator.
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
    steps::count(text.len());
    let at = text.iter().rposition(|&byte| byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Returns the time in `text`, in every spelling that Python reads: with leading zero bytes,
/// padding, or other bytes in between.
fn read_timestamp(text: &[u8]) -> Option<UnixTime> {
    if let Some(secs) = read_usual_timestamp(text) {
        return Some(secs);
    }
    if text.len() > LONGEST_TIMESTAMP_TEXT {
        return None;
    }
    let mut room = [0; LONGEST_TIMESTAMP];
    let secs = match base64::decode_strict(text, &mut room) {
        Some(bytes) => big_endian(bytes),
        None => {
            base64::decode(text).filter(|bytes| bytes.len() <= LONGEST_TIMESTAMP).map(|b| big_endian(&b))?
        }
    };
    (secs <= LAST_SECOND).then_some(UnixTime::from_secs(secs))
}

/// Reads the four bytes of any time until 2106: six characters, the last of which has four spare
/// bits.
#[inline]
fn read_usual_timestamp(text: &[u8]) -> Option<UnixTime> {
    let letters: &[u8; 6] = text.try_into().ok()?;
    let bits = letters.iter().try_fold(0, |bits, &letter| {
        Some(bits << 6 | u64::from(crate::base64::sextet(letter, crate::base64::Alphabet::UrlSafe)?))
    });
    Some(UnixTime::from_secs(bits? >> 4))
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

const fn leading_zeros(at: UnixTime) -> usize {
    at.as_secs().leading_zeros() as usize / 8
}

/// The length of a `u64`.
const LONGEST_TIMESTAMP: usize = 8;

/// Eight bytes are eleven characters. The rest is room for bytes that Python skips.
const LONGEST_TIMESTAMP_TEXT: usize = 1024;

/// 9999-12-31T23:59:59Z, Python's last time. itsdangerous refuses later timestamps or fails.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const _: () = {
        const fn shareable<T: Send + Sync + Clone>() {}
        shareable::<TimestampSigner>();
    };

    /// The time of the recordings.
    const CLOCK: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn flask(keys: impl Into<KeyRing>) -> TimestampSigner {
        TimestampSigner::flask_cookie(keys).unwrap()
    }

    fn at_most(secs: u64) -> Age {
        Age::at_most(Duration::from_secs(secs))
    }

    /// Signs the text before the signature as it is, to create timestamps that no signer writes.
    fn stamped(text: &str) -> Vec<u8> {
        flask("k").signer().sign(text)
    }

    /// Flask 3.1.3, itsdangerous 2.2.0, clock 1_700_000_000.
    const COOKIES: [(&[u8], &str, &str); 9] = [
        (b"k", "e30", "ZVPxAA.6lbnt5hnd_0io3lLtLhrudzUJW0"),
        (b"k", "eyJhIjoxfQ", "ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74"),
        ("ключ".as_bytes(), "eyJhIjoxfQ", "ZVPxAA.tUi2996CnXTmJgz10OddJIajMQ4"),
        (&LONG_KEY, "eyJhIjoxfQ", "ZVPxAA.xc8fW-kDeCT89XqkQ76Dypo8ykQ"),
        (b"k", "eyJ4Ijp7IiBkaSI6eyIgdF9fIjoxfX19", "ZVPxAA.PmjkjWeUGkX9jafsSYFoDDMsUQ8"),
        (b"k", "eyIgZGkiOnsiIHRfXyI6MX19", "ZVPxAA.UIr0_TjawW_UTFKH88q2wIM1aC8"),
        (
            b"k",
            "eyJfZmxhc2hlcyI6W3siIHQiOlsibWVzc2FnZSIsImhpIl19XSwiX3Blcm1hbmVudCI6dHJ1ZX0",
            "ZVPxAA.bxgXQNTFPh_0CJ-TMpaKjplhHkQ",
        ),
        (b"k", ".eJyrVkpUslKqoAAo1QIA9VYePA", "ZVPxAA.pPlbHm_F-x7jsLzz9kROWU9O1qg"),
        (
            b"k",
            ".eJyrVkpSsqpWUgCSSo4BFrZKtTpKKWARIKkUUpqqo2BgpOCVmKdgZGBkomBgbGVgYmVgquDuGwJSmglRWwpUa4AfGIKU54JVA0klmy\
             Q7kEAJWABIRhvqGMUCBUAmxZQaGKRaKtUCAC9oJM4",
            "ZVPxAA.Mb6R435HIJvd4_tm_GhH9jAHG6c",
        ),
    ];

    const LONG_KEY: [u8; 80] = {
        let mut key = [0; 80];
        let mut place = 0;
        while place < 80 {
            key[place] = 0xff;
            place += 2;
        }
        key
    };

    #[test]
    fn cookies_of_flask_are_read_and_written_alike() {
        for (key, payload, tail) in COOKIES {
            let signer = flask(key);
            let cookie = format!("{payload}.{tail}");
            let unsigned = signer.unsign(cookie.as_bytes(), CLOCK, at_most(0)).unwrap();
            assert_eq!(unsigned.value, payload.as_bytes());
            assert_eq!((unsigned.issued_at, unsigned.key), (Some(CLOCK), 0));
            assert_eq!(signer.sign(payload, CLOCK), cookie);
            assert_eq!(signer.sign_bytes(payload.as_bytes(), CLOCK), cookie.as_bytes());
        }
    }

    /// itsdangerous 2.2.0: `TimestampSigner('k').sign('x')`.
    #[test]
    fn defaults_are_those_of_itsdangerous() {
        let signer = TimestampSigner::new(Signer::builder("k").build().unwrap());
        assert_eq!(signer.sign("x", CLOCK), "x.ZVPxAA.xIH93b2uT17IeweUA33GxC8wcwU");
    }

    /// itsdangerous 2.2.0 `TimestampSigner` with Flask's settings, `get_timestamp` replaced.
    #[test]
    fn timestamps_have_as_many_bytes_as_they_need() {
        let table = [
            (0, "x..Iz6g4KRPZYE8n9SS8Wg7NuCY9VI"),
            (1, "x.AQ.nuRnctDrB4G1dg4Wvq5csUEppng"),
            (255, "x._w.pTmvn3U1zCXGVc6yTsXi2IC9yaE"),
            (256, "x.AQA.D6rz48Lj-oY-z4_RS8UuPxxvJeM"),
            ((1 << 32) - 1, "x._____w.4zIEjgC4MxqnU4r7GXsMgjx7qNc"),
            (1 << 32, "x.AQAAAAA.o3HKnO9VnrYPNync1y9D9OMDImU"),
            (253_402_300_799, "x.Ov_0QX8.mnU6I_lkQR6qVvJ7rOnrc4TTJA0"),
        ];
        for (secs, cookie) in table {
            let at = UnixTime::from_secs(secs);
            assert_eq!(flask("k").sign("x", at), cookie);
            assert_eq!(cookie.len(), 1 + flask("k").overhead(at));
            let unsigned = flask("k").unsign(cookie.as_bytes(), at, at_most(0));
            assert_eq!(unsigned.map(|u| u.issued_at), Ok(Some(at)));
        }
    }

    /// As above. There `unsign(.., return_timestamp=True)` raises ValueError, OSError or
    /// OverflowError.
    #[test]
    fn times_after_9999_are_written_but_not_read() {
        let table = [
            (253_402_300_800, "x.Ov_0QYA.R1gOabGMNWyJQde5z1Xuds63kFM"),
            (u64::MAX / 2, "x.f_________8.xKnCpOqbx40wad4Lmofu0jTZJsM"),
            (u64::MAX, "x.__________8.Zvtr0q9XiFsAOWAVyNCj4uacQGw"),
        ];
        for (secs, cookie) in table {
            assert_eq!(flask("k").sign("x", UnixTime::from_secs(secs)), cookie);
            let refused = flask("k").unsign(cookie.as_bytes(), CLOCK, Age::any());
            assert_eq!(refused, Err(SignatureError::TimestampMalformed));
        }
    }

    /// The results of itsdangerous 2.2.0 for each timestamp with a good signature.
    #[test]
    fn timestamps_are_read_as_python_reads_them() {
        let clock = Some(1_700_000_000);
        let table = [
            ("", Some(0)),
            ("é", Some(0)),
            ("AAAAAGVT8QA", clock),
            ("ZVPxAA=", clock),
            ("ZVPxAA==", clock),
            ("ZVPxAB", clock),
            ("ZV!!!!PxAA", clock),
            ("ZVPxAA==zzz", clock),
            ("ZVPx+A", Some(1_700_000_248)),
            ("ZVPx", Some(6_640_625)),
            ("AAAAAAAAAABlU_EA", None),
            ("AQAAAAAAAAAA", None),
            ("____________", None),
            ("ZVP*xAA", None),
            ("!ZVPxAA", None),
            ("A", None),
            ("ZV=PxAA", None),
            ("ZVPxAA=zzz", None),
        ];
        for (text, secs) in table {
            let signed = stamped(&format!("x.{text}"));
            let read =
                flask("k").unsign(&signed, CLOCK, Age::any()).map(|u| u.issued_at.map(UnixTime::as_secs));
            assert_eq!(read, secs.map(Some).ok_or(SignatureError::TimestampMalformed), "{text}");
        }
    }

    #[test]
    fn an_empty_timestamp_is_the_expired_epoch() {
        let month = at_most(31 * 24 * 60 * 60);
        let refused = flask("k").unsign(&stamped("x."), CLOCK, month).unwrap_err();
        assert!(matches!(refused, SignatureError::Expired { .. }));
    }

    #[test]
    fn an_absurdly_long_timestamp_is_malformed() {
        let signed = stamped(&format!("x.{}", "*".repeat(100_000)));
        assert_eq!(flask("k").unsign(&signed, CLOCK, Age::any()), Err(SignatureError::TimestampMalformed));
    }

    #[test]
    fn a_value_signed_without_time_lacks_the_timestamp() {
        let refused = flask("k").unsign(&stamped("x"), CLOCK, Age::any()).unwrap_err();
        assert_eq!(refused, SignatureError::TimestampMissing);
        assert_eq!(refused.itsdangerous_class(), "BadTimeSignature");
    }

    #[test]
    fn the_greatest_age_is_accepted_and_no_more() {
        let signer = flask("k");
        let signed = signer.sign("x", CLOCK);
        let read = |later: u64, age: Age| {
            signer
                .unsign(signed.as_bytes(), CLOCK.saturating_add(Duration::from_secs(later)), age)
                .map(|u| u.value)
        };
        assert_eq!(read(0, at_most(0)), Ok(b"x".as_slice()));
        assert_eq!(read(100, at_most(100)), Ok(b"x".as_slice()));
        assert_eq!(read(100, Age::at_most(Duration::from_millis(100_999))), Ok(b"x".as_slice()));
        let refused = read(101, Age::at_most(Duration::from_millis(100_999))).unwrap_err();
        let (age, max_age) = (Duration::from_secs(101), Duration::from_secs(100));
        assert_eq!(refused, SignatureError::Expired { age, max_age, issued_at: CLOCK });
        assert_eq!(refused.itsdangerous_class(), "SignatureExpired");
        assert!(refused.to_string().starts_with("the signature is 101s old and at most 100s are accepted"));
        assert_eq!(read(u64::MAX, Age::any()), Ok(b"x".as_slice()));
    }

    #[test]
    fn a_future_time_needs_leeway_or_any_age() {
        let signer = flask("k");
        let ahead = |secs: u64, age: Age| {
            let signed = signer.sign("x", CLOCK.saturating_add(Duration::from_secs(secs)));
            signer.unsign(signed.as_bytes(), CLOCK, age).map(|u| u.issued_at)
        };
        let refused = ahead(1, at_most(100)).unwrap_err();
        let issued_at = UnixTime::from_secs(1_700_000_001);
        assert_eq!(refused, SignatureError::Future { ahead: Duration::from_secs(1), issued_at });
        assert_eq!(refused.itsdangerous_class(), "SignatureExpired");
        assert_eq!(refused.issued_at(), Some(issued_at));
        assert_eq!(ahead(1, Age::any()), Ok(Some(issued_at)));
        let lenient = at_most(100).leeway(Duration::from_secs(5));
        assert!(ahead(5, lenient).is_ok());
        assert!(matches!(ahead(6, lenient), Err(SignatureError::Future { .. })));
        assert!(ahead(6, Age::any().leeway(Duration::from_secs(5))).is_ok());
    }

    #[test]
    fn the_leeway_does_not_lengthen_the_greatest_age() {
        let signed = flask("k").sign("x", CLOCK);
        let age = at_most(100).leeway(Duration::from_secs(5));
        let now = CLOCK.saturating_add(Duration::from_secs(101));
        assert!(matches!(
            flask("k").unsign(signed.as_bytes(), now, age),
            Err(SignatureError::Expired { .. })
        ));
    }

    #[test]
    fn a_forged_and_expired_value_reports_the_forgery() {
        let late = CLOCK.saturating_add(Duration::from_secs(1_000_000));
        let refused =
            flask("k").unsign(b"e30.ZVPxAA.AAAAAAAAAAAAAAAAAAAAAAAAAAA", late, at_most(1)).unwrap_err();
        assert_eq!(refused, SignatureError::BadSignature { issued_at: Some(CLOCK), timed: true });
        assert_eq!(refused.issued_at(), Some(CLOCK));
    }

    /// itsdangerous 2.2.0: a bad signature is a BadTimeSignature only if there is a timestamp.
    #[test]
    fn a_bad_signature_reports_the_claimed_time() {
        let refuse = |signed: &[u8]| flask("k").unsign(signed, CLOCK, Age::any()).unwrap_err();
        let table: [(&[u8], Option<u64>, &str); 6] = [
            (b"e30.ZVPxAA.sig", Some(1_700_000_000), "BadTimeSignature"),
            (b"e30..sig", Some(0), "BadTimeSignature"),
            (b"e30.A.sig", None, "BadTimeSignature"),
            (b"e30.__________8.sig", None, "BadTimeSignature"),
            (b"e30.sig", None, "BadSignature"),
            (b"e30", None, "BadSignature"),
        ];
        for (signed, secs, class) in table {
            let refused = refuse(signed);
            assert_eq!(refused.issued_at().map(UnixTime::as_secs), secs, "{}", signed.escape_ascii());
            assert_eq!(refused.itsdangerous_class(), class, "{}", signed.escape_ascii());
        }
        assert_eq!(refuse(b"e30"), SignatureError::NoSeparator);
    }

    #[test]
    fn a_payload_may_begin_with_a_separator() {
        let signed = flask("k").sign("..x", CLOCK);
        assert_eq!(
            flask("k").unsign(signed.as_bytes(), CLOCK, at_most(0)).map(|u| u.value),
            Ok(b"..x".as_slice())
        );
    }

    /// Flask 3.1.0 signed with the last fallback, 3.1.1 and later with the secret key
    /// (GHSA-4grg-w6v8-c28g).
    #[test]
    fn cookies_of_flask_3_1_0_verify() {
        let ring = flask(KeyRing::from_flask("current", ["old0", "old1"]));
        let by_3_1_0 = flask("old1").sign("e30", CLOCK);
        assert_eq!(ring.unsign(by_3_1_0.as_bytes(), CLOCK, at_most(0)).map(|u| u.key), Ok(1));
        assert_eq!(ring.sign("e30", CLOCK), flask("current").sign("e30", CLOCK));
    }

    #[test]
    fn rotation_ends_when_the_old_key_is_removed() {
        let signed = flask("old").sign("e30", CLOCK);
        let key =
            |ring: KeyRing| flask(ring).unsign(signed.as_bytes(), CLOCK, at_most(0)).ok().map(|u| u.key);
        assert_eq!(key(KeyRing::new("old")), Some(0));
        assert_eq!(key(KeyRing::new("new").accept("old")), Some(1));
        assert_eq!(key(KeyRing::new("newer").accept("new").accept("old")), Some(2));
        assert_eq!(key(KeyRing::new("newer").accept("new")), None);
    }

    #[test]
    fn every_changed_byte_of_a_cookie_is_noticed() {
        for (key, payload, tail) in COOKIES {
            let cookie = format!("{payload}.{tail}").into_bytes();
            let signer = flask(key);
            for place in 0..cookie.len() {
                for bit in 0..8 {
                    let mut changed = cookie.clone();
                    changed[place] ^= 1 << bit;
                    assert!(signer.unsign(&changed, CLOCK, Age::any()).is_err(), "byte {place}, bit {bit}");
                }
            }
            for len in 0..cookie.len() {
                assert!(signer.unsign(&cookie[..len], CLOCK, Age::any()).is_err(), "cut to {len}");
            }
        }
    }

    #[test]
    fn signing_in_place_grows_the_text_once() {
        let signer = flask("k");
        let mut text = String::with_capacity(10 + signer.overhead(CLOCK));
        text.push_str("eyJhIjoxfQ");
        let before = text.as_ptr();
        signer.sign_in_place(&mut text, CLOCK);
        assert_eq!(text, "eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74");
        assert_eq!(text.as_ptr(), before, "there was room, so nothing was allocated");
    }

    #[test]
    fn a_value_is_split_without_a_key() {
        let parts = split_unverified(b".a.b.ZVPxAA.sig", b'.').unwrap();
        assert_eq!((parts.value, parts.signature), (b".a.b".as_slice(), b"sig".as_slice()));
        assert_eq!((parts.timestamp, parts.timestamp_text), (Some(CLOCK), Some(b"ZVPxAA".as_slice())));
        let parts = split_unverified(b"a.A.sig", b'.').unwrap();
        assert_eq!(
            (parts.value, parts.timestamp, parts.timestamp_text),
            (b"a".as_slice(), None, Some(b"A".as_slice()))
        );
        let parts = split_unverified(b"a.sig", b'.').unwrap();
        assert_eq!((parts.value, parts.timestamp_text), (b"a".as_slice(), None));
        assert_eq!(split_unverified(b"a", b'.'), None);
    }

    #[test]
    fn errors_show_nothing_of_key_or_value() {
        let signer = flask("hushhush");
        let values: [&[u8]; 3] = [b"sesame", b"sesame.ZVPxAA.sesame", b"sesame.sesame"];
        for value in values {
            let refused = signer.unsign(value, CLOCK, at_most(1)).unwrap_err();
            let shown = format!("{refused} {refused:?} {signer:?}");
            assert!(!shown.contains("sesame") && !shown.contains("hush"), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_is_read_again(value: String, secs in 0..=LAST_SECOND) {
            let (signer, at) = (flask("k"), UnixTime::from_secs(secs));
            let signed = signer.sign(&value, at);
            let unsigned = signer.unsign(signed.as_bytes(), at, at_most(0)).unwrap();
            prop_assert_eq!(unsigned.value, value.as_bytes());
            prop_assert_eq!(unsigned.issued_at, Some(at));
        }

        #[test]
        fn no_bytes_make_a_timestamp_signer_panic(signed: Vec<u8>, stamp: String, now: u64, max_age: Duration) {
            let now = UnixTime::from_secs(now);
            let age = Age::at_most(max_age).leeway(max_age);
            let _ = flask("k").unsign(&signed, now, age);
            let _ = flask("k").unsign(&stamped(&stamp), now, age);
            let _ = split_unverified(&signed, b'.');
        }
    }
}
