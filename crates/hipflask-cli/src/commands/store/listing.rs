//! Lists the sessions of a store page by page, each once.

use std::collections::HashSet;
use std::sync::Arc;

use hipflask_core::time::UnixTime;
use hipflask_core::value::Dict;
use hipflask_store::record::{Format, Record, RecordError};
use hipflask_store::{Entry, Scan, Store};
use sha2::{Digest as _, Sha256};

use super::filter::Filter;
use super::stop::Stop;
use crate::clock::Clock;
use crate::failure::Failure;

/// The sessions of a store. At most one page is in memory.
pub(super) struct Listing {
    store: Arc<dyn Store>,
    scan: Option<Scan>,
    /// Eight bytes for each listed record, because a store may list a record twice.
    seen: HashSet<u64>,
}

impl Listing {
    pub(super) fn new(store: &Arc<dyn Store>, prefix: &str, with_data: bool) -> Self {
        let mut scan = Scan::new(prefix).limit(PAGE);
        scan.with_data = with_data;
        Self { store: store.clone(), scan: Some(scan), seen: HashSet::new() }
    }

    /// The next page, which may be empty; `None` after the last.
    pub(super) async fn page(&mut self, stop: &mut Stop) -> Result<Option<Vec<Entry>>, Failure> {
        let Some(scan) = self.scan.take() else { return Ok(None) };
        let page = stop.or(self.store.scan(&scan, Clock::new(None).now())).await?.map_err(Failure::Store)?;
        self.scan = page.next.map(|next| scan.from(next));
        let mut entries = page.entries;
        entries.retain(|entry| self.seen.insert(fingerprint(entry.key.as_str())));
        Ok(Some(entries))
    }
}

fn fingerprint(key: &str) -> u64 {
    let digest = Sha256::digest(key);
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Reads the data of a session.
pub(super) fn read(entry: &Entry) -> Option<(Format, Result<Record, RecordError>)> {
    let data = entry.data.as_ref()?;
    Some((Format::of(data), Format::read(data)))
}

/// Returns `true` if a session matches the filter.
pub(super) fn is_match(filter: &Filter, entry: &Entry, now: UnixTime) -> bool {
    if !filter.matches_expiry(entry.expires, now) {
        return false;
    }
    if !filter.needs_data() {
        return true;
    }
    let empty = Dict::new();
    match read(entry) {
        Some((_, Ok(record))) => filter.matches_data(&record.dict),
        Some((_, Err(RecordError::Empty))) => filter.matches_data(&empty),
        _ => false,
    }
}

const PAGE: usize = 500;
