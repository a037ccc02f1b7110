//! The peers that are measured, and their names.

use hipflask::hipflask_core::session::SessionDict;
use hipflask::{Dict, Value};

use crate::payload::Payload;

/// A peer that keeps sessions in Redis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// axum and redis-rs without sessions: `GET`, or `GET` and `SET`.
    Bare,
    /// The same, but each read also sends `PTTL`, together with `GET`, as Hipflask does.
    BareWithExpiry,
    /// The bare client plus the least work for a session that loses no update.
    Floor,
    /// The same with sessions that are not permanent: a read sends no cookie.
    FloorForABrowser,
    Ours,
    /// Hipflask with sessions that are not permanent: a read sends no cookie.
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

    /// Returns `true` if the peer never decodes its records, and so cannot count visits.
    pub const fn is_bare(self) -> bool {
        matches!(self, Self::Bare | Self::BareWithExpiry | Self::Floor | Self::FloorForABrowser)
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }
}

pub const LIFETIME: u64 = 31 * 24 * 60 * 60;

/// The payload in a form that every store supports: markup as text.
pub fn contents(payload: Payload) -> Dict {
    let session = SessionDict::from_json(payload.json).expect("the payload is a session");
    let plain = |value: &Value| match value {
        Value::Markup(text) => Value::Str(text.clone()),
        other => other.clone(),
    };
    session.items().map(|(key, value)| (key.clone(), plain(value))).collect()
}
