//! The content of a write, and its outcomes.

use hipflask_core::session::SessionDict;
use hipflask_core::value::Dict;

use crate::record::{EncodeError, Format, OpaqueValues};
use crate::store::Stored;

/// What is written: the session of a request, or that with another request's changes.
#[derive(Clone, Copy)]
pub(super) enum Content<'c> {
    Session(&'c SessionDict),
    Dict(&'c Dict),
}

impl Content<'_> {
    pub(super) fn encode(self, format: Format, opaque: &OpaqueValues) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Session(session) => format.write_session(session, opaque),
            Self::Dict(dict) => format.write_with(dict, opaque),
        }
    }

    /// As [`SessionDict::is_blank`].
    pub(super) fn is_empty(self) -> bool {
        match self {
            Self::Session(session) => session.is_blank(),
            Self::Dict(dict) => dict.keys().all(|key| *key == "_permanent"),
        }
    }
}

/// What a record holds once it was saved.
pub(super) enum SavedContent {
    /// Nothing was written.
    AsBefore,
    /// The session of the request.
    Session,
    /// That and what another request had changed.
    Merged(Dict),
}

impl From<Option<Dict>> for SavedContent {
    fn from(merged: Option<Dict>) -> Self {
        merged.map_or(Self::Session, Self::Merged)
    }
}

/// What came of one try to write.
pub(super) enum Written {
    Done(Stored),
    /// The record holds just that already.
    Same,
    Gone,
    Conflict(Stored),
}
