//! A store in front of another store: counts calls, and fails where a test wants it to.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hipflask_core::time::UnixTime;
use hipflask_store::{Created, Key, Replaced, Store, StoreFuture, StoreWrapper, Stored};

use crate::faults::{Fault, When};

pub use hipflask_store::StoreMethod;

/// A store that forwards every call to another store and counts it. Clones share the counts.
///
/// ```
/// use hipflask_core::time::UnixTime;
/// use hipflask_store::{Key, Store, StoreMethod, memory::MemoryStore};
/// use hipflask_testkit::contract::block_on;
/// use hipflask_testkit::store_spy::SpyStore;
///
/// let spy = SpyStore::new(MemoryStore::new());
/// let key = Key::new("session:", "id")?;
/// block_on(spy.load(&key, UnixTime::from_secs(0)))?;
/// assert_eq!(spy.calls(), [StoreMethod::Load]);
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
    calls: Mutex<Vec<StoreMethod>>,
    created: Mutex<Vec<Key>>,
    fault: Mutex<Option<Fault>>,
    collisions: AtomicUsize,
    bytes_written: AtomicU64,
    meanwhile: Mutex<Option<(StoreMethod, Work)>>,
}

impl SpyStore {
    /// Watches `store`.
    pub fn new(store: impl Store + 'static) -> Self {
        Self::around(Arc::new(store))
    }

    /// Watches a shared store.
    #[must_use]
    pub fn around(inner: Arc<dyn Store>) -> Self {
        Self { inner, shared: Arc::default() }
    }

    /// Returns the calls since the last [`forget`](Self::forget), in order.
    #[must_use]
    pub fn calls(&self) -> Vec<StoreMethod> {
        lock(&self.shared.calls).clone()
    }

    /// Returns the keys of all records that callers tried to create.
    #[must_use]
    pub fn created(&self) -> Vec<Key> {
        lock(&self.shared.created).clone()
    }

    /// Returns the number of bytes that callers wrote.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.shared.bytes_written.load(Ordering::SeqCst)
    }

    /// Resets the counts.
    pub fn forget(&self) {
        lock(&self.shared.calls).clear();
        self.shared.bytes_written.store(0, Ordering::SeqCst);
    }

    /// Makes a call fail once; with `None` all succeed.
    pub fn set_fault(&self, fault: Option<Fault>) {
        *lock(&self.shared.fault) = fault;
    }

    /// Answers the next `count` calls of `create` with "exists", as if the new ids were taken.
    pub fn collide(&self, count: usize) {
        self.shared.collisions.store(count, Ordering::SeqCst);
    }

    /// Runs `work` just before the next call of this method.
    pub fn meanwhile(&self, method: StoreMethod, work: impl FnOnce() + Send + 'static) {
        *lock(&self.shared.meanwhile) = Some((method, Box::new(work)));
    }

    fn count_bytes(&self, data: &[u8]) {
        self.shared.bytes_written.fetch_add(data.len() as u64, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StoreWrapper for SpyStore {
    fn inner(&self) -> &dyn Store {
        &*self.inner
    }

    /// Counts a call and makes it, unless it must fail.
    fn around<'a, T: Send + 'a>(
        &'a self,
        method: StoreMethod,
        call: StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            let work = lock(&self.shared.meanwhile).take_if(|(awaited, _)| *awaited == method);
            if let Some((_, work)) = work {
                work();
            }
            let index = {
                let mut calls = lock(&self.shared.calls);
                calls.push(method);
                calls.len() - 1
            };
            let fault = lock(&self.shared.fault).take_if(|fault| fault.hits(method, index));
            match fault {
                Some(fault) if fault.when == When::Before => Err(fault.error()),
                Some(fault) => {
                    let _ = call.await?;
                    Err(fault.error())
                }
                None => call.await,
            }
        })
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
            lock(&self.shared.calls).push(StoreMethod::Create);
            return Box::pin(std::future::ready(Ok(Created::Exists)));
        }
        self.count_bytes(data);
        self.around(StoreMethod::Create, self.inner.create(key, data, ttl, now))
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Replaced> {
        self.count_bytes(data);
        self.around(StoreMethod::Replace, self.inner.replace(key, expected, data, ttl, now))
    }
}

impl fmt::Debug for SpyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpyStore").field(&self.inner).finish()
    }
}
