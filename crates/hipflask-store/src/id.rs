//! Session ids: made from the system's chance, checked for form before a store sees them.

use core::fmt;

use base64_simd::URL_SAFE_NO_PAD;
use hipflask_core::signing::{Derivation, Digest, KeyRing, Signer, SignerConfigError};
use sha2::{Digest as _, Sha256};

use crate::hex::hex;
use crate::store::Key;

/// The id of a session: a secret that whoever holds it is logged in with.
///
/// Only [`Ids`] makes one, from chance or from a cookie whose form is right. Prints as a short hash.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(Box<str>);

impl SessionId {
    /// The id itself: for a cookie, never for a log.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows a short hash.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId(#{})", hex(&Sha256::digest(self.0.as_bytes())[..4]))
    }
}

/// What ids look like, in the cookie and in the store: Flask-Session's `SESSION_ID_LENGTH`, `SESSION_USE_SIGNER` and
/// `SESSION_KEY_PREFIX`.
///
/// ```
/// use hipflask_store::id::Ids;
/// let ids = Ids::builder().build()?;
/// let id = ids.fresh()?;
/// assert_eq!(ids.to_cookie(&id).len(), 43);
/// assert_eq!(ids.read(ids.to_cookie(&id).as_bytes())?, id);
/// assert!(ids.read(b"../../etc/passwd").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ids {
    bytes: usize,
    prefix: String,
    signer: Option<Signer>,
    hashed: bool,
    any_length: bool,
}

impl Ids {
    /// Starts with Flask-Session's defaults: 32 bytes, prefix `session:`, not signed, stored as they are.
    pub fn builder() -> IdsBuilder {
        IdsBuilder { bytes: 32, prefix: "session:".into(), keys: None, hashed: false, any_length: false }
    }

    /// A new id: so many bytes of the system's chance, as URL-safe base64.
    ///
    /// # Errors
    /// [`RngError`] if the system gives none; there is no weaker id.
    pub fn fresh(&self) -> Result<SessionId, RngError> {
        let mut bytes = [0; MAX_ID_BYTES];
        let bytes = &mut bytes[..self.bytes];
        getrandom::fill(bytes)?;
        Ok(SessionId(URL_SAFE_NO_PAD.encode_to_string(bytes).into()))
    }

    /// Reads a cookie's value: the signature if ids are signed, then the form. That an id has the right form says nothing
    /// about whether there is such a session.
    ///
    /// The form is that of [`fresh`](Self::fresh), of 32 bytes whatever the configuration, or a lower-case UUID of version 4
    /// as Flask-Session wrote before 0.6. [`IdsBuilder::any_length`] adds all other lengths.
    ///
    /// # Errors
    /// [`IdError`] if it is no id: the visitor has no session then.
    pub fn read(&self, value: &[u8]) -> Result<SessionId, IdError> {
        let id = match &self.signer {
            Some(signer) => signer.unsign(value).map_err(|_| IdError::BadSignature)?.value,
            None => value,
        };
        let is_of_other_length =
            || self.any_length && (FEWEST_ID_BYTES..=MAX_ID_BYTES).any(|bytes| is_base64_of(id, bytes));
        if is_base64_of(id, self.bytes) || is_base64_of(id, 32) || is_uuid4(id) || is_of_other_length() {
            let text = core::str::from_utf8(id).map_err(|_| IdError::BadForm)?;
            return Ok(SessionId(text.into()));
        }
        Err(IdError::BadForm)
    }

    /// The cookie's value for an id.
    #[must_use]
    pub fn to_cookie(&self, id: &SessionId) -> String {
        match &self.signer {
            Some(signer) => signer.sign_text(&id.0),
            None => id.0.to_string(),
        }
    }

    /// The key of an id's record.
    #[must_use]
    pub fn key(&self, id: &SessionId) -> Key {
        let key = if self.hashed {
            Key::new(&self.prefix, &URL_SAFE_NO_PAD.encode_to_string(Sha256::digest(id.0.as_bytes())))
        } else {
            Key::new(&self.prefix, &id.0)
        };
        key.expect("the builder has checked the prefix, and an id is short and visible ASCII")
    }

    /// What the keys of session records begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// Configures [`Ids`].
#[derive(Debug, Clone)]
#[must_use]
pub struct IdsBuilder {
    bytes: usize,
    prefix: String,
    keys: Option<KeyRing>,
    hashed: bool,
    any_length: bool,
}

impl IdsBuilder {
    /// How many bytes of chance a new id has: `SESSION_ID_LENGTH`. 16 to 96.
    #[doc(alias = "SESSION_ID_LENGTH")]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// What stands before an id in the store: `SESSION_KEY_PREFIX`. At most 100 visible ASCII characters.
    #[doc(alias = "SESSION_KEY_PREFIX")]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Signs ids in the cookie: `SESSION_USE_SIGNER` with `SECRET_KEY`. Every key of the ring is accepted, where
    /// Flask-Session accepts the newest alone.
    #[doc(alias = "SESSION_USE_SIGNER")]
    pub fn signed(mut self, keys: impl Into<KeyRing>) -> Self {
        self.keys = Some(keys.into());
        self
    }

    /// Keeps SHA-256 of the id in the store and not the id: whoever reads the store cannot log in. Flask-Session does not
    /// find such records.
    pub const fn hashed_at_rest(mut self, hashed: bool) -> Self {
        self.hashed = hashed;
        self
    }

    /// Reads ids of 8 to 96 bytes whatever the configuration, and allows new ones of as few as 8, as Flask-Session does: a
    /// change of `SESSION_ID_LENGTH` then ends no session.
    pub const fn any_length(mut self) -> Self {
        self.any_length = true;
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// [`IdsError`] says what to change.
    pub fn build(self) -> Result<Ids, IdsError> {
        let fewest = if self.any_length { FEWEST_ID_BYTES } else { 16 };
        if !(fewest..=MAX_ID_BYTES).contains(&self.bytes) {
            return Err(IdsError::Length { bytes: self.bytes });
        }
        if self.prefix.len() > 100 || !self.prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(IdsError::Prefix);
        }
        let signer = self.keys.map(|keys| {
            // itsdangerous' Signer as Flask-Session makes it: no timestamp.
            Signer::builder(keys)
                .salt("flask-session")
                .derivation(Derivation::Hmac)
                .digest(Digest::Sha1)
                .build()
        });
        Ok(Ids {
            bytes: self.bytes,
            prefix: self.prefix,
            signer: signer.transpose()?,
            hashed: self.hashed,
            any_length: self.any_length,
        })
    }
}

/// Ids are configured in a way that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdsError {
    /// Too few bytes to be safe, or too many for a key.
    #[error(
        "SESSION_ID_LENGTH is {bytes}: an id has at most {MAX_ID_BYTES} bytes, and too few can be guessed; use 32"
    )]
    Length {
        /// What was asked for.
        bytes: usize,
    },
    /// A prefix that not every store takes.
    #[error("SESSION_KEY_PREFIX must be at most 100 visible ASCII characters")]
    Prefix,
    /// The signer cannot be built.
    #[error(transparent)]
    Signer(#[from] SignerConfigError),
}

/// A cookie's value is no session id. Does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// It has the form of no id.
    #[error("the cookie's value has not the form of a session id")]
    BadForm,
    /// Ids are signed, and this one is not, or with an unknown key.
    #[error("the session id in the cookie has no valid signature")]
    BadSignature,
}

/// The system gave no chance to make an id from.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the system's random numbers are not available, so no session id can be made")]
pub struct RngError(#[from] getrandom::Error);

/// The most bytes that an id can have: 128 characters of base64.
const MAX_ID_BYTES: usize = 96;

/// The fewest bytes that an id of [`IdsBuilder::any_length`] can have.
const FEWEST_ID_BYTES: usize = 8;

/// Whether `id` is the one spelling that base64 has for so many bytes.
fn is_base64_of(id: &[u8], bytes: usize) -> bool {
    let mut room = [0; MAX_ID_BYTES];
    id.len() == (bytes * 4).div_ceil(3)
        && URL_SAFE_NO_PAD.decode(id, base64_simd::AsOut::as_out(&mut room[..])).is_ok()
}

/// `xxxxxxxx-xxxx-4xxx-[89ab]xxx-xxxxxxxxxxxx` in lower case.
fn is_uuid4(id: &[u8]) -> bool {
    id.len() == 36
        && id.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            14 => *byte == b'4',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn ids() -> Ids {
        Ids::builder().build().unwrap()
    }

    #[test]
    fn a_million_bits_of_ids_have_no_duplicate_and_as_many_ones_as_zeros() {
        let ids = ids();
        let mut seen = HashSet::new();
        let (mut ones, mut bits) = (0u64, 0u64);
        for _ in 0..20_000 {
            let id = ids.fresh().unwrap();
            let bytes = URL_SAFE_NO_PAD.decode_to_vec(id.as_str()).unwrap();
            ones += bytes.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
            bits += 256;
            assert!(ids.read(id.as_str().as_bytes()).is_ok() && id.as_str().len() == 43);
            assert!(seen.insert(id.0));
        }
        // Five standard deviations.
        let (ones, mean, deviation) = (ones as f64, bits as f64 / 2.0, (bits as f64 / 4.0).sqrt());
        assert!((ones - mean).abs() < 5.0 * deviation, "{ones} of {bits}");
    }

    /// Each would do harm in some store, or is an id that nobody made.
    #[test]
    fn what_has_not_the_form_of_an_id_is_refused() {
        let good = "VE5rPIvv2swAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert!(ids().read(good.as_bytes()).is_ok());
        assert!(ids().read(b"6f9619ff-8b86-4011-b42d-00c04fc964ff").is_ok());
        for bad in [
            "",
            " ",
            ".",
            "..",
            "../../etc/passwd",
            "VE5rPIvv2sw",
            &good[1..],
            &format!("{good}A"),
            &good.replace('V', " "),
            &good.replace('V', "/"),
            &good.replace('V', "+"),
            &good.replace('V', "é"),
            &good.replace('V', "\0"),
            &good.replace('V', "\r\n"),
            // Spare bits: another spelling of the same bytes.
            &format!("{}B", &good[..42]),
            &format!("{good}="),
            "6F9619FF-8B86-4011-B42D-00C04FC964FF",
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
            "6f9619ff-8b86-4011-742d-00c04fc964ff",
            "6f9619ff8b864011b42d00c04fc964ff",
            &"A".repeat(10_000),
        ] {
            assert_eq!(ids().read(bad.as_bytes()), Err(IdError::BadForm), "{bad:?}");
        }
    }

    /// Flask-Session 0.8.0 with SECRET_KEY "k"; the id is shorter there than we make any.
    #[test]
    fn a_signed_id_is_spelled_as_flask_session_spells_it() {
        let ids = Ids::builder().signed("k").build().unwrap();
        let short = SessionId("VE5rPIvv2sw".into());
        assert_eq!(ids.to_cookie(&short), "VE5rPIvv2sw.XSGSFom5AYgjyEAodiVVWTWyzi0");
        assert_eq!(ids.read(b"VE5rPIvv2sw.XSGSFom5AYgjyEAodiVVWTWyzi0"), Err(IdError::BadForm));
    }

    #[test]
    fn a_signed_id_of_an_older_key_is_accepted_and_others_are_not() {
        let old = Ids::builder().signed("old").build().unwrap();
        let id = old.fresh().unwrap();
        let cookie = old.to_cookie(&id);
        let ring = |keys: KeyRing| Ids::builder().signed(keys).build().unwrap();
        assert_eq!(ring(KeyRing::new("new").accept("old")).read(cookie.as_bytes()), Ok(id.clone()));
        assert_eq!(ring(KeyRing::new("new")).read(cookie.as_bytes()), Err(IdError::BadSignature));
        assert_eq!(old.read(id.as_str().as_bytes()), Err(IdError::BadSignature));
        assert_eq!(ids().read(cookie.as_bytes()), Err(IdError::BadForm));
    }

    #[test]
    fn ids_of_other_lengths_are_read_on_request() {
        let ids_of = |bytes| Ids::builder().any_length().bytes(bytes).build().unwrap();
        for bytes in [8, 16, 31, 32, 33, 96] {
            let id = ids_of(bytes).fresh().unwrap();
            assert_eq!(ids_of(48).read(id.as_str().as_bytes()), Ok(id.clone()), "{bytes}");
            assert_eq!(ids().read(id.as_str().as_bytes()).is_ok(), bytes == 32, "{bytes}");
        }
        for bad in ["", "VE5rPIvv2s", "VE5rPIvv2sx", "planted", &"A".repeat(129)] {
            assert_eq!(ids_of(32).read(bad.as_bytes()), Err(IdError::BadForm), "{bad}");
        }
        assert_eq!(Ids::builder().any_length().bytes(7).build().err(), Some(IdsError::Length { bytes: 7 }));
    }

    #[test]
    fn a_configuration_that_is_not_safe_is_refused() {
        let built = |builder: IdsBuilder| builder.build().err();
        assert_eq!(built(Ids::builder().bytes(15)), Some(IdsError::Length { bytes: 15 }));
        assert_eq!(built(Ids::builder().bytes(97)), Some(IdsError::Length { bytes: 97 }));
        for prefix in ["a b", "é", "\r\n", &"x".repeat(101)] {
            assert_eq!(built(Ids::builder().prefix(prefix)), Some(IdsError::Prefix));
        }
        let widest = Ids::builder().bytes(96).prefix("x".repeat(100)).build().unwrap();
        assert_eq!(widest.key(&widest.fresh().unwrap()).as_str().len(), 228);
    }

    #[test]
    fn an_id_shows_in_no_log_and_at_rest_only_if_asked() {
        let ids = Ids::builder().hashed_at_rest(true).build().unwrap();
        let id = ids.fresh().unwrap();
        let key = ids.key(&id);
        let shown = format!("{id:?} {key:?} {}", IdError::BadForm);
        assert!(!shown.contains(id.as_str()) && shown.contains('#'));
        assert!(!key.as_str().contains(id.as_str()) && key.as_str().len() == "session:".len() + 43);
        assert!(Ids::builder().build().unwrap().key(&id).as_str().ends_with(id.as_str()));
    }
}
