//! The meaning of an exchange: values that both the page and the JSON show.

use std::fmt;

use hipflask_core::codec::{OpenError, SessionCodec};
use hipflask_core::plan::{CookieOp, Reason, SessionFlags, reason};
use hipflask_core::signing::split_unverified;
use hipflask_core::time::UnixTime;

use super::exchange::{Exchange, set_value};
use super::pretty::indented;
use crate::engine::{Kind, Sessions};
use crate::session::RecordSeen;

/// An exchange, explained.
pub(super) struct View {
    pub(super) number: u64,
    pub(super) request: String,
    pub(super) status: u16,
    pub(super) at: UnixTime,
    pub(super) arrival: Arrival,
    pub(super) why: Why,
    pub(super) sent: Option<CookieView>,
    pub(super) set: Option<SetView>,
    pub(super) vary: Option<String>,
    /// Flask's four flags by name; `None` if the session was not opened.
    pub(super) flags: Option<[(&'static str, bool); 4]>,
    /// The record of a session in a store, its contents laid out.
    pub(super) record: Option<RecordSeen>,
}

/// A session cookie's value, taken apart.
pub(super) struct CookieView {
    pub(super) value: String,
    /// Payload, timestamp, signature, if it has that form.
    pub(super) parts: Option<[String; 3]>,
    /// The tagged JSON of the payload, laid out.
    pub(super) json: Option<String>,
    pub(super) is_deflated: bool,
    pub(super) signed_at: Option<UnixTime>,
    /// `None` if the value is not a session but the id of one in a store.
    pub(super) verdict: Option<Result<Key, OpenError>>,
}

/// A `Set-Cookie` line.
pub(super) struct SetView {
    pub(super) header: String,
    /// The size that a browser may refuse; 0 is none.
    pub(super) limit: usize,
    /// `None` if the line removes the cookie.
    pub(super) cookie: Option<CookieView>,
}

/// Which key signed: 0 is the one that signs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(pub(super) usize);

/// The outcome of the request's session cookie.
pub(super) enum Arrival {
    /// The request had none.
    NoCookie,
    /// The cookie held a session.
    Accepted,
    /// The cookie did not hold a valid session.
    Refused(OpenError),
    /// The cookie held an id. Only the store knows if a session has it.
    Id,
    /// The app has no secret key, so it ignores the cookie.
    Ignored,
}

/// Why the response has a `Set-Cookie` or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The plan was carried out.
    Planned(Reason),
    /// The plan was to send a cookie, but the response has none.
    NotSaved(Reason),
}

impl View {
    pub(super) fn new(number: u64, exchange: &Exchange, sessions: &Sessions) -> Self {
        let answer = &exchange.answer;
        let cookie = |value: &str| match sessions.kind() {
            Kind::Cookie(codec) => CookieView::new(value, exchange.at, codec),
            Kind::Stored(_) | Kind::Keyless => CookieView::id(value),
        };
        let sent = exchange.sent.as_deref().map(cookie);
        let set = answer.set_cookie.as_deref().map(|header| SetView {
            header: header.to_owned(),
            limit: sessions.cookie().max_size(),
            cookie: Some(set_value(header)).filter(|value| !value.is_empty()).map(cookie),
        });
        Self {
            number,
            request: format!("{} {}", exchange.method, exchange.path),
            status: answer.status,
            at: exchange.at,
            arrival: Arrival::of(sent.as_ref(), sessions),
            why: Why::of(answer.flags.map_or(UNTOUCHED, |(flags, _)| flags), set.is_some(), sessions),
            sent,
            set,
            vary: answer.vary.clone(),
            record: answer.record.clone().map(laid_out),
            flags: answer.flags.map(|(flags, new)| {
                [
                    ("new", new),
                    ("modified", flags.modified),
                    ("accessed", flags.accessed),
                    ("permanent", flags.permanent),
                ]
            }),
        }
    }
}

fn laid_out(mut record: RecordSeen) -> RecordSeen {
    if let Some(held) = &mut record.held {
        held.contents = indented(&held.contents);
    }
    record
}

impl CookieView {
    fn new(value: &str, at: UnixTime, codec: &SessionCodec) -> Self {
        let parts = split_unverified(value.as_bytes(), b'.');
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let opened = codec.open(value.as_bytes(), at);
        let claim = SessionCodec::open_unverified(value.as_bytes()).ok();
        Self {
            value: value.to_owned(),
            signed_at: parts.and_then(|parts| parts.timestamp),
            parts: parts.and_then(|parts| {
                Some([text(parts.value), text(parts.timestamp_text?), text(parts.signature)])
            }),
            is_deflated: claim.as_ref().is_some_and(|claim| claim.is_deflated),
            json: claim.map(|claim| indented(&claim.json)),
            verdict: Some(opened.map(|opened| Key(opened.key))),
        }
    }

    fn id(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            parts: None,
            json: None,
            is_deflated: false,
            signed_at: None,
            verdict: None,
        }
    }
}

impl Arrival {
    fn of(sent: Option<&CookieView>, sessions: &Sessions) -> Self {
        match sent.map(|cookie| &cookie.verdict) {
            None => Self::NoCookie,
            Some(None) if sessions.is_stored() => Self::Id,
            Some(None) => Self::Ignored,
            Some(Some(Ok(_))) => Self::Accepted,
            Some(Some(Err(error))) => Self::Refused(error.clone()),
        }
    }
}

impl Why {
    fn of(flags: SessionFlags, was_set: bool, sessions: &Sessions) -> Self {
        let reason = reason(flags, sessions.rules());
        if reason.cookie() != CookieOp::Leave && !was_set {
            return Self::NotSaved(reason);
        }
        Self::Planned(reason)
    }

    /// In one word, for programs.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::NotSaved(_) => "not_saved",
            Self::Planned(Reason::Untouched) => "untouched",
            Self::Planned(Reason::Read) => "read",
            Self::Planned(Reason::Changed { .. }) => "changed",
            Self::Planned(Reason::Refreshed) => "refreshed",
            Self::Planned(Reason::Emptied) => "emptied",
            Self::Planned(_) => "other",
        }
    }
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCookie => f.write_str("The request came without a session cookie."),
            Self::Accepted => f.write_str("The request came with a good session cookie."),
            Self::Ignored => f.write_str(
                "The request came with a session cookie, but the app has no secret key, so the session starts empty.",
            ),
            Self::Id => f.write_str(
                "The request came with an id. The session is in the store; an id that the store does not know starts empty.",
            ),
            Self::Refused(error) => {
                write!(
                    f,
                    "A cookie was sent but refused, so the session starts empty: {}, {error}.",
                    error.reason()
                )
            }
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Planned(reason) => reason.fmt(f),
            Self::NotSaved(_) => {
                f.write_str("The session was modified, but the response has no Set-Cookie: the log says why.")
            }
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("the secret key that signs now"),
            n => write!(f, "accepted key number {n}, which no longer signs"),
        }
    }
}

const UNTOUCHED: SessionFlags =
    SessionFlags { empty: false, modified: false, accessed: false, permanent: false };
