//! The store, the settings of all saves, and the single steps of a save.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use hipflask_core::time::UnixTime;
use hipflask_core::value::{Text, Value};

use super::counters::{Counters, Stats, count};
use super::outcome::{Content, Written};
use super::queue::RetryQueues;
use super::slot::LoadedRecord;
use super::{SaveError, Saved};
use crate::id::{Ids, SessionId};
use crate::record::{EncodeError, Format, OpaqueValues, RecordError};
use crate::store::{Created, Deleted, Key, RecordKind, Replaced, Store, StoreError, Stored, Touched, expiry};

/// Sessions in a store: loads them, and saves them by the [protocol](super).
///
/// An application has one, shared by its requests. A [`Slot`](super::Slot) next to each session
/// remembers its origin.
pub struct ServerSessions {
    pub(super) store: Arc<dyn Store>,
    pub(super) ids: Ids,
    pub(super) format: Format,
    pub(super) lifetime: Duration,
    pub(super) refresh: bool,
    reads_pickles: bool,
    pub(super) attempts: u32,
    pub(super) queues: RetryQueues,
    pub(super) counters: Counters,
}

impl ServerSessions {
    /// Keeps sessions in `store`, which expire `lifetime` after they were last used. Records have
    /// the format that Flask-Session uses in this kind of store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, ids: Ids, lifetime: Duration) -> Self {
        let format = match store.describe().records {
            RecordKind::Msgspec => Format::Msgpack,
            RecordKind::Pickle => Format::Pickle,
        };
        Self {
            store,
            ids,
            format,
            lifetime,
            refresh: true,
            reads_pickles: true,
            attempts: ATTEMPTS,
            queues: RetryQueues::default(),
            counters: Counters::default(),
        }
    }

    /// Writes records in `format`: `SESSION_SERIALIZATION_FORMAT`. All formats are read in any case.
    #[doc(alias = "SESSION_SERIALIZATION_FORMAT")]
    #[must_use]
    pub const fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets whether a request that changes nothing extends the expiry, which is the default:
    /// `SESSION_REFRESH_EACH_REQUEST`.
    #[doc(alias = "SESSION_REFRESH_EACH_REQUEST")]
    #[must_use]
    pub const fn with_refresh(mut self, refresh: bool) -> Self {
        self.refresh = refresh;
        self
    }

    /// Sets whether records in pickle are read, which they are by default. Without them a record
    /// that is neither msgpack nor JSON is [unreadable](super::Opened::Unreadable).
    #[must_use]
    pub const fn with_pickles(mut self, read: bool) -> Self {
        self.reads_pickles = read;
        self
    }

    /// Sets the maximum number of attempts of a save while other requests change the session: 1000
    /// by default.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Returns the maximum number of attempts of a save.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Returns the format of ids.
    #[must_use]
    pub const fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Returns the format in which records are written.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Returns the lifetime of a session after it was last used.
    #[must_use]
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    /// Checks that records support `value` under `key`. Callers check this when the value is set.
    ///
    /// # Errors
    /// [`EncodeError`] names the key and what to do.
    pub fn check(&self, key: &Text, value: &Value) -> Result<(), EncodeError> {
        self.format.check(key, value)
    }

    /// Refuses a record in a format that is not allowed.
    pub(super) fn admit(&self, data: &[u8]) -> Result<(), RecordError> {
        let is_refused = !self.reads_pickles && Format::of(data) == Format::Pickle && !data.is_empty();
        if is_refused { Err(RecordError::PickleRefused) } else { Ok(()) }
    }

    pub(super) async fn touch(&self, loaded: &mut LoadedRecord, now: UnixTime) -> Result<Saved, StoreError> {
        match self.store.touch(&loaded.key, self.lifetime, now).await? {
            Touched::Touched => {
                count(&self.counters.touched);
                loaded.stored.expires = Some(expiry(now, self.lifetime));
                Ok(Saved::Touched)
            }
            Touched::Gone => Ok(self.note_gone(&loaded.key)),
        }
    }

    pub(super) async fn delete(&self, key: &Key, now: UnixTime) -> Result<Saved, StoreError> {
        match self.store.delete(key, now).await? {
            Deleted::Deleted => {
                count(&self.counters.deleted);
                tracing::debug!(session = ?key, "session deleted");
            }
            Deleted::Gone => tracing::debug!(session = ?key, "session to delete is already missing"),
        }
        Ok(Saved::Deleted)
    }

    /// Creates a record under a new id.
    pub(super) async fn create(
        &self,
        content: Content<'_>,
        opaque: &OpaqueValues,
        mut proposed: Option<SessionId>,
        now: UnixTime,
    ) -> Result<LoadedRecord, SaveError> {
        let data = content.encode(self.format, opaque)?;
        for _ in 0..self.attempts {
            let id = match proposed.take() {
                Some(id) => id,
                None => self.ids.fresh()?,
            };
            let key = self.ids.key(&id);
            match self.store.create(&key, &data, self.lifetime, now).await? {
                Created::Created(token) => {
                    count(&self.counters.created);
                    tracing::debug!(session = ?key, "session created");
                    let stored = Stored { data, expires: Some(expiry(now, self.lifetime)), token };
                    return Ok(LoadedRecord { id, key, stored, opaque: opaque.clone() });
                }
                Created::Exists => {
                    count(&self.counters.collisions);
                    tracing::warn!("session id collision; check the system RNG");
                }
            }
        }
        Err(SaveError::Contended { attempts: self.attempts })
    }

    /// Makes one attempt to replace the expected record with `content`.
    pub(super) async fn write(
        &self,
        expected: &Stored,
        key: &Key,
        opaque: &OpaqueValues,
        content: Content<'_>,
        now: UnixTime,
    ) -> Result<Written, SaveError> {
        let data = content.encode(self.format, opaque)?;
        if data == expected.data {
            return Ok(Written::Same);
        }
        Ok(match self.store.replace(key, expected, &data, self.lifetime, now).await? {
            Replaced::Replaced(token) => {
                count(&self.counters.replaced);
                Written::Done(Stored { data, expires: Some(expiry(now, self.lifetime)), token })
            }
            Replaced::Gone => Written::Gone,
            Replaced::Conflict(current) => Written::Conflict(current),
        })
    }

    pub(super) fn note_gone(&self, key: &Key) -> Saved {
        count(&self.counters.gone);
        tracing::debug!(session = ?key, "session to save is missing; it is not created again");
        Saved::Gone
    }
}

impl fmt::Debug for ServerSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSessions")
            .field("store", &self.store)
            .field("ids", &self.ids)
            .field("format", &self.format)
            .field("lifetime", &self.lifetime)
            .field("refresh", &self.refresh)
            .finish_non_exhaustive()
    }
}

/// The maximum number of attempts of a save. Each failed attempt means that another request has
/// saved, and with a hundred competing processes each one is almost certain to win within this
/// number.
const ATTEMPTS: u32 = 1000;

const _: () = {
    const fn is_shareable<T: Send + Sync>() {}
    is_shareable::<ServerSessions>();
};
