//! A clock that only moves when a test sets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hipflask_core::time::UnixTime;

/// A clock to set. Clones show the same time, so that a server under test and the test share one.
///
/// ```
/// use hipflask_testkit::clock::Clock;
/// use std::time::Duration;
///
/// let clock = Clock::at(1_700_000_000);
/// let servers = clock.clone();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(servers.now().as_secs(), 1_700_000_060);
/// ```
#[derive(Debug, Clone)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    /// Creates a clock that shows `secs` seconds since 1970.
    #[must_use]
    pub fn at(secs: u64) -> Self {
        Self(Arc::new(AtomicU64::new(secs)))
    }

    /// Returns the time that it shows.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.load(Ordering::SeqCst))
    }

    /// Sets it to `secs` seconds since 1970, which may be earlier than before.
    pub fn set(&self, secs: u64) {
        self.0.store(secs, Ordering::SeqCst);
    }

    /// Moves it forward by the whole seconds of `by`.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Default for Clock {
    /// Shows the time of the recordings, 1 700 000 000.
    fn default() -> Self {
        Self::at(1_700_000_000)
    }
}
