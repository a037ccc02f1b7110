//! Who is measured, and what is asked of them.

use hipflask::core::session::Session;
use hipflask::{Dict, Value};

use crate::payload::Payload;

/// What keeps a session in Redis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// axum and redis-rs alone: `GET`, or `GET` and `SET`.
    Bare,
    /// The same, but each read asks for the time left as well: `GET` and `PTTL` sent together, as ours does.
    BareWithExpiry,
    Ours,
    /// Ours with sessions that end with the browser: no cookie is sent with a read.
    OursForABrowser,
    OursOnActix,
    TowerSessions,
    AxumSession,
    ActixSession,
    FlaskSession,
}

impl Peer {
    pub const ALL: [Self; 9] = [
        Self::Bare,
        Self::BareWithExpiry,
        Self::Ours,
        Self::OursForABrowser,
        Self::OursOnActix,
        Self::TowerSessions,
        Self::AxumSession,
        Self::ActixSession,
        Self::FlaskSession,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare redis-rs in axum",
            Self::BareWithExpiry => "bare, with PTTL",
            Self::Ours => "ours",
            Self::OursForABrowser => "ours, not permanent",
            Self::OursOnActix => "ours-on-actix",
            Self::TowerSessions => "tower-sessions-redis-store",
            Self::AxumSession => "axum_session_redispool",
            Self::ActixSession => "actix-session",
            Self::FlaskSession => "Flask-Session on granian",
        }
    }

    pub const fn is_bare(self) -> bool {
        matches!(self, Self::Bare | Self::BareWithExpiry)
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }
}

/// What a request does with its session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// The request carries the cookie, and the handler does not look at the session.
    Untouched,
    /// Reads one text: the payload's last key.
    Read,
    /// Reads the number under `visits` and sets it to one more.
    Write,
}

impl Operation {
    pub const ALL: [Self; 3] = [Self::Untouched, Self::Read, Self::Write];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    pub fn path(self, payload: Payload) -> String {
        match self {
            Self::Untouched => UNTOUCHED.to_owned(),
            Self::Read => format!("/read/{}", payload.name),
            Self::Write => WRITE.to_owned(),
        }
    }
}

pub const UNTOUCHED: &str = "/untouched";
pub const WRITE: &str = "/write";
pub const VISITS: &str = "visits";
pub const LIFETIME: u64 = 31 * 24 * 60 * 60;

pub fn read_path(payload: Payload) -> String {
    Operation::Read.path(payload)
}

pub fn fill_path(payload: Payload) -> String {
    format!("/fill/{}", payload.name)
}

/// The payload as every store can keep it: markup as text.
pub fn contents(payload: Payload) -> Dict {
    let session = Session::from_json(payload.json).expect("the payload is a session");
    let plain = |value: &Value| match value {
        Value::Markup(text) => Value::Str(text.clone()),
        other => other.clone(),
    };
    session.items().map(|(key, value)| (key.clone(), plain(value))).collect()
}

/// The payload's members as those know them that have no tags.
pub fn members(payload: Payload) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(payload.json).expect("the payload is an object")
}
