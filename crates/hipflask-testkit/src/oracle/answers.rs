//! The answers of real Flask.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The result of Flask's reading of a session cookie.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Verdict {
    /// It opens the session.
    Opened {
        /// The description of the session.
        session: String,
        /// When it was signed; none for the empty cookie, which counts as no cookie.
        signed_at: Option<u64>,
    },
    /// It goes on with an empty session and says nothing.
    Empty {
        /// The class of the error that it swallows.
        #[serde(rename = "empty")]
        class: String,
        /// The error's text.
        message: String,
    },
    /// It answers 500.
    Fails {
        /// The class of the error.
        #[serde(rename = "fails")]
        class: String,
        /// The error's text.
        message: String,
    },
}

/// An error that Flask raised where it would have written something.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// The class of the error, such as `TypeError`.
    #[serde(rename = "error")]
    pub class: String,
    /// The error's text.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

impl std::error::Error for Refusal {}

/// A random session with the cookie that Flask signs for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct GeneratedSession {
    /// The description of the session as it was signed.
    pub value: String,
    /// The cookie's value.
    pub cookie: String,
    /// The description of the session as Flask reads it back.
    pub opened: String,
}

/// A damaged cookie.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct DamagedCookie {
    /// The kind of damage: the name of a method of `Damage` in `wire/generate.py`.
    pub by: String,
    /// The cookie's value; not always ASCII.
    pub cookie: String,
    /// The result of Flask's reading of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// A `Cookie` header and the cookies that Flask's request has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ParsedHeader {
    /// The header; each character is one byte of the wire, as WSGI has it.
    pub header: String,
    /// Names and values, those of one name side by side; the first of a name is the one that Flask takes.
    pub pairs: Vec<(String, String)>,
}

/// Arguments of Werkzeug's `dump_cookie` and what comes of them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct DumpedCookie {
    /// The keyword arguments.
    pub call: Map<String, Value>,
    /// The value of `Set-Cookie`, if there is one.
    pub header: Option<String>,
    /// Werkzeug's warnings.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The class of the error, if there is one.
    pub error: Option<String>,
    /// The error's text.
    pub message: Option<String>,
}

/// The headers that `save_session` put on a response.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ResponseHeaders {
    /// `Set-Cookie` and `Vary`, in the order of the response.
    pub headers: Vec<(String, String)>,
    /// Werkzeug's warnings.
    pub warnings: Vec<String>,
}

/// The result of a [`Visit`](super::Visit).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Visited {
    /// One for each step.
    pub steps: Vec<StepSeen>,
    /// `Set-Cookie` and `Vary`, in the order of the response.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Werkzeug's warnings.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The class of the error with which saving failed.
    pub error: Option<String>,
}

/// A step on `flask.session`, and the session after it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct StepSeen {
    /// The description of what the step returned.
    pub result: Option<String>,
    /// The class of the error that it raised instead.
    pub error: Option<String>,
    /// The description of the session.
    pub session: String,
    /// The flag `accessed`.
    pub accessed: bool,
    /// The flag `modified`.
    pub modified: bool,
    /// The flag `permanent`.
    pub permanent: bool,
    /// The flag `new`.
    pub new: bool,
}

/// The versions of the Python packages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Versions {
    /// Python's version.
    pub python: String,
    /// The version of the zlib that Python runs with.
    pub zlib: String,
    /// Flask's version.
    pub flask: String,
    /// Werkzeug's version.
    pub werkzeug: String,
    /// itsdangerous' version.
    pub itsdangerous: String,
}

/// The requested answer, or Flask's error.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Outcome<T> {
    Made(T),
    Refused(Refusal),
}

impl<T> Outcome<T> {
    pub(crate) fn into_result(self) -> Result<T, Refusal> {
        match self {
            Self::Made(made) => Ok(made),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Cookie {
    pub(crate) cookie: String,
}
