//! The keys and the version of a server, which the client cannot request. Each request has its own
//! connection.
//!
//! The client lists keys queue by queue. Meanwhile memcached moves those that were just read to
//! another queue: after 24 records had been read, a second listing found 10. Walking the hash table
//! finds all of them.

use core::time::Duration;
use std::path::PathBuf;

use async_memcached::{Error, ErrorKind as ServerSays};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep, timeout_at};

use super::fault::Fault;
use crate::store::Key;
use crate::url::decode;

/// The address of a server.
#[derive(Debug, Clone)]
pub(super) enum ServerAddress {
    Port(String),
    Socket(PathBuf),
}

/// Lists the keys with this prefix. Skips those that are not valid [`Key`]s.
///
/// A listing may take longer than one call, but fails if the server sends nothing for `patience`.
pub(super) async fn keys(
    server: &ServerAddress,
    prefix: &str,
    patience: Duration,
) -> Result<Vec<Key>, Fault> {
    let deadline = Instant::now() + patience;
    loop {
        let mut connection = Connection::open(server, deadline).await?;
        match connection.keys(prefix, patience).await {
            // The server allows one listing at a time.
            Err(Fault::Says(ServerSays::Generic(_))) if Instant::now() + PAUSE < deadline => {
                sleep(PAUSE).await
            }
            other => return other,
        }
    }
}

/// Returns the version of the server: `1.6.18`.
pub(super) async fn version(server: &ServerAddress, patience: Duration) -> Result<String, Fault> {
    let deadline = Instant::now() + patience;
    let mut connection = Connection::open(server, deadline).await?;
    connection.say("version\r\n", deadline).await?;
    let line = connection.line(deadline).await?;
    line.strip_prefix("VERSION ").map(ToOwned::to_owned).ok_or_else(|| judge(&line))
}

struct Connection<S>(BufReader<S>);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Connection<Box<dyn Stream>> {
    async fn open(server: &ServerAddress, deadline: Instant) -> Result<Self, Fault> {
        let connect = async {
            Ok(match server {
                ServerAddress::Port(address) => {
                    Box::new(TcpStream::connect(address).await?) as Box<dyn Stream>
                }
                ServerAddress::Socket(path) => Box::new(UnixStream::connect(path).await?),
            })
        };
        let stream: Result<_, std::io::Error> = in_time(deadline, connect).await?;
        Ok(Self(BufReader::new(stream.map_err(|error| Fault::Lost(Error::Connect(error)))?)))
    }

    async fn say(&mut self, words: &str, deadline: Instant) -> Result<(), Fault> {
        in_time(deadline, self.0.write_all(words.as_bytes()))
            .await?
            .map_err(|error| Fault::Lost(Error::Io(error)))
    }

    async fn line(&mut self, deadline: Instant) -> Result<String, Fault> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.0).take(LONGEST_LINE);
        in_time(deadline, bounded.read_until(b'\n', &mut line))
            .await?
            .map_err(|error| Fault::Lost(Error::Io(error)))?;
        match line.pop() {
            Some(b'\n') => {}
            Some(_) if line.len() as u64 >= LONGEST_LINE - 1 => return Err(malformed_reply()),
            _ => return Err(Fault::Lost(Error::Io(std::io::ErrorKind::UnexpectedEof.into()))),
        }
        let line = String::from_utf8(line).map_err(|_| malformed_reply())?;
        Ok(line.trim_end_matches('\r').to_owned())
    }

    async fn keys(&mut self, prefix: &str, patience: Duration) -> Result<Vec<Key>, Fault> {
        self.say("lru_crawler metadump hash\r\n", Instant::now() + patience).await?;
        let mut keys = Vec::new();
        loop {
            let line = self.line(Instant::now() + patience).await?;
            if line == "END" {
                return Ok(keys);
            }
            let key = line.strip_prefix("key=").ok_or_else(|| judge(&line))?;
            let key = key.split_once(' ').map_or(key, |(key, _)| key);
            if let Some(key) = decode(key)
                && key.starts_with(prefix)
                && let Ok(key) = Key::new("", &key)
            {
                keys.push(key);
            }
        }
    }
}

/// Returns the error that a line reports instead of a reply.
fn judge(line: &str) -> Fault {
    Fault::Says(match line.split_once(' ').map_or(line, |(word, _)| word) {
        "BUSY" => ServerSays::Generic("BUSY".to_owned()),
        // An older server does not know the command or its argument.
        "ERROR" | "BADCLASS" => ServerSays::NonexistentCommand,
        "SERVER_ERROR" => ServerSays::Server(line.to_owned()),
        "CLIENT_ERROR" => ServerSays::Client("CLIENT_ERROR".to_owned()),
        _ => return malformed_reply(),
    })
}

const fn malformed_reply() -> Fault {
    Fault::Says(ServerSays::Protocol(None))
}

async fn in_time<T>(deadline: Instant, step: impl Future<Output = T>) -> Result<T, Fault> {
    timeout_at(deadline, step).await.map_err(|_| Fault::TimedOut)
}

/// A key takes three letters per byte here, followed by some numbers.
const LONGEST_LINE: u64 = 2048;

const PAUSE: Duration = Duration::from_millis(50);
