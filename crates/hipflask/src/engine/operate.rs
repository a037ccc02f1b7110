//! Access to the store for operators, and the purge of expired records.

use std::convert::Infallible;
use std::time::Duration;

use hipflask_store::StoreError;
use hipflask_store::save::ServerSessions;

use super::sessions::Sessions;

/// The shortest pause between two purges.
const SHORTEST: Duration = Duration::from_secs(1);

impl Sessions {
    /// The sessions in the store, for tools that need ids or counters. `None` if sessions are in the cookie.
    #[must_use]
    pub fn server_sessions(&self) -> Option<&ServerSessions> {
        self.stored().map(|stored| &stored.sessions)
    }

    /// Deletes the records of expired sessions from the store and returns how many. Only frees space: an
    /// expired session is never opened, and a live one is never deleted.
    ///
    /// Needed for files and SQL tables. Redis, memcached, MongoDB and DynamoDB delete expired records by
    /// themselves, and so does the memory store on writes. For them, and for sessions in cookies, this
    /// returns 0 or does little.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be reached.
    pub async fn purge_expired(&self) -> Result<u64, StoreError> {
        match self.server_sessions() {
            Some(server) => server.store().purge_expired(self.now()).await,
            None => Ok(0),
        }
    }

    /// Calls [`purge_expired`](Self::purge_expired) now and after every `interval`, until this future is
    /// dropped. A failed purge is logged and tried again at the next interval. If the store expires records
    /// by itself, the future only waits. Needs tokio.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), hipflask::ConfigError> {
    /// use std::time::Duration;
    ///
    /// let sessions = hipflask::Sessions::builder().store_url("memory:").await?.build()?;
    /// let purging = tokio::spawn(sessions.purge_every(Duration::from_secs(60 * 60)));
    /// // Serve the app, and then:
    /// purging.abort();
    /// # Ok(())
    /// # }
    /// ```
    pub fn purge_every(&self, interval: Duration) -> impl Future<Output = Infallible> + Send + use<> {
        let sessions = self.clone();
        async move {
            if !sessions.keeps_expired() {
                return std::future::pending().await;
            }
            loop {
                sessions.purge_and_log().await;
                tokio::time::sleep(interval.max(SHORTEST)).await;
            }
        }
    }

    /// Returns `true` if the store keeps expired records until they are purged.
    fn keeps_expired(&self) -> bool {
        self.server_sessions().is_some_and(|server| !server.store().describe().expires_by_itself)
    }

    async fn purge_and_log(&self) {
        match self.purge_expired().await {
            Ok(purged) => tracing::debug!(purged, "expired sessions were purged"),
            Err(error) => tracing::warn!(%error, "expired sessions cannot be purged; trying again later"),
        }
    }
}
