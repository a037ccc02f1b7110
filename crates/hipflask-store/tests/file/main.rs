//! The file store: the contract, cachelib's directory, crashes, and several processes at once.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod crashes;
mod directory;
mod hostile;

use hipflask_store::file::FileStore;
use hipflask_testkit::contract::{block_on, store_contract};

#[test]
fn the_file_store_obeys_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    block_on(store_contract(async || FileStore::new(directory.path())));
}

#[test]
fn file_store_with_md5_and_sync_obeys_contract() {
    let directory = tempfile::tempdir().unwrap();
    let make = async || FileStore::new(directory.path().join("a/b")).with_md5_names(true).with_sync(true);
    block_on(store_contract(make));
}

#[tokio::test(flavor = "multi_thread")]
async fn file_store_obeys_the_contract_in_tokio() {
    let directory = tempfile::tempdir().unwrap();
    store_contract(async || FileStore::new(directory.path())).await;
}
