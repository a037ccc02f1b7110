//! The peers that are measured.

use crate::operations::Operation;
use crate::payload::Payload;

/// A framework, without sessions or with a session library.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    Axum,
    /// Axum with a layer that does nothing: the cost of any layer in axum's router.
    EmptyLayer,
    /// Axum with a layer that puts an extension on each request and the due headers on each
    /// response.
    ///
    /// This is the least cost of a session that handlers find on their request, without opening and
    /// signing.
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

/// The place of a session, which decides how to check that a write was saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keeps {
    /// In the server: each request finds what the previous one wrote.
    InServer,
    /// In the cookie: the same cookie gets the same answer.
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

    /// The bare framework to compare with.
    pub const fn framework(self) -> Self {
        match self {
            Self::Actix | Self::OursOnActix | Self::ActixSigned | Self::ActixPrivate => Self::Actix,
            _ => Self::Axum,
        }
    }

    pub fn is_framework(self) -> bool {
        self == self.framework()
    }

    /// Returns `true` if the peer has sessions.
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
            // The bare frameworks count in a variable, so that their answers are as long as the
            // others'.
            _ => Keeps::InServer,
        }
    }
}

/// Returns `true` if `only` selects the row. A bare framework is selected with the peers that are
/// compared with it.
pub fn is_wanted(only: &str, operation: Operation, payload: Payload, peer: Peer) -> bool {
    let named = |peer: Peer| format!("{}/{}/{}", operation.name(), payload.name, peer.name()).contains(only);
    let others = Peer::ALL.into_iter().filter(|other| other.framework() == peer);
    named(peer) || peer.is_framework() && others.into_iter().any(named)
}
