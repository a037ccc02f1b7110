//! MongoDB's protocol in front of mongomock.

use std::sync::Arc;

use tempfile::TempDir;

use super::flask_session::serve;
use super::process::{Process, ServerError, Shared, free_port};

/// `wire/mongo_front.py`: not MongoDB. It shows that two drivers mean the same documents; it has no TTL monitor, no write
/// concern and no replicas, and carries out one command at a time.
#[derive(Debug)]
pub struct MongoFront {
    process: Option<Process>,
    directory: TempDir,
    port: u16,
}

impl MongoFront {
    /// Starts a server of one's own, to be killed.
    ///
    /// # Errors
    /// [`ServerError`] if it is not installed or does not come up.
    pub fn start() -> Result<Self, ServerError> {
        let directory = TempDir::with_prefix("hipflask-mongo-")?;
        let mut server = Self { process: None, directory, port: free_port()? };
        server.restart()?;
        Ok(server)
    }

    /// The server that all tests running now share; ended with the last of them.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn shared() -> Result<Arc<Self>, ServerError> {
        static SHARED: Shared<MongoFront> = Shared::new();
        SHARED.get(Self::start)
    }

    /// `mongodb://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mongodb://127.0.0.1:{}", self.port)
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
        self.process = Some(serve("wire/mongo_front.py", self.port, self.directory.path())?);
        Ok(())
    }
}
