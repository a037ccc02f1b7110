//! The signers of itsdangerous: keys, derivation, timestamps, URL-safe payloads.
//!
//! A signed value is `value.signature`, or `value.timestamp.signature` with the time of signing.
//! Flask's session cookie is the latter, with a [`PayloadCodec`] payload as the value:
//!
//! ```
//! use hipflask_core::signing::{Age, PayloadCodec, TimestampSigner};
//! use hipflask_core::time::UnixTime;
//!
//! // Flask 3.1.3, SECRET_KEY "k", session {"a": 1}, clock 1_700_000_000.
//! let cookie = b"eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74";
//! let now = UnixTime::from_secs(1_700_000_060);
//!
//! let opened = TimestampSigner::flask_cookie("k")?.unsign(cookie, now, Age::any())?;
//! let json = PayloadCodec::default().decode(opened.value)?;
//!
//! assert_eq!(json, br#"{"a":1}"#);
//! assert_eq!(opened.issued_at, Some(UnixTime::from_secs(1_700_000_000)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The signature is compared in constant time before anything of the value is parsed. Nothing here
//! reads a clock. The formats are those of itsdangerous 2.2.0, which accepts several spellings of
//! one signature. Only the spelling that it writes is accepted here.

mod base64;
mod error;
mod key;
mod mac;
mod payload;
mod serializer;
mod signer;
mod timestamp;

pub use error::{DumpError, LoadError, PayloadError, SignatureError, SignerConfigError, SignerSetting};
pub use key::{KeyRing, SecretKey, Weakness};
pub use mac::{Derivation, Digest};
pub use payload::{Compression, MAX_INFLATED, PayloadCodec};
pub use serializer::{UrlSafeSerializer, UrlSafeTimedSerializer};
pub use signer::{Signer, SignerBuilder, Unsigned};
pub use timestamp::{Age, Parts, TimestampSigner, split_unverified};
