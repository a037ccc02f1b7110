//! A store that pauses before and after each call of another store.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hipflask_store::{Store, StoreFuture, StoreMethod, StoreWrapper};

/// A pause of any length.
pub type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A store that pauses before and after each call of another store, as a network does. A future
/// that is dropped in the first pause has done nothing, and one that is dropped in the second has
/// done everything.
///
/// ```
/// use hipflask_core::time::UnixTime;
/// use hipflask_store::{Key, Store, memory::MemoryStore};
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
}

impl StoreWrapper for PausingStore {
    fn inner(&self) -> &dyn Store {
        &*self.inner
    }

    fn around<'a, T: Send + 'a>(&'a self, _: StoreMethod, call: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        Box::pin(async move {
            (self.pause)().await;
            let answer = call.await;
            (self.pause)().await;
            answer
        })
    }
}

impl fmt::Debug for PausingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PausingStore").field(&self.inner).finish()
    }
}
