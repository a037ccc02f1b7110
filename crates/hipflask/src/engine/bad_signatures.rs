//! Log lines that anybody can cause, and that must not fill the log.

use std::sync::atomic::{AtomicU64, Ordering};

use hipflask_core::time::UnixTime;

const MINUTE: u64 = 60;

/// Says yes at most once a minute.
#[derive(Debug, Default)]
pub(crate) struct AtMostEachMinute {
    /// The second from which yes is said again.
    next: AtomicU64,
}

impl AtMostEachMinute {
    #[cfg(feature = "app")]
    pub(crate) const fn new() -> Self {
        Self { next: AtomicU64::new(0) }
    }

    /// Returns `true` to one caller, and then to none for a minute.
    pub(crate) fn is_due(&self, now: UnixTime) -> bool {
        let (now, next) = (now.as_secs(), self.next.load(Ordering::Relaxed));
        // A clock that was set back must not silence it for longer.
        let is_waiting = now < next && next - now <= MINUTE;
        let after = now.saturating_add(MINUTE);
        !is_waiting && self.next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Bad signatures in a row from which on the log says so. A few come from stale cookies.
const MANY: u64 = 20;

/// Counts cookies with bad signatures, and notices when they are more than the good ones.
#[derive(Debug, Default)]
pub(crate) struct BadSignatures {
    /// Since the row began.
    count: AtomicU64,
    /// The number of good cookies when the row began.
    opened_before: AtomicU64,
    warned: AtMostEachMinute,
}

impl BadSignatures {
    /// Notes a bad signature after `opened` good ones in all. Returns how many bad ones there are in a row if that is to
    /// be logged now. Good ones end a row only if they are more: with a wrong key, those who log in again have good ones.
    pub(crate) fn note(&self, opened: u64, now: UnixTime) -> Option<u64> {
        let good = opened.saturating_sub(self.opened_before.load(Ordering::Relaxed));
        if good > self.count.load(Ordering::Relaxed) {
            self.opened_before.store(opened, Ordering::Relaxed);
            self.count.store(0, Ordering::Relaxed);
        }
        let bad = self.count.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        (bad >= MANY && self.warned.is_due(now)).then_some(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    #[test]
    fn yes_is_said_once_a_minute_whatever_the_clock_does() {
        let warned = AtMostEachMinute::default();
        let said: Vec<u64> = (1000..1200).filter(|&second| warned.is_due(at(second))).collect();
        assert_eq!(said, [1000, 1060, 1120, 1180]);
        assert!(warned.is_due(at(5)) && !warned.is_due(at(64)) && warned.is_due(at(65)));
        assert!(warned.is_due(at(u64::MAX)) && !warned.is_due(at(u64::MAX - 1)));
    }

    #[test]
    fn twenty_bad_signatures_in_a_row_are_many() {
        let bad = BadSignatures::default();
        let noted: Vec<_> = (0..100).map(|_| bad.note(7, at(1000))).collect();
        assert_eq!(noted.iter().flatten().collect::<Vec<_>>(), [&20]);
        assert_eq!(noted[19], Some(20));
        assert_eq!(bad.note(7, at(1060)), Some(101));
    }

    #[test]
    fn stale_cookies_among_good_ones_are_not_many() {
        let bad = BadSignatures::default();
        assert!((0..1000).all(|good| bad.note(2 * good, at(1000)).is_none()));
    }

    #[test]
    fn a_wrong_key_shows_although_some_log_in_again() {
        let bad = BadSignatures::default();
        assert_eq!((0..60).filter_map(|bads| bad.note(1000 + bads / 3, at(1000))).count(), 1);
    }
}
