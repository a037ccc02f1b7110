//! The contract suite: what every store must do, in one call.
//!
//! ```
//! use hipflask_store::memory::MemoryStore;
//! use hipflask_testkit::contract::{block_on, store_contract};
//!
//! // A store with servers: `#[tokio::test] async fn it_obeys() { store_contract(async || MyStore::connect(url).await).await }`
//! block_on(store_contract(async || MemoryStore::new()));
//! ```
//!
//! The suite uses the real clock and waits some seconds for records to expire. It uses separate
//! keys, so that other tests can use the same backend at the same time, except for
//! [`purge_expired`](hipflask_store::Store::purge_expired).

mod basics;
mod expiry;
mod interleavings;
mod races;
mod refusals;
mod scans;
mod together;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hipflask_core::time::UnixTime;
use hipflask_store::id::Ids;
use hipflask_store::save::ServerSessions;
use hipflask_store::{Created, Key, Store, Stored};

pub use together::{block_on, give_way, together};

/// Runs the whole suite on stores that `make` makes; they may share one backend. Panics with the
/// method and the rule that it breaks: `load: an expired record is missing`.
///
/// # Panics
/// If the store breaks a rule, or fails.
pub async fn store_contract<S: Store + 'static>(make: impl AsyncFn() -> S) {
    let bench = Bench { store: Arc::new(make().await), prefix: fresh_prefix() };
    bench.store.ready().await.expect("ready: a reachable store is ready");
    bench.store.ready().await.expect("ready: a second call succeeds as well");
    basics::all(&bench).await;
    scans::all(&bench).await;
    races::all(&bench).await;
    interleavings::all(&bench).await;
    refusals::all(&bench).await;
    // Another handle on the backend, such as another process has, must agree.
    let other = Bench { store: Arc::new(make().await), prefix: fresh_prefix() };
    basics::all(&other).await;
    expiry::all(&bench).await;
}

/// A store under test, with keys of its own.
pub(crate) struct Bench {
    store: Arc<dyn Store>,
    prefix: String,
}

impl Bench {
    fn key(&self, name: &str) -> Key {
        Key::new(&self.prefix, name).expect("the suite's names are good")
    }

    /// Sessions in the store, for ten minutes each.
    fn sessions(&self) -> ServerSessions {
        self.sessions_in(self.store.clone())
    }

    fn sessions_in(&self, store: Arc<dyn Store>) -> ServerSessions {
        let ids = Ids::builder().prefix(self.prefix.clone()).build().expect("the prefix is good");
        ServerSessions::new(store, ids, LIFETIME)
    }

    async fn load(&self, key: &Key) -> Option<Stored> {
        self.store.load(key, now()).await.expect("load")
    }

    async fn data(&self, key: &Key) -> Option<Vec<u8>> {
        self.load(key).await.map(|stored| stored.data)
    }

    /// Makes a record and reads it.
    async fn made(&self, key: &Key, data: &[u8]) -> Stored {
        let created = self.store.create(key, data, LIFETIME, now()).await.expect("create");
        assert!(matches!(created, Created::Created(_)), "create: a new key is reported as created");
        self.load(key).await.expect("load: a record that was created is found")
    }
}

const LIFETIME: Duration = Duration::from_secs(600);

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_secs(since.as_secs())
}

fn fresh_prefix() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("contract-{:x}-{:x}:", since.as_nanos(), COUNT.fetch_add(1, Ordering::Relaxed))
}
