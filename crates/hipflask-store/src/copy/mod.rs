//! Copies sessions from one store to another while both are in use.
//!
//! [`Copier::copy`] copies one session in these steps:
//!
//! 1. Convert the record to the destination's format. A value that the format does not support is
//!    refused, not changed.
//! 2. Create the record at the destination. This never overwrites another one.
//! 3. Read the source again. If the session changed meanwhile, replace the copy; if it was deleted,
//!    delete the copy.
//!
//! [`Copier::copy_all`] does the same for a group, which the destination writes together.
//!
//! A copied session is therefore at the destination as it was at the source at some moment after
//! the copy. A copy can be interrupted at any step: it never changes the source, and the next run
//! finds what already exists.
//!
//! | at the destination | action |
//! | --- | --- |
//! | the same session | none, except that its expiry becomes the source's if that is later |
//! | another session under the same key | none: it may be the newer one |
//! | a copy of a run with a [`Journal`], unchanged | updated |
//! | a copy of such a run that disappeared before its expiry | none: it was deleted there, and stays so |
//!
//! [`Copier::missing`] finds sessions that were deleted at the source between two runs with a journal.

mod journal;

use core::fmt;
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use hipflask_core::time::UnixTime;
use hipflask_core::value::Dict;

use crate::record::{Change, ConvertError, EncodeError, Format, RecordError};
use crate::store::{
    Created, DeletedIf, Entry, Key, NewRecord, RecordKind, Replaced, Store, StoreError, Stored, Touched,
    expiry,
};
use crate::together::together;
pub use journal::{Journal, JournalError};
use journal::{KeyDigest, Leftover};

/// Copies sessions from one store to another. See the [module](self).
#[derive(Clone)]
pub struct Copier {
    from: Arc<dyn Store>,
    to: Arc<dyn Store>,
    format: Format,
    accept_changes: bool,
    endless: Option<Duration>,
    prefixes: Option<(String, String)>,
    journal: Option<Arc<Journal>>,
}

/// The outcome for one session.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was copied, with these changes of types if they are [allowed](Copier::accept_changes).
    Copied(Vec<Change>),
    /// The copy of an earlier run was updated, with these changes of types.
    Updated(Vec<Change>),
    /// It already existed at the destination.
    AlreadyThere,
    /// The destination has another session under the same key, which is unchanged.
    Different,
    /// An earlier run copied it, and it was deleted at the destination since. It stays deleted.
    EndedThere,
    /// It has expired.
    Expired,
    /// It was deleted at the source during or after the copy, and is deleted at the destination as well.
    Ended,
    /// The source no longer has it, and the destination has the unchanged copy of an earlier run.
    Missing,
    /// It is unreadable.
    Unreadable(RecordError),
    /// The destination cannot store it.
    Refused(Refusal),
}

/// The reason why the destination cannot store a session.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Some values would change their types.
    #[error("{} would become another type", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Changes(Vec<Change>),
    /// The destination's format does not support a value.
    #[error(transparent)]
    CannotHold(EncodeError),
    /// It is too long for the destination.
    #[error("its record would have {bytes} bytes at the destination, more than the maximum of {most}")]
    TooLong {
        /// The length of its record.
        bytes: usize,
        /// The maximum of the destination.
        most: usize,
    },
    /// It never expires, which is not allowed at the destination.
    #[error("it never expires at the source; set a lifetime for such sessions at the destination")]
    Endless,
    /// The source only has a digest of its key, and the destination needs the key.
    #[error("the source only has a digest of its key, from which the key cannot be recovered")]
    NameOnly,
    /// The key is too long with the destination's prefix.
    #[error("its key is too long with the destination's prefix")]
    BadKey,
    /// It changed during every attempt.
    #[error("it changed during every attempt; run again when it is less busy")]
    Busy,
}

/// A store or the journal failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The store that sessions are copied from.
    #[error("the source failed")]
    From(#[source] StoreError),
    /// The store that sessions are copied to.
    #[error("the destination failed")]
    To(#[source] StoreError),
    /// The journal cannot be written.
    #[error("the journal cannot be written")]
    Journal(#[source] io::Error),
}

impl Copier {
    /// Copies from one store to another, in the format that Flask-Session uses there: pickle in
    /// files, else msgpack.
    #[must_use]
    pub fn new(from: Arc<dyn Store>, to: Arc<dyn Store>) -> Self {
        let format = match to.describe().records {
            RecordKind::Pickle => Format::Pickle,
            RecordKind::Msgspec => Format::Msgpack,
        };
        Self { from, to, format, accept_changes: false, endless: None, prefixes: None, journal: None }
    }

    /// Sets the format of the records at the destination.
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets whether to copy sessions with values that change their types, such as tuples that
    /// become lists. Refused by default.
    #[must_use]
    pub const fn accept_changes(mut self, accept: bool) -> Self {
        self.accept_changes = accept;
        self
    }

    /// Sets the lifetime at the destination of sessions that never expire at the source. They are
    /// refused by default.
    #[must_use]
    pub const fn endless_live(mut self, life: Option<Duration>) -> Self {
        self.endless = life;
        self
    }

    /// Replaces the prefix `from` of keys with `to` at the destination.
    #[must_use]
    pub fn prefixes(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        let (from, to) = (from.into(), to.into());
        self.prefixes = (from != to).then_some((from, to));
        self
    }

    /// Records the copies at the destination for later runs.
    #[must_use]
    pub fn journal(mut self, journal: Arc<Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Copies the session of `entry`, which the source has listed with its data at about `now`.
    ///
    /// # Errors
    /// [`CopyError`] if a store or the journal fails. The session may be at the destination then;
    /// another copy finds out.
    pub async fn copy(&self, entry: Entry, now: UnixTime) -> Result<Outcome, CopyError> {
        self.copy_from(entry, None, now).await
    }

    /// Copies a group of sessions, as [`copy`](Self::copy) does each, and returns the outcomes. The
    /// destination creates them together: see [`Store::create_many`]. If it is unreachable, the
    /// result is one error for all.
    ///
    /// The group is held in memory in both formats: a few hundred sessions and a few megabytes are enough.
    pub async fn copy_all(
        &self,
        entries: Vec<Entry>,
        now: UnixTime,
    ) -> Vec<(Key, Result<Outcome, CopyError>)> {
        let start = Instant::now();
        let begun = match self.create_all(&entries, now).await {
            Ok(begun) => begun,
            Err(error) => {
                let first = entries.into_iter().next();
                return first.map(|entry| (entry.key, Err(error))).into_iter().collect();
            }
        };
        let copies = entries.into_iter().zip(begun).map(|(entry, begun)| async move {
            let key = entry.key.clone();
            // The time to live counts from the moment of the write.
            let now = now.saturating_add(start.elapsed());
            (key, self.copy_from(entry, begun, now).await)
        });
        together(copies.collect(), AT_ONCE).await
    }

    /// Creates the sessions that can be created at the destination. Returns `None` for a session
    /// that needs another check.
    async fn create_all(&self, entries: &[Entry], now: UnixTime) -> Result<Vec<Option<Begun>>, CopyError> {
        let prepared: Vec<Option<(Key, Prepared)>> = entries
            .iter()
            .map(|entry| {
                let target = self.target(&entry.key).ok().filter(|target| self.left(target).is_none())?;
                let source = Stored::new(entry.data.clone().unwrap_or_default(), entry.expires);
                Some((target, self.prepare(&source, now).ok()?))
            })
            .collect();
        let records: Vec<NewRecord<'_>> = prepared
            .iter()
            .flatten()
            .map(|(target, record)| NewRecord { key: target, data: &record.data, ttl: record.ttl(now) })
            .collect();
        let mut created = match self.to.create_many(&records, now).await {
            Ok(created) => created.into_iter(),
            Err(error) if error.is_transient() => return Err(CopyError::To(error)),
            // One of them is the cause: copy each separately, so that it reports its own error.
            Err(_) => Vec::new().into_iter(),
        };
        let begun = prepared.into_iter().map(|prepared| {
            let (_, record) = prepared?;
            Some(Begun { record, created: created.next()? })
        });
        Ok(begun.collect())
    }

    /// Returns the copy of an earlier run, if there is one.
    fn left(&self, target: &Key) -> Option<Leftover> {
        self.journal.as_ref()?.left(KeyDigest::of(target)).filter(|left| !left.is_nothing())
    }

    async fn copy_from(
        &self,
        entry: Entry,
        mut begun: Option<Begun>,
        now: UnixTime,
    ) -> Result<Outcome, CopyError> {
        let target = match self.target(&entry.key) {
            Ok(target) => target,
            Err(refusal) => return Ok(Outcome::Refused(refusal)),
        };
        if let Some(journal) = &self.journal {
            journal.see(KeyDigest::of(&target));
        }
        let mut source = Stored::new(entry.data.unwrap_or_default(), entry.expires);
        let mut written = None;
        for _ in 0..MAX_ROUNDS {
            let (record, created) = match begun.take() {
                Some(begun) => (begun.record, Some(begun.created)),
                None => match self.prepare(&source, now) {
                    Ok(record) => (record, None),
                    Err(outcome) => return self.take_back(&target, written, outcome, now).await,
                },
            };
            let outcome = match &written {
                None => self.bring(&target, &record, created, now).await?,
                Some(before) => self.bring_again(&target, before, &record, now).await?,
            };
            let is_ours = match outcome {
                Outcome::Copied(_) | Outcome::Updated(_) => true,
                Outcome::AlreadyThere => false,
                // It disappeared between two steps, so that it can be created now.
                Outcome::Ended => continue,
                other => return Ok(other),
            };
            if is_ours {
                written = Some(Stored::new(record.data, None));
            }
            match self.from.load(&entry.key, now).await.map_err(CopyError::From)? {
                Some(current) if current.data == source.data => return Ok(outcome),
                Some(current) => source = current,
                None if !is_ours => return Ok(outcome),
                None => return self.take_back(&target, written, Outcome::Ended, now).await,
            }
        }
        self.take_back(&target, written, Outcome::Refused(Refusal::Busy), now).await
    }

    /// Checks if the session of `entry`, which the destination has listed with its data, was
    /// deleted at the source after an earlier run copied it. With `end` it is then deleted at the
    /// destination, unless it was changed there.
    ///
    /// Call this once the run has copied all sessions of the source. Returns `None` if the journal
    /// does not know the session, it has expired, it was changed at the destination, or the source
    /// still has it.
    ///
    /// # Errors
    /// Same as [`copy`](Self::copy).
    pub async fn missing(
        &self,
        entry: Entry,
        end: bool,
        now: UnixTime,
    ) -> Result<Option<Outcome>, CopyError> {
        let known =
            self.journal.as_ref().and_then(|journal| journal.left_of_unseen(KeyDigest::of(&entry.key)));
        let data = entry.data.unwrap_or_default();
        let Some(left) = known.filter(|left| left.ends > now && left.matches(&entry.key, &data)) else {
            return Ok(None);
        };
        let Some(origin) = self.origin(&entry.key) else { return Ok(None) };
        if self.from.load(&origin, now).await.map_err(CopyError::From)?.is_some() {
            return Ok(None);
        }
        if !end {
            return Ok(Some(Outcome::Missing));
        }
        let ended = self.to.delete_if(&entry.key, &Stored::new(data, left.ends.into()), now).await;
        match ended.map_err(CopyError::To)? {
            DeletedIf::Deleted => {
                self.unnote(&entry.key)?;
                Ok(Some(Outcome::Ended))
            }
            DeletedIf::Gone | DeletedIf::Conflict(_) => Ok(None),
        }
    }

    /// Returns the key at the source of a key at the destination.
    fn origin(&self, key: &Key) -> Option<Key> {
        match &self.prefixes {
            Some((from, to)) => Key::new(from, key.id(to)?).ok(),
            None => Some(key.clone()),
        }
    }

    /// Returns the key at the destination.
    fn target(&self, key: &Key) -> Result<Key, Refusal> {
        if key.is_at_rest() {
            let is_same_kind = self.from.describe().kind == self.to.describe().kind;
            return if is_same_kind && self.prefixes.is_none() {
                Ok(key.clone())
            } else {
                Err(Refusal::NameOnly)
            };
        }
        let Some((from, to)) = &self.prefixes else { return Ok(key.clone()) };
        let id = key.id(from).ok_or(Refusal::BadKey)?;
        Key::new(to, id).map_err(|_| Refusal::BadKey)
    }

    /// Returns the record to write, or the outcome if there is none.
    fn prepare(&self, source: &Stored, now: UnixTime) -> Result<Prepared, Outcome> {
        let ends = match (source.expires, self.endless) {
            (Some(ends), _) if ends <= now => return Err(Outcome::Expired),
            (Some(ends), _) => ends,
            (None, Some(life)) => expiry(now, life),
            (None, None) => return Err(Outcome::Refused(Refusal::Endless)),
        };
        let converted = self.format.convert(&source.data).map_err(|error| match error {
            ConvertError::Unreadable(error) => Outcome::Unreadable(error),
            ConvertError::CannotHold(error) => Outcome::Refused(Refusal::CannotHold(error)),
        })?;
        if !converted.changed.is_empty() && !self.accept_changes {
            return Err(Outcome::Refused(Refusal::Changes(converted.changed)));
        }
        let bytes = converted.data.len();
        match self.to.describe().max_bytes {
            Some(most) if bytes > most => Err(Outcome::Refused(Refusal::TooLong { bytes, most })),
            _ => Ok(Prepared { data: converted.data, changed: converted.changed, ends }),
        }
    }

    /// Brings a session to the destination to which this call has not written it yet. Returns
    /// [`Outcome::Ended`] if the destination's record disappears between two steps.
    async fn bring(
        &self,
        target: &Key,
        record: &Prepared,
        created: Option<Created>,
        now: UnixTime,
    ) -> Result<Outcome, CopyError> {
        let left = self.left(target);
        if left.is_none() {
            let created = match created {
                Some(created) => created,
                None => {
                    let created = self.to.create(target, &record.data, record.ttl(now), now).await;
                    created.map_err(CopyError::To)?
                }
            };
            match created {
                Created::Created(_) => {
                    self.note(target, record)?;
                    return Ok(Outcome::Copied(record.changed.clone()));
                }
                Created::Exists => {}
            }
        }
        let there = self.to.load(target, now).await.map_err(CopyError::To)?;
        match (there, left) {
            (Some(there), _) if is_same(&there.data, &record.data) => {
                self.stay(target, &there, record, now).await
            }
            (Some(there), Some(left)) if left.matches(target, &there.data) => {
                self.bring_again(target, &there, record, now).await.map(|outcome| match outcome {
                    Outcome::Copied(changed) => Outcome::Updated(changed),
                    other => other,
                })
            }
            (Some(_), _) => Ok(Outcome::Different),
            (None, Some(left)) if left.ends > now => Ok(Outcome::EndedThere),
            // A copy that had expired or was removed may be copied again.
            (None, Some(_)) => self.unnote(target).map(|()| Outcome::Ended),
            (None, None) => Ok(Outcome::Ended),
        }
    }

    /// Replaces `before` with a newer record, if it is unchanged.
    async fn bring_again(
        &self,
        target: &Key,
        before: &Stored,
        record: &Prepared,
        now: UnixTime,
    ) -> Result<Outcome, CopyError> {
        let replaced = self.to.replace(target, before, &record.data, record.ttl(now), now).await;
        match replaced.map_err(CopyError::To)? {
            Replaced::Replaced(_) => {
                self.note(target, record)?;
                Ok(Outcome::Copied(record.changed.clone()))
            }
            Replaced::Gone => Ok(Outcome::EndedThere),
            Replaced::Conflict(_) => Ok(Outcome::Different),
        }
    }

    /// Extends the expiry of the same session at the destination if necessary.
    async fn stay(
        &self,
        target: &Key,
        there: &Stored,
        record: &Prepared,
        now: UnixTime,
    ) -> Result<Outcome, CopyError> {
        // Each store counts whole seconds of its own clock.
        let is_shorter = there.expires.is_some_and(|ends| ends.as_secs() + 1 < record.ends.as_secs());
        if is_shorter {
            match self.to.touch(target, record.ttl(now), now).await.map_err(CopyError::To)? {
                Touched::Touched => {}
                Touched::Gone => return Ok(Outcome::EndedThere),
            }
        }
        if there.data == record.data {
            self.note(target, record)?;
        }
        Ok(Outcome::AlreadyThere)
    }

    /// Deletes the copy that this call has written, because the source no longer has the session.
    async fn take_back(
        &self,
        target: &Key,
        written: Option<Stored>,
        outcome: Outcome,
        now: UnixTime,
    ) -> Result<Outcome, CopyError> {
        let Some(written) = written else { return Ok(outcome) };
        match self.to.delete_if(target, &written, now).await.map_err(CopyError::To)? {
            DeletedIf::Deleted => {
                self.unnote(target)?;
                Ok(outcome)
            }
            DeletedIf::Gone => Ok(outcome),
            DeletedIf::Conflict(_) => Ok(Outcome::Different),
        }
    }

    fn note(&self, target: &Key, record: &Prepared) -> Result<(), CopyError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        journal
            .note(KeyDigest::of(target), Leftover::new(target, &record.data, record.ends))
            .map_err(CopyError::Journal)
    }

    /// Notes that a copier has deleted the copy.
    fn unnote(&self, target: &Key) -> Result<(), CopyError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        journal.note(KeyDigest::of(target), Leftover::nothing()).map_err(CopyError::Journal)
    }
}

/// Shows both addresses.
impl fmt::Debug for Copier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copier")
            .field("from", &self.from.describe().address)
            .field("to", &self.to.describe().address)
            .finish_non_exhaustive()
    }
}

/// A record in the destination's format.
struct Prepared {
    data: Vec<u8>,
    changed: Vec<Change>,
    ends: UnixTime,
}

/// A session that was created together with its group.
struct Begun {
    record: Prepared,
    created: Created,
}

impl Prepared {
    fn ttl(&self, now: UnixTime) -> Duration {
        Duration::from_secs(self.ends.as_secs().saturating_sub(now.as_secs()))
    }
}

/// Returns `true` if two records are the same session. Python pickles equal sessions in more than one way.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let whole = |data: &[u8]| -> Option<Dict> {
        let record = Format::read(data).ok()?;
        record.opaque.is_empty().then_some(record.dict)
    };
    one == other || whole(one).is_some_and(|one| whole(other) == Some(one))
}

/// The number of sessions of a group that are checked again at the same time.
const AT_ONCE: usize = 16;

/// The maximum number of attempts to copy a session that keeps changing.
const MAX_ROUNDS: usize = 8;
