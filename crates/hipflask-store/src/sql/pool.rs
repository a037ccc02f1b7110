//! A pool of connections to one database.
//!
//! sqlx's own pool pings the server after each use and again before the next: three round trips
//! instead of one. This pool pings only after a pause. It closes a connection that failed, or whose
//! caller was cancelled during a reply.

use core::time::Duration;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::failure::Failure;

type Options<C> = <C as Connection>::Options;

pub(super) struct Pool<C: Connection> {
    options: Options<C>,
    idle: Mutex<Vec<Idle<C>>>,
    permits: Semaphore,
    /// The timeout for getting a connection, which may be a new one.
    timeout: Duration,
}

struct Idle<C> {
    connection: C,
    opened: Instant,
    since: Instant,
}

/// A connection in use. It is closed on drop; [`keep`](Self::keep) returns it to the pool.
pub(super) struct PooledConnection<'a, C: Connection> {
    pool: &'a Pool<C>,
    pub(super) connection: C,
    /// It was used before, so that its server may have closed it since.
    pub(super) is_used: bool,
    opened: Instant,
    _permit: SemaphorePermit<'a>,
}

impl<C: Connection> Pool<C> {
    pub(super) fn new(options: Options<C>, connections: u32, timeout: Duration) -> Self {
        let permits = Semaphore::new(connections.max(1) as usize);
        Self { options, idle: Mutex::new(Vec::new()), permits, timeout }
    }

    pub(super) async fn get(&self) -> Result<PooledConnection<'_, C>, Failure> {
        match tokio::time::timeout(self.timeout, self.wait()).await {
            Ok(pooled) => pooled,
            Err(_) if self.permits.available_permits() == 0 => Err(Failure::Busy(self.timeout)),
            Err(_) => Err(Failure::Slow(self.timeout)),
        }
    }

    async fn wait(&self) -> Result<PooledConnection<'_, C>, Failure> {
        let permit = self.permits.acquire().await.map_err(|_| Failure::Busy(self.timeout))?;
        while let Some(mut idle) = self.pop() {
            let is_good = idle.since.elapsed() < TRUSTED_FOR || idle.connection.ping().await.is_ok();
            if is_good && idle.opened.elapsed() < OLDEST {
                let (connection, opened) = (idle.connection, idle.opened);
                return Ok(PooledConnection {
                    pool: self,
                    connection,
                    is_used: true,
                    opened,
                    _permit: permit,
                });
            }
        }
        let connection = self.options.connect().await?;
        Ok(PooledConnection {
            pool: self,
            connection,
            is_used: false,
            opened: Instant::now(),
            _permit: permit,
        })
    }

    /// Closes the idle connections, which are most likely broken as well.
    pub(super) fn forget(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn pop(&self) -> Option<Idle<C>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl<C: Connection> PooledConnection<'_, C> {
    /// Returns it to the pool. It must be ready for another statement.
    pub(super) fn keep(self) {
        let idle = Idle { connection: self.connection, opened: self.opened, since: Instant::now() };
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
    }
}

/// After a longer pause the pool pings a connection before use.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// The maximum age of a connection, so that the pool notices when a host name gets a new address.
const OLDEST: Duration = Duration::from_secs(30 * 60);
