//! JSON as one signed, URL-safe text: for links in mails, tokens in forms and cookies.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    error::{DumpError, LoadError, SignatureError, SignerConfigError},
    key::KeyRing,
    payload::PayloadCodec,
    signer::Signer,
    timestamp::{Age, TimestampSigner},
};
use crate::tagged::{JsonErrorKind, from_str_plain, to_string_plain};
use crate::time::UnixTime;
use crate::value::{from_value, to_value};

/// Signs JSON for use in a URL. The text is valid until the key changes.
///
/// ```
/// use hipflask_core::signing::{Signer, UrlSafeSerializer};
///
/// let links = UrlSafeSerializer::new(Signer::builder("a long random key").salt("unsubscribe").build()?);
/// let text = links.dumps(&("alice", 7))?;
/// assert_eq!(links.loads::<(String, u32)>(&text)?, ("alice".into(), 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It takes every value that serde can serialize. Anybody can read the text: it is signed, not
/// encrypted.
///
/// The format is that of itsdangerous 2.2.0 `URLSafeSerializer`.
#[doc(alias = "URLSafeSerializer")]
#[derive(Debug, Clone)]
pub struct UrlSafeSerializer {
    signer: Signer,
    codec: PayloadCodec,
}

impl UrlSafeSerializer {
    /// Signs with `signer`. Use a different salt for each purpose. The serializers of itsdangerous
    /// have the default salt `itsdangerous`; see [`with_keys`](Self::with_keys).
    #[must_use]
    pub fn new(signer: Signer) -> Self {
        Self { signer, codec: PayloadCodec::default() }
    }

    /// Signs as `URLSafeSerializer(keys)` does: salt `itsdangerous`, derivation `django-concat`,
    /// SHA-1.
    ///
    /// # Errors
    /// [`SignerConfigError::EmptyKey`] if a key is empty.
    pub fn with_keys(keys: impl Into<KeyRing>) -> Result<Self, SignerConfigError> {
        Ok(Self::new(default_signer(keys)?))
    }

    /// Encodes payloads with `codec`, by its rule and limits.
    #[must_use]
    pub const fn codec(mut self, codec: PayloadCodec) -> Self {
        self.codec = codec;
        self
    }

    /// Returns the signed text of `value` as plain JSON.
    ///
    /// # Errors
    /// [`DumpError`] if JSON cannot represent it: bytes, datetimes, UUIDs.
    pub fn dumps<T: Serialize + ?Sized>(&self, value: &T) -> Result<String, DumpError> {
        Ok(self.dumps_json(&json(value)?))
    }

    /// Returns the value that was signed.
    ///
    /// # Errors
    /// [`LoadError::Signature`] if none of the keys signed it. Every other [`LoadError`] implies a
    /// good signature.
    pub fn loads<T: DeserializeOwned>(&self, text: &str) -> Result<T, LoadError> {
        value(&self.loads_json(text.as_bytes())?)
    }

    /// Returns the signed text of `json`, which is not parsed.
    #[must_use]
    pub fn dumps_json(&self, json: &[u8]) -> String {
        let mut text = String::new();
        self.codec.encode_into(json, &mut text);
        self.signer.sign_in_place(&mut text);
        text
    }

    /// Returns the JSON that was signed, without parsing it.
    ///
    /// # Errors
    /// [`LoadError::Signature`] if none of the keys signed it. [`LoadError::Payload`] implies a
    /// good signature.
    pub fn loads_json(&self, text: &[u8]) -> Result<Vec<u8>, LoadError> {
        Ok(self.codec.decode(self.signer.unsign(text)?.value)?)
    }
}

/// Signs JSON together with the time, so that the text expires.
///
/// ```
/// use core::time::Duration;
/// use hipflask_core::{signing::{Age, UrlSafeTimedSerializer}, time::UnixTime};
///
/// let tokens = UrlSafeTimedSerializer::with_keys("a long random key")?;
/// let now = UnixTime::from_secs(1_700_000_000);
/// let text = tokens.dumps("alice@example.com", now)?;
/// let (mail, issued_at) = tokens.loads::<String>(&text, now, Age::at_most(Duration::from_secs(600)))?;
/// assert_eq!((mail.as_str(), issued_at), ("alice@example.com", now));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The format is that of itsdangerous 2.2.0 `URLSafeTimedSerializer`: Flask's session cookie and
/// Flask-WTF's form tokens.
#[doc(alias = "URLSafeTimedSerializer")]
#[derive(Debug, Clone)]
pub struct UrlSafeTimedSerializer {
    signer: TimestampSigner,
    codec: PayloadCodec,
}

impl UrlSafeTimedSerializer {
    /// Signs with `signer`. Use a different salt for each purpose. The serializers of itsdangerous
    /// have the default salt `itsdangerous`; see [`with_keys`](Self::with_keys).
    #[must_use]
    pub fn new(signer: TimestampSigner) -> Self {
        Self { signer, codec: PayloadCodec::default() }
    }

    /// Signs as `URLSafeTimedSerializer(keys)` does: salt `itsdangerous`, derivation
    /// `django-concat`, SHA-1.
    ///
    /// # Errors
    /// [`SignerConfigError::EmptyKey`] if a key is empty.
    pub fn with_keys(keys: impl Into<KeyRing>) -> Result<Self, SignerConfigError> {
        Ok(Self::new(TimestampSigner::new(default_signer(keys)?)))
    }

    /// Encodes payloads with `codec`, by its rule and limits.
    #[must_use]
    pub const fn codec(mut self, codec: PayloadCodec) -> Self {
        self.codec = codec;
        self
    }

    /// Returns the text of `value` as plain JSON, signed at the time `at`.
    ///
    /// # Errors
    /// [`DumpError`] if JSON cannot represent it: bytes, datetimes, UUIDs.
    pub fn dumps<T: Serialize + ?Sized>(&self, value: &T, at: UnixTime) -> Result<String, DumpError> {
        Ok(self.dumps_json(&json(value)?, at))
    }

    /// Returns the value that was signed and the time of signing.
    ///
    /// # Errors
    /// [`LoadError::Signature`] if none of the keys signed it, or not at an accepted time. Every
    /// other [`LoadError`] implies a good signature.
    pub fn loads<T: DeserializeOwned>(
        &self,
        text: &str,
        now: UnixTime,
        age: Age,
    ) -> Result<(T, UnixTime), LoadError> {
        let (json, issued_at) = self.loads_json(text.as_bytes(), now, age)?;
        Ok((value(&json)?, issued_at))
    }

    /// Returns the text of `json`, which is not parsed, signed at the time `at`.
    #[must_use]
    pub fn dumps_json(&self, json: &[u8], at: UnixTime) -> String {
        let mut text = String::new();
        self.codec.encode_into(json, &mut text);
        self.signer.sign_in_place(&mut text, at);
        text
    }

    /// Returns the JSON that was signed, without parsing it, and the time of signing.
    ///
    /// # Errors
    /// [`LoadError::Signature`] if none of the keys signed it, or not at an accepted time.
    /// [`LoadError::Payload`] implies a good signature.
    pub fn loads_json(&self, text: &[u8], now: UnixTime, age: Age) -> Result<(Vec<u8>, UnixTime), LoadError> {
        let unsigned = self.signer.unsign(text, now, age)?;
        let issued_at = unsigned.issued_at.ok_or(SignatureError::TimestampMissing)?;
        Ok((self.codec.decode(unsigned.value)?, issued_at))
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, DumpError> {
    Ok(to_string_plain(&to_value(value)?)?.into_bytes())
}

fn value<T: DeserializeOwned>(json: &[u8]) -> Result<T, LoadError> {
    let text = core::str::from_utf8(json).map_err(|_| LoadError::Json(JsonErrorKind::NotUtf8.into()))?;
    from_value(&from_str_plain(text).map_err(LoadError::Json)?).map_err(LoadError::Value)
}

fn default_signer(keys: impl Into<KeyRing>) -> Result<Signer, SignerConfigError> {
    Signer::builder(keys).salt("itsdangerous").build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::PayloadError;

    const CLOCK: UnixTime = UnixTime::from_secs(1_700_000_000);

    /// itsdangerous 2.2.0: `URLSafeSerializer('k').dumps_json(..)`.
    #[test]
    fn text_without_time_is_that_of_itsdangerous() {
        let serializer = UrlSafeSerializer::with_keys("k").unwrap();
        let text = "eyJhIjoiw6kifQ.4Bn0qIpUpl-tlU4eM9cURY7vGt0";
        assert_eq!(serializer.dumps_json(r#"{"a":"é"}"#.as_bytes()), text);
        assert_eq!(serializer.loads_json(text.as_bytes()).unwrap(), r#"{"a":"é"}"#.as_bytes());
        assert_eq!(serializer.dumps_json(br#"{"a":1}"#), "eyJhIjoxfQ.vIRGgzmNzCBDwe7a_A5q8Ak94WU");
    }

    /// itsdangerous 2.2.0, clock 1_700_000_000: `URLSafeTimedSerializer('k').dumps_json({'a': 1})`,
    /// and the text of 40 zeros with Flask-WTF's salt `wtf-csrf-token`.
    #[test]
    fn text_with_time_is_that_of_itsdangerous() {
        let serializer = UrlSafeTimedSerializer::with_keys("k").unwrap();
        let text = "eyJhIjoxfQ.ZVPxAA.4g1HSEQ_RX7fgIj7iX9OnsvBOZY";
        assert_eq!(serializer.dumps_json(br#"{"a":1}"#, CLOCK), text);
        assert_eq!(
            serializer.loads_json(text.as_bytes(), CLOCK, Age::any()),
            Ok((br#"{"a":1}"#.to_vec(), CLOCK))
        );

        let signer = TimestampSigner::new(Signer::builder("k").salt("wtf-csrf-token").build().unwrap());
        let json = format!("\"{}\"", "0".repeat(40));
        let token = ".eJxTMiASKAEApyAHxQ.ZVPxAA.r1McOKBdWtQwDgzbdi-TrbW_wWU";
        let loaded = UrlSafeTimedSerializer::new(signer).loads_json(token.as_bytes(), CLOCK, Age::any());
        assert_eq!(loaded, Ok((json.into_bytes(), CLOCK)));
    }

    #[test]
    fn rust_values_are_signed_as_in_python() {
        let serializer = UrlSafeSerializer::with_keys("k").unwrap();
        let text = "eyJhIjoiw6kifQ.4Bn0qIpUpl-tlU4eM9cURY7vGt0";
        let value = std::collections::BTreeMap::from([("a".to_owned(), "é".to_owned())]);
        assert_eq!(serializer.dumps(&value).unwrap(), text);
        assert_eq!(serializer.loads(text), Ok(value));
        assert!(matches!(serializer.loads::<u8>(text), Err(LoadError::Value(_))));
        let not_json = serializer.dumps_json(b"{");
        assert_eq!(serializer.loads::<u8>(&not_json).unwrap_err().itsdangerous_class(), "BadPayload");
        assert!(serializer.dumps(&crate::value::Value::Bytes(vec![])).is_err());
    }

    #[test]
    fn a_forged_unreadable_text_reports_the_forgery() {
        let serializer = UrlSafeSerializer::with_keys("k").unwrap();
        let forged = serializer.loads_json(b".e.AAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap_err();
        let expected = SignatureError::BadSignature { issued_at: None, timed: false };
        assert_eq!(forged, LoadError::Signature(expected));
        assert_eq!(forged.itsdangerous_class(), "BadSignature");

        let signed = default_signer("k").unwrap().sign(".e");
        let unreadable = serializer.loads_json(&signed).unwrap_err();
        assert_eq!(unreadable, LoadError::Payload(PayloadError::NotBase64));
        assert_eq!(unreadable.itsdangerous_class(), "BadPayload");
    }

    #[test]
    fn the_limit_of_the_codec_applies() {
        let codec = PayloadCodec::new(crate::signing::Compression::AsFlask).max_inflated(99);
        let serializer = UrlSafeSerializer::with_keys("k").unwrap().codec(codec);
        let text = serializer.dumps_json(&[b' '; 100]);
        assert_eq!(serializer.loads_json(text.as_bytes()), Err(PayloadError::TooLarge { limit: 99 }.into()));
        assert!(serializer.loads_json(serializer.dumps_json(&[b' '; 99]).as_bytes()).is_ok());
    }
}
