//! What a Flask session is, without any I/O.
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
//! let cookie = codec.seal(&session, now)?;
//!
//! let opened = codec.open(cookie.as_bytes(), now)?;
//! assert_eq!(opened.session.get::<String>("username")?.as_deref(), Some("ada"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`session`] | [`SessionDict`](session::SessionDict): Flask's dict with its flags, flashed messages, and a log of changes |
//! | [`codec`] | [`SessionCodec`](codec::SessionCodec): session to cookie value and back |
//! | [`plan`] | what a response must do about its session, as plain data |
//! | [`cookie`] | reading `Cookie`, writing `Set-Cookie` |
//! | [`signing`] | the signers of itsdangerous, for mail links and form tokens as well |
//! | [`tagged`] | the JSON in the cookie, in Python's spelling |
//! | [`value`] | everything that a session can hold |
//! | [`time`] | seconds, datetimes and the dates of HTTP |
//!
//! Time, keys and settings come in as arguments; nothing here reads a clock, a file or the environment. No input makes it
//! panic, and all input is bounded.
//!
//! # Features
//!
//! - `stock-zlib`: deflates with the C zlib, so that compressed cookies equal those of a stock CPython byte for byte.
//!   Needs a C compiler. Without it a pure Rust zlib writes other bytes of the same meaning.
//! - `count-steps`: counts the steps that each reader takes, for tests and fuzz targets. Not for production.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod base64;

pub mod codec;
pub mod cookie;
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
