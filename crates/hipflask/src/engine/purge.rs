//! Dropping the records of expired sessions, for stores that keep them.

use std::convert::Infallible;
use std::time::Duration;

use hipflask_store::StoreError;

use super::sessions::Sessions;

/// The shortest pause between two purges.
const SHORTEST: Duration = Duration::from_secs(1);

impl Sessions {
    /// Drops the records of expired sessions that the store still keeps, and returns how many. A live session is never
    /// dropped, and an expired one is no session in any case: this frees the space that it takes.
    ///
    /// Needed for files and SQL tables. Redis, memcached, MongoDB and DynamoDB drop expired records by themselves, and so
    /// does the store in memory when it is written to; for them, and for sessions in cookies, this returns 0 or does
    /// little.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be reached.
    pub async fn purge_expired(&self) -> Result<u64, StoreError> {
        match self.server_sessions() {
            Some(server) => server.store().purge_expired(self.now()).await,
            None => Ok(0),
        }
    }

    /// Calls [`purge_expired`](Self::purge_expired) now and after every `interval`, until this future is dropped. It never
    /// ends by itself; a purge that fails is logged, and the next one is tried. Where nothing has to be purged it only
    /// waits. Needs tokio.
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
