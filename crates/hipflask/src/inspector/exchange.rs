//! What is remembered of one request and its response.

use hipflask_core::cookie;
use hipflask_core::plan::Seen;
use hipflask_core::time::UnixTime;
use http::header::{COOKIE, HeaderMap, SET_COOKIE, VARY};
use http::{Method, Request, StatusCode};

use crate::engine::Sessions;

/// One request and what was answered.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) method: Method,
    /// Without the query, which may hold anything.
    pub(super) path: String,
    pub(super) at: UnixTime,
    /// The session cookie's value as it came.
    pub(super) sent: Option<String>,
    pub(super) answer: Answer,
}

/// What the response said about the session.
#[derive(Clone, Default)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The whole `Set-Cookie` line of the session's cookie.
    pub(super) set_cookie: Option<String>,
    pub(super) vary: Option<String>,
    /// The session's flags; `None` if nobody opened it.
    pub(super) seen: Option<(Seen, bool)>,
}

impl Exchange {
    /// The first half: what came.
    pub(super) fn begin<B>(request: &Request<B>, sessions: &Sessions) -> Self {
        let at = sessions.now();
        Self {
            method: request.method().clone(),
            path: bounded(request.uri().path(), PATH_LIMIT),
            at,
            sent: sent(request.headers(), sessions, at),
            answer: Answer::default(),
        }
    }

    /// What the browser holds after the response: the value of the session's cookie.
    pub(super) fn held_after(&self) -> Option<&str> {
        match &self.answer.set_cookie {
            Some(line) => Some(set_value(line)).filter(|value| !value.is_empty()),
            None => self.sent.as_deref(),
        }
    }

    /// A browser asks for an icon on its own behind every first page; nobody wants to see it as the last response.
    pub(super) fn is_background(&self) -> bool {
        self.path == "/favicon.ico"
    }
}

impl Answer {
    pub(super) fn new(
        status: StatusCode,
        headers: &HeaderMap,
        name: &str,
        seen: Option<(Seen, bool)>,
    ) -> Self {
        let is_session = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
        let mut set = headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
        let vary: Vec<&str> = headers.get_all(VARY).iter().filter_map(|line| line.to_str().ok()).collect();
        Self {
            status,
            set_cookie: set.rfind(is_session).map(|line| bounded(line, VALUE_LIMIT)),
            vary: (!vary.is_empty()).then(|| bounded(&vary.join(", "), PATH_LIMIT)),
            seen,
        }
    }
}

/// The value in a `Set-Cookie` line.
pub(super) fn set_value(line: &str) -> &str {
    let pair = line.split_once(';').map_or(line, |(pair, _)| pair);
    pair.split_once('=').map_or("", |(_, value)| value)
}

/// The value that the engine takes: the first that verifies, or else the first.
fn sent(headers: &HeaderMap, sessions: &Sessions, at: UnixTime) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().map(http::HeaderValue::as_bytes);
    let values: Vec<String> = cookie::values(lines, sessions.cookie().name())
        .filter(|value| !value.is_empty())
        .take(COOKIES_TRIED)
        .map(|value| bounded(&value, VALUE_LIMIT))
        .collect();
    let good = values.iter().find(|value| sessions.codec().open(value.as_bytes(), at).is_ok());
    good.or(values.first()).cloned()
}

/// A copy of at most `limit` bytes: what is remembered has a bound.
fn bounded(text: &str, limit: usize) -> String {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// As many as the engine tries.
const COOKIES_TRIED: usize = 4;
const PATH_LIMIT: usize = 256;
/// Browsers keep a cookie of 4096 bytes at most.
const VALUE_LIMIT: usize = 16 * 1024;
