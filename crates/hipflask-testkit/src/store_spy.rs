//! A store in front of another store: counts calls, and fails where a test wants it to.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hipflask_core::time::UnixTime;
use hipflask_store::store::{
    Created, Deleted, DeletedIf, Description, Key, Page, Replaced, Scan, Store, StoreFuture, Stored, Touched,
};

use crate::faults::{Fault, When};

pub use crate::faults::Call;

/// Passes every call on to another store and counts it. Clones share the counts.
///
/// ```
/// use hipflask_core::time::UnixTime;
/// use hipflask_store::{memory::MemoryStore, store::{Key, Store}};
/// use hipflask_testkit::contract::block_on;
/// use hipflask_testkit::store_spy::{Call, SpyStore};
///
/// let spy = SpyStore::new(MemoryStore::new());
/// let key = Key::new("session:", "id")?;
/// block_on(spy.load(&key, UnixTime::from_secs(0)))?;
/// assert_eq!(spy.calls(), [Call::Load]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SpyStore {
    inner: Arc<dyn Store>,
    shared: Arc<Shared>,
}

type Work = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Shared {
    calls: Mutex<Vec<Call>>,
    created: Mutex<Vec<Key>>,
    fault: Mutex<Option<Fault>>,
    collisions: AtomicUsize,
    bytes_written: AtomicU64,
    meanwhile: Mutex<Option<(Call, Work)>>,
}

impl SpyStore {
    /// Watches `store`.
    pub fn new(store: impl Store + 'static) -> Self {
        Self::around(Arc::new(store))
    }

    /// Watches a store that others use as well.
    #[must_use]
    pub fn around(inner: Arc<dyn Store>) -> Self {
        Self { inner, shared: Arc::default() }
    }

    /// The calls since the last [`forget`](Self::forget), in their order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared.calls).clone()
    }

    /// The keys of all records that callers tried to create.
    #[must_use]
    pub fn created(&self) -> Vec<Key> {
        lock(&self.shared.created).clone()
    }

    /// The number of bytes of data that were handed over to be written.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.shared.bytes_written.load(Ordering::SeqCst)
    }

    /// Forgets what was counted.
    pub fn forget(&self) {
        lock(&self.shared.calls).clear();
        self.shared.bytes_written.store(0, Ordering::SeqCst);
    }

    /// Lets a call fail once; `None` lets all succeed.
    pub fn set_fault(&self, fault: Option<Fault>) {
        *lock(&self.shared.fault) = fault;
    }

    /// Answers the next `count` calls of `create` with "exists", as if the new ids were taken.
    pub fn collide(&self, count: usize) {
        self.shared.collisions.store(count, Ordering::SeqCst);
    }

    /// Lets something happen just before the next call of this kind.
    pub fn meanwhile(&self, call: Call, work: impl FnOnce() + Send + 'static) {
        *lock(&self.shared.meanwhile) = Some((call, Box::new(work)));
    }

    /// Counts a call and does it, unless it is to fail.
    async fn pass<T>(
        &self,
        call: Call,
        written: usize,
        inner: StoreFuture<'_, T>,
    ) -> Result<T, hipflask_store::store::StoreError> {
        self.shared.bytes_written.fetch_add(written as u64, Ordering::SeqCst);
        let work = lock(&self.shared.meanwhile).take_if(|(awaited, _)| *awaited == call);
        if let Some((_, work)) = work {
            work();
        }
        let place = {
            let mut calls = lock(&self.shared.calls);
            calls.push(call);
            calls.len() - 1
        };
        let fault = {
            let mut fault = lock(&self.shared.fault);
            if fault.is_some_and(|fault| fault.hits(call, place)) { fault.take() } else { None }
        };
        match fault {
            Some(fault) if fault.when == When::Before => Err(fault.error()),
            Some(fault) => {
                let _ = inner.await?;
                Err(fault.error())
            }
            None => inner.await,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for SpyStore {
    fn load<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(self.pass(Call::Load, 0, self.inner.load(key, now)))
    }

    /// Counts a load.
    fn open<'a>(&'a self, key: &'a Key, enough: UnixTime, now: UnixTime) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(self.pass(Call::Load, 0, self.inner.open(key, enough, now)))
    }

    fn create<'a>(
        &'a self,
        key: &'a Key,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Created> {
        lock(&self.shared.created).push(key.clone());
        let left = &self.shared.collisions;
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            lock(&self.shared.calls).push(Call::Create);
            return Box::pin(std::future::ready(Ok(Created::Exists)));
        }
        Box::pin(self.pass(Call::Create, data.len(), self.inner.create(key, data, ttl, now)))
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Replaced> {
        Box::pin(self.pass(Call::Replace, data.len(), self.inner.replace(key, expected, data, ttl, now)))
    }

    fn touch<'a>(&'a self, key: &'a Key, ttl: Duration, now: UnixTime) -> StoreFuture<'a, Touched> {
        Box::pin(self.pass(Call::Touch, 0, self.inner.touch(key, ttl, now)))
    }

    fn delete<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Deleted> {
        Box::pin(self.pass(Call::Delete, 0, self.inner.delete(key, now)))
    }

    fn delete_if<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        now: UnixTime,
    ) -> StoreFuture<'a, DeletedIf> {
        Box::pin(self.pass(Call::DeleteIf, 0, self.inner.delete_if(key, expected, now)))
    }

    fn scan<'a>(&'a self, scan: &'a Scan, now: UnixTime) -> StoreFuture<'a, Page> {
        Box::pin(self.pass(Call::Scan, 0, self.inner.scan(scan, now)))
    }

    fn purge_expired(&self, now: UnixTime) -> StoreFuture<'_, u64> {
        Box::pin(self.pass(Call::PurgeExpired, 0, self.inner.purge_expired(now)))
    }

    fn ready(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.pass(Call::Ready, 0, self.inner.ready()))
    }

    fn skipped(&self) -> u64 {
        self.inner.skipped()
    }

    fn describe(&self) -> Description {
        self.inner.describe()
    }
}

impl fmt::Debug for SpyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpyStore").field(&self.inner).finish()
    }
}
