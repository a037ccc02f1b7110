//! [`MemoryStore`]: records in the memory of one process.

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeSet, HashMap};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hipflask_core::time::UnixTime;

use crate::store::{
    Created, Cursor, Deleted, DeletedIf, Description, Entry, ErrorKind, Key, Page, Replaced, Scan, Store,
    StoreError, StoreFuture, Stored, Token, Touched, expiry,
};

/// Records in the memory of one process: for development, tests, and services that are one process and may forget.
///
/// Bounded: when it is full, expired records go, and if that is not enough a new session is refused with
/// [`ErrorKind::Full`]. No live session is ever thrown out to make room. Clones share the records.
///
/// ```
/// use std::time::Duration;
/// use hipflask_core::time::UnixTime;
/// use hipflask_store::memory::MemoryStore;
/// use hipflask_store::store::{Created, Key, Store};
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
}

#[derive(Default)]
struct Inner {
    records: HashMap<Arc<str>, Record>,
    /// What ends when, soonest first.
    ends: BTreeSet<(UnixTime, Arc<str>)>,
    bytes: usize,
}

struct Record {
    data: Vec<u8>,
    expires: UnixTime,
}

impl MemoryStore {
    /// An empty store for at most 100 000 records and 256 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(100_000, 256 << 20)
    }

    /// An empty store for at most so many records and bytes of keys and data.
    #[must_use]
    pub fn with_limits(max_records: usize, max_bytes: usize) -> Self {
        Self { inner: Arc::default(), max_records, max_bytes }
    }

    /// How many records it holds; expired ones count until the next write.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().records.len()
    }

    /// Whether it holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves no half-done change: each method changes the maps in its last lines.
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
        let old = inner.records.get(&text).map_or(0, |record| text.len() + record.data.len());
        let records = inner.records.len() + usize::from(old == 0);
        let bytes = inner.bytes - old + text.len() + data.len();
        if records > self.max_records || bytes > self.max_bytes {
            return Err(StoreError::new(KIND, ErrorKind::Full, "it holds as much as it may"));
        }
        inner.remove(&text);
        let expires = expiry(now, ttl);
        inner.bytes += text.len() + data.len();
        inner.ends.insert((expires, text.clone()));
        inner.records.insert(text, Record { data: data.to_vec(), expires });
        Ok(())
    }

    fn create_now(
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

    fn replace_now(
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

    fn touch_now(&self, key: &Key, ttl: Duration, now: UnixTime) -> Touched {
        let mut inner = self.lock();
        let Some(record) = inner.live(key, now) else { return Touched::Gone };
        let (old, new) = (record.expires, expiry(now, ttl));
        let Some((text, record)) = inner.records.remove_entry(key.as_str()) else { return Touched::Gone };
        inner.ends.remove(&(old, text.clone()));
        inner.ends.insert((new, text.clone()));
        inner.records.insert(text, Record { expires: new, ..record });
        Touched::Touched
    }

    fn delete_now(&self, key: &Key, now: UnixTime) -> Deleted {
        let mut inner = self.lock();
        let was_live = inner.live(key, now).is_some();
        if !key.is_at_rest() {
            inner.remove(key.as_str());
        }
        if was_live { Deleted::Deleted } else { Deleted::Gone }
    }

    fn delete_if_now(&self, key: &Key, expected: &Stored, now: UnixTime) -> DeletedIf {
        let mut inner = self.lock();
        match inner.live(key, now) {
            None => DeletedIf::Gone,
            Some(record) if record.data != expected.data => DeletedIf::Conflict(record.stored()),
            Some(_) => {
                inner.remove(key.as_str());
                DeletedIf::Deleted
            }
        }
    }

    fn scan_now(&self, scan: &Scan, now: UnixTime) -> Page {
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
        Page { entries: entries.collect(), next }
    }
}

impl Inner {
    fn live(&self, key: &Key, now: UnixTime) -> Option<&Record> {
        self.records.get(key.as_str()).filter(|record| record.expires > now && !key.is_at_rest())
    }

    fn remove(&mut self, key: &str) {
        if let Some((text, record)) = self.records.remove_entry(key) {
            self.bytes -= text.len() + record.data.len();
            self.ends.remove(&(record.expires, text));
        }
    }

    fn purge(&mut self, now: UnixTime) -> u64 {
        let mut purged = 0;
        while let Some((expires, key)) = self.ends.first()
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
    fn load<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move { Ok(self.lock().live(key, now).map(Record::stored)) })
    }

    fn create<'a>(
        &'a self,
        key: &'a Key,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Created> {
        Box::pin(async move { self.create_now(key, data, ttl, now) })
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Replaced> {
        Box::pin(async move { self.replace_now(key, expected, data, ttl, now) })
    }

    fn touch<'a>(&'a self, key: &'a Key, ttl: Duration, now: UnixTime) -> StoreFuture<'a, Touched> {
        Box::pin(async move { Ok(self.touch_now(key, ttl, now)) })
    }

    fn delete<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Deleted> {
        Box::pin(async move { Ok(self.delete_now(key, now)) })
    }

    fn delete_if<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        now: UnixTime,
    ) -> StoreFuture<'a, DeletedIf> {
        Box::pin(async move { Ok(self.delete_if_now(key, expected, now)) })
    }

    fn scan<'a>(&'a self, scan: &'a Scan, now: UnixTime) -> StoreFuture<'a, Page> {
        Box::pin(async move { Ok(self.scan_now(scan, now)) })
    }

    fn purge_expired(&self, now: UnixTime) -> StoreFuture<'_, u64> {
        Box::pin(async move { Ok(self.lock().purge(now)) })
    }

    fn ready(&self) -> StoreFuture<'_, ()> {
        Box::pin(ready(Ok(())))
    }

    fn describe(&self) -> Description {
        Description::new(KIND, "memory:")
    }
}

/// Shows how many, never what.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("records", &self.len())
            .field("max_records", &self.max_records)
            .field("max_bytes", &self.max_bytes)
            .finish()
    }
}

const KIND: &str = "memory";
