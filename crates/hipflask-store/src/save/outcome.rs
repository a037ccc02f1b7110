//! The content of a write, and its outcomes.

use hipflask_core::session::SessionDict;
use hipflask_core::value::Dict;

use crate::record::{EncodeError, Format, OpaqueValues};
use crate::store::Stored;

/// The content of a write: the session of a request, or the session merged with another request's changes.
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

    /// Same as [`SessionDict::is_blank`].
    pub(super) fn is_empty(self) -> bool {
        match self {
            Self::Session(session) => session.is_blank(),
            Self::Dict(dict) => dict.keys().all(|key| *key == "_permanent"),
        }
    }
}

/// The content of a record after a save.
pub(super) enum SavedContent {
    /// Nothing was written.
    AsBefore,
    /// The session of the request.
    Session,
    /// The session merged with another request's changes.
    Merged(Dict),
}

impl From<Option<Dict>> for SavedContent {
    fn from(merged: Option<Dict>) -> Self {
        merged.map_or(Self::Session, Self::Merged)
    }
}

/// The outcome of one attempt to write.
pub(super) enum Written {
    Done(Stored),
    /// The record has this content already.
    Same,
    Gone,
    Conflict(Stored),
}
