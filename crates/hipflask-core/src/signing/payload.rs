//! The payload of itsdangerous' URL-safe serializers: JSON, deflated or not, in base64.

use core::{fmt, str::FromStr};
use std::io::{Read, Write};

use super::{
    base64,
    error::{PayloadError, SignerConfigError},
};

/// When a payload is deflated. itsdangerous and Flask read all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compression {
    /// JSON over [`PayloadCodec::pays_from`] bytes (1 KiB), or whose payload is over [`PayloadCodec::limit`], if that
    /// saves two bytes or more. Deflating costs ten times what the rest of writing a cookie costs.
    #[default]
    WhenItPays,
    /// Always if that saves two bytes or more: the rule of itsdangerous 2.2.0, zlib at level 6.
    ///
    /// With the feature `stock-zlib` the bytes are CPython's too; without it they differ but inflate to the same.
    AsFlask,
    /// Never.
    Never,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WhenItPays => "when-it-pays",
            Self::AsFlask => "flask",
            Self::Never => "never",
        })
    }
}

impl FromStr for Compression {
    type Err = SignerConfigError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "when-it-pays" => Self::WhenItPays,
            "flask" => Self::AsFlask,
            "never" => Self::Never,
            _ => return Err(SignerConfigError::unknown("compression", name, "when-it-pays, flask, never")),
        })
    }
}

/// Turns JSON into the payload of a cookie or link, and back.
///
/// A payload is base64 (URL-safe, no padding) of the JSON, or `.` and base64 of the deflated JSON. The codec does not
/// look into the JSON. It reads only what a signature was good on.
///
/// ```
/// use hipflask_core::signing::PayloadCodec;
///
/// let codec = PayloadCodec::default();
/// let mut cookie = String::new();
/// codec.encode_into(br#"{"a":1}"#, &mut cookie);
/// assert_eq!(cookie, "eyJhIjoxfQ");
/// assert_eq!(codec.decode(cookie.as_bytes())?, br#"{"a":1}"#);
/// # Ok::<(), hipflask_core::signing::PayloadError>(())
/// ```
///
/// Same rules as itsdangerous 2.2.0 `URLSafeSerializerMixin`, with a bound on what is inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadCodec {
    compression: Compression,
    pays_from: usize,
    limit: usize,
    max_inflated: usize,
}

impl PayloadCodec {
    /// A codec that deflates by this rule.
    #[must_use]
    pub const fn new(compression: Compression) -> Self {
        Self { compression, pays_from: 1024, limit: usize::MAX, max_inflated: 1 << 20 }
    }

    /// With [`Compression::WhenItPays`], the greatest length of JSON in bytes that is left undeflated. 1024 unless set.
    #[must_use]
    pub const fn pays_from(mut self, bytes: usize) -> Self {
        self.pays_from = bytes;
        self
    }

    /// With [`Compression::WhenItPays`], the greatest length of a payload in bytes that fits: a longer one is deflated
    /// even if its JSON is small. Not a bound: what does not fit when deflated is written all the same. None unless set.
    #[must_use]
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// The most bytes that a payload may inflate to. 1 MiB unless set.
    #[must_use]
    pub const fn max_inflated(mut self, bytes: usize) -> Self {
        self.max_inflated = bytes;
        self
    }

    /// Appends the payload of `json` to `out`.
    pub fn encode_into(&self, json: &[u8], out: &mut String) {
        if self.deflates(json.len()) {
            let deflated = deflate(json);
            if deflated.len() + 1 < json.len() {
                out.reserve(1 + base64::encoded_len(deflated.len()));
                out.push(DEFLATED);
                return base64::encode_append(&deflated, out);
            }
        }
        base64::encode_append(json, out);
    }

    /// The JSON in `payload`, whose signature has been found good.
    ///
    /// Read as leniently as Python reads: either base64 alphabet, padding or none, junk between, anything after the
    /// zlib stream.
    ///
    /// # Errors
    /// [`PayloadError`]: not base64, not zlib, or larger than [`max_inflated`](Self::max_inflated) when inflated.
    pub fn decode(&self, payload: &[u8]) -> Result<Vec<u8>, PayloadError> {
        match payload {
            [b'.', deflated @ ..] => {
                inflate(&base64::decode(deflated).ok_or(PayloadError::NotBase64)?, self.max_inflated)
            }
            plain => base64::decode(plain).ok_or(PayloadError::NotBase64),
        }
    }

    const fn deflates(&self, json: usize) -> bool {
        match self.compression {
            Compression::WhenItPays => json > self.pays_from || base64::encoded_len(json) > self.limit,
            Compression::AsFlask => true,
            Compression::Never => false,
        }
    }
}

impl Default for PayloadCodec {
    fn default() -> Self {
        Self::new(Compression::default())
    }
}

fn deflate(json: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(json).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
}

fn inflate(deflated: &[u8], limit: usize) -> Result<Vec<u8>, PayloadError> {
    let mut json = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    flate2::read::ZlibDecoder::new(deflated)
        .take(bound)
        .read_to_end(&mut json)
        .map_err(|_| PayloadError::NotZlib)?;
    if json.len() > limit { Err(PayloadError::TooLarge { limit }) } else { Ok(json) }
}

/// Marks a deflated payload.
const DEFLATED: char = '.';
