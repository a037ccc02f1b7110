//! Connections to one server, and the rule of what may be sent twice.

use core::time::Duration;

use async_memcached::{Client, Error, ErrorKind as ServerSays, MetaProtocol as _, MetaValue, Status};
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use tokio::time::{Instant, timeout_at};

use super::fault::Fault;
use super::listing::ServerAddress;

/// A server and its connections. A connection serves one call at a time.
pub(super) struct Server {
    /// As pymemcache spells it: what decides which keys it keeps.
    pub(super) node: String,
    pub(super) address: ServerAddress,
    pool: Pool<Opener>,
    timeout: Duration,
}

pub(super) struct Opener {
    /// As the client wants it.
    address: String,
    timeout: Duration,
}

/// One command.
pub(super) enum Command<'a> {
    Get { key: &'a str, flags: &'a [&'a str] },
    Set { key: &'a str, data: &'a [u8], flags: &'a [&'a str] },
    Delete { key: &'a str, flags: &'a [&'a str] },
}

/// What a server says, apart from failing.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// It did so, or there is this.
    Found(Box<MetaValue>),
    /// It did so.
    Done,
    /// There is none of that name.
    Missing,
    /// There is another than was expected, or one although none was.
    Other,
}

impl Server {
    pub(super) fn new(node: String, address: ServerAddress, timeout: Duration, connections: usize) -> Option<Self> {
        let address = match &address {
            ServerAddress::Port(address) => format!("tcp://{address}"),
            ServerAddress::Socket(path) => format!("unix://{}", path.display()),
        };
        let pool = Pool::builder(Opener { address, timeout }).max_size(connections).build().ok()?;
        Some(Self { node, address, pool, timeout })
    }

    /// Sends a command. What only reads is sent again if its connection turns out to be broken.
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

    /// A connection for something of the caller's own; it is to be [discarded](Self::discard) if that fails.
    pub(super) async fn client(&self, deadline: Instant) -> Result<Object<Opener>, Fault> {
        match timeout_at(deadline, self.pool.get()).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(PoolError::Backend(error))) => Err(Fault::from(error)),
            Ok(Err(_)) => Err(Fault::Lost(Error::ConnectionClosed)),
            Err(_) => Err(Fault::TimedOut),
        }
    }

    /// Drops a connection. If it broke, those that lie idle broke with it, most likely.
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
            // A miss of `mg` is `None`, and so is a hit that no flag was asked of: ask for one.
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

/// The client reports a refusal as an error, or, if it came with flags, as a value.
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
        // A call that gives up while connecting drops this; a server that never answers must not keep it.
        match tokio::time::timeout(self.timeout, Client::new(&self.address)).await {
            Ok(client) => client,
            Err(_) => Err(Error::Connect(std::io::ErrorKind::TimedOut.into())),
        }
    }

    async fn recycle(&self, client: &mut Client, metrics: &Metrics) -> RecycleResult<Error> {
        // The server, or something on the way, may have closed what lay idle for long, and a write would find that out.
        if client.is_closed() || metrics.last_used() > IDLE {
            return Err(RecycleError::message("not to be used again"));
        }
        Ok(())
    }
}

const IDLE: Duration = Duration::from_secs(30);
