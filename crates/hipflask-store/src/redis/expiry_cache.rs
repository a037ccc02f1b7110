//! A cache of the expiries and sizes of records.

use core::hash::BuildHasher as _;
use core::time::Duration;
use std::hash::RandomState;
use std::sync::{Mutex, PoisonError};

use hipflask_core::time::UnixTime;

use crate::store::expiry as expiry_after;

/// A table of fixed size. Each key hashes to one slot; a later record overwrites an earlier one there.
pub(super) struct ExpiryCache {
    /// Random for each process, so that nobody can choose ids that collide.
    hasher: RandomState,
    slots: Box<[Mutex<CacheEntry>]>,
}

#[derive(Clone, Copy)]
struct CacheEntry {
    /// The hash of the key. If another key has the same hash, a touch comes up to a minute late.
    hash: u64,
    expires: Option<UnixTime>,
    seen_at: UnixTime,
    bytes: Option<usize>,
}

impl ExpiryCache {
    pub(super) fn new() -> Self {
        let empty = CacheEntry { hash: 0, expires: None, seen_at: UnixTime::from_secs(0), bytes: None };
        Self { hasher: RandomState::new(), slots: (0..SLOTS).map(|_| Mutex::new(empty)).collect() }
    }

    pub(super) fn note(&self, key: &str, bytes: usize, expires: Option<UnixTime>, now: UnixTime) {
        self.put(key, Some(bytes), expires, now);
    }

    fn put(&self, key: &str, bytes: Option<usize>, expires: Option<UnixTime>, now: UnixTime) {
        let hash = self.hasher.hash_one(key);
        if let Some(slot) = self.slot(hash) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) =
                CacheEntry { hash, expires, seen_at: now, bytes };
        }
    }

    /// Notes that a record of this size was just written with this time to live.
    pub(super) fn note_write(&self, key: &str, bytes: usize, ttl: Duration, now: UnixTime) {
        self.note(key, bytes, Some(expiry_after(now, ttl)), now);
    }

    /// Notes that the record now expires after `ttl`. Its size is unchanged.
    pub(super) fn note_touch(&self, key: &str, ttl: Duration, now: UnixTime) {
        self.put(key, self.bytes(key), Some(expiry_after(now, ttl)), now);
    }

    /// Returns the size of the record when it was last seen, however long ago.
    pub(super) fn bytes(&self, key: &str) -> Option<usize> {
        self.entry(key)?.bytes
    }

    fn entry(&self, key: &str) -> Option<CacheEntry> {
        let hash = self.hasher.hash_one(key);
        let entry = *self.slot(hash)?.lock().unwrap_or_else(PoisonError::into_inner);
        (entry.hash == hash).then_some(entry)
    }

    /// Returns the expiry if it was seen less than [`MAX_AGE`] seconds ago; `Some(None)` if the
    /// record never expires.
    #[expect(clippy::option_option, reason = "an unknown expiry differs from no expiry")]
    pub(super) fn expiry(&self, key: &str, now: UnixTime) -> Option<Option<UnixTime>> {
        let entry = self.entry(key)?;
        let age = now.as_secs().checked_sub(entry.seen_at.as_secs())?;
        (age < MAX_AGE).then_some(entry.expires)
    }

    fn slot(&self, hash: u64) -> Option<&Mutex<CacheEntry>> {
        self.slots.get(hash as usize % SLOTS)
    }
}

/// In seconds. Hipflask only extends expiries, but another program may have shortened one: a touch
/// is late by at most this.
const MAX_AGE: u64 = 60;

/// 224 KiB.
const SLOTS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_cached_for_a_minute() {
        let (cache, at) = (ExpiryCache::new(), UnixTime::from_secs);
        assert_eq!(cache.expiry("a", at(0)), None);
        cache.note("a", 7, Some(at(900)), at(100));
        cache.note("b", 7, None, at(100));
        assert_eq!(cache.expiry("a", at(159)), Some(Some(at(900))));
        assert_eq!(cache.expiry("b", at(100)), Some(None));
        assert_eq!(cache.expiry("a", at(160)), None);
        assert_eq!(cache.expiry("a", at(99)), None);
        cache.note("a", 7, Some(at(950)), at(150));
        assert_eq!(cache.expiry("a", at(160)), Some(Some(at(950))));
        assert_eq!((cache.bytes("a"), cache.bytes("c")), (Some(7), None));
        cache.note_touch("a", Duration::from_secs(100), at(200));
        assert_eq!((cache.expiry("a", at(200)), cache.bytes("a")), (Some(Some(at(300))), Some(7)));
    }

    #[test]
    fn many_records_take_no_more_memory() {
        let (cache, now) = (ExpiryCache::new(), UnixTime::from_secs(1000));
        let expires = |number: u64| Some(UnixTime::from_secs(2000 + number));
        for number in 0..20_000 {
            cache.note(&format!("session:{number}"), 7, expires(number), now);
        }
        let entry = (0..20_000).filter_map(|number| {
            cache
                .expiry(&format!("session:{number}"), now)
                .inspect(|entry| assert_eq!(*entry, expires(number)))
        });
        assert!((1..=SLOTS).contains(&entry.count()));
    }
}
