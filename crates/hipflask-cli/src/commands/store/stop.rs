//! Ctrl-C: nothing begins any more, and what has begun comes to its end.

use tokio::sync::watch;

use crate::failure::Failure;

/// Whether somebody wants it to stop.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Stops at Ctrl-C. The second one ends the process on the spot.
    pub(super) fn on_interrupt() -> Self {
        let (wanted, stop) = watch::channel(false);
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if wanted.send_replace(true) {
                    std::process::exit(INTERRUPTED);
                }
            }
            // Signals cannot be had; the system ends the process then, as it does by itself.
            std::future::pending::<()>().await;
        });
        Self(stop)
    }

    pub(super) fn is_wanted(&self) -> bool {
        *self.0.borrow()
    }

    /// The outcome of something that may be given up at any moment.
    pub(super) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            _ = self.0.wait_for(|wanted| *wanted) => Err(Failure::Interrupted),
            done = work => Ok(done),
        }
    }
}

/// What a shell reports of a process that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;
