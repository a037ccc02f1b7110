//! Expired records are dropped when the app says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hipflask::Sessions;
use hipflask::store::file::FileStore;
use hipflask_testkit::clock::Clock;
use hipflask_testkit::faults::{Fault, When};
use hipflask_testkit::store_spy::{SpyStore, StoreMethod};

use crate::front::{Ask, FRONTS, block_on, builder};
use crate::stored::{engine, set_a};

fn in_files(directory: &std::path::Path, clock: &Clock) -> (Sessions, SpyStore) {
    let clock = clock.clone();
    let spy = SpyStore::new(FileStore::new(directory));
    let sessions = builder()
        .permanent_lifetime(Duration::from_secs(60))
        .clock(move || clock.now())
        .store(Arc::new(spy.clone()))
        .build()
        .unwrap();
    (sessions, spy)
}

fn purges(spy: &SpyStore) -> usize {
    spy.calls().iter().filter(|&&call| call == StoreMethod::PurgeExpired).count()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn purge_expired_drops_the_records_of_expired_sessions() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::default());
    let (sessions, _) = in_files(directory.path(), &clock);
    let runtime = runtime();
    let purged = || runtime.block_on(sessions.purge_expired()).unwrap();
    let signs_in = || FRONTS[0].answer(&sessions, set_a(), Ask::get("/"));
    signs_in();
    signs_in();
    assert_eq!(purged(), 0);
    clock.advance(Duration::from_secs(59));
    signs_in();
    clock.advance(Duration::from_secs(2));
    assert_eq!((purged(), purged()), (2, 0));
    let in_cookies = builder().build().unwrap();
    assert_eq!(block_on(in_cookies.purge_expired()).unwrap(), 0);
}

#[test]
fn purging_goes_on_until_it_is_dropped() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::default());
    let (sessions, spy) = in_files(directory.path(), &clock);
    spy.set_fault(Some(Fault::of(StoreMethod::PurgeExpired, When::Before)));
    let runtime = runtime();
    let purging = runtime.spawn(sessions.purge_every(Duration::ZERO));
    let began = Instant::now();
    while purges(&spy) < 2 {
        assert!(began.elapsed() < Duration::from_secs(30), "the purge is not repeated after one that failed");
        std::thread::sleep(Duration::from_millis(10));
    }
    purging.abort();
    assert!(runtime.block_on(purging).unwrap_err().is_cancelled());
    let after = purges(&spy);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(purges(&spy), after);
}

#[test]
fn store_with_own_expiry_is_not_purged() {
    let (sessions, spy) = engine();
    let runtime = runtime();
    let waits = async {
        tokio::time::timeout(Duration::from_millis(100), sessions.purge_every(Duration::ZERO)).await
    };
    assert!(runtime.block_on(waits).is_err(), "it ends though an app may wait for it");
    assert_eq!(spy.calls(), []);
}
