//! [`Store`]: the contract between the save protocol and a backend.

mod error;
mod forward;
mod key;
mod scan;
mod wrapper;

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use std::time::Instant;

use hipflask_core::time::UnixTime;

use crate::together::together;
pub use error::{BoxError, DriverMessage, ErrorKind, StoreError};
pub use key::{BadKey, Key};
pub use scan::{Cursor, Entry, Page, Scan};
pub use wrapper::{StoreMethod, StoreWrapper};

/// The future of a store's answer.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A backend that maps keys to records until they expire.
///
/// Times to live count in whole seconds. Less than one second counts as one, so that no backend
/// takes it for "never expires"; [`expiry`] does that arithmetic.
///
/// # Writing a store
///
/// Write one struct and one `impl Store`, and run the contract suite of `hipflask-testkit` against
/// it. A store that wraps another one implements [`StoreWrapper`] instead;
/// [`async_store_methods`](crate::async_store_methods) lets you write plain async methods. The
/// contract beyond the methods:
///
/// - **Bytes in, bytes out.** A store never reads or changes the data, which may be empty.
/// - **Expired means missing.** A record whose [`expires`](Stored::expires) is at or before `now`
///   is missing in every method, even if the backend has not removed it yet;
///   [`create`](Self::create) then succeeds. Where the backend uses its own clock, the two clocks
///   agree within a second. A test only moves `now` forwards.
/// - **Outcomes are values.** [`Exists`](Created::Exists), [`Gone`](Replaced::Gone) and
///   [`Conflict`](Replaced::Conflict) are results. `Err` means that the backend failed.
/// - **Atomic steps.** `create`, `replace`, `delete_if` and `touch` each decide and act in one
///   step, so that two callers can never both succeed. `replace` and `touch` never create a missing
///   record.
/// - **Cancellation is atomic.** Nothing happens before the future is polled. If the future is
///   dropped, the step has either happened completely or not at all, and the next caller gets the
///   answer to its own call.
/// - **A failed write may have happened.** After `Err` the caller does not know. A store does not
///   repeat a write by itself unless it knows that the first one did not arrive.
/// - **No secrets in errors.** Neither the key nor the data appears in an error, a log line or
///   `Debug` output. Some clients quote the key in their errors: the
///   [source](StoreError::caused_by) must then be a text without it.
///
/// ```
/// use std::time::Duration;
/// use hipflask_core::time::UnixTime;
/// use hipflask_store::{Key, Replaced, Store, StoreError};
///
/// async fn rename(store: &dyn Store, key: &Key, now: UnixTime) -> Result<bool, StoreError> {
///     let Some(stored) = store.load(key, now).await? else { return Ok(false) };
///     match store.replace(key, &stored, b"new", Duration::from_secs(60), now).await? {
///         Replaced::Replaced(_) => Ok(true),
///         Replaced::Gone | Replaced::Conflict(_) => Ok(false),
///     }
/// }
/// ```
pub trait Store: fmt::Debug + Send + Sync {
    /// Returns the record of `key`, or `None` if it is missing or has expired.
    fn load<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Option<Stored>>;

    /// Same as [`load`](Self::load), for a caller that only needs to know if the record expires
    /// after `enough`. If it does, the store may return an expiry that it cached for up to a
    /// minute; the record may have been extended since.
    ///
    /// This saves a command in a store that reads the expiry separately, such as Redis. Other
    /// stores keep the default.
    fn open<'a>(&'a self, key: &'a Key, enough: UnixTime, now: UnixTime) -> StoreFuture<'a, Option<Stored>> {
        let _ = enough;
        self.load(key, now)
    }

    /// Stores a new record. Never changes an existing one.
    fn create<'a>(
        &'a self,
        key: &'a Key,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Created>;

    /// Stores several new records, each as [`create`](Self::create) does, and returns the outcomes
    /// in the same order.
    ///
    /// For copies and imports. A store in which each write has a high cost (a commit, for example)
    /// writes them together, in one long step: pass a few hundred at most. After an error some of
    /// the records may be stored and others not.
    fn create_many<'a>(
        &'a self,
        records: &'a [NewRecord<'a>],
        now: UnixTime,
    ) -> StoreFuture<'a, Vec<Created>> {
        let start = Instant::now();
        let mut creations: Vec<StoreFuture<'a, Created>> = Vec::with_capacity(records.len());
        for new in records {
            creations.push(Box::pin(async move {
                // A store may count the time to live from the moment of the write, in whole seconds.
                let waited = Duration::from_secs(start.elapsed().as_secs());
                let (ttl, now) = (new.ttl.saturating_sub(waited), now.saturating_add(waited));
                self.create(new.key, new.data, ttl, now).await
            }));
        }
        Box::pin(async move { together(creations, AT_ONCE).await.into_iter().collect() })
    }

    /// Replaces the record `expected` with `data`. `expected` came from `load` or from a conflict,
    /// or is what this caller wrote; `ttl` counts from `now`.
    ///
    /// A record with equal data is `expected`, even if its expiry differs. (A store that compares
    /// versions may report a conflict then; the caller merges, with the same result.)
    fn replace<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Replaced>;

    /// Sets the record's expiry to `ttl` from `now`. Never writes data, so that a touch cannot undo
    /// another request's change.
    fn touch<'a>(&'a self, key: &'a Key, ttl: Duration, now: UnixTime) -> StoreFuture<'a, Touched>;

    /// Deletes the record, whatever it contains. After `Ok` no caller, on any connection, can load it.
    fn delete<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Deleted>;

    /// Deletes the record if it still is `expected`. A session that gets a new id deletes the old
    /// record this way, so that another request's change is not lost.
    fn delete_if<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        now: UnixTime,
    ) -> StoreFuture<'a, DeletedIf>;

    /// Returns a page of the records, for operators: in any order, without expired ones. A record
    /// that exists during the whole listing is on at least one page. Slow; never part of a request.
    ///
    /// Fails with [`ErrorKind::Unsupported`] if the backend cannot list.
    fn scan<'a>(&'a self, scan: &'a Scan, now: UnixTime) -> StoreFuture<'a, Page>;

    /// Removes expired records and returns their number; 0 if the backend removes them by itself.
    /// Never removes a live record.
    fn purge_expired(&self, now: UnixTime) -> StoreFuture<'_, u64>;

    /// Checks that the backend is reachable, accepts the account, and has everything that the store
    /// needs. Creates a missing table if the store may do so. Applications call this once at
    /// startup, so that a wrong address fails there and not on a request.
    fn ready(&self) -> StoreFuture<'_, ()>;

    /// Returns how many unusable records [`load`](Self::load), [`scan`](Self::scan) and
    /// [`purge_expired`](Self::purge_expired) have skipped through this handle: a pipe with the
    /// name of a session file, for example. 0 if the backend cannot contain any.
    fn skipped(&self) -> u64 {
        0
    }

    /// Describes the store for logs and people, without a password.
    fn describe(&self) -> Description;
}

/// A new record for [`Store::create_many`].
#[derive(Clone, Copy)]
pub struct NewRecord<'a> {
    /// Its key.
    pub key: &'a Key,
    /// Its bytes.
    pub data: &'a [u8],
    /// Its time to live.
    pub ttl: Duration,
}

/// Shows the size, never the data.
impl fmt::Debug for NewRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewRecord")
            .field("bytes", &self.data.len())
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// A record as the store returned it.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The record's bytes.
    pub data: Vec<u8>,
    /// When it expires; `None` if never. (cachelib and Redis have such records; Hipflask writes none.)
    pub expires: Option<UnixTime>,
    /// Identifies it in `replace` and `delete_if`.
    pub token: Token,
}

impl Stored {
    /// Creates a record that its data identifies.
    #[must_use]
    pub const fn new(data: Vec<u8>, expires: Option<UnixTime>) -> Self {
        Self { data, expires, token: Token::Data }
    }

    /// Returns `true` if it has expired at `now`.
    #[must_use]
    pub fn is_expired(&self, now: UnixTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// Shows sizes and times, never the data.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("bytes", &self.data.len())
            .field("expires", &self.expires)
            .field("token", &self.token)
            .finish()
    }
}

/// Identifies the version of a record that a caller has read.
///
/// The data itself serves as the version: equal bytes are equal state, and Flask-Session's records
/// have no version number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Token {
    /// The data.
    #[default]
    Data,
    /// A number that changes with each write: memcached's CAS.
    Number(u64),
}

/// The outcome of [`Store::create`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// The record was stored; the token identifies it.
    Created(Token),
    /// A live record has that key already. It is unchanged.
    Exists,
}

/// The outcome of [`Store::replace`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Replaced {
    /// The new data was stored; the token identifies it.
    Replaced(Token),
    /// The record is missing. Nothing was written.
    Gone,
    /// The key has another record, this one. Nothing was written.
    Conflict(Stored),
}

/// The outcome of [`Store::touch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Touched {
    /// The record has the new expiry.
    Touched,
    /// The record is missing.
    Gone,
}

/// The outcome of [`Store::delete`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Deleted {
    /// A live record was deleted. At most one caller gets this.
    Deleted,
    /// The record was missing.
    Gone,
}

/// The outcome of [`Store::delete_if`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum DeletedIf {
    /// The expected record was deleted. At most one caller gets this.
    Deleted,
    /// The record is missing.
    Gone,
    /// The key has another record, this one. It is unchanged.
    Conflict(Stored),
}

/// A store's kind, address and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// Its name in URLs and messages: `redis`.
    pub kind: &'static str,
    /// Its address, without a password: `redis://127.0.0.1:6379/0`.
    pub address: String,
    /// The records that Flask-Session writes there.
    pub records: RecordKind,
    /// The backend removes expired records by itself. Otherwise the application calls
    /// [`Store::purge_expired`] regularly.
    pub expires_by_itself: bool,
    /// The maximum length of a record's data, if the backend has a limit.
    pub max_bytes: Option<usize>,
}

impl Description {
    /// Describes a store of `kind` at `address` that has msgspec's records, removes expired ones by
    /// itself and takes any length.
    #[must_use]
    pub fn new(kind: &'static str, address: impl Into<String>) -> Self {
        let (records, address) = (RecordKind::Msgspec, address.into());
        Self { kind, address, records, expires_by_itself: true, max_bytes: None }
    }
}

/// The records that Flask-Session writes to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordKind {
    /// msgpack, or JSON if configured.
    Msgspec,
    /// pickle, as cachelib writes it.
    Pickle,
}

/// Returns the expiry of a record with this time to live: `ttl` in whole seconds, at least one, after `now`.
///
/// ```
/// use std::time::Duration;
/// use hipflask_core::time::UnixTime;
/// use hipflask_store::expiry;
/// let now = UnixTime::from_secs(100);
/// assert_eq!(expiry(now, Duration::from_millis(1900)).as_secs(), 101);
/// assert_eq!(expiry(now, Duration::ZERO).as_secs(), 101);
/// ```
#[must_use]
pub fn expiry(now: UnixTime, ttl: Duration) -> UnixTime {
    UnixTime::from_secs(now.as_secs().saturating_add(whole_seconds(ttl)))
}

/// Returns a time to live as backends take it: whole seconds, at least one.
#[must_use]
pub fn whole_seconds(ttl: Duration) -> u64 {
    ttl.as_secs().max(1)
}

/// The number of records that one [`Store::create_many`] writes at the same time. A copy has four
/// groups in progress.
const AT_ONCE: usize = 16;

const _: () = {
    const fn is_shareable<T: Send + Sync + ?Sized>() {}
    is_shareable::<dyn Store>();
    is_shareable::<Stored>();
};
