//! [`Backoff`]: waits longer and longer between two tries.

use core::future::Future;
use core::pin::Pin;
use core::time::Duration;

use futures_timer::Delay;

use super::Pause;
use super::decide::backoff;

/// Waits a random part of a time that doubles with each try: [`backoff`].
///
/// Works in every runtime and in none: its timer is a thread of its own, which is started when two requests compete for the
/// first time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff;

impl Backoff {
    /// How long it waits before the `attempt`-th try: for those who wait by a timer of their own.
    #[must_use]
    pub fn time(attempt: u32) -> Duration {
        let mut chance = [0; 8];
        // Without chance everybody waits equally long, which is worse and not wrong.
        let chance = getrandom::fill(&mut chance).map_or(u64::MAX, |()| u64::from_ne_bytes(chance));
        backoff(attempt, chance)
    }
}

impl Pause for Backoff {
    fn pause(&self, attempt: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Delay::new(Self::time(attempt)))
    }
}
