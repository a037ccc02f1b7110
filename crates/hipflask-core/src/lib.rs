//! Flask's session system without any I/O.
//!
//! Reads and writes Flask's session cookie so exactly that Flask cannot tell the difference:
//!
//! ```
//! use hipflask_core::{codec::SessionCodec, time::UnixTime};
//!
//! let codec = SessionCodec::builder("the SECRET_KEY of the Flask app").build()?;
//! let now = UnixTime::from_secs(1_700_000_000);
//!
//! let mut session = hipflask_core::session::SessionDict::new();
//! session.set("username", "ada")?;
//! let cookie = codec.sign(&session, now)?;
//!
//! let opened = codec.open(cookie.as_bytes(), now)?;
//! assert_eq!(opened.session.get::<String>("username")?.as_deref(), Some("ada"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | content |
//! | --- | --- |
//! | [`session`] | [`SessionDict`](session::SessionDict): Flask's dict with its flags, flashed messages and a log of changes |
//! | [`codec`] | [`SessionCodec`](codec::SessionCodec): session to cookie value and back |
//! | [`plan`] | a pure function that decides what the response does with the session |
//! | [`cookie`] | reading `Cookie`, writing `Set-Cookie` |
//! | [`signing`] | the signers of itsdangerous, for mail links and form tokens as well |
//! | [`tagged`] | the JSON in the cookie, in Python's spelling |
//! | [`value`] | everything that a session can hold |
//! | [`log_limit`] | limits for log lines that anybody can cause |
//! | [`time`] | seconds, datetimes and the dates of HTTP |
//!
//! Time, keys and settings are arguments: nothing here reads a clock, a file or the environment. No
//! input causes a panic, and the size of every input is limited.
//!
//! # Features
//!
//! - `stock-zlib`: deflates with the C zlib, so that compressed cookies equal those of CPython byte
//!   for byte. Needs a C compiler. Without it, a zlib in pure Rust writes other bytes with the same
//!   content.
//! - `count-steps`: counts the steps that each reader takes, for tests and fuzz targets. Not for
//!   production.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod base64;

pub mod codec;
pub mod cookie;
pub mod csrf;
pub mod hex;
pub mod log_limit;
pub mod login;
pub mod plan;
pub mod session;
pub mod signing;
#[doc(hidden)]
pub mod steps;
pub mod tagged;
pub mod time;
pub mod value;

#[cfg(test)]
mod linear;
