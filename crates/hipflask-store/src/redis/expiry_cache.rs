//! [`ExpiryCache`]: when records end and how large they are, as far as that was seen a moment ago.

use core::hash::BuildHasher as _;
use core::time::Duration;
use std::hash::RandomState;
use std::sync::{Mutex, PoisonError};

use hipflask_core::time::UnixTime;

use crate::store::expiry;

/// A table of one size: each record has one place in it, and who comes later takes it over.
pub(super) struct ExpiryCache {
    /// Of this process alone, so that nobody can choose ids that fall together.
    hasher: RandomState,
    slots: Box<[Mutex<Known>]>,
}

#[derive(Clone, Copy)]
struct Known {
    /// The hash of the key. Should another key have the same, a touch comes a minute late.
    whose: u64,
    end: Option<UnixTime>,
    learned: UnixTime,
    bytes: Option<usize>,
}

impl ExpiryCache {
    pub(super) fn new() -> Self {
        let nobody = Known { whose: 0, end: None, learned: UnixTime::from_secs(0), bytes: None };
        Self { hasher: RandomState::new(), slots: (0..SLOTS).map(|_| Mutex::new(nobody)).collect() }
    }

    pub(super) fn learn(&self, key: &str, bytes: usize, end: Option<UnixTime>, now: UnixTime) {
        self.put(key, Some(bytes), end, now);
    }

    fn put(&self, key: &str, bytes: Option<usize>, end: Option<UnixTime>, now: UnixTime) {
        let whose = self.hasher.hash_one(key);
        if let Some(slot) = self.slot(whose) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Known { whose, end, learned: now, bytes };
        }
    }

    /// A record of so many bytes was written just now, to live for `ttl`.
    pub(super) fn begin(&self, key: &str, bytes: usize, ttl: Duration, now: UnixTime) {
        self.learn(key, bytes, Some(expiry(now, ttl)), now);
    }

    /// The record lives for `ttl` from now, and is as large as it was.
    pub(super) fn extend(&self, key: &str, ttl: Duration, now: UnixTime) {
        self.put(key, self.bytes(key), Some(expiry(now, ttl)), now);
    }

    /// How large the record was when it was last seen, however long ago.
    pub(super) fn bytes(&self, key: &str) -> Option<usize> {
        self.seen(key)?.bytes
    }

    fn seen(&self, key: &str) -> Option<Known> {
        let whose = self.hasher.hash_one(key);
        let known = *self.slot(whose)?.lock().unwrap_or_else(PoisonError::into_inner);
        (known.whose == whose).then_some(known)
    }

    /// When the record ends, if that was learned less than [`GOOD_FOR`] ago; `Some(None)` if it never does.
    #[expect(clippy::option_option, reason = "not known is not the same as never")]
    pub(super) fn known(&self, key: &str, now: UnixTime) -> Option<Option<UnixTime>> {
        let known = self.seen(key)?;
        let age = now.as_secs().checked_sub(known.learned.as_secs())?;
        (age < GOOD_FOR).then_some(known.end)
    }

    fn slot(&self, whose: u64) -> Option<&Mutex<Known>> {
        self.slots.get(whose as usize % SLOTS)
    }
}

/// Seconds. We only ever extend a life, but another program may have shortened it; a touch that is due comes this much
/// late at most.
const GOOD_FOR: u64 = 60;

/// 224 KiB.
const SLOTS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_known_for_a_minute() {
        let (cache, at) = (ExpiryCache::new(), UnixTime::from_secs);
        assert_eq!(cache.known("a", at(0)), None);
        cache.learn("a", 7, Some(at(900)), at(100));
        cache.learn("b", 7, None, at(100));
        assert_eq!(cache.known("a", at(159)), Some(Some(at(900))));
        assert_eq!(cache.known("b", at(100)), Some(None));
        assert_eq!(cache.known("a", at(160)), None);
        assert_eq!(cache.known("a", at(99)), None);
        cache.learn("a", 7, Some(at(950)), at(150));
        assert_eq!(cache.known("a", at(160)), Some(Some(at(950))));
        assert_eq!((cache.bytes("a"), cache.bytes("c")), (Some(7), None));
        cache.extend("a", Duration::from_secs(100), at(200));
        assert_eq!((cache.known("a", at(200)), cache.bytes("a")), (Some(Some(at(300))), Some(7)));
    }

    #[test]
    fn a_crowd_takes_no_more_room_and_each_has_its_own_end_or_none() {
        let (cache, now) = (ExpiryCache::new(), UnixTime::from_secs(1000));
        let end = |number: u64| Some(UnixTime::from_secs(2000 + number));
        for number in 0..20_000 {
            cache.learn(&format!("session:{number}"), 7, end(number), now);
        }
        let known = (0..20_000).filter_map(|number| {
            cache.known(&format!("session:{number}"), now).inspect(|known| assert_eq!(*known, end(number)))
        });
        assert!((1..=SLOTS).contains(&known.count()));
    }
}
