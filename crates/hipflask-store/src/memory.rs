//! Records in the memory of one process.

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hipflask_core::time::UnixTime;

use crate::record::{Format, MsgpackEvent, MsgpackReader};
use crate::store::{
    Created, Cursor, Deleted, DeletedIf, Description, Entry, ErrorKind, Key, Page, Replaced, Scan, Store,
    StoreError, Stored, Token, Touched, expiry,
};

/// Records in the memory of one process: for development, tests, and services that run as one
/// process and may lose sessions.
///
/// The store is bounded. When it is full, it removes expired records first, and then the anonymous
/// records that were written longest ago. If that is not enough, the write fails with
/// [`ErrorKind::Full`]. It never removes another live session, so that a flood of visitors without
/// a login cannot prevent logins. Clones share the records.
///
/// A record is **anonymous** if its only keys are `_flashes`, `_permanent`, `csrf_token` and
/// `_created`. It expires after a day at most, or after
/// [`with_anonymous_lifetime`](Self::with_anonymous_lifetime). A record with any other key
/// (`user_id`, `username`, a cart, a counter) keeps its full lifetime, so that nobody is logged out
/// early. An app that sets its own keys for every visitor can still be filled up by visitors: use a
/// database for it.
///
/// ```
/// use std::time::Duration;
/// use hipflask_core::time::UnixTime;
/// use hipflask_store::memory::MemoryStore;
/// use hipflask_store::{Created, Key, Store};
/// # fn block_on<F: Future>(future: F) -> F::Output {
/// #     let mut future = std::pin::pin!(future);
/// #     match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
/// #         std::task::Poll::Ready(output) => output,
/// #         std::task::Poll::Pending => unreachable!("this store answers at once"),
/// #     }
/// # }
/// let (store, key, now) = (MemoryStore::new(), Key::new("session:", "id")?, UnixTime::from_secs(0));
/// let created = block_on(store.create(&key, b"data", Duration::from_secs(60), now))?;
/// assert!(matches!(created, Created::Created(_)));
/// assert!(block_on(store.load(&key, UnixTime::from_secs(59)))?.is_some());
/// assert!(block_on(store.load(&key, UnixTime::from_secs(60)))?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
    max_records: usize,
    max_bytes: usize,
    anonymous_lifetime: Duration,
}

#[derive(Default)]
struct Inner {
    records: HashMap<Arc<str>, Record>,
    /// The keys by expiry, soonest first.
    expiries: BTreeSet<(UnixTime, Arc<str>)>,
    bytes: usize,
    /// The anonymous records by the number of their last write.
    anonymous: BTreeMap<u64, Arc<str>>,
    /// Of keys and data of the anonymous records.
    anonymous_bytes: usize,
    writes: u64,
}

struct Record {
    data: Vec<u8>,
    expires: UnixTime,
    /// Its number among the anonymous records, if it is one.
    anonymous: Option<u64>,
}

impl MemoryStore {
    /// Creates an empty store for at most 100 000 records and 256 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(100_000, 256 << 20)
    }

    /// Creates an empty store for at most this number of records, and of bytes in keys and data.
    #[must_use]
    pub fn with_limits(max_records: usize, max_bytes: usize) -> Self {
        Self { inner: Arc::default(), max_records, max_bytes, anonymous_lifetime: ANONYMOUS_LIFETIME }
    }

    /// Sets the maximum lifetime of an anonymous record, see [`MemoryStore`]: a day by default.
    #[must_use]
    pub fn with_anonymous_lifetime(mut self, lifetime: Duration) -> Self {
        self.anonymous_lifetime = lifetime;
        self
    }

    /// Returns the number of records. Expired ones count until the next write.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().records.len()
    }

    /// Returns `true` if the store is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic leaves no incomplete change: each method changes the maps in its last lines.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(
        &self,
        inner: &mut Inner,
        key: &Key,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let text: Arc<str> = key.as_str().into();
        inner.make_room(&text, text.len() + data.len(), (self.max_records, self.max_bytes))?;
        let is_anonymous = is_anonymous(data);
        let expires = expiry(now, self.lifetime(ttl, is_anonymous));
        inner.insert(text, data.to_vec(), expires, is_anonymous);
        Ok(())
    }

    fn lifetime(&self, ttl: Duration, is_anonymous: bool) -> Duration {
        if is_anonymous { ttl.min(self.anonymous_lifetime) } else { ttl }
    }

    async fn load(&self, key: &Key, now: UnixTime) -> Result<Option<Stored>, StoreError> {
        Ok(self.lock().live(key, now).map(Record::stored))
    }

    async fn create(
        &self,
        key: &Key,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<Created, StoreError> {
        let mut inner = self.lock();
        inner.purge(now);
        if inner.live(key, now).is_some() {
            return Ok(Created::Exists);
        }
        self.put(&mut inner, key, data, ttl, now)?;
        Ok(Created::Created(Token::Data))
    }

    async fn replace(
        &self,
        key: &Key,
        expected: &Stored,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<Replaced, StoreError> {
        let mut inner = self.lock();
        inner.purge(now);
        match inner.live(key, now) {
            None => Ok(Replaced::Gone),
            Some(record) if record.data != expected.data => Ok(Replaced::Conflict(record.stored())),
            Some(_) => {
                self.put(&mut inner, key, data, ttl, now)?;
                Ok(Replaced::Replaced(Token::Data))
            }
        }
    }

    async fn touch(&self, key: &Key, ttl: Duration, now: UnixTime) -> Result<Touched, StoreError> {
        let mut inner = self.lock();
        let Some(record) = inner.live(key, now) else { return Ok(Touched::Gone) };
        let ttl = self.lifetime(ttl, record.anonymous.is_some());
        let (old, new) = (record.expires, expiry(now, ttl));
        let Some((text, record)) = inner.records.remove_entry(key.as_str()) else { return Ok(Touched::Gone) };
        inner.expiries.remove(&(old, text.clone()));
        inner.expiries.insert((new, text.clone()));
        inner.records.insert(text, Record { expires: new, ..record });
        Ok(Touched::Touched)
    }

    async fn delete(&self, key: &Key, now: UnixTime) -> Result<Deleted, StoreError> {
        let mut inner = self.lock();
        let was_live = inner.live(key, now).is_some();
        if !key.is_at_rest() {
            inner.remove(key.as_str());
        }
        Ok(if was_live { Deleted::Deleted } else { Deleted::Gone })
    }

    async fn delete_if(&self, key: &Key, expected: &Stored, now: UnixTime) -> Result<DeletedIf, StoreError> {
        let mut inner = self.lock();
        match inner.live(key, now) {
            None => Ok(DeletedIf::Gone),
            Some(record) if record.data != expected.data => Ok(DeletedIf::Conflict(record.stored())),
            Some(_) => {
                inner.remove(key.as_str());
                Ok(DeletedIf::Deleted)
            }
        }
    }

    async fn scan(&self, scan: &Scan, now: UnixTime) -> Result<Page, StoreError> {
        let inner = self.lock();
        let after = scan.after.as_ref().map_or("", Cursor::as_str);
        let mut found: Vec<(&Arc<str>, &Record)> = inner
            .records
            .iter()
            .filter(|(key, record)| key.starts_with(&*scan.prefix) && &***key > after && record.expires > now)
            .collect();
        found.sort_unstable_by_key(|(key, _)| *key);
        let more = found.len() > scan.limit.max(1);
        found.truncate(scan.limit.max(1));
        let next = found.last().filter(|_| more).map(|(key, _)| Cursor::new(key.to_string()));
        let entries = found.into_iter().filter_map(|(key, record)| {
            Some(Entry {
                key: Key::new("", key).ok()?,
                bytes: record.data.len(),
                expires: Some(record.expires),
                data: scan.with_data.then(|| record.data.clone()),
            })
        });
        Ok(Page { entries: entries.collect(), next })
    }

    async fn purge_expired(&self, now: UnixTime) -> Result<u64, StoreError> {
        Ok(self.lock().purge(now))
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Inner {
    fn live(&self, key: &Key, now: UnixTime) -> Option<&Record> {
        self.records.get(key.as_str()).filter(|record| record.expires > now && !key.is_at_rest())
    }

    fn insert(&mut self, text: Arc<str>, data: Vec<u8>, expires: UnixTime, is_anonymous: bool) {
        let bytes = text.len() + data.len();
        self.bytes += bytes;
        self.expiries.insert((expires, text.clone()));
        let anonymous = is_anonymous.then(|| {
            self.writes += 1;
            self.anonymous_bytes += bytes;
            self.anonymous.insert(self.writes, text.clone());
            self.writes
        });
        self.records.insert(text, Record { data, expires, anonymous });
    }

    fn remove(&mut self, key: &str) {
        if let Some((text, record)) = self.records.remove_entry(key) {
            let bytes = text.len() + record.data.len();
            self.bytes -= bytes;
            if let Some(number) = record.anonymous {
                self.anonymous.remove(&number);
                self.anonymous_bytes -= bytes;
            }
            self.expiries.remove(&(record.expires, text));
        }
    }

    /// Removes the record of `key`, and anonymous records, oldest first, until a record of `bytes`
    /// fits. Changes nothing if it cannot fit.
    fn make_room(
        &mut self,
        key: &str,
        bytes: usize,
        (max_records, max_bytes): (usize, usize),
    ) -> Result<(), StoreError> {
        let old = self.records.get(key);
        let (old_records, old_bytes) = old.map_or((0, 0), |old| (1, key.len() + old.data.len()));
        let is_kept = old.is_some_and(|old| old.anonymous.is_none());
        // What stays, whatever is removed.
        let kept_records = self.records.len() - self.anonymous.len() - usize::from(is_kept) * old_records;
        let kept_bytes = self.bytes - self.anonymous_bytes - usize::from(is_kept) * old_bytes;
        if kept_records + 1 > max_records || kept_bytes + bytes > max_bytes {
            return Err(StoreError::new(KIND, ErrorKind::Full, "capacity limit reached"));
        }
        self.remove(key);
        while self.records.len() + 1 > max_records || self.bytes + bytes > max_bytes {
            let Some((_, oldest)) = self.anonymous.first_key_value() else { break };
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
        Ok(())
    }

    fn purge(&mut self, now: UnixTime) -> u64 {
        let mut purged = 0;
        while let Some((expires, key)) = self.expiries.first()
            && *expires <= now
        {
            let key = key.clone();
            self.remove(&key);
            purged += 1;
        }
        purged
    }
}

impl Record {
    fn stored(&self) -> Stored {
        Stored::new(self.data.clone(), Some(self.expires))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemoryStore {
    crate::async_store_methods!();

    fn describe(&self) -> Description {
        Description::new(KIND, "memory:")
    }
}

/// Shows the number of records, never their content.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("records", &self.len())
            .field("max_records", &self.max_records)
            .field("max_bytes", &self.max_bytes)
            .finish()
    }
}

/// Returns `true` if a record contains no key of the app. An unreadable record might contain one.
fn is_anonymous(data: &[u8]) -> bool {
    match Format::of(data) {
        Format::Msgpack => msgpack_keys_are_bookkeeping(data).unwrap_or(false),
        // Most begin with another key, which saves reading them.
        Format::Json if may_be_bookkeeping(data) => {
            let record = Format::read(data);
            record.is_ok_and(|record| record.dict.keys().all(|key| is_bookkeeping(key.as_str())))
        }
        _ => false,
    }
}

/// Reads up to the first key of the app; `None` if that cannot be read.
fn msgpack_keys_are_bookkeeping(data: &[u8]) -> Option<bool> {
    let mut pieces = MsgpackReader::of(data);
    let MsgpackEvent::Dict(keys) = pieces.next().ok()? else { return None };
    for _ in 0..keys {
        match pieces.next().ok()? {
            MsgpackEvent::Str(key) if is_bookkeeping(Some(key)) => skip_value(&mut pieces)?,
            _ => return Some(false),
        }
    }
    Some(true)
}

fn skip_value(pieces: &mut MsgpackReader<'_>) -> Option<()> {
    let mut left = 1_usize;
    while left > 0 {
        left -= 1;
        left = match pieces.next().ok()? {
            MsgpackEvent::List(values) => left.checked_add(values)?,
            MsgpackEvent::Dict(keys) => left.checked_add(keys.checked_mul(2)?)?,
            _ => left,
        };
    }
    Some(())
}

fn may_be_bookkeeping(json: &[u8]) -> bool {
    json == b"{}"
        || BOOKKEEPING
            .iter()
            .any(|key| json.strip_prefix(b"{\"").and_then(|rest| rest.strip_prefix(key.as_bytes())).is_some())
}

fn is_bookkeeping(key: Option<&str>) -> bool {
    key.is_some_and(|key| BOOKKEEPING.contains(&key))
}

/// The keys that Flask, Flask-WTF and Hipflask write for every visitor.
const BOOKKEEPING: [&str; 4] = ["_flashes", "_permanent", "csrf_token", "_created"];

const ANONYMOUS_LIFETIME: Duration = Duration::from_secs(86_400);

const KIND: &str = "memory";

#[cfg(test)]
mod tests {
    use hipflask_core::value::{Dict, Value};

    use super::*;

    #[test]
    fn record_with_app_keys_is_not_anonymous() {
        let flashes = Value::List(vec![Value::List(vec!["message".into(), "Hi".into()])]);
        let plain =
            Dict::from([("_permanent", true.into()), ("_flashes", flashes), ("csrf_token", "x".into())]);
        for format in [Format::Msgpack, Format::Json] {
            let written = |dict: &Dict| format.write(dict).unwrap();
            assert!(is_anonymous(&written(&plain)), "{format:?}");
            assert!(is_anonymous(&written(&Dict::new())), "{format:?}");
            for key in ["user_id", "_user_id", "username", "cart", "_flashes2", ""] {
                let mut dict = plain.clone();
                dict.insert(key, 1);
                assert!(!is_anonymous(&written(&dict)), "{format:?} {key}");
            }
        }
        for data in [
            &b""[..],
            b"data",
            b"\x80\x04}.",
            b"\x81",
            b"\x81\xa9_flashes\xdd\xff\xff\xff\xff",
            b"{\"_flashes\"",
        ] {
            assert!(!is_anonymous(data), "{data:?}");
        }
    }
}
