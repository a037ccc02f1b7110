//! The limits of the server: how many connections it holds, and how long it waits for their clients.

use std::time::Duration;

use tokio::time::Instant;

/// The slowest transfer that is not waited for: a second of waiting is earned back by this many bytes.
const BYTES_PER_SECOND: u64 = 500;
/// The longest time limit; longer ones would overflow the clock.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The default number of connections, if the process may open many files.
const CONNECTIONS: usize = 512;

/// The limits of a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) connections: usize,
    /// From the first byte of a head to its last one.
    pub(super) head: Duration,
    /// From the end of a response to the first byte of the next request.
    pub(super) idle: Duration,
    /// Waiting for the bytes of a body, in either direction.
    pub(super) body: Duration,
}

impl Limits {
    /// The defaults for a process that may open `open_files` files, if that is known.
    pub(super) fn for_open_files(open_files: Option<usize>) -> Self {
        // The other half is for stores, templates and whatever else the app opens.
        let half = open_files.map_or(usize::MAX, |files| files / 2);
        Self {
            connections: CONNECTIONS.min(half).max(1),
            head: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            body: Duration::from_secs(30),
        }
    }
}

/// Returns a time limit that the clock can hold.
pub(super) fn bounded(limit: Duration) -> Duration {
    limit.min(LONGEST)
}

/// Returns how many files this process may open, on systems that have `/proc`.
pub(super) fn open_files() -> Option<usize> {
    soft_limit(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The time for which a client may still keep the server waiting. Bytes that move earn time back,
/// so that a large transfer may take long, but not by sending a byte now and then.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    left: Duration,
    waiting_since: Option<Instant>,
}

impl Patience {
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, left: limit, waiting_since: None }
    }

    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting_since.is_some()
    }

    /// Begins to wait, or goes on. Returns when the patience ends.
    pub(super) fn wait(&mut self, now: Instant) -> Instant {
        *self.waiting_since.get_or_insert(now) + self.left
    }

    /// Notes that bytes have moved.
    pub(super) fn moved(&mut self, bytes: usize, now: impl FnOnce() -> Instant) {
        if let Some(since) = self.waiting_since.take() {
            self.left = self.left.saturating_sub(now().saturating_duration_since(since));
        }
        let earned = (bytes as u64).saturating_mul(1000) / BYTES_PER_SECOND;
        self.left = self.left.saturating_add(Duration::from_millis(earned)).min(self.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_bytes_do_not_extend_the_timeout() {
        let began = Instant::now();
        let (mut patience, mut now) = (Patience::new(Duration::from_secs(30)), began);
        // A byte each ten seconds, until the server has waited for long enough.
        while now + Duration::from_secs(10) < patience.wait(now) {
            now += Duration::from_secs(10);
            patience.moved(1, || now);
        }
        assert!(now - began <= Duration::from_secs(30), "each byte buys ten seconds");
    }

    #[test]
    fn a_steady_transfer_may_take_long() {
        let began = Instant::now();
        let (mut patience, mut now) = (Patience::new(Duration::from_secs(30)), began);
        for _ in 0..1000 {
            assert!(now + Duration::from_secs(10) < patience.wait(now));
            now += Duration::from_secs(10);
            patience.moved(5000, || now);
        }
    }

    #[test]
    fn time_that_the_app_takes_does_not_count() {
        let began = Instant::now();
        let mut patience = Patience::new(Duration::from_secs(30));
        patience.wait(began);
        patience.moved(0, || began + Duration::from_secs(20));
        // An hour passes before the app reads on.
        let later = began + Duration::from_secs(3600);
        assert_eq!(patience.wait(later), later + Duration::from_secs(10));
    }

    #[test]
    fn half_of_the_open_files_stay_free() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max processes             4096                 unlimited            processes\n\
                      Max open files            300                  524288               files\n";
        assert_eq!(soft_limit(limits), Some(300));
        assert_eq!(
            soft_limit("Max open files            unlimited            unlimited            files"),
            None
        );
        assert_eq!(Limits::for_open_files(Some(300)).connections, 150);
        assert_eq!(Limits::for_open_files(Some(1)).connections, 1);
        assert_eq!(Limits::for_open_files(Some(1024)).connections, 512);
        assert_eq!(Limits::for_open_files(None).connections, 512);
    }
}
