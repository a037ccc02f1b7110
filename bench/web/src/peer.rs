//! Who is measured, and what is asked of them.

use crate::asked::Operation;
use crate::payload::Payload;

/// A framework, alone or under a kind of session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    Axum,
    /// Axum below a layer that does nothing: what every layer pays to the router.
    EmptyLayer,
    /// Axum below a layer that gives each request a place to share and each response the headers that are due: the least that
    /// a session costs which handlers find on their request, beside its opening and sealing.
    PlaceAndHeaders,
    Ours,
    TowerSessions,
    TowerSessionsSigned,
    AxumSession,
    SignedJar,
    Actix,
    OursOnActix,
    ActixSigned,
    ActixPrivate,
}

/// Where a session is kept, which decides how it shows that a write lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keeps {
    /// In the server: each request finds what the one before it wrote.
    InServer,
    /// In the cookie: who sends the same cookie again gets the same answer again.
    InCookie,
}

impl Peer {
    pub const ALL: [Self; 12] = [
        Self::Axum,
        Self::EmptyLayer,
        Self::PlaceAndHeaders,
        Self::Ours,
        Self::TowerSessions,
        Self::TowerSessionsSigned,
        Self::AxumSession,
        Self::SignedJar,
        Self::Actix,
        Self::OursOnActix,
        Self::ActixSigned,
        Self::ActixPrivate,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::EmptyLayer => "axum-empty-layer",
            Self::PlaceAndHeaders => "axum-place-and-headers",
            Self::Ours => "ours",
            Self::TowerSessions => "tower-sessions",
            Self::TowerSessionsSigned => "tower-sessions-signed",
            Self::AxumSession => "axum_session",
            Self::SignedJar => "axum-extra-signed-jar",
            Self::Actix => "actix-web",
            Self::OursOnActix => "ours-on-actix",
            Self::ActixSigned => "actix-session-signed",
            Self::ActixPrivate => "actix-session-private",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }

    /// The framework without sessions that it is compared with.
    pub const fn framework(self) -> Self {
        match self {
            Self::Actix | Self::OursOnActix | Self::ActixSigned | Self::ActixPrivate => Self::Actix,
            _ => Self::Axum,
        }
    }

    pub fn is_framework(self) -> bool {
        self == self.framework()
    }

    /// Whether there is a session at all.
    pub fn has_sessions(self) -> bool {
        !self.is_framework() && !matches!(self, Self::EmptyLayer | Self::PlaceAndHeaders)
    }

    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::OursOnActix)
    }

    pub const fn keeps(self) -> Keeps {
        match self {
            Self::Ours | Self::SignedJar | Self::OursOnActix | Self::ActixSigned | Self::ActixPrivate => {
                Keeps::InCookie
            }
            // The frameworks count in a variable, so that their answers are as long as the others'.
            _ => Keeps::InServer,
        }
    }
}

/// Whether a row is asked for by `only`. A framework alone comes with what is measured against it.
pub fn is_wanted(only: &str, operation: Operation, payload: Payload, peer: Peer) -> bool {
    let named = |peer: Peer| format!("{}/{}/{}", operation.name(), payload.name, peer.name()).contains(only);
    let others = Peer::ALL.into_iter().filter(|other| other.framework() == peer);
    named(peer) || peer.is_framework() && others.into_iter().any(named)
}
