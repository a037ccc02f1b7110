//! DynamoDB as simulated by moto, because Amazon's own is not available.

use std::sync::Arc;

use tempfile::TempDir;

use super::flask_session::serve;
use super::process::{Process, ServerError, Shared, free_port};

/// `wire/moto_server.py`: moto's server, which handles one request at a time and loses all data
/// when it stops.
#[derive(Debug)]
pub struct Moto {
    process: Option<Process>,
    directory: TempDir,
    port: u16,
}

impl Moto {
    /// Starts a separate server, which the test may kill.
    ///
    /// # Errors
    /// [`ServerError`] if it is not installed or does not start.
    pub fn start() -> Result<Self, ServerError> {
        let directory = TempDir::with_prefix("hipflask-moto-")?;
        let mut server = Self { process: None, directory, port: free_port()? };
        server.restart()?;
        Ok(server)
    }

    /// Returns the server that all running tests share. It stops with the last of them.
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn shared() -> Result<Arc<Self>, ServerError> {
        static SHARED: Shared<Moto> = Shared::new();
        SHARED.get(Self::start)
    }

    /// Returns its address: `http://127.0.0.1:port`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Kills it with `kill -9`, which loses all data.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Restarts it, empty.
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.process = Some(serve("wire/moto_server.py", self.port, self.directory.path())?);
        Ok(())
    }
}
