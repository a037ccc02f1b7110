//! DynamoDB, as moto plays it: Amazon's own cannot be had.

use std::sync::Arc;

use tempfile::TempDir;

use super::flask_session::serve;
use super::process::{Process, ServerError, Shared, free_port};

/// `wire/moto_server.py`: moto's server, one request at a time. It keeps nothing when it ends.
#[derive(Debug)]
pub struct Moto {
    process: Option<Process>,
    directory: TempDir,
    port: u16,
}

impl Moto {
    /// Starts a server of one's own, to be killed.
    ///
    /// # Errors
    /// [`ServerError`] if it is not installed or does not come up.
    pub fn start() -> Result<Self, ServerError> {
        let directory = TempDir::with_prefix("hipflask-moto-")?;
        let mut server = Self { process: None, directory, port: free_port()? };
        server.restart()?;
        Ok(server)
    }

    /// The server that all tests running now share; ended with the last of them.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn shared() -> Result<Arc<Self>, ServerError> {
        static SHARED: Shared<Moto> = Shared::new();
        SHARED.get(Self::start)
    }

    /// Where it listens: `http://127.0.0.1:port`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// As `kill -9`: everything it kept is lost.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again, empty.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.process = Some(serve("wire/moto_server.py", self.port, self.directory.path())?);
        Ok(())
    }
}
