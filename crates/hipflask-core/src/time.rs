//! Points in time as sessions know them: whole seconds for signatures, and the dates of HTTP.

/// Seconds since 1970-01-01T00:00:00Z, fractions dropped, as itsdangerous signs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The second `secs` after the epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The point `duration` later; stops at the largest representable time instead of wrapping.
    #[must_use]
    pub const fn saturating_add(self, duration: core::time::Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }
}
