//! [`Store`]: the contract between the save protocol and a backend.
//!
//! # Writing a store
//!
//! One struct, one `impl Store`, and the contract suite of `hipflask-testkit` as the judge. What every store owes:
//!
//! - **Bytes in, bytes out.** The data is never looked into, never changed, and may be empty.
//! - **Expired means absent.** [`Stored::expires`] at or before `now` is a miss in every method, whether or not the backend
//!   has dropped the record yet; [`create`](Store::create) then succeeds. Where the backend keeps its own time, the two
//!   clocks agree within a second; a test drives `now` only forwards.
//! - **What happened is a value.** [`Exists`](Created::Exists), [`Gone`](Replaced::Gone) and
//!   [`Conflict`](Replaced::Conflict) are answers. `Err` means that the backend itself failed.
//! - **One step.** `create`, `replace`, `delete_if` and `touch` each decide and act at once, so that two callers can never
//!   both win. A record that is not there is never made by `replace` or `touch`.
//! - **Cancelled is lost or done.** Nothing happens before the future is polled. If the future is dropped, the step has happened whole or not at all, and the next
//!   caller gets its own answer, not this one's.
//! - **A failed write may have happened.** After `Err` the caller does not know; a store does not repeat a write by itself
//!   unless it knows that the first did not arrive.
//! - **No secrets in errors.** Neither key nor data appears in an error, a log line or `Debug` output. Some clients quote
//!   the key in their errors; such a source must be replaced by its text without it.
//!
//! ```
//! use std::time::Duration;
//! use hipflask_core::time::UnixTime;
//! use hipflask_store::store::{Created, Key, Replaced, Store, StoreError};
//!
//! async fn rename(store: &dyn Store, key: &Key, now: UnixTime) -> Result<bool, StoreError> {
//!     let Some(stored) = store.load(key, now).await? else { return Ok(false) };
//!     match store.replace(key, &stored, b"new", Duration::from_secs(60), now).await? {
//!         Replaced::Replaced(_) => Ok(true),
//!         Replaced::Gone | Replaced::Conflict(_) => Ok(false),
//!     }
//! }
//! ```

mod error;
mod key;
#[cfg(any(
    feature = "dynamodb",
    feature = "mongodb",
    feature = "sqlite",
    feature = "postgres",
    feature = "mysql"
))]
pub(crate) mod own;
mod scan;

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use std::time::Instant;

use hipflask_core::time::UnixTime;

use crate::together::together;
pub use error::{BoxError, ErrorKind, StoreError};
pub use key::{BadKey, Key};
pub use scan::{Cursor, Entry, Page, Scan};

/// What a store answers with, later.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A place where records are kept by key until they expire.
///
/// The [module](self) says what every store owes beyond its methods. Times to live count in whole seconds; less than one
/// second is taken as one, so that no backend reads it as "for ever". [`expiry`] does that arithmetic.
pub trait Store: fmt::Debug + Send + Sync {
    /// The record of `key`, or `None` if there is none or it has expired.
    fn load<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Option<Stored>>;

    /// As [`load`](Self::load), for a caller who asks for a record's end only to see whether it is after `enough`. If it is,
    /// the store may tell an end that it learned less than a minute ago: the record's life may have been extended since.
    ///
    /// A store saves a command by that which would need one of its own to find out when a record ends. All others have
    /// nothing to gain, and do what stands here.
    fn open<'a>(&'a self, key: &'a Key, enough: UnixTime, now: UnixTime) -> StoreFuture<'a, Option<Stored>> {
        let _ = enough;
        self.load(key, now)
    }

    /// Stores a new record; never touches one that is there.
    fn create<'a>(
        &'a self,
        key: &'a Key,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Created>;

    /// Stores several new records, each as [`create`](Self::create) does, and returns what came of each, in their order.
    ///
    /// For copies and imports. A store that pays for each write by itself writes them together, and may be busy with that for
    /// as long as it takes: give it a few hundred at most. After an error some of the records may be stored and others not.
    fn create_many<'a>(&'a self, records: &'a [New<'a>], now: UnixTime) -> StoreFuture<'a, Vec<Created>> {
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

    /// Puts `data` in the place of the record `expected`, which came from `load`, from a conflict, or is what this caller
    /// wrote itself; `ttl` counts from `now`.
    ///
    /// Equal data is enough to be `expected`: that somebody extended the record's life is no conflict. (A store that
    /// compares by version may report one; the caller merges then, to the same end.)
    fn replace<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Replaced>;

    /// Lets the record live for `ttl` from `now`. Never writes data: a touch cannot undo another request's change.
    fn touch<'a>(&'a self, key: &'a Key, ttl: Duration, now: UnixTime) -> StoreFuture<'a, Touched>;

    /// Ends the record, whatever is in it. After `Ok` no caller, on any connection, loads it again.
    fn delete<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Deleted>;

    /// Ends the record if it still is `expected`: how a session leaves its old id without taking another request's change
    /// with it.
    fn delete_if<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        now: UnixTime,
    ) -> StoreFuture<'a, DeletedIf>;

    /// A page of the records, for the operator: in any order, each live record at least once over all pages if it is there
    /// throughout, expired ones never. Not fast, and never part of a request.
    ///
    /// [`ErrorKind::Unsupported`] if the backend cannot list.
    fn scan<'a>(&'a self, scan: &'a Scan, now: UnixTime) -> StoreFuture<'a, Page>;

    /// Drops records that have expired and are still there, and returns how many; 0 where the backend does that by itself.
    /// Never ends a live record.
    fn purge_expired(&self, now: UnixTime) -> StoreFuture<'_, u64>;

    /// Asks the backend whether it is there, lets us in, and has what we need (a table that may be made is made here).
    /// Called once at start, so that a wrong address fails there and not on a visitor's request.
    fn ready(&self) -> StoreFuture<'_, ()>;

    /// Returns how many records this handle could not use in [`load`](Self::load), [`scan`](Self::scan) and
    /// [`purge_expired`](Self::purge_expired) and left alone, all added up: what has the name of a session file and is not
    /// one, for instance. 0 where that cannot happen.
    fn skipped(&self) -> u64 {
        0
    }

    /// What this is, for logs and people. Names no password.
    fn describe(&self) -> Description;
}

/// A record to be stored by [`Store::create_many`].
#[derive(Clone, Copy)]
pub struct New<'a> {
    /// Its key.
    pub key: &'a Key,
    /// Its bytes.
    pub data: &'a [u8],
    /// How long it lives.
    pub ttl: Duration,
}

/// Shows the size, never the data.
impl fmt::Debug for New<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("New").field("bytes", &self.data.len()).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

/// A record as it was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The record's bytes.
    pub data: Vec<u8>,
    /// When it ends; `None` if it never does. (cachelib and Redis know such records; we write none.)
    pub expires: Option<UnixTime>,
    /// How the store recognises it in `replace` and `delete_if`.
    pub token: Token,
}

impl Stored {
    /// A record that its data identifies.
    #[must_use]
    pub const fn new(data: Vec<u8>, expires: Option<UnixTime>) -> Self {
        Self { data, expires, token: Token::Data }
    }

    /// Whether it has ended at `now`.
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

/// How a store recognises the record that a caller has seen.
///
/// The data itself is as good as a version number: equal bytes are equal state, and Flask-Session's records have no
/// version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Token {
    /// By its data.
    #[default]
    Data,
    /// By a number that changes with each write: memcached's CAS.
    Number(u64),
}

/// What came of [`Store::create`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// The record is there now, and is recognised by this.
    Created(Token),
    /// A live record has that key already; it is unharmed.
    Exists,
}

/// What came of [`Store::replace`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Replaced {
    /// The new data is there now, and is recognised by this.
    Replaced(Token),
    /// There is no such record any more; nothing was written.
    Gone,
    /// Another record is there: this one. Nothing was written.
    Conflict(Stored),
}

/// What came of [`Store::touch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Touched {
    /// It lives longer now.
    Touched,
    /// There is no such record.
    Gone,
}

/// What came of [`Store::delete`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Deleted {
    /// It was there and was live. Of several callers at most one is told so.
    Deleted,
    /// There was no such record.
    Gone,
}

/// What came of [`Store::delete_if`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum DeletedIf {
    /// It was as expected, and is no more. Of several callers at most one is told so.
    Deleted,
    /// There is no such record.
    Gone,
    /// Another record is there: this one. It is unharmed.
    Conflict(Stored),
}

/// What a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// The word for it in URLs and messages: `redis`.
    pub kind: &'static str,
    /// Where it is, without a password: `redis://127.0.0.1:6379/0`.
    pub place: String,
    /// Which records Flask-Session keeps there.
    pub records: RecordKind,
    /// The backend drops expired records by itself; otherwise the app has to call [`Store::purge_expired`] now and
    /// then.
    pub expires_by_itself: bool,
    /// How long a record's data may be, if the backend has a limit.
    pub max_bytes: Option<usize>,
}

impl Description {
    /// A store of `kind` at `place` that keeps msgspec's records, expires them by itself and takes any length.
    #[must_use]
    pub fn new(kind: &'static str, place: impl Into<String>) -> Self {
        let (records, place) = (RecordKind::Msgspec, place.into());
        Self { kind, place, records, expires_by_itself: true, max_bytes: None }
    }
}

/// Which records Flask-Session keeps in a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordKind {
    /// msgpack, or JSON if so configured.
    Msgspec,
    /// pickle, as cachelib does.
    Pickle,
}

/// When a record ends that lives for `ttl` from `now`: whole seconds, at least one.
///
/// ```
/// use std::time::Duration;
/// use hipflask_core::time::UnixTime;
/// use hipflask_store::store::expiry;
/// let now = UnixTime::from_secs(100);
/// assert_eq!(expiry(now, Duration::from_millis(1900)).as_secs(), 101);
/// assert_eq!(expiry(now, Duration::ZERO).as_secs(), 101);
/// ```
#[must_use]
pub fn expiry(now: UnixTime, ttl: Duration) -> UnixTime {
    UnixTime::from_secs(now.as_secs().saturating_add(whole_seconds(ttl)))
}

/// A time to live as backends take it: whole seconds, at least one.
#[must_use]
pub fn whole_seconds(ttl: Duration) -> u64 {
    ttl.as_secs().max(1)
}

/// How many records of one [`Store::create_many`] are on their way at the same time. A copy has four groups under way.
const AT_ONCE: usize = 16;

const _: () = {
    const fn is_shareable<T: Send + Sync + ?Sized>() {}
    is_shareable::<dyn Store>();
    is_shareable::<Stored>();
};
