//! Recordings of real Flask's output, kept under `wire/`. Reading them needs no Python.

use std::error::Error as _;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::checkout;
use crate::oracle::{DamagedCookie, DumpedCookie, ParsedHeader, Settings};

/// The sessions of `wire/flask-cookies.jsonl` with the cookies that Flask signs for them.
///
/// # Errors
/// [`RecordingError`] if the file is not there or not what `cargo xtask wire` makes. The same for
/// all in this module.
pub fn flask_cookies() -> Result<Vec<FlaskCookie>, RecordingError> {
    read("flask-cookies.jsonl")
}

/// The cookies of `wire/damaged-cookies.jsonl` with what Flask does when it gets them, under the key `k`.
///
/// # Errors
/// As [`flask_cookies`].
pub fn damaged_cookies() -> Result<Vec<DamagedCookie>, RecordingError> {
    read("damaged-cookies.jsonl")
}

/// The `Cookie` headers of `wire/cookie-headers.jsonl` with what Werkzeug makes of them.
///
/// # Errors
/// As [`flask_cookies`].
pub fn cookie_headers() -> Result<Vec<ParsedHeader>, RecordingError> {
    read("cookie-headers.jsonl")
}

/// The `Set-Cookie` headers of `wire/set-cookie.jsonl` with the arguments that Werkzeug made them from.
///
/// # Errors
/// As [`flask_cookies`].
pub fn set_cookies() -> Result<Vec<DumpedCookie>, RecordingError> {
    read("set-cookie.jsonl")
}

/// A session and the cookie that Flask signs for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FlaskCookie {
    /// Keys, salt, digest, derivation and time of the signature.
    #[serde(flatten)]
    pub settings: Settings,
    /// The description of the session as it was signed.
    pub value: String,
    /// The cookie's value.
    pub cookie: String,
    /// The description of the session as Flask reads it back: keys sorted, dates in whole seconds and UTC.
    pub opened: String,
}

/// A recording that cannot be read. Shown by `{:?}` as by `{}`, because tests unwrap it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The running test is not inside a checkout.
    #[error(
        "no recordings above the current directory: they are in Hipflask's checkout under wire/, run the test there"
    )]
    NoCheckout,
    /// The file cannot be read.
    #[error("{path} cannot be read; `cargo xtask wire` makes it")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A line is not the record that was expected.
    #[error("{path}, line {line} is not what was expected; `cargo xtask wire` makes the file again")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The parser's error.
        source: serde_json::Error,
    },
}

impl fmt::Debug for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match self.source() {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}

fn read<T: DeserializeOwned>(name: &str) -> Result<Vec<T>, RecordingError> {
    let path = checkout::checkout().ok_or(RecordingError::NoCheckout)?.join("wire").join(name);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(RecordingError::Unreadable { path, source }),
    };
    // The first line says which versions made the file.
    let records = text.lines().enumerate().skip(1).map(|(at, line)| {
        serde_json::from_str(line).map_err(|source| RecordingError::Malformed {
            path: path.clone(),
            line: at + 1,
            source,
        })
    });
    records.collect()
}

#[cfg(test)]
mod tests {
    use super::{cookie_headers, damaged_cookies, flask_cookies, set_cookies};

    #[test]
    fn every_recording_can_be_read() {
        assert!(flask_cookies().unwrap().len() > 300);
        assert!(damaged_cookies().unwrap().len() >= 300);
        assert!(cookie_headers().unwrap().len() >= 400);
        assert!(set_cookies().unwrap().len() > 200);
    }
}
