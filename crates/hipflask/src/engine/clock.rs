//! Where the time comes from.

use std::time::{SystemTime, UNIX_EPOCH};

use hipflask_core::time::UnixTime;

/// Tells the time. It is asked once a request, when the session is first needed.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> UnixTime;
}

/// The clock of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixTime::from_secs(since_epoch.as_secs())
    }
}

/// A function can be a clock: a test's.
impl<F: Fn() -> UnixTime + Send + Sync + 'static> Clock for F {
    fn now(&self) -> UnixTime {
        self()
    }
}
