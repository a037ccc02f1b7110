//! Replaces a record, or moves it to a new id.

use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;
use hipflask_core::value::Dict;

use super::counters::count;
use super::decide::is_touch_due;
use super::outcome::{Content, SavedContent, Written};
use super::sessions::ServerSessions;
use super::slot::LoadedRecord;
use super::{SaveError, Saved};
use crate::id::SessionId;
use crate::record::{Format, OpaqueValues, Record};
use crate::store::{DeletedIf, Key, Stored};

/// The context of a session's write.
pub(super) struct Write<'a> {
    pub(super) sessions: &'a ServerSessions,
    /// The session as its request left it.
    pub(super) session: &'a SessionDict,
    /// The originals of values that this session received.
    pub(super) opaque: &'a OpaqueValues,
    pub(super) now: UnixTime,
}

/// Another request's record with this session's changes replayed on it; empty without a conflict.
///
/// The [`LoadedRecord`] stays unchanged until something was written, because after a failed write
/// the next attempt starts from it.
#[derive(Default)]
pub(super) struct Newest {
    pub(super) dict: Option<Dict>,
    seen: Option<(Stored, OpaqueValues)>,
}

impl Newest {
    pub(super) fn expected<'a>(&'a self, loaded: &'a LoadedRecord) -> &'a Stored {
        self.seen.as_ref().map_or(&loaded.stored, |(stored, _)| stored)
    }

    pub(super) fn opaque<'a>(&'a self, loaded: &'a LoadedRecord) -> &'a OpaqueValues {
        self.seen.as_ref().map_or(&loaded.opaque, |(_, opaque)| opaque)
    }

    /// Makes another request's record the loaded one, if there was a conflict.
    pub(super) fn adopt(self, loaded: &mut LoadedRecord) {
        if let Some((stored, opaque)) = self.seen {
            loaded.stored = stored;
            loaded.opaque = opaque;
        }
    }

    /// Makes the written record the loaded one. Returns `true` if it includes another request's changes.
    pub(super) fn settle(self, loaded: &mut LoadedRecord, written: Stored, write: &Write<'_>) -> bool {
        loaded.opaque = write.opaque_with(self.opaque(loaded));
        loaded.stored = written;
        let is_merged = self.seen.is_some();
        if is_merged {
            count(&write.sessions.counters.merges);
        }
        is_merged
    }
}

impl Write<'_> {
    /// Replays the session's changes on another request's record.
    fn merge(&self, key: &Key, current: Stored) -> Result<Newest, SaveError> {
        let Record { mut dict, opaque, .. } = self.read_newer(key, &current)?;
        self.session.changes().replay(&self.session.to_dict(), &mut dict);
        Ok(Newest { dict: Some(dict), seen: Some((current, opaque)) })
    }

    /// Returns the session with its changes replayed on another request's record, which becomes the
    /// loaded one.
    pub(super) fn rebase(
        &self,
        loaded: &mut LoadedRecord,
        current: Stored,
    ) -> Result<SessionDict, SaveError> {
        let Record { dict, opaque, .. } = self.read_newer(&loaded.key, &current)?;
        (loaded.stored, loaded.opaque) = (current, opaque);
        Ok(self.session.rebased(dict))
    }

    fn read_newer(&self, key: &Key, current: &Stored) -> Result<Record, SaveError> {
        count(&self.sessions.counters.conflicts);
        tracing::debug!(session = ?key, "another request changed the session first; merging");
        let admitted = self.sessions.admit(&current.data);
        admitted.and_then(|()| Format::read(&current.data)).map_err(SaveError::Unreadable)
    }

    /// Returns the originals of a record once this session's changes are applied to it.
    pub(super) fn opaque_with(&self, theirs: &OpaqueValues) -> OpaqueValues {
        theirs.overlaid(self.opaque, self.session.changes())
    }

    /// Returns the content to write.
    fn content<'c>(&'c self, newest: &'c Newest) -> Content<'c> {
        newest.dict.as_ref().map_or(Content::Session(self.session), Content::Dict)
    }

    /// Replaces the record. Returns the outcome and the new content.
    pub(super) async fn replace(
        &self,
        loaded: &mut LoadedRecord,
    ) -> Result<(Saved, SavedContent), SaveError> {
        let (sessions, now) = (self.sessions, self.now);
        let (mut newest, mut turn) = (Newest::default(), sessions.queues.turn());
        for _ in 0..sessions.attempts {
            let content = self.content(&newest);
            let expected = newest.expected(loaded);
            let current = if content.is_empty() {
                match sessions.store.delete_if(&loaded.key, expected, now).await? {
                    DeletedIf::Deleted => {
                        count(&sessions.counters.deleted);
                        return Ok((Saved::Deleted, SavedContent::AsBefore));
                    }
                    DeletedIf::Gone => return Ok((sessions.note_gone(&loaded.key), SavedContent::AsBefore)),
                    DeletedIf::Conflict(current) => current,
                }
            } else {
                let opaque = self.opaque_with(newest.opaque(loaded));
                match sessions.write(expected, &loaded.key, &opaque, content, now).await? {
                    Written::Done(stored) => {
                        turn.pass_on(&stored);
                        let dict = newest.dict.take();
                        let merged = newest.settle(loaded, stored, self);
                        return Ok((Saved::Replaced { merged }, dict.into()));
                    }
                    // The values are those of the record already: the same as no change.
                    Written::Same => {
                        let dict = newest.dict.take();
                        newest.adopt(loaded);
                        let saved = if self.is_touch_due(&loaded.stored) {
                            sessions.touch(loaded, now).await?
                        } else {
                            Saved::Unchanged
                        };
                        return Ok((saved, dict.into()));
                    }
                    Written::Gone => return Ok((sessions.note_gone(&loaded.key), SavedContent::AsBefore)),
                    Written::Conflict(current) => current,
                }
            };
            let left = turn.wait(&loaded.key).await;
            newest = self.merge(&loaded.key, left.unwrap_or(current))?;
        }
        Err(SaveError::Contended { attempts: sessions.attempts })
    }

    fn is_touch_due(&self, stored: &Stored) -> bool {
        self.sessions.refresh && is_touch_due(stored.expires, self.sessions.lifetime, self.now)
    }

    /// Creates a record under a new id, then deletes the old one if it is unchanged. Otherwise
    /// copies another request's changes to the new one first. Until the old record is deleted
    /// nobody knows the new id, so the new record is removed again if that fails.
    pub(super) async fn regenerate(
        &self,
        loaded: &mut LoadedRecord,
        proposed: Option<SessionId>,
    ) -> Result<(Saved, SavedContent), SaveError> {
        let sessions = self.sessions;
        let (content, opaque) = (Content::Session(self.session), self.opaque_with(&loaded.opaque));
        let mut new = sessions.create(content, &opaque, proposed, self.now).await?;
        match self.end_old(loaded, &mut new).await {
            Ok(Some(saved_content)) => {
                count(&sessions.counters.regenerated);
                tracing::debug!(old = ?loaded.key, new = ?new.key, "session id regenerated");
                *loaded = new;
                Ok((Saved::Regenerated, saved_content))
            }
            Ok(None) => {
                self.take_away(&new.key).await;
                Ok((sessions.note_gone(&loaded.key), SavedContent::AsBefore))
            }
            Err(error) => {
                self.take_away(&new.key).await;
                Err(error)
            }
        }
    }

    /// Deletes the old record once the new one has all of its content, and returns that content;
    /// `None` if the old record was already missing.
    async fn end_old(
        &self,
        old: &LoadedRecord,
        new: &mut LoadedRecord,
    ) -> Result<Option<SavedContent>, SaveError> {
        let (sessions, now) = (self.sessions, self.now);
        let (mut newest, mut turn) = (Newest::default(), sessions.queues.turn());
        for _ in 0..sessions.attempts {
            let current = match sessions.store.delete_if(&old.key, newest.expected(old), now).await? {
                DeletedIf::Deleted => return Ok(Some(newest.dict.into())),
                DeletedIf::Gone => return Ok(None),
                DeletedIf::Conflict(current) => current,
            };
            let left = turn.wait(&old.key).await;
            newest = self.merge(&old.key, left.unwrap_or(current))?;
            let (content, opaque) = (self.content(&newest), self.opaque_with(newest.opaque(old)));
            match sessions.write(&new.stored, &new.key, &opaque, content, now).await? {
                Written::Done(stored) => {
                    new.stored = stored;
                    new.opaque = opaque;
                }
                Written::Same => {}
                // Nobody knows its id, so an operator has deleted it.
                Written::Gone | Written::Conflict(_) => return Ok(None),
            }
        }
        Err(SaveError::Contended { attempts: sessions.attempts })
    }

    /// Deletes a record whose id nobody knows. If that fails, it expires.
    async fn take_away(&self, key: &Key) {
        if let Err(error) = self.sessions.store.delete(key, self.now).await {
            tracing::warn!(session = ?key, %error, "cannot delete an unused new record; it will expire");
        }
    }
}
