//! Limits for log lines that anybody can cause, so that they do not fill the log.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::time::UnixTime;

const MINUTE: u64 = 60;

/// Allows one log line a minute.
#[derive(Debug, Default)]
pub struct AtMostEachMinute {
    /// The second from which the next line is allowed.
    next: AtomicU64,
}

impl AtMostEachMinute {
    /// Allows the first line at once.
    #[must_use]
    pub const fn new() -> Self {
        Self { next: AtomicU64::new(0) }
    }

    /// Returns `true` to one caller, and then to none for a minute.
    pub fn is_due(&self, now: UnixTime) -> bool {
        let (now, next) = (now.as_secs(), self.next.load(Ordering::Relaxed));
        // A clock that was set back must not silence it for longer.
        let is_waiting = now < next && next - now <= MINUTE;
        let after = now.saturating_add(MINUTE);
        !is_waiting && self.next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// The number of bad signatures in a row from which a warning is due. A few come from stale
/// cookies.
const MANY: u64 = 20;

/// The warning that is due when [`BadSignatures::note`] returns a count.
pub const MANY_BAD_SIGNATURES: &str = "many session cookies have bad signatures, more than good ones. If users lose their \
    sessions, check that SECRET_KEY and the salt are those that signed them, that a replaced key is in \
    SECRET_KEY_FALLBACKS, and that no other app on this host sets a cookie of the same name. If not, somebody sends \
    forged cookies, which are refused.";

/// Counts cookies with bad signatures, and reports when they are more than the good ones.
///
/// ```
/// use hipflask_core::log_limit::BadSignatures;
/// use hipflask_core::time::UnixTime;
///
/// let (signatures, now) = (BadSignatures::default(), UnixTime::from_secs(0));
/// let warnings: Vec<u64> = (0..100).filter_map(|_| signatures.note(3, now)).collect();
/// assert_eq!(warnings, [20]);
/// ```
#[derive(Debug, Default)]
pub struct BadSignatures {
    /// Since the row began.
    count: AtomicU64,
    /// The number of good cookies when the row began.
    opened_before: AtomicU64,
    warned: AtMostEachMinute,
}

impl BadSignatures {
    /// Counts a bad signature, after `opened` good ones in all. Returns the number of bad ones in a
    /// row if a warning is due.
    ///
    /// Good ones end a row only if they are more: with a wrong key, users that log in again have
    /// good ones.
    pub fn note(&self, opened: u64, now: UnixTime) -> Option<u64> {
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
    fn a_line_is_due_once_a_minute() {
        let warned = AtMostEachMinute::default();
        let said: Vec<u64> = (1000..1200).filter(|&second| warned.is_due(at(second))).collect();
        assert_eq!(said, [1000, 1060, 1120, 1180]);
        assert!(warned.is_due(at(5)) && !warned.is_due(at(64)) && warned.is_due(at(65)));
        assert!(warned.is_due(at(u64::MAX)) && !warned.is_due(at(u64::MAX - 1)));
    }

    #[test]
    fn twenty_bad_signatures_in_a_row_are_reported() {
        let bad = BadSignatures::default();
        let noted: Vec<_> = (0..100).map(|_| bad.note(7, at(1000))).collect();
        assert_eq!(noted.iter().flatten().collect::<Vec<_>>(), [&20]);
        assert_eq!(noted[19], Some(20));
        assert_eq!(bad.note(7, at(1060)), Some(101));
    }

    #[test]
    fn stale_cookies_among_good_ones_are_not_reported() {
        let bad = BadSignatures::default();
        assert!((0..1000).all(|good| bad.note(2 * good, at(1000)).is_none()));
    }

    #[test]
    fn a_wrong_key_is_reported_despite_logins() {
        let bad = BadSignatures::default();
        assert_eq!((0..60).filter_map(|bads| bad.note(1000 + bads / 3, at(1000))).count(), 1);
    }
}
