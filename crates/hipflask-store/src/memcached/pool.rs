//! The connections to one server, and the rule of what may be sent twice.

use core::time::Duration;

use async_memcached::{Client, Error, ErrorKind as ServerSays, MetaProtocol as _, MetaValue, Status};
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use tokio::time::{Instant, timeout_at};

use super::fault::Fault;
use super::listing::ServerAddress;

/// A server and its connections. A connection serves one call at a time.
pub(super) struct Server {
    /// The name in pymemcache's spelling, which decides which keys it has.
    pub(super) node: String,
    pub(super) address: ServerAddress,
    pool: Pool<Opener>,
    timeout: Duration,
}

pub(super) struct Opener {
    /// The address in the client's format.
    address: String,
    timeout: Duration,
}

/// One command.
pub(super) enum Command<'a> {
    Get { key: &'a str, flags: &'a [&'a str] },
    Set { key: &'a str, data: &'a [u8], flags: &'a [&'a str] },
    Delete { key: &'a str, flags: &'a [&'a str] },
}

/// A reply that is not a failure.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// The record, or the flags of a successful write.
    Found(Box<MetaValue>),
    /// A successful write.
    Done,
    /// The record is missing.
    Missing,
    /// The record is not the expected one, or exists although it should not.
    Other,
}

impl Server {
    pub(super) fn new(
        node: String,
        address: ServerAddress,
        timeout: Duration,
        connections: usize,
    ) -> Option<Self> {
        let client_address = match &address {
            ServerAddress::Port(address) => format!("tcp://{address}"),
            ServerAddress::Socket(path) => format!("unix://{}", path.display()),
        };
        let pool =
            Pool::builder(Opener { address: client_address, timeout }).max_size(connections).build().ok()?;
        Some(Self { node, address, pool, timeout })
    }

    /// Sends a command. Repeats a read if its connection broke.
    pub(super) async fn ask(&self, command: &Command<'_>) -> Result<Answer, Fault> {
        let is_read =
            matches!(command, Command::Get { flags, .. } if flags.iter().all(|flag| !flag.starts_with('T')));
        let deadline = Instant::now() + self.timeout;
        match self.once(command, deadline).await {
            Err(Fault::Lost(Error::Io(_) | Error::ConnectionClosed)) if is_read => {
                self.once(command, deadline).await
            }
            other => other,
        }
    }

    async fn once(&self, command: &Command<'_>, deadline: Instant) -> Result<Answer, Fault> {
        let mut client = self.client(deadline).await?;
        let answer = timeout_at(deadline, command.send(&mut client)).await;
        let answer = answer.unwrap_or(Err(Fault::TimedOut));
        if answer.is_err() {
            self.discard(client, matches!(answer, Err(Fault::Lost(_))));
        }
        answer
    }

    /// Returns a connection. The caller must [discard](Self::discard) it after a failure.
    pub(super) async fn client(&self, deadline: Instant) -> Result<Object<Opener>, Fault> {
        match timeout_at(deadline, self.pool.get()).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(PoolError::Backend(error))) => Err(Fault::from(error)),
            Ok(Err(_)) => Err(Fault::Lost(Error::ConnectionClosed)),
            Err(_) => Err(Fault::TimedOut),
        }
    }

    /// Closes a connection. If it broke, closes the idle ones as well, which most likely broke with it.
    pub(super) fn discard(&self, client: Object<Opener>, broke: bool) {
        drop(Object::take(client));
        if broke {
            self.pool.retain(|_, _| false);
        }
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl Command<'_> {
    async fn send(&self, client: &mut Client) -> Result<Answer, Fault> {
        match *self {
            // The client returns `None` both for a miss and for a hit without flags: always request a flag.
            Self::Get { key, flags } => match client.meta_get(key, false, None, Some(flags)).await {
                Ok(Some(value)) => Ok(Answer::Found(Box::new(value))),
                Ok(None) => Ok(Answer::Missing),
                Err(error) => refusal(error),
            },
            Self::Set { key, data, flags } => {
                judge(client.meta_set(key, data, false, None, Some(flags)).await)
            }
            Self::Delete { key, flags } => judge(client.meta_delete(key, false, None, Some(flags)).await),
        }
    }
}

/// Parses the reply to a write. The client reports a refusal as an error, or as a value if the
/// reply has flags.
fn judge(answer: Result<Option<MetaValue>, Error>) -> Result<Answer, Fault> {
    match answer {
        Ok(None) => Ok(Answer::Done),
        Ok(Some(value)) => match value.status {
            Some(Status::Stored | Status::Deleted) => Ok(Answer::Found(Box::new(value))),
            Some(status) => refusal(Error::Protocol(status)),
            None => Err(Fault::Says(ServerSays::Protocol(None))),
        },
        Err(error) => refusal(error),
    }
}

fn refusal(error: Error) -> Result<Answer, Fault> {
    match error {
        Error::Protocol(Status::NotFound) => Ok(Answer::Missing),
        Error::Protocol(Status::Exists | Status::NotStored) => Ok(Answer::Other),
        error => Err(error.into()),
    }
}

impl Manager for Opener {
    type Type = Client;
    type Error = Error;

    async fn create(&self) -> Result<Client, Error> {
        // The caller may have given up. A server that never answers must not block this future.
        match tokio::time::timeout(self.timeout, Client::new(&self.address)).await {
            Ok(client) => client,
            Err(_) => Err(Error::Connect(std::io::ErrorKind::TimedOut.into())),
        }
    }

    async fn recycle(&self, client: &mut Client, metrics: &Metrics) -> RecycleResult<Error> {
        // The server or a firewall may have closed an idle connection, and a write on it would fail.
        if client.is_closed() || metrics.last_used() > IDLE {
            return Err(RecycleError::message("closed or idle for too long"));
        }
        Ok(())
    }
}

const IDLE: Duration = Duration::from_secs(30);
