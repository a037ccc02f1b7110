//! [`Slot`]: where a session came from and what was meant for its record.

use crate::id::SessionId;
use crate::record::OpaqueValues;
use crate::store::{Key, Stored};

/// Where a session came from: its id and the record as it was read. One request has one, beside the session.
///
/// The default is that of a session that came from nowhere.
#[derive(Debug, Clone, Default)]
pub struct Slot {
    pub(super) loaded: Option<LoadedRecord>,
    pub(super) destroy: bool,
    pub(super) restart: bool,
    pub(super) regenerate: bool,
    /// The id that a new record is to have.
    pub(super) proposed: Option<SessionId>,
    /// Originals of values that the session was given.
    pub(super) opaque: OpaqueValues,
    /// The record was deleted while the session still has content, which must not be stored again.
    pub(super) ended: bool,
}

/// A record as it was last seen.
#[derive(Debug, Clone)]
pub(super) struct LoadedRecord {
    pub(super) id: SessionId,
    pub(super) key: Key,
    pub(super) stored: Stored,
    pub(super) opaque: OpaqueValues,
}

impl Slot {
    /// The id under which the session is stored; `None` as long as it is not.
    #[must_use]
    pub fn id(&self) -> Option<&SessionId> {
        self.loaded.as_ref().map(|loaded| &loaded.id)
    }

    /// The record as it was last seen.
    #[must_use]
    pub fn stored(&self) -> Option<&Stored> {
        self.loaded.as_ref().map(|loaded| &loaded.stored)
    }

    /// The key of the record, which prints as a short hash.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.loaded.as_ref().map(|loaded| &loaded.key)
    }

    /// Ends the session when it is saved, whatever is in it.
    pub const fn destroy(&mut self) {
        self.destroy = true;
    }

    /// Deletes the session's record when it is saved. If the session is not empty then, a new record under a new id gets
    /// its content: callers clear the session first, so that this is only what was set since.
    pub const fn restart(&mut self) {
        self.restart = true;
    }

    /// Gives the session a new id when it is saved: at login, and wherever rights change.
    pub const fn regenerate(&mut self) {
        self.regenerate = true;
    }

    /// The id that the session is to have once it is stored under a new one; an id that is taken already is not used.
    pub fn propose(&mut self, id: SessionId) {
        self.proposed = Some(id);
    }

    /// The originals of values that the session was given and shows only in part: for a front that knows Python's own.
    pub fn set_opaque(&mut self, opaque: OpaqueValues) {
        self.opaque = opaque;
    }

    /// The originals of what the record held when it was last seen.
    #[must_use]
    pub fn opaque(&self) -> Option<&OpaqueValues> {
        self.loaded.as_ref().map(|loaded| &loaded.opaque)
    }

    /// Whether a save has to delete the record or to give it a new id.
    #[must_use]
    pub const fn is_to_change(&self) -> bool {
        self.destroy || self.restart || self.regenerate
    }

    /// Whether the record was deleted while the session still has content: [`Saved::Gone`](super::Saved::Gone). It is not
    /// stored again unless [`restart`](Self::restart) is called.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended && !self.restart
    }

    /// Forgets everything but the record's state: what was requested has been done.
    pub(super) fn settle(&mut self, loaded: Option<LoadedRecord>, ended: bool) {
        *self = Self { loaded, ended, ..Self::default() };
    }
}
