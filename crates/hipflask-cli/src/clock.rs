//! The clock.

use std::time::{SystemTime, UNIX_EPOCH};

use hipflask_core::time::UnixTime;

/// The clock of the system, or a fixed time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    fixed: Option<u64>,
}

impl Clock {
    /// Creates a clock that shows `fixed`, if it is set.
    pub(crate) const fn new(fixed: Option<u64>) -> Self {
        Self { fixed }
    }

    /// Returns the time. Called for every line, because a stream can be open for days.
    pub(crate) fn now(self) -> UnixTime {
        let running = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        UnixTime::from_secs(self.fixed.unwrap_or_else(running))
    }
}
