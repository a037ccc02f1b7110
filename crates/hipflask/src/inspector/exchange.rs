//! The record of one request and its response.

use hipflask_core::plan::SessionFlags;
use hipflask_core::time::UnixTime;

use crate::engine::{Kind, Sessions};
use crate::request::RequestSession;
use crate::session::RecordSeen;

/// The parts of a request, of any framework. `lines` are its `Cookie` headers.
pub(super) struct Came<'r> {
    pub(super) method: &'r str,
    pub(super) path: &'r str,
    /// The path as the routes below the inspector see it.
    pub(super) below: &'r str,
    pub(super) lines: Vec<&'r [u8]>,
}

/// The parts of a response, of any framework: its status and its `Set-Cookie` and `Vary` headers.
pub(super) struct Goes<'r> {
    pub(super) status: u16,
    pub(super) set_cookies: Vec<&'r [u8]>,
    pub(super) vary: Vec<&'r [u8]>,
}

/// One request and what was answered.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) method: String,
    /// Without the query, which may hold anything.
    pub(super) path: String,
    pub(super) at: UnixTime,
    /// The session cookie's value as it came.
    pub(super) sent: Option<String>,
    pub(super) answer: Answer,
}

/// The response's effect on the session.
#[derive(Clone, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The whole `Set-Cookie` line of the session's cookie.
    pub(super) set_cookie: Option<String>,
    pub(super) vary: Option<String>,
    /// The session's flags; `None` if it was not opened.
    pub(super) flags: Option<(SessionFlags, bool)>,
    /// The session's record, if it is in a store.
    pub(super) record: Option<RecordSeen>,
}

impl Exchange {
    /// Starts the record with the request.
    pub(super) fn begin(came: &Came<'_>, sessions: &Sessions) -> Self {
        let at = sessions.now();
        Self {
            method: bounded(came.method, PATH_LIMIT),
            path: bounded(came.path, PATH_LIMIT),
            at,
            sent: sent(&came.lines, sessions, at),
            answer: Answer::default(),
        }
    }

    /// The value of the session's cookie in the browser after the response.
    pub(super) fn held_after(&self) -> Option<&str> {
        match &self.answer.set_cookie {
            Some(line) => Some(set_value(line)).filter(|value| !value.is_empty()),
            None => self.sent.as_deref(),
        }
    }

    /// Returns `true` for the icon, which browsers request by themselves after every first page.
    pub(super) fn is_background(&self) -> bool {
        self.path == "/favicon.ico"
    }
}

impl Answer {
    /// Of the `Set-Cookie` lines only that of the session's cookie counts, whose name is `name`.
    pub(super) fn new(goes: &Goes<'_>, name: &str, session: Option<&RequestSession>) -> Self {
        let is_session = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
        let vary: Vec<&str> = texts(&goes.vary).collect();
        Self {
            status: goes.status,
            set_cookie: texts(&goes.set_cookies).rfind(is_session).map(|line| bounded(line, VALUE_LIMIT)),
            vary: (!vary.is_empty()).then(|| bounded(&vary.join(", "), PATH_LIMIT)),
            flags: session.and_then(|session| session.shared().flags()),
            record: session.and_then(|session| session.shared().record()).map(|mut record| {
                if let Some(held) = &mut record.held {
                    held.contents = bounded(&held.contents, VALUE_LIMIT);
                }
                record
            }),
        }
    }
}

/// The lines that are text.
fn texts<'r>(lines: &[&'r [u8]]) -> impl DoubleEndedIterator<Item = &'r str> {
    lines.iter().filter_map(|line| std::str::from_utf8(line).ok())
}

/// The value in a `Set-Cookie` line.
pub(super) fn set_value(line: &str) -> &str {
    let pair = line.split_once(';').map_or(line, |(pair, _)| pair);
    pair.split_once('=').map_or("", |(_, value)| value)
}

/// The value that the engine takes: the first one that verifies, or else the first one.
fn sent(lines: &[&[u8]], sessions: &Sessions, at: UnixTime) -> Option<String> {
    let values = sessions.values(lines.iter().copied());
    let values: Vec<String> =
        values.map(|value| bounded(&String::from_utf8_lossy(&value), VALUE_LIMIT)).collect();
    let is_good = |value: &&String| match sessions.kind() {
        Kind::Cookie(codec) => codec.open(value.as_bytes(), at).is_ok(),
        Kind::Stored(_) | Kind::Keyless => false,
    };
    let good = values.iter().find(is_good);
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

const PATH_LIMIT: usize = 256;
/// Browsers keep a cookie of 4096 bytes at most.
const VALUE_LIMIT: usize = 16 * 1024;
