//! The origin of a session, and what was requested for its record.

use crate::id::SessionId;
use crate::record::OpaqueValues;
use crate::store::{Key, Stored};

/// The origin of a session: its id and the record as it was read. Each request has one, next to the session.
///
/// The default is that of a new session.
#[derive(Debug, Clone, Default)]
pub struct Slot {
    pub(super) loaded: Option<LoadedRecord>,
    pub(super) destroy: bool,
    pub(super) restart: bool,
    pub(super) regenerate: bool,
    /// The id for a new record.
    pub(super) proposed: Option<SessionId>,
    /// The originals of values that the session received.
    pub(super) opaque: OpaqueValues,
    /// The record was deleted although the session has content, which must not be stored again.
    pub(super) deleted: bool,
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
    /// Returns the id under which the session is stored; `None` if it is not stored.
    #[must_use]
    pub fn id(&self) -> Option<&SessionId> {
        self.loaded.as_ref().map(|loaded| &loaded.id)
    }

    /// Returns the record as it was last seen.
    #[must_use]
    pub fn stored(&self) -> Option<&Stored> {
        self.loaded.as_ref().map(|loaded| &loaded.stored)
    }

    /// Returns the key of the record.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.loaded.as_ref().map(|loaded| &loaded.key)
    }

    /// Deletes the session when it is saved, whatever it contains.
    pub const fn destroy(&mut self) {
        self.destroy = true;
    }

    /// Deletes the session's record when it is saved. If the session is not empty then, its content
    /// is stored under a new id. Callers clear the session first, so that this is only what was set
    /// since.
    pub const fn restart(&mut self) {
        self.restart = true;
    }

    /// Gives the session a new id when it is saved: at login, and whenever permissions change.
    pub const fn regenerate(&mut self) {
        self.regenerate = true;
    }

    /// Proposes the next new id of the session. It is not used if it exists already.
    pub fn propose(&mut self, id: SessionId) {
        self.proposed = Some(id);
    }

    /// Sets the originals of values that the session only shows in part: for a front that reads
    /// Python's own values.
    pub fn set_opaque(&mut self, opaque: OpaqueValues) {
        self.opaque = opaque;
    }

    /// Returns the originals of the record's values when it was last seen.
    #[must_use]
    pub fn opaque(&self) -> Option<&OpaqueValues> {
        self.loaded.as_ref().map(|loaded| &loaded.opaque)
    }

    /// Returns `true` if a save deletes the record or gives it a new id.
    #[must_use]
    pub const fn is_to_change(&self) -> bool {
        self.destroy || self.restart || self.regenerate
    }

    /// Returns `true` if the record was deleted although the session has content:
    /// [`Saved::Gone`](super::Saved::Gone). The session is not stored again unless
    /// [`restart`](Self::restart) is called.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.deleted && !self.restart
    }

    /// Resets everything but the record's state, because the requests have been carried out.
    pub(super) fn settle(&mut self, loaded: Option<LoadedRecord>, deleted: bool) {
        *self = Self { loaded, deleted, ..Self::default() };
    }
}
