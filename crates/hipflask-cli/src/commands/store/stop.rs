//! Ctrl-C: no new operation begins, and running ones are completed.

use tokio::sync::watch;

use crate::failure::Failure;

/// A request to stop.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Stops at Ctrl-C. The second Ctrl-C ends the process at once.
    pub(super) fn on_interrupt() -> Self {
        let (wanted, stop) = watch::channel(false);
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if wanted.send_replace(true) {
                    std::process::exit(INTERRUPTED);
                }
            }
            // Without signal handling, the system ends the process, which is its default.
            std::future::pending::<()>().await;
        });
        Self(stop)
    }

    pub(super) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Runs work that may be dropped at any time, until a stop is requested.
    pub(super) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            _ = self.0.wait_for(|wanted| *wanted) => Err(Failure::Interrupted),
            done = work => Ok(done),
        }
    }
}

/// The exit code that shells report for a process stopped by Ctrl-C.
const INTERRUPTED: i32 = 130;
