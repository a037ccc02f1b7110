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
    /// The bare client, and what a session has to do beside its values: the least that anything costs which loses no update.
    Floor,
    /// The same with sessions that end with the browser: no cookie is sent with a read.
    FloorForABrowser,
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
    pub const ALL: [Self; 11] = [
        Self::Bare,
        Self::BareWithExpiry,
        Self::Floor,
        Self::FloorForABrowser,
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
            Self::Floor => "floor",
            Self::FloorForABrowser => "floor, not permanent",
            Self::Ours => "ours",
            Self::OursForABrowser => "ours, not permanent",
            Self::OursOnActix => "ours-on-actix",
            Self::TowerSessions => "tower-sessions-redis-store",
            Self::AxumSession => "axum_session_redispool",
            Self::ActixSession => "actix-session",
            Self::FlaskSession => "Flask-Session on granian",
        }
    }

    /// Whether it knows nothing of its records, and so counts no visits of a session.
    pub const fn is_bare(self) -> bool {
        matches!(self, Self::Bare | Self::BareWithExpiry | Self::Floor | Self::FloorForABrowser)
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }
}

pub const LIFETIME: u64 = 31 * 24 * 60 * 60;

/// The payload as every store can keep it: markup as text.
pub fn contents(payload: Payload) -> Dict {
    let session = Session::from_json(payload.json).expect("the payload is a session");
    let plain = |value: &Value| match value {
        Value::Markup(text) => Value::Str(text.clone()),
        other => other.clone(),
    };
    session.items().map(|(key, value)| (key.clone(), plain(value))).collect()
}
