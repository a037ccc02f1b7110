//! The contract suite on the stores that need no server.

use hipflask_store::memory::MemoryStore;
use hipflask_testkit::contract::{block_on, store_contract};

#[test]
fn the_memory_store_obeys_the_contract() {
    block_on(store_contract(async || MemoryStore::new()));
}

#[test]
fn handles_on_one_memory_obey_the_contract() {
    let store = MemoryStore::new();
    block_on(store_contract(async || store.clone()));
}
