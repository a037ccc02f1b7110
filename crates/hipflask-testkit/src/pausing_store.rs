//! A store between a test and another store that waits before and after each step.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hipflask_core::time::UnixTime;
use hipflask_store::store::{
    Created, Deleted, DeletedIf, Description, Key, Page, Replaced, Scan, Store, StoreFuture, Stored, Touched,
};

/// A pause, as long as the test wants it.
pub type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Passes every call on to another store and pauses before and after it, as a store behind a network does. A future that is
/// dropped in the first pause has done nothing, and one that is dropped in the second has done all of it.
///
/// ```
/// use hipflask_core::time::UnixTime;
/// use hipflask_store::{memory::MemoryStore, store::{Key, Store}};
/// use hipflask_testkit::contract::{block_on, give_way};
/// use hipflask_testkit::pausing_store::PausingStore;
///
/// let store = PausingStore::new(MemoryStore::new(), || Box::pin(give_way()));
/// let key = Key::new("session:", "id")?;
/// assert_eq!(block_on(store.load(&key, UnixTime::from_secs(0)))?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PausingStore {
    inner: Arc<dyn Store>,
    pause: Arc<dyn Fn() -> Pause + Send + Sync>,
}

impl PausingStore {
    /// Pauses around each call of `store`.
    pub fn new(store: impl Store + 'static, pause: impl Fn() -> Pause + Send + Sync + 'static) -> Self {
        Self { inner: Arc::new(store), pause: Arc::new(pause) }
    }

    fn pass<'a, T: Send + 'a>(&'a self, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        Box::pin(async move {
            (self.pause)().await;
            let answer = call.await;
            (self.pause)().await;
            answer
        })
    }
}

impl Store for PausingStore {
    fn load<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Option<Stored>> {
        self.pass(self.inner.load(key, now))
    }

    fn create<'a>(
        &'a self,
        key: &'a Key,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Created> {
        self.pass(self.inner.create(key, data, ttl, now))
    }

    fn replace<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        data: &'a [u8],
        ttl: Duration,
        now: UnixTime,
    ) -> StoreFuture<'a, Replaced> {
        self.pass(self.inner.replace(key, expected, data, ttl, now))
    }

    fn touch<'a>(&'a self, key: &'a Key, ttl: Duration, now: UnixTime) -> StoreFuture<'a, Touched> {
        self.pass(self.inner.touch(key, ttl, now))
    }

    fn delete<'a>(&'a self, key: &'a Key, now: UnixTime) -> StoreFuture<'a, Deleted> {
        self.pass(self.inner.delete(key, now))
    }

    fn delete_if<'a>(
        &'a self,
        key: &'a Key,
        expected: &'a Stored,
        now: UnixTime,
    ) -> StoreFuture<'a, DeletedIf> {
        self.pass(self.inner.delete_if(key, expected, now))
    }

    fn scan<'a>(&'a self, scan: &'a Scan, now: UnixTime) -> StoreFuture<'a, Page> {
        self.pass(self.inner.scan(scan, now))
    }

    fn purge_expired(&self, now: UnixTime) -> StoreFuture<'_, u64> {
        self.pass(self.inner.purge_expired(now))
    }

    fn ready(&self) -> StoreFuture<'_, ()> {
        self.pass(self.inner.ready())
    }

    fn describe(&self) -> Description {
        self.inner.describe()
    }
}

impl fmt::Debug for PausingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PausingStore").field(&self.inner).finish()
    }
}
