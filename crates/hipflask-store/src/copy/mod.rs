//! Sessions go from one store to another while people use them.
//!
//! [`Copier::copy`] takes one session, in this order:
//!
//! 1. The record is written anew in the destination's format. What that cannot hold is refused, not changed.
//! 2. It is created at the destination, never put in the place of another one.
//! 3. The source is asked again. What changed meanwhile is put in the place of what was just written; what was ended
//!    meanwhile is ended at the destination, too.
//!
//! [`Copier::copy_all`] does the same for a group, and lets the destination write it together.
//!
//! So a session that was copied is at the destination as it was at the source at some moment after it came there, and
//! stopping at any step loses nothing: the source is never changed, and the next run finds what is there already.
//!
//! | there already | what is done |
//! | --- | --- |
//! | the same session | nothing; it lives as long as the source's, if that is longer |
//! | another one under the same key | nothing: it may be the newer one |
//! | one that a run with a [`Journal`] left there, still as it was left | it is brought up to date |
//! | one that such a run left there, and it is gone before its time | nothing: it was ended there, and stays so |
//!
//! What ends at the source between two runs with a journal is found by [`Copier::missing`].

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

/// What came of one session.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is at the destination now. What it changed to, if that was [allowed](Copier::accept_changes).
    Copied(Vec<Change>),
    /// An earlier run had left it there; now it is as the source's again.
    Updated(Vec<Change>),
    /// It was there already.
    AlreadyThere,
    /// Another one is there under the same key, and was left alone.
    Different,
    /// An earlier run had left it there, and it was ended there since. It stays so.
    EndedThere,
    /// It has expired.
    Expired,
    /// It was ended while it was copied, or since. It is at neither place.
    Ended,
    /// The source no longer has it, and the destination has it as an earlier run left it.
    Missing,
    /// It cannot be read.
    Unreadable(RecordError),
    /// The destination cannot have it.
    Refused(Refusal),
}

/// Why the destination cannot have a session.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It would read back with other types.
    #[error("{} would become another type", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Changes(Vec<Change>),
    /// A value has no place in the destination's format.
    #[error(transparent)]
    CannotHold(EncodeError),
    /// It is too long for the destination.
    #[error("its record has {bytes} bytes there, and {most} are the most")]
    TooLong {
        /// How long it would be.
        bytes: usize,
        /// What the destination takes.
        most: usize,
    },
    /// It never ends, and sessions must.
    #[error("it never ends at the source; say how long such a session lives at the destination")]
    Endless,
    /// Its store knows it by a digest of its key, and the destination needs the key.
    #[error("the source knows it by a digest of its key, and the key cannot be told from that")]
    NameOnly,
    /// The key would be longer than a key may be.
    #[error("its key is too long with the destination's prefix")]
    BadKey,
    /// It was changed again and again.
    #[error("it changed at every try; run again when it is less busy")]
    Busy,
}

/// A store or the journal failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The store that sessions come from.
    #[error("the source failed")]
    From(#[source] StoreError),
    /// The store that sessions go to.
    #[error("the destination failed")]
    To(#[source] StoreError),
    /// The journal cannot be written.
    #[error("the journal cannot be written")]
    Journal(#[source] io::Error),
}

impl Copier {
    /// From one store to another, into the format that Flask-Session has there: pickle in files, else msgpack.
    #[must_use]
    pub fn new(from: Arc<dyn Store>, to: Arc<dyn Store>) -> Self {
        let format = match to.describe().records {
            RecordKind::Pickle => Format::Pickle,
            RecordKind::Msgspec => Format::Msgpack,
        };
        Self { from, to, format, accept_changes: false, endless: None, prefixes: None, journal: None }
    }

    /// The format of the records at the destination.
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Copies sessions whose values become other types, too: tuples that become lists. They are refused unless said.
    #[must_use]
    pub const fn accept_changes(mut self, accept: bool) -> Self {
        self.accept_changes = accept;
        self
    }

    /// How long a session lives at the destination that never ends at the source. Such are refused unless said.
    #[must_use]
    pub const fn endless_live(mut self, life: Option<Duration>) -> Self {
        self.endless = life;
        self
    }

    /// Keys that begin with `from` begin with `to` at the destination.
    #[must_use]
    pub fn prefixes(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        let (from, to) = (from.into(), to.into());
        self.prefixes = (from != to).then_some((from, to));
        self
    }

    /// Remembers what is left at the destination, for the runs to come.
    #[must_use]
    pub fn journal(mut self, journal: Arc<Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Copies the session of `entry`, which the source has listed with its data at about `now`.
    ///
    /// # Errors
    /// [`CopyError`] if a store or the journal fails. The session may be at the destination then; copying it again finds out.
    pub async fn copy(&self, entry: Entry, now: UnixTime) -> Result<Outcome, CopyError> {
        self.copy_from(entry, None, now).await
    }

    /// Copies a group of sessions, as [`copy`](Self::copy) does each, and returns what came of each. Their first writes go
    /// to the destination together: see [`Store::create_many`]. If the destination cannot be reached then, the answer is one
    /// error for all.
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
            // What is left of a session's life counts from the moment of its own write.
            let now = now.saturating_add(start.elapsed());
            (key, self.copy_from(entry, begun, now).await)
        });
        together(copies.collect(), AT_ONCE).await
    }

    /// Creates at the destination what can be created; `None` for a session that needs a closer look.
    async fn create_all(&self, entries: &[Entry], now: UnixTime) -> Result<Vec<Option<Begun>>, CopyError> {
        let prepared: Vec<Option<(Key, Prepared)>> = entries
            .iter()
            .map(|entry| {
                let place = self.place(&entry.key).ok().filter(|place| self.left(place).is_none())?;
                let source = Stored::new(entry.data.clone().unwrap_or_default(), entry.expires);
                Some((place, self.prepare(&source, now).ok()?))
            })
            .collect();
        let records: Vec<NewRecord<'_>> = prepared
            .iter()
            .flatten()
            .map(|(place, record)| NewRecord { key: place, data: &record.data, ttl: record.ttl(now) })
            .collect();
        let mut created = match self.to.create_many(&records, now).await {
            Ok(created) => created.into_iter(),
            Err(error) if error.is_transient() => return Err(CopyError::To(error)),
            // One of them is the cause: each session is tried by itself, and reports its own error.
            Err(_) => Vec::new().into_iter(),
        };
        let begun = prepared.into_iter().map(|prepared| {
            let (_, record) = prepared?;
            Some(Begun { record, created: created.next()? })
        });
        Ok(begun.collect())
    }

    /// What an earlier run has left at a place, if anything.
    fn left(&self, place: &Key) -> Option<Leftover> {
        self.journal.as_ref()?.left(KeyDigest::of(place)).filter(|left| !left.is_nothing())
    }

    async fn copy_from(
        &self,
        entry: Entry,
        mut begun: Option<Begun>,
        now: UnixTime,
    ) -> Result<Outcome, CopyError> {
        let place = match self.place(&entry.key) {
            Ok(place) => place,
            Err(refusal) => return Ok(Outcome::Refused(refusal)),
        };
        if let Some(journal) = &self.journal {
            journal.see(KeyDigest::of(&place));
        }
        let mut source = Stored::new(entry.data.unwrap_or_default(), entry.expires);
        let mut written = None;
        for _ in 0..MOST_ROUNDS {
            let (record, created) = match begun.take() {
                Some(begun) => (begun.record, Some(begun.created)),
                None => match self.prepare(&source, now) {
                    Ok(record) => (record, None),
                    Err(outcome) => return self.take_back(&place, written, outcome, now).await,
                },
            };
            let outcome = match &written {
                None => self.bring(&place, &record, created, now).await?,
                Some(before) => self.bring_again(&place, before, &record, now).await?,
            };
            let is_ours = match outcome {
                Outcome::Copied(_) | Outcome::Updated(_) => true,
                Outcome::AlreadyThere => false,
                // It was gone when it was looked at, so that it can be made now.
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
                None => return self.take_back(&place, written, Outcome::Ended, now).await,
            }
        }
        self.take_back(&place, written, Outcome::Refused(Refusal::Busy), now).await
    }

    /// Looks whether the session of `entry`, which the destination has listed with its data, was ended at the source since an
    /// earlier run left it there. With `end` it is ended at the destination then, unless somebody changed it there.
    ///
    /// To be asked once this run has copied all that the source lists. `None` where there is nothing to say: the journal does not
    /// know the session, its time at the source is over, it was changed at the destination, or the source has it.
    ///
    /// # Errors
    /// As [`copy`](Self::copy).
    pub async fn missing(
        &self,
        entry: Entry,
        end: bool,
        now: UnixTime,
    ) -> Result<Option<Outcome>, CopyError> {
        let known =
            self.journal.as_ref().and_then(|journal| journal.left_of_unseen(KeyDigest::of(&entry.key)));
        let data = entry.data.unwrap_or_default();
        let Some(left) = known.filter(|left| left.ends > now && left.is(&entry.key, &data)) else {
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

    /// The key at the source of a key at the destination.
    fn origin(&self, key: &Key) -> Option<Key> {
        match &self.prefixes {
            Some((from, to)) => Key::new(from, key.id(to)?).ok(),
            None => Some(key.clone()),
        }
    }

    /// The key at the destination.
    fn place(&self, key: &Key) -> Result<Key, Refusal> {
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

    /// What to write, or what became of the session instead.
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

    /// Puts a session where this call has put nothing yet, or only tried to. [`Outcome::Ended`] if it went away while it was
    /// looked at.
    async fn bring(
        &self,
        place: &Key,
        record: &Prepared,
        created: Option<Created>,
        now: UnixTime,
    ) -> Result<Outcome, CopyError> {
        let left = self.left(place);
        if left.is_none() {
            let created = match created {
                Some(created) => created,
                None => {
                    let created = self.to.create(place, &record.data, record.ttl(now), now).await;
                    created.map_err(CopyError::To)?
                }
            };
            match created {
                Created::Created(_) => {
                    self.note(place, record)?;
                    return Ok(Outcome::Copied(record.changed.clone()));
                }
                Created::Exists => {}
            }
        }
        let there = self.to.load(place, now).await.map_err(CopyError::To)?;
        match (there, left) {
            (Some(there), _) if is_same(&there.data, &record.data) => {
                self.stay(place, &there, record, now).await
            }
            (Some(there), Some(left)) if left.is(place, &there.data) => {
                self.bring_again(place, &there, record, now).await.map(|outcome| match outcome {
                    Outcome::Copied(changed) => Outcome::Updated(changed),
                    other => other,
                })
            }
            (Some(_), _) => Ok(Outcome::Different),
            (None, Some(left)) if left.ends > now => Ok(Outcome::EndedThere),
            // What had expired there, or was taken back, may come again.
            (None, Some(_)) => self.unnote(place).map(|()| Outcome::Ended),
            (None, None) => Ok(Outcome::Ended),
        }
    }

    /// Puts a newer record in the place of `before`, if that is still there.
    async fn bring_again(
        &self,
        place: &Key,
        before: &Stored,
        record: &Prepared,
        now: UnixTime,
    ) -> Result<Outcome, CopyError> {
        let replaced = self.to.replace(place, before, &record.data, record.ttl(now), now).await;
        match replaced.map_err(CopyError::To)? {
            Replaced::Replaced(_) => {
                self.note(place, record)?;
                Ok(Outcome::Copied(record.changed.clone()))
            }
            Replaced::Gone => Ok(Outcome::EndedThere),
            Replaced::Conflict(_) => Ok(Outcome::Different),
        }
    }

    /// The same session is there: it may have to live longer.
    async fn stay(
        &self,
        place: &Key,
        there: &Stored,
        record: &Prepared,
        now: UnixTime,
    ) -> Result<Outcome, CopyError> {
        // Stores count whole seconds, each with its own clock.
        let is_shorter = there.expires.is_some_and(|ends| ends.as_secs() + 1 < record.ends.as_secs());
        if is_shorter {
            match self.to.touch(place, record.ttl(now), now).await.map_err(CopyError::To)? {
                Touched::Touched => {}
                Touched::Gone => return Ok(Outcome::EndedThere),
            }
        }
        if there.data == record.data {
            self.note(place, record)?;
        }
        Ok(Outcome::AlreadyThere)
    }

    /// The source no longer has what this call has written: neither shall the destination.
    async fn take_back(
        &self,
        place: &Key,
        written: Option<Stored>,
        outcome: Outcome,
        now: UnixTime,
    ) -> Result<Outcome, CopyError> {
        let Some(written) = written else { return Ok(outcome) };
        match self.to.delete_if(place, &written, now).await.map_err(CopyError::To)? {
            DeletedIf::Deleted => {
                self.unnote(place)?;
                Ok(outcome)
            }
            DeletedIf::Gone => Ok(outcome),
            DeletedIf::Conflict(_) => Ok(Outcome::Different),
        }
    }

    fn note(&self, place: &Key, record: &Prepared) -> Result<(), CopyError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        journal
            .note(KeyDigest::of(place), Leftover::new(place, &record.data, record.ends))
            .map_err(CopyError::Journal)
    }

    /// Nothing is left there, and nobody but a copier has ended it.
    fn unnote(&self, place: &Key) -> Result<(), CopyError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        journal.note(KeyDigest::of(place), Leftover::nothing()).map_err(CopyError::Journal)
    }
}

/// Shows where from and where to.
impl fmt::Debug for Copier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copier")
            .field("from", &self.from.describe().address)
            .field("to", &self.to.describe().address)
            .finish_non_exhaustive()
    }
}

/// A record as the destination has it.
struct Prepared {
    data: Vec<u8>,
    changed: Vec<Change>,
    ends: UnixTime,
}

/// A session that was written with its group.
struct Begun {
    record: Prepared,
    created: Created,
}

impl Prepared {
    fn ttl(&self, now: UnixTime) -> Duration {
        Duration::from_secs(self.ends.as_secs().saturating_sub(now.as_secs()))
    }
}

/// Whether two records are the same session. Python pickles equal sessions in more than one way.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let whole = |data: &[u8]| -> Option<Dict> {
        let record = Format::read(data).ok()?;
        record.opaque.is_empty().then_some(record.dict)
    };
    one == other || whole(one).is_some_and(|one| whole(other) == Some(one))
}

/// How many sessions of a group are looked at again at the same time.
const AT_ONCE: usize = 16;

/// How often a session is copied anew that changes while it is copied.
const MOST_ROUNDS: usize = 8;
