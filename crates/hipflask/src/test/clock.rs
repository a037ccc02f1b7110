//! A clock to set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hipflask_core::time::UnixTime;

use crate::engine::Clock;

/// A clock that a test sets. Clones show the same time.
///
/// Cookies, the memory store and Hipflask's own timeouts follow it. A server such as Redis keeps its own
/// time and deletes a record when its own clock says so: this clock can then only show what the app does
/// with a record that still exists. Test the expiry itself with the memory store.
#[derive(Debug, Clone)]
pub struct SetClock(Arc<AtomicU64>);

impl SetClock {
    /// A clock that shows `secs` seconds since 1970.
    #[must_use]
    pub fn at(secs: u64) -> Self {
        Self(Arc::new(AtomicU64::new(secs)))
    }

    /// Makes it show `secs` seconds since 1970, which may be earlier than before.
    pub fn set(&self, secs: u64) {
        self.0.store(secs, Ordering::SeqCst);
    }

    /// Moves it forward by the whole seconds of `by`.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.load(Ordering::SeqCst))
    }
}
