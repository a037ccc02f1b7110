//! Carries out what [`decide`] decided.

use hipflask_core::session::{EntryError, SessionDict};
use hipflask_core::time::UnixTime;

use super::counters::count;
use super::decide::{SaveFacts, StoreOp, decide, is_touch_due, touch_bound};
use super::outcome::{Content, SavedContent, Written};
use super::sessions::ServerSessions;
use super::slot::{LoadedRecord, Slot};
use super::write::Write;
use super::{Opened, SaveError, Saved};
use crate::id::SessionId;
use crate::record::Format;
use crate::store::{Deleted, DeletedIf, StoreError};

impl ServerSessions {
    /// Opens the session that a cookie's value names. At most one call to the store.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed: then nothing is known, and nothing must be written.
    pub async fn open(&self, cookie: &[u8], now: UnixTime) -> Result<Opened, StoreError> {
        match self.ids.read(cookie) {
            Ok(id) => self.open_id(id, now).await,
            Err(error) => {
                count(&self.counters.refused);
                Ok(Opened::NotAnId(error))
            }
        }
    }

    async fn open_id(&self, id: SessionId, now: UnixTime) -> Result<Opened, StoreError> {
        let key = self.ids.key(&id);
        // Without touches any expiry is good enough.
        let enough = if self.refresh { touch_bound(self.lifetime, now) } else { UnixTime::from_secs(0) };
        let Some(stored) = self.store.open(&key, enough, now).await? else {
            count(&self.counters.unknown);
            tracing::debug!(session = ?key, "no record has this id; the session starts empty");
            return Ok(Opened::Unknown);
        };
        match self.admit(&stored.data).and_then(|()| Format::open(&stored.data)) {
            Ok((session, opaque)) => {
                count(&self.counters.opened);
                let loaded = LoadedRecord { id, key, stored, opaque };
                let slot = Box::new(Slot { loaded: Some(loaded), ..Slot::default() });
                Ok(Opened::Found { session, slot })
            }
            Err(error) => {
                count(&self.counters.unreadable);
                tracing::warn!(session = ?key, %error, "unreadable session record; the session starts empty");
                Ok(Opened::Unreadable(error))
            }
        }
    }

    /// Saves a session at the end of its request, and updates the slot. The session then has the
    /// content that was written, including another request's changes, and no changes left to
    /// replay: a second save does nothing.
    ///
    /// # Errors
    /// [`SaveError`]. The response must then not claim that anything was saved.
    pub async fn save(
        &self,
        session: &mut SessionDict,
        slot: &mut Slot,
        now: UnixTime,
    ) -> Result<Saved, SaveError> {
        let op = self.op(session, slot, now);
        if op == StoreOp::Create {
            let content = Content::Session(session);
            let loaded = self.create(content, &slot.opaque, slot.proposed.clone(), now).await?;
            slot.settle(Some(loaded), false);
            session.set_saved();
            return Ok(Saved::Created);
        }
        let Some(loaded) = &mut slot.loaded else {
            let is_gone = slot.is_deleted() && session.is_modified();
            slot.settle(None, slot.is_deleted());
            return Ok(if is_gone { Saved::Gone } else { Saved::Unchanged });
        };
        // An error leaves the slot as it was: the caller may try again.
        let opaque = &slot.opaque;
        let write = Write { sessions: self, session, opaque, now };
        let (saved, saved_content) = match op {
            StoreOp::Touch => (self.touch(loaded, now).await?, SavedContent::AsBefore),
            StoreOp::Delete => (self.delete(&loaded.key, now).await?, SavedContent::AsBefore),
            StoreOp::Replace | StoreOp::DeleteIfEmptied => write.replace(loaded).await?,
            StoreOp::Regenerate => write.regenerate(loaded, slot.proposed.clone()).await?,
            StoreOp::Restart => {
                // The logout comes first: nothing that happens afterwards can undo it.
                let _ = self.delete(&loaded.key, now).await?;
                let proposed = slot.proposed.take().filter(|proposed| *proposed != loaded.id);
                *loaded = self.create(Content::Session(session), opaque, proposed, now).await?;
                (Saved::Created, SavedContent::Session)
            }
            StoreOp::Leave | StoreOp::Create => (Saved::Unchanged, SavedContent::AsBefore),
        };
        match saved_content {
            SavedContent::AsBefore => {}
            SavedContent::Session => session.set_saved(),
            SavedContent::Merged(dict) => {
                *session = session.resumed(dict);
                session.set_saved();
            }
        }
        let loaded = slot.loaded.take().filter(|_| !matches!(saved, Saved::Deleted | Saved::Gone));
        let deleted = saved == Saved::Gone || (slot.destroy && !session.is_blank());
        slot.settle(loaded, deleted);
        Ok(saved)
    }

    /// Returns the operation that [`save`](Self::save) would carry out now. [`StoreOp::Leave`]
    /// makes no call to the store.
    #[must_use]
    pub fn op(&self, session: &SessionDict, slot: &Slot, now: UnixTime) -> StoreOp {
        if slot.is_deleted() { StoreOp::Leave } else { decide(self.seen(session, slot, now)) }
    }

    fn seen(&self, session: &SessionDict, slot: &Slot, now: UnixTime) -> SaveFacts {
        let expires = slot.stored().map(|stored| stored.expires);
        SaveFacts {
            stored: slot.loaded.is_some(),
            empty: session.is_blank(),
            modified: session.is_modified(),
            cleared: session.changes().is_cleared(),
            destroy: slot.destroy,
            restart: slot.restart,
            regenerate: slot.regenerate,
            touch_due: self.refresh
                && expires.is_some_and(|expires| is_touch_due(expires, self.lifetime, now)),
        }
    }

    /// Changes a session and saves it at once. If another request was faster, runs `change` again
    /// on its record, so that no decision ("is one left?") is based on old data.
    ///
    /// Earlier changes of the session are saved as well. If `change` fails, nothing is written.
    ///
    /// # Errors
    /// [`TransactError`]: the error of `change`, or the reason why nothing was saved.
    pub async fn transact<T, E>(
        &self,
        session: &mut SessionDict,
        slot: &mut Slot,
        now: UnixTime,
        mut change: impl FnMut(&mut SessionDict) -> Result<T, E>,
    ) -> Result<T, TransactError<E>> {
        for _ in 0..self.attempts {
            let mut next = session.clone();
            let answer = change(&mut next).map_err(TransactError::Refused)?;
            match self.attempt(session, next, slot, now).await? {
                Attempt::Saved(saved, _) => {
                    *session = saved;
                    return Ok(answer);
                }
                Attempt::Gone => return Err(TransactError::Gone),
                Attempt::Conflict(newest) => *session = newest,
            }
        }
        Err(SaveError::Contended { attempts: self.attempts }.into())
    }

    /// Makes one attempt to save `next`, the result of a transaction on `session`. For callers that
    /// must run the change themselves because it cannot be part of this future; others use
    /// [`transact`](Self::transact).
    ///
    /// # Errors
    /// [`SaveError`]. The slot is then unchanged.
    pub async fn attempt(
        &self,
        session: &SessionDict,
        mut next: SessionDict,
        slot: &mut Slot,
        now: UnixTime,
    ) -> Result<Attempt, SaveError> {
        let Some(loaded) = &mut slot.loaded else {
            if slot.is_deleted() {
                return Ok(Attempt::Gone);
            }
            if !next.is_blank() {
                let content = Content::Session(&next);
                let loaded = self.create(content, &slot.opaque, slot.proposed.clone(), now).await?;
                slot.settle(Some(loaded), false);
            }
            let saved = if slot.loaded.is_some() { Saved::Created } else { Saved::Unchanged };
            next.set_saved();
            return Ok(Attempt::Saved(next, saved));
        };
        let write = Write { sessions: self, session, opaque: &slot.opaque, now };
        let opaque = write.opaque_with(&loaded.opaque);
        let written = self.write(&loaded.stored, &loaded.key, &opaque, Content::Session(&next), now).await?;
        let saved = match written {
            Written::Done(stored) => {
                (loaded.stored, loaded.opaque) = (stored, opaque);
                Saved::Replaced { merged: false }
            }
            Written::Same => Saved::Unchanged,
            Written::Gone => {
                let _ = self.note_gone(&loaded.key);
                slot.settle(None, true);
                return Ok(Attempt::Gone);
            }
            Written::Conflict(current) => return Ok(Attempt::Conflict(write.rebase(loaded, current)?)),
        };
        next.set_saved();
        Ok(Attempt::Saved(next, saved))
    }

    /// Deletes the record of a session that is no longer used, unless another request has changed it.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn delete_unchanged(&self, slot: &Slot, now: UnixTime) -> Result<(), StoreError> {
        let Some(loaded) = &slot.loaded else { return Ok(()) };
        if self.store.delete_if(&loaded.key, &loaded.stored, now).await? == DeletedIf::Deleted {
            count(&self.counters.deleted);
        }
        Ok(())
    }

    /// Deletes the session with this id, loaded or not.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn destroy(&self, id: &SessionId, now: UnixTime) -> Result<Deleted, StoreError> {
        match self.delete(&self.ids.key(id), now).await? {
            Saved::Deleted => Ok(Deleted::Deleted),
            _ => Ok(Deleted::Gone),
        }
    }
}

/// The result of [`ServerSessions::attempt`].
#[derive(Debug)]
#[must_use]
pub enum Attempt {
    /// The session as it was saved, and the outcome.
    Saved(SessionDict, Saved),
    /// The session was deleted: logged out, expired, or moved to a new id. Nothing was written.
    Gone,
    /// Another request was faster, and nothing was written. This is its record with the session's
    /// own changes replayed; the slot now refers to that record.
    Conflict(SessionDict),
}

/// A transaction failed. Nothing of it was saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransactError<E = EntryError> {
    /// The closure returned an error.
    #[error("{0}")]
    Refused(#[source] E),
    /// The session was deleted: logged out, expired, or moved to a new id.
    #[error("the session was deleted, so it cannot be changed; ask the user to log in again")]
    Gone,
    /// It could not be saved.
    #[error(transparent)]
    Save(#[from] SaveError),
}
