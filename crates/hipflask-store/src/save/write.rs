//! Replacing a record, and moving it to a new id.

use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;
use hipflask_core::value::Dict;

use super::counters::count;
use super::decide::is_touch_due;
use super::outcome::{Content, Holds, Written};
use super::sessions::ServerSessions;
use super::slot::Place;
use super::{SaveError, Saved};
use crate::id::SessionId;
use crate::record::{Format, Kept, Record};
use crate::store::{DeletedIf, Key, Stored};

/// A session that is being written, with what that needs.
pub(super) struct Write<'a> {
    pub(super) sessions: &'a ServerSessions,
    /// The session as its request left it.
    pub(super) session: &'a SessionDict,
    /// The originals of what our own session was given.
    pub(super) kept: &'a Kept,
    pub(super) now: UnixTime,
}

/// What another request left, with our changes replayed on it; empty as long as nobody was first.
///
/// It stands beside the [`Place`], which stays as it was loaded until something was written: should the write fail, the
/// next try must start from there.
#[derive(Default)]
pub(super) struct Newest {
    pub(super) dict: Option<Dict>,
    seen: Option<(Stored, Kept)>,
}

impl Newest {
    pub(super) fn expected<'a>(&'a self, place: &'a Place) -> &'a Stored {
        self.seen.as_ref().map_or(&place.stored, |(stored, _)| stored)
    }

    pub(super) fn kept<'a>(&'a self, place: &'a Place) -> &'a Kept {
        self.seen.as_ref().map_or(&place.kept, |(_, kept)| kept)
    }

    /// The place is now what another request left, if one was first.
    pub(super) fn adopt(self, place: &mut Place) {
        if let Some((stored, kept)) = self.seen {
            place.stored = stored;
            place.kept = kept;
        }
    }

    /// The place is now what was written; says whether that holds another request's changes, too.
    pub(super) fn settle(self, place: &mut Place, written: Stored, write: &Write<'_>) -> bool {
        place.kept = write.kept_with(self.kept(place));
        place.stored = written;
        let is_merged = self.seen.is_some();
        if is_merged {
            count(&write.sessions.counters.merges);
        }
        is_merged
    }
}

impl Write<'_> {
    /// Replays the session's changes on what another request left.
    fn merge(&self, key: &Key, current: Stored) -> Result<Newest, SaveError> {
        let Record { mut dict, kept, .. } = self.read_newer(key, &current)?;
        self.session.changes().replay(&self.session.to_dict(), &mut dict);
        Ok(Newest { dict: Some(dict), seen: Some((current, kept)) })
    }

    /// The session with its changes made again on what another request left, which is now what the place names.
    pub(super) fn rebase(&self, place: &mut Place, current: Stored) -> Result<SessionDict, SaveError> {
        let Record { dict, kept, .. } = self.read_newer(&place.key, &current)?;
        (place.stored, place.kept) = (current, kept);
        Ok(self.session.rebased(dict))
    }

    fn read_newer(&self, key: &Key, current: &Stored) -> Result<Record, SaveError> {
        count(&self.sessions.counters.conflicts);
        tracing::debug!(session = ?key, "another request changed the session first; merging");
        let admitted = self.sessions.admit(&current.data);
        admitted.and_then(|()| Format::read(&current.data)).map_err(SaveError::Unreadable)
    }

    /// What a record with these originals has once our changes are made.
    pub(super) fn kept_with(&self, theirs: &Kept) -> Kept {
        theirs.overlaid(self.kept, self.session.changes())
    }

    /// What is to be written now.
    fn content<'c>(&'c self, newest: &'c Newest) -> Content<'c> {
        newest.dict.as_ref().map_or(Content::Session(self.session), Content::Dict)
    }

    /// What came of it, and what the record holds then.
    pub(super) async fn replace(&self, place: &mut Place) -> Result<(Saved, Holds), SaveError> {
        let (sessions, now) = (self.sessions, self.now);
        let (mut newest, mut turn) = (Newest::default(), sessions.turns.turn());
        for _ in 0..sessions.attempts {
            let content = self.content(&newest);
            let expected = newest.expected(place);
            let current = if content.is_empty() {
                match sessions.store.delete_if(&place.key, expected, now).await? {
                    DeletedIf::Deleted => {
                        count(&sessions.counters.deleted);
                        return Ok((Saved::Deleted, Holds::AsBefore));
                    }
                    DeletedIf::Gone => return Ok((sessions.note_gone(&place.key), Holds::AsBefore)),
                    DeletedIf::Conflict(current) => current,
                }
            } else {
                let kept = self.kept_with(newest.kept(place));
                match sessions.write(expected, &place.key, &kept, content, now).await? {
                    Written::Done(stored) => {
                        turn.pass_on(&stored);
                        let dict = newest.dict.take();
                        let merged = newest.settle(place, stored, self);
                        return Ok((Saved::Replaced { merged }, dict.into()));
                    }
                    // Set to what it was, or to what another request has set: as if nobody had touched it.
                    Written::Same => {
                        let dict = newest.dict.take();
                        newest.adopt(place);
                        let saved = if self.is_touch_due(&place.stored) {
                            sessions.touch(place, now).await?
                        } else {
                            Saved::Unchanged
                        };
                        return Ok((saved, dict.into()));
                    }
                    Written::Gone => return Ok((sessions.note_gone(&place.key), Holds::AsBefore)),
                    Written::Conflict(current) => current,
                }
            };
            let left = turn.wait(&place.key).await;
            newest = self.merge(&place.key, left.unwrap_or(current))?;
        }
        Err(SaveError::Contended { attempts: sessions.attempts })
    }

    fn is_touch_due(&self, stored: &Stored) -> bool {
        self.sessions.refresh && is_touch_due(stored.expires, self.sessions.lifetime, self.now)
    }

    /// Makes a record under a new id, then ends the old one if it still is what was copied; what another request saved
    /// there meanwhile is carried over first. Until the old record has ended nobody knows the new id, so whoever fails
    /// to end it takes the new one away again.
    pub(super) async fn regenerate(
        &self,
        place: &mut Place,
        proposed: Option<SessionId>,
    ) -> Result<(Saved, Holds), SaveError> {
        let sessions = self.sessions;
        let (content, kept) = (Content::Session(self.session), self.kept_with(&place.kept));
        let mut new = sessions.create(content, &kept, proposed, self.now).await?;
        match self.end_old(place, &mut new).await {
            Ok(Some(holds)) => {
                count(&sessions.counters.regenerated);
                tracing::debug!(old = ?place.key, new = ?new.key, "a session got a new id");
                *place = new;
                Ok((Saved::Regenerated, holds))
            }
            Ok(None) => {
                self.take_away(&new.key).await;
                Ok((sessions.note_gone(&place.key), Holds::AsBefore))
            }
            Err(error) => {
                self.take_away(&new.key).await;
                Err(error)
            }
        }
    }

    /// Ends the old record once the new one holds all that is in it, and returns that; `None` if it had ended before.
    async fn end_old(&self, old: &Place, new: &mut Place) -> Result<Option<Holds>, SaveError> {
        let (sessions, now) = (self.sessions, self.now);
        let (mut newest, mut turn) = (Newest::default(), sessions.turns.turn());
        for _ in 0..sessions.attempts {
            let current = match sessions.store.delete_if(&old.key, newest.expected(old), now).await? {
                DeletedIf::Deleted => return Ok(Some(newest.dict.into())),
                DeletedIf::Gone => return Ok(None),
                DeletedIf::Conflict(current) => current,
            };
            let left = turn.wait(&old.key).await;
            newest = self.merge(&old.key, left.unwrap_or(current))?;
            let (content, kept) = (self.content(&newest), self.kept_with(newest.kept(old)));
            match sessions.write(&new.stored, &new.key, &kept, content, now).await? {
                Written::Done(stored) => {
                    new.stored = stored;
                    new.kept = kept;
                }
                Written::Same => {}
                // Nobody knows its id: an operator has ended it.
                Written::Gone | Written::Conflict(_) => return Ok(None),
            }
        }
        Err(SaveError::Contended { attempts: sessions.attempts })
    }

    /// Ends a record that nobody knows of. Should that fail, it expires.
    async fn take_away(&self, key: &Key) {
        if let Err(error) = self.sessions.store.delete(key, self.now).await {
            tracing::warn!(session = ?key, %error, "a record that nobody knows of could not be ended; it will expire");
        }
    }
}
