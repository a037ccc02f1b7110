//! The codec between a session and the value of its cookie: the serializer of Flask's
//! `SecureCookieSessionInterface`.

use core::time::Duration;

use crate::session::{SessionDict, dict_from_json};
use crate::signing::{
    Age, Compression, Derivation, Digest, KeyRing, MAX_INFLATED, PayloadCodec, PayloadError, SignatureError,
    Signer, SignerConfigError, TimestampSigner, split_unverified,
};
use crate::tagged::{JsonError, JsonErrorKind, KeyOrder, longest};
use crate::time::UnixTime;
use crate::value::Dict;

/// The default of Flask's `PERMANENT_SESSION_LIFETIME`: 31 days.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// The default for the time that another server's clock may be ahead of ours.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);

/// Signs and opens Flask session cookies: `payload.timestamp.signature`.
///
/// The keys are derived once, when it is built. It has no clock: the time is an argument.
///
/// ```
/// use hipflask_core::{codec::SessionCodec, time::UnixTime};
/// let codec = SessionCodec::builder("k").build()?;
/// let now = UnixTime::from_secs(1_700_000_000);
/// let opened = codec.open(b"eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74", now)?;
/// assert_eq!(opened.session.get::<u8>("a")?, Some(1));
///
/// let mut session = opened.session;
/// session.set("username", "ada")?;
/// let cookie = codec.sign(&session, now)?;
/// assert_eq!(codec.open(cookie.as_bytes(), now)?.session, session);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SessionCodec {
    signer: TimestampSigner,
    payload: PayloadCodec,
    age: Age,
    order: KeyOrder,
}

/// A session with a good signature.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Opened {
    /// The session, unmodified.
    pub session: SessionDict,
    /// The time of signing.
    pub issued_at: UnixTime,
    /// The number of the key that signed it: 0 is the current key, the others are being rotated
    /// out.
    pub key: usize,
}

/// The claims of a cookie, **without any check** of its signature.
#[derive(Clone)]
#[non_exhaustive]
pub struct Unverified {
    /// The claimed session.
    pub session: SessionDict,
    /// The claimed time of signing, if it can be read.
    pub issued_at: Option<UnixTime>,
    /// The JSON of the payload.
    pub json: String,
    /// `true` if the payload is deflated.
    pub is_deflated: bool,
}

/// Shows the keys, never a value.
impl core::fmt::Debug for Unverified {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Unverified")
            .field("session", &self.session)
            .field("issued_at", &self.issued_at)
            .field("is_deflated", &self.is_deflated)
            .finish_non_exhaustive()
    }
}

/// The reason why a cookie could not be opened. Shows nothing of the cookie.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The value is forged, expired, from the future, or not signed at all. Flask starts an empty
    /// session without an error.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The signature is good, but its value is not a payload. Flask answers 500 until the cookie is
    /// deleted.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The signature is good, but the payload is not the JSON of a session. Flask answers 500 until
    /// the cookie is deleted.
    #[error("the signature is good, but the payload is not a session: {0}")]
    Json(#[source] JsonError),
}

impl OpenError {
    /// Returns the reason in one word: `bad_signature`, `expired`, `future`, `malformed` or
    /// `bad_payload`.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Signature(SignatureError::BadSignature { .. }) => "bad_signature",
            Self::Signature(SignatureError::Expired { .. }) => "expired",
            Self::Signature(SignatureError::Future { .. }) => "future",
            Self::Signature(_) => "malformed",
            Self::Payload(_) | Self::Json(_) => "bad_payload",
        }
    }
}

impl SessionCodec {
    /// Creates a builder with Flask's settings: salt `cookie-session`, derivation `hmac`, SHA-1, 31
    /// days.
    pub fn builder(keys: impl Into<KeyRing>) -> SessionCodecBuilder {
        SessionCodecBuilder {
            keys: keys.into(),
            salt: b"cookie-session".to_vec(),
            derivation: Derivation::Hmac,
            digest: Digest::Sha1,
            age: Age::at_most(DEFAULT_LIFETIME).leeway(DEFAULT_LEEWAY),
            compression: Compression::default(),
            order: KeyOrder::default(),
            fits_in: usize::MAX,
        }
    }

    /// Verifies the value of a cookie and reads its session. Nothing is parsed before the signature
    /// is verified.
    ///
    /// # Errors
    /// [`OpenError`]. Its [`reason`](OpenError::reason) is for logs and tools.
    pub fn open(&self, value: &[u8], now: UnixTime) -> Result<Opened, OpenError> {
        let signed = self.signer.unsign(value, now, self.age)?;
        let session = SessionDict::from_json(self.json(signed.value)?).map_err(OpenError::Json)?;
        let issued_at = signed.issued_at.unwrap_or(UnixTime::from_secs(0));
        Ok(Opened { session, issued_at, key: signed.key })
    }

    /// Opens a cookie for callers that need every value, in one pass over the JSON.
    /// [`open`](Self::open) makes one pass when it opens and one for each value that is requested,
    /// which is faster for requests that use few keys.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_dict(&self, value: &[u8], now: UnixTime) -> Result<Dict, OpenError> {
        let signed = self.signer.unsign(value, now, self.age)?;
        dict_from_json(&self.json(signed.value)?).map_err(OpenError::Json)
    }

    /// Verifies a cookie's value and returns the JSON of its session: for callers that build their
    /// own objects.
    ///
    /// `lifetime` replaces the codec's own, because a Flask app can change it between two requests.
    ///
    /// # Errors
    /// [`OpenError`], except [`OpenError::Json`] for JSON that is not a session: only its encoding
    /// is checked.
    pub fn open_json(&self, value: &[u8], now: UnixTime, lifetime: Duration) -> Result<String, OpenError> {
        let age = Age { max_age: Some(lifetime), ..self.age };
        self.json(self.signer.unsign(value, now, age)?.value)
    }

    /// Signs the session as the value of a cookie.
    ///
    /// # Errors
    /// [`JsonError`] if the session is too long to be read back; it names the largest key. Also if
    /// a value nests too deep, which [`SessionDict`] prevents.
    pub fn sign(&self, session: &SessionDict, now: UnixTime) -> Result<String, JsonError> {
        self.sign_encoded(&session.to_json(self.order)?, now, |json, value| {
            self.payload.encode_into(json, value)
        })
    }

    /// Signs the JSON of a session as the value of a cookie. A value longer than `max_value_len` is
    /// deflated, however small its JSON is.
    ///
    /// # Errors
    /// [`JsonError`] if the JSON is too long to be read back.
    pub fn sign_json(&self, json: &str, now: UnixTime, max_value_len: usize) -> Result<String, JsonError> {
        let payload = self.payload.limit(max_value_len.saturating_sub(self.signer.overhead(now)));
        self.sign_encoded(json.as_bytes(), now, |json, value| payload.encode_into(json, value))
    }

    /// Signs the JSON of a session, or the zlib stream that the caller has made of it if that is
    /// shorter.
    ///
    /// # Errors
    /// As [`sign_json`](Self::sign_json).
    pub fn sign_deflated(&self, json: &str, deflated: &[u8], now: UnixTime) -> Result<String, JsonError> {
        self.sign_encoded(json.as_bytes(), now, |json, value| {
            PayloadCodec::encode_shorter(json, deflated, value)
        })
    }

    fn sign_encoded(
        &self,
        json: &[u8],
        now: UnixTime,
        encode: impl FnOnce(&[u8], &mut String),
    ) -> Result<String, JsonError> {
        check_length(json)?;
        let mut value = String::with_capacity(json.len() / 3 * 4 + 4 + self.signer.overhead(now));
        encode(json, &mut value);
        self.signer.sign_in_place(&mut value, now);
        Ok(value)
    }

    /// Reads the claims of a cookie **without any check** of its signature: for tools that display
    /// them.
    ///
    /// # Errors
    /// [`OpenError`] if it does not have the form of a session cookie.
    pub fn open_unverified(value: &[u8]) -> Result<Unverified, OpenError> {
        let parts = split_unverified(value, b'.').filter(|parts| parts.timestamp_text.is_some());
        let parts = parts.ok_or(SignatureError::TimestampMissing)?;
        let json = text(PayloadCodec::default().decode(parts.value)?)?;
        let session = SessionDict::from_json(json.clone()).map_err(OpenError::Json)?;
        Ok(Unverified {
            session,
            issued_at: parts.timestamp,
            json,
            is_deflated: parts.value.starts_with(b"."),
        })
    }

    /// Returns the greatest accepted age of a cookie.
    #[must_use]
    pub const fn lifetime(&self) -> Option<Duration> {
        self.age.max_age
    }

    fn json(&self, payload: &[u8]) -> Result<String, OpenError> {
        text(self.payload.decode(payload)?)
    }
}

/// Checks that a session's JSON can be read back from a cookie.
///
/// # Errors
/// [`SessionTooLong`](JsonErrorKind::SessionTooLong), which names the largest key.
fn check_length(json: &[u8]) -> Result<(), JsonError> {
    if json.len() <= MAX_INFLATED {
        return Ok(());
    }
    let longest = core::str::from_utf8(json).ok().and_then(longest);
    let (key, key_length) = longest.unwrap_or_default();
    let (length, limit) = (json.len(), MAX_INFLATED);
    Err(JsonErrorKind::SessionTooLong { length, limit, key, key_length }.into())
}

fn text(json: Vec<u8>) -> Result<String, OpenError> {
    String::from_utf8(json).map_err(|_| OpenError::Json(JsonErrorKind::NotUtf8.into()))
}

/// The settings of a [`SessionCodec`].
#[derive(Debug, Clone)]
#[must_use]
pub struct SessionCodecBuilder {
    keys: KeyRing,
    salt: Vec<u8>,
    derivation: Derivation,
    digest: Digest,
    age: Age,
    compression: Compression,
    order: KeyOrder,
    fits_in: usize,
}

impl SessionCodecBuilder {
    /// Sets the salt: the class attribute of Flask's session interface.
    pub fn salt(mut self, salt: impl AsRef<[u8]>) -> Self {
        self.salt = salt.as_ref().to_vec();
        self
    }

    /// Sets the way in which the signing key is derived from the secret key.
    pub const fn derivation(mut self, derivation: Derivation) -> Self {
        self.derivation = derivation;
        self
    }

    /// Sets the hash function.
    pub const fn digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// Sets the greatest age of a cookie in whole seconds: Flask's `PERMANENT_SESSION_LIFETIME`.
    /// `None` accepts every age.
    pub const fn lifetime(mut self, lifetime: Option<Duration>) -> Self {
        self.age.max_age = lifetime;
        self
    }

    /// Sets the time that a cookie may be ahead of our clock. The default is 5 s; 0 is Flask's
    /// rule.
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.age.leeway = leeway;
        self
    }

    /// Sets the rule that decides when payloads are deflated.
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Sets the order of keys: [`KeyOrder::Insertion`] for an app with `app.json.sort_keys =
    /// False`.
    pub const fn key_order(mut self, order: KeyOrder) -> Self {
        self.order = order;
        self
    }

    /// Sets the length in bytes of the longest value that fits into a cookie. A longer value is
    /// deflated, even if its JSON is short.
    pub const fn fits_in(mut self, bytes: usize) -> Self {
        self.fits_in = bytes;
        self
    }

    /// Derives the keys.
    ///
    /// # Errors
    /// [`SignerConfigError`] if a key is empty.
    pub fn build(self) -> Result<SessionCodec, SignerConfigError> {
        let signer =
            Signer::builder(self.keys).salt(self.salt).derivation(self.derivation).digest(self.digest);
        let signer = TimestampSigner::new(signer.build()?);
        let around = signer.overhead(UnixTime::from_secs(u64::from(u32::MAX)));
        let payload = PayloadCodec::new(self.compression).limit(self.fits_in.saturating_sub(around));
        Ok(SessionCodec { signer, payload, age: self.age, order: self.order })
    }
}

const _: () = {
    const fn is_shareable<T: Send + Sync>() {}
    is_shareable::<SessionCodec>();
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Text, Value};

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn codec() -> SessionCodec {
        SessionCodec::builder("k").leeway(Duration::ZERO).build().unwrap()
    }

    fn sign_payload(json: &str) -> String {
        let signer = TimestampSigner::flask_cookie("k").unwrap();
        let mut payload = String::new();
        PayloadCodec::new(Compression::Never).encode_into(json.as_bytes(), &mut payload);
        signer.sign(&payload, NOW)
    }

    #[test]
    fn payload_error_has_the_json_error_as_source() {
        let error = codec().open(sign_payload("[1").as_bytes(), NOW).unwrap_err();
        let source = core::error::Error::source(&error).and_then(|source| source.downcast_ref::<JsonError>());
        assert!(source.is_some_and(|source| error.to_string().ends_with(&source.to_string())), "{error}");
    }

    /// Flask 3.1.3, SECRET_KEY "k", clock 1700000000, inside an app context.
    #[test]
    fn sessions_are_signed_as_by_flask() {
        let flashes = Value::List(vec![Value::Tuple(vec!["message".into(), "hi".into()])]);
        let cases = [
            ("eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74", Dict::from([("a", Value::from(1))])),
            (
                "eyJ4Ijp7IiBkaSI6eyIgdF9fIjoxfX19.ZVPxAA.PmjkjWeUGkX9jafsSYFoDDMsUQ8",
                Dict::from([("x", Value::from(Dict::from([(" t", 1)])))]),
            ),
            (
                "eyIgZGkiOnsiIHRfXyI6MX19.ZVPxAA.UIr0_TjawW_UTFKH88q2wIM1aC8",
                Dict::from([(" t", Value::from(1))]),
            ),
            (
                "eyJfZmxhc2hlcyI6W3siIHQiOlsibWVzc2FnZSIsImhpIl19XSwiX3Blcm1hbmVudCI6dHJ1ZX0.ZVPxAA.bxgXQNTFPh_0CJ-TMpaKjplhHkQ",
                Dict::from([("_permanent", true.into()), ("_flashes", flashes)]),
            ),
        ];
        for (cookie, dict) in cases {
            let session = SessionDict::from_dict(dict);
            assert_eq!(codec().sign(&session, NOW).unwrap(), cookie);
            let opened = codec().open(cookie.as_bytes(), NOW).unwrap();
            assert_eq!(opened.session, session);
            assert_eq!((opened.issued_at, opened.key), (NOW, 0));
        }
    }

    /// As above, deflated by CPython's zlib 1.2.13.
    #[test]
    fn a_session_that_flask_deflated_is_read() {
        let cookie = ".eJyrVkpSsqpWUgCSSo4BFrZKtTpKKWARIKkUUpqqo2BgpOCVmKdgZGBkomBgbGVgYmVgquDuGwJSmglRWwpUa4AfGIKU54JVA0klmyQ7kEAJWABIRhvqGMUCBUAmxZQaGKRaKtUCAC9oJM4.ZVPxAA.Mb6R435HIJvd4_tm_GhH9jAHG6c";
        let session = codec().open(cookie.as_bytes(), NOW).unwrap().session;
        assert_eq!(session.get::<String>("u").unwrap().as_deref(), Some("é"));
        assert_eq!(session.value("b"), Some(&Value::Bytes(vec![0, 255])));
        assert_eq!(session.value("t"), Some(&Value::Tuple(vec![1.into(), 2.into()])));
        assert_eq!(session.value("m"), Some(&Value::Markup("<b>".into())));
        assert_eq!(session.value("id"), Some(&uuid::Uuid::from_u128(1).into()));
        assert_eq!(session.value("d").unwrap().kind().to_string(), "datetime");
    }

    #[test]
    fn other_json_is_a_session_as_in_flask() {
        let open = |json: &str| {
            let cookie = sign_payload(json);
            let opened = codec().open(cookie.as_bytes(), NOW).map(|opened| opened.session.to_dict());
            assert_eq!(codec().open_dict(cookie.as_bytes(), NOW), opened, "{json}");
            opened
        };
        for json in ["null", "[]", "{}", " {} ", r#"{" t":[]}"#] {
            assert_eq!(open(json), Ok(Dict::new()), "{json}");
        }
        for json in [r#"[["a",5]]"#, r#"{" t":[["a",5]]}"#, r#"[{" t":["a",5]}]"#] {
            assert_eq!(open(json), Ok(Dict::from([("a", 5)])), "{json}");
        }
        for json in ["[1]", "\"ab\"", "1", "", "{", "{\"a\":}", "[[1,2]]"] {
            assert_eq!(open(json).unwrap_err().reason(), "bad_payload", "{json}");
        }
    }

    #[test]
    fn cookies_expire_a_second_after_their_lifetime() {
        let cookie = sign_payload("{}");
        let at = |secs: u64| UnixTime::from_secs(secs);
        let reason = |codec: &SessionCodec, now| {
            let refused = codec.open_dict(cookie.as_bytes(), now).err();
            assert_eq!(refused, codec.open(cookie.as_bytes(), now).err());
            refused.map(|error| error.reason())
        };
        let lifetime = DEFAULT_LIFETIME.as_secs();
        assert_eq!(reason(&codec(), at(1_700_000_000 + lifetime)), None);
        assert_eq!(reason(&codec(), at(1_700_000_001 + lifetime)), Some("expired"));
        assert_eq!(reason(&codec(), at(1_699_999_999)), Some("future"));
        let lenient = SessionCodec::builder("k").build().unwrap();
        assert_eq!(reason(&lenient, at(1_699_999_995)), None);
        assert_eq!(reason(&lenient, at(1_699_999_994)), Some("future"));
    }

    #[test]
    fn untouched_members_are_copied_and_unusual_spelling_normalised() {
        let json = r#"{"a":[1, 2],"b":"\u00E9","c":{"z":1,"y":-0},"d":"plain"}"#;
        let session = codec().open(sign_payload(json).as_bytes(), NOW).unwrap().session;
        let normalised = r#"{"a":[1,2],"b":"\u00e9","c":{"y":0,"z":1},"d":"plain"}"#;
        assert_eq!(session.to_json(KeyOrder::Sorted).unwrap(), normalised.as_bytes());
    }

    #[test]
    fn a_lone_surrogate_survives_reading_and_writing() {
        let json = r#"{"k":"\ud800","z":1}"#;
        let mut session = codec().open(sign_payload(json).as_bytes(), NOW).unwrap().session;
        let value = session.value("k").cloned().unwrap();
        assert_eq!(value, Value::Str(Text::from_bytes(b"\xED\xA0\x80").unwrap()));
        session.insert("k", value).unwrap();
        assert_eq!(session.to_json(KeyOrder::Sorted).unwrap(), json.as_bytes());
    }

    #[test]
    fn sessions_too_long_to_read_back_are_refused() {
        let mut session = SessionDict::from_json(r#"{"a":1}"#).unwrap();
        session.set("bio", "x".repeat((1 << 20) - r#"{"a":1,"bio":""}"#.len())).unwrap();
        let cookie = codec().sign(&session, NOW).unwrap();
        assert_eq!(codec().open(cookie.as_bytes(), NOW).unwrap().session, session);
        for more in [1, 500_000, 5_000_000] {
            session.set("bio", "x".repeat((1 << 20) - 16 + more)).unwrap();
            let error = codec().sign(&session, NOW).unwrap_err().to_string();
            assert!(error.contains("no more than 1048576") && error.contains("\"bio\""), "{error}");
            assert!(!error.contains("xx"));
        }
    }

    #[test]
    fn claims_can_be_read_without_a_key() {
        let cookie = "eyJhIjoxfQ.ZVPxAA.forged";
        let claim = SessionCodec::open_unverified(cookie.as_bytes()).unwrap();
        assert_eq!(
            (claim.json.as_str(), claim.issued_at, claim.is_deflated),
            (r#"{"a":1}"#, Some(NOW), false)
        );
        assert_eq!(SessionCodec::open_unverified(b"abc").unwrap_err().reason(), "malformed");
        assert_eq!(SessionCodec::open_unverified(b"a.b.c").unwrap_err().reason(), "bad_payload");
    }
}
