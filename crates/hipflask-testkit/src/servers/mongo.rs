//! MongoDB's protocol in front of mongomock.

use std::sync::Arc;

use tempfile::TempDir;

use super::flask_session::serve;
use super::process::{Process, ServerError, Shared, free_port};

/// `wire/mongo_front.py`, which is not MongoDB. It shows that two drivers use the same documents.
/// It has no TTL monitor, no write concern and no replicas, and runs one command at a time.
#[derive(Debug)]
pub struct MongoFront {
    process: Option<Process>,
    directory: TempDir,
    port: u16,
}

impl MongoFront {
    /// Starts a separate server, which the test may kill.
    ///
    /// # Errors
    /// [`ServerError`] if it is not installed or does not start.
    pub fn start() -> Result<Self, ServerError> {
        let directory = TempDir::with_prefix("hipflask-mongo-")?;
        let mut server = Self { process: None, directory, port: free_port()? };
        server.restart()?;
        Ok(server)
    }

    /// Returns the server that all running tests share. It stops with the last of them.
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn shared() -> Result<Arc<Self>, ServerError> {
        static SHARED: Shared<MongoFront> = Shared::new();
        SHARED.get(Self::start)
    }

    /// Returns `mongodb://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mongodb://127.0.0.1:{}", self.port)
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
        self.process = Some(serve("wire/mongo_front.py", self.port, self.directory.path())?);
        Ok(())
    }
}
