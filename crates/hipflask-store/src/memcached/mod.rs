//! memcached, with the records of Flask-Session and pymemcache.
//!
//! | step | command, one round trip each |
//! | --- | --- |
//! | load | `mg` with value, time left and CAS number |
//! | create | `ms` in mode add |
//! | replace | `ms` with the CAS number |
//! | touch | `mg` with a new time |
//! | delete | `md` |
//! | delete if unchanged | `md` with the CAS number |
//! | list | `lru_crawler metadump hash`, then `mg` for all keys together: one page for each server |
//!
//! These are meta commands, which need memcached 1.6 or later.
//!
//! # Limits of memcached
//!
//! - It is a cache. A full server evicts live sessions, and a restart deletes all of them. The
//!   store cannot distinguish eviction from expiry.
//! - It counts time in whole seconds, so that a record may expire up to a second early. Times over
//!   30 days are sent as points in time, as Flask-Session does; none is later than January 2038.
//! - A record has at most [`max_item`](MemcachedStoreBuilder::max_item) bytes, less memcached's
//!   overhead. The store refuses a longer one without sending it, because memcached would delete
//!   the existing record as well.
//! - A listing loads all keys of one server into memory.
//! - Clients other than pymemcache distribute keys by other rules and may compress values.
//!
//! # Failures
//!
//! Each call ends within [`timeout`](MemcachedStoreBuilder::timeout), connecting included. The
//! store repeats a read if its connection broke, but never a write. The sessions of a failed server
//! are unavailable: other servers do not take over, because they would start with empty sessions
//! and keep them when the first comes back.

mod fault;
mod listing;
mod pool;
mod rendezvous;
mod settings;

use core::fmt;
use core::time::Duration;

use async_memcached::{Error, ErrorKind as ServerSays, MetaProtocol as _, MetaValue};
use hipflask_core::time::UnixTime;
use tokio::time::{Instant, timeout_at};

use self::fault::Fault;
use self::pool::{Answer, Command, Server};
use self::settings::{KIND, Settings};
use crate::store::{
    Created, Cursor, Deleted, DeletedIf, Description, DriverMessage, Entry, ErrorKind, Key, Page, Replaced,
    Scan, Store, StoreError, Stored, Token, Touched, whole_seconds,
};
use crate::unreachable;

/// Records in one memcached server, or in several.
///
/// | address | for |
/// | --- | --- |
/// | `memcached://host:11211` | one server |
/// | `memcached://a,b,c:11212` | several; each key is on the one that pymemcache's `HashClient` chooses, so spell the names as in Python |
/// | `memcached+unix:///run/memcached.sock` | a socket |
///
/// Every form takes `timeout=2` (seconds, fractions allowed), `max_item=1048576` (bytes) and
/// `connections=16` (to each server). An unknown option is an error. TLS, accounts and IPv6
/// addresses are not supported.
///
/// ```
/// use hipflask_store::memcached::MemcachedStore;
/// use hipflask_store::Store;
///
/// let store = MemcachedStore::from_url("memcached://127.0.0.1,127.0.0.2:11212")?;
/// assert_eq!(store.describe().address, "memcached://127.0.0.1:11211,127.0.0.2:11212");
/// # Ok::<(), hipflask_store::StoreError>(())
/// ```
///
/// Needs a tokio runtime with time and I/O.
pub struct MemcachedStore {
    servers: Vec<Server>,
    settings: Settings,
}

/// Settings beyond the address of a [`MemcachedStore`].
#[must_use]
pub struct MemcachedStoreBuilder(Settings);

impl MemcachedStore {
    /// Creates the store at `address`. [`Store::ready`] connects.
    ///
    /// # Errors
    /// [`ErrorKind::Misconfigured`] if the address is invalid.
    pub fn from_url(address: &str) -> Result<Self, StoreError> {
        Self::builder(address)?.build()
    }

    /// Starts with the settings in `address`.
    ///
    /// # Errors
    /// Same as [`from_url`](Self::from_url).
    pub fn builder(address: &str) -> Result<MemcachedStoreBuilder, StoreError> {
        Settings::parse(address).map(MemcachedStoreBuilder)
    }
}

impl MemcachedStoreBuilder {
    /// Sets the timeout of a call, connecting included: 2 seconds by default.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// Sets the maximum item size of the servers in bytes, which is their option `-I`: 1 MiB by default.
    pub const fn max_item(mut self, bytes: usize) -> Self {
        self.0.max_item = bytes;
        self
    }

    /// Sets the maximum number of connections to each server, at least 1: 16 by default.
    pub const fn connections(mut self, connections: usize) -> Self {
        self.0.connections = if connections == 0 { 1 } else { connections };
        self
    }

    /// Creates the store, without connecting.
    ///
    /// # Errors
    /// [`ErrorKind::Misconfigured`] if no connection pool can be created.
    pub fn build(self) -> Result<MemcachedStore, StoreError> {
        Ok(MemcachedStore { servers: self.0.servers()?, settings: self.0 })
    }
}

impl MemcachedStore {
    /// Returns the server of `key`, and its name for the record.
    fn locate<'a>(&'a self, key: &'a Key) -> Option<(&'a Server, &'a str)> {
        if key.is_at_rest() {
            return None;
        }
        let server = match self.servers.as_slice() {
            [server] => server,
            servers => {
                let nodes = servers.iter().map(|server| server.node.as_str());
                servers.get(rendezvous::server_of(nodes, key.as_str())?)?
            }
        };
        Some((server, key.as_str()))
    }

    /// Returns the CAS number of the expected record. Reads it if the caller only has the bytes.
    async fn number(&self, key: &Key, expected: &Stored, now: UnixTime) -> Result<Compared<u64>, StoreError> {
        if let Token::Number(number) = expected.token {
            return Ok(Compared::Same(number));
        }
        Ok(compare(self.load(key, now).await?, expected))
    }

    /// Acts if the record is as expected.
    ///
    /// The number changes with every write, even of equal data, which Flask-Session writes after
    /// most requests. Equal data is not a conflict, so the store tries again with the new number.
    async fn act_if(
        &self,
        key: &Key,
        expected: &Stored,
        act: &Act<'_>,
        now: UnixTime,
    ) -> Result<Compared<Token>, StoreError> {
        let Some((server, name)) = self.locate(key) else { return Ok(Compared::Gone) };
        let mut number = self.number(key, expected, now).await?;
        for _ in 0..TRIES {
            let known = match number {
                Compared::Same(known) => format!("C{known}"),
                Compared::Gone => return Ok(Compared::Gone),
                Compared::Other(current) => return Ok(Compared::Other(current)),
            };
            let answer = match *act {
                Act::Replace { data, ref time } => {
                    server.ask(&Command::Set { key: name, data, flags: &[&known, time, "c"] }).await
                }
                Act::Delete => server.ask(&Command::Delete { key: name, flags: &[&known] }).await,
            };
            match answer {
                Ok(Answer::Other) => number = compare(self.load(key, now).await?, expected),
                Ok(Answer::Missing) => return Ok(Compared::Gone),
                Ok(Answer::Found(value)) => return Ok(Compared::Same(token(&value))),
                Ok(Answer::Done) => return Ok(Compared::Same(Token::Data)),
                Err(fault) => return Err(error(fault, Some(key))),
            }
        }
        // Another client keeps writing the same data. The caller merges, with the same result.
        Ok(self.load(key, now).await?.map_or(Compared::Gone, Compared::Other))
    }

    fn check_length(&self, data: &[u8]) -> Result<(), StoreError> {
        let most = self.most();
        if data.len() <= most {
            return Ok(());
        }
        let what = format!("the record has {} bytes, more than the maximum of {most}", data.len());
        Err(StoreError::new(KIND, ErrorKind::Full, what))
    }

    /// Returns the maximum length of data that fits with any key.
    const fn most(&self) -> usize {
        self.settings.max_item.saturating_sub(OVERHEAD)
    }
}

/// The methods of [`Store`].
impl MemcachedStore {
    async fn load(&self, key: &Key, now: UnixTime) -> Result<Option<Stored>, StoreError> {
        let Some((server, name)) = self.locate(key) else { return Ok(None) };
        match server.ask(&Command::Get { key: name, flags: &["v", "t", "c"] }).await {
            Ok(Answer::Found(value)) => stored(*value, now).map(Some),
            Ok(_) => Ok(None),
            Err(fault) => Err(error(fault, Some(key))),
        }
    }

    async fn create(
        &self,
        key: &Key,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<Created, StoreError> {
        self.check_length(data)?;
        let Some((server, name)) = self.locate(key) else {
            return Err(settings::misconfigured("the key is another store's"));
        };
        let flags = ["ME", &time(ttl, now), "c"];
        match server.ask(&Command::Set { key: name, data, flags: &flags }).await {
            Ok(Answer::Found(value)) => Ok(Created::Created(token(&value))),
            Ok(Answer::Done) => Ok(Created::Created(Token::Data)),
            Ok(Answer::Other | Answer::Missing) => Ok(Created::Exists),
            Err(fault) => Err(error(fault, Some(key))),
        }
    }

    async fn replace(
        &self,
        key: &Key,
        expected: &Stored,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<Replaced, StoreError> {
        self.check_length(data)?;
        Ok(match self.act_if(key, expected, &Act::Replace { data, time: time(ttl, now) }, now).await? {
            Compared::Same(token) => Replaced::Replaced(token),
            Compared::Gone => Replaced::Gone,
            Compared::Other(current) => Replaced::Conflict(current),
        })
    }

    async fn touch(&self, key: &Key, ttl: Duration, now: UnixTime) -> Result<Touched, StoreError> {
        let Some((server, name)) = self.locate(key) else { return Ok(Touched::Gone) };
        match server.ask(&Command::Get { key: name, flags: &[&time(ttl, now), "t"] }).await {
            Ok(Answer::Found(_)) => Ok(Touched::Touched),
            Ok(_) => Ok(Touched::Gone),
            Err(fault) => Err(error(fault, Some(key))),
        }
    }

    async fn delete(&self, key: &Key, _now: UnixTime) -> Result<Deleted, StoreError> {
        let Some((server, name)) = self.locate(key) else { return Ok(Deleted::Gone) };
        match server.ask(&Command::Delete { key: name, flags: &[] }).await {
            Ok(Answer::Done | Answer::Found(_)) => Ok(Deleted::Deleted),
            Ok(_) => Ok(Deleted::Gone),
            Err(fault) => Err(error(fault, Some(key))),
        }
    }

    async fn delete_if(&self, key: &Key, expected: &Stored, now: UnixTime) -> Result<DeletedIf, StoreError> {
        Ok(match self.act_if(key, expected, &Act::Delete, now).await? {
            Compared::Same(_) => DeletedIf::Deleted,
            Compared::Gone => DeletedIf::Gone,
            Compared::Other(current) => DeletedIf::Conflict(current),
        })
    }

    /// Returns a page for each server; ignores [`Scan::limit`].
    async fn scan(&self, scan: &Scan, now: UnixTime) -> Result<Page, StoreError> {
        let index = match &scan.after {
            None => 0,
            Some(cursor) => cursor.as_str().parse::<usize>().map_err(|_| {
                StoreError::new(KIND, ErrorKind::Misconfigured, "the cursor is another store's")
            })?,
        };
        let Some(server) = self.servers.get(index) else { return Ok(Page::default()) };
        let keys = listing::keys(&server.address, &scan.prefix, server.timeout())
            .await
            .map_err(|fault| error(fault, None))?;
        let mut entries = Vec::with_capacity(keys.len());
        for some in keys.chunks(AT_ONCE) {
            let found =
                look_at(server, some, scan.with_data, now).await.map_err(|fault| error(fault, None))?;
            entries.extend(found);
        }
        let next = (index + 1 < self.servers.len()).then(|| Cursor::new((index + 1).to_string()));
        Ok(Page { entries, next })
    }

    /// The servers remove expired records by themselves.
    async fn purge_expired(&self, _now: UnixTime) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        for server in &self.servers {
            let version = listing::version(&server.address, server.timeout())
                .await
                .map_err(|fault| error(fault, None))?;
            let mut parts =
                version.trim().split(|letter: char| !letter.is_ascii_digit()).map(str::parse::<u32>);
            let version = (parts.next().and_then(Result::ok), parts.next().and_then(Result::ok));
            if version < (Some(1), Some(6)) {
                let what = format!("{} is older than memcached 1.6 and has no meta commands", server.node);
                return Err(StoreError::new(KIND, ErrorKind::Unsupported, what));
            }
        }
        Ok(())
    }
}

impl Store for MemcachedStore {
    crate::async_store_methods!();

    fn describe(&self) -> Description {
        let mut description = Description::new(KIND, self.settings.shown());
        description.max_bytes = Some(self.most());
        description
    }
}

/// Shows where it is.
impl fmt::Debug for MemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemcachedStore").field(&self.settings.shown()).finish()
    }
}

/// Shows where it is.
impl fmt::Debug for MemcachedStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemcachedStoreBuilder").field(&self.0.shown()).finish()
    }
}

/// The action on the expected record.
enum Act<'a> {
    Replace { data: &'a [u8], time: String },
    Delete,
}

/// The outcome of comparing the current record with the expected one.
enum Compared<T> {
    Same(T),
    Gone,
    Other(Stored),
}

fn compare(found: Option<Stored>, expected: &Stored) -> Compared<u64> {
    match found {
        None => Compared::Gone,
        Some(Stored { data, token: Token::Number(number), .. }) if data == expected.data => {
            Compared::Same(number)
        }
        Some(current) => Compared::Other(current),
    }
}

fn stored(value: MetaValue, now: UnixTime) -> Result<Stored, StoreError> {
    let (Some(left), Some(number)) = (value.ttl_remaining, value.cas) else {
        return Err(StoreError::new(
            KIND,
            ErrorKind::Corrupt,
            "the reply lacks the time to live or the CAS number",
        ));
    };
    // The client returns `None` for an empty value.
    let mut stored = Stored::new(value.data.unwrap_or_default(), expires(left, now));
    stored.token = Token::Number(number);
    Ok(stored)
}

/// Returns the expiry of a record that has `left` seconds to live; its last second counts as one.
fn expires(left: i64, now: UnixTime) -> Option<UnixTime> {
    let left = u64::try_from(left).ok()?.max(1);
    Some(UnixTime::from_secs(now.as_secs().saturating_add(left)))
}

fn token(value: &MetaValue) -> Token {
    value.cas.map_or(Token::Data, Token::Number)
}

/// Returns a time to live as memcached takes it: over 30 days as a point in time of at most 31 bits.
fn time(ttl: Duration, now: UnixTime) -> String {
    let seconds = whole_seconds(ttl);
    let seconds =
        if seconds > RELATIVE { seconds.saturating_add(now.as_secs()).min(LAST_SECOND) } else { seconds };
    format!("T{seconds}")
}

async fn look_at(server: &Server, keys: &[Key], with_data: bool, now: UnixTime) -> Result<Vec<Entry>, Fault> {
    let deadline = Instant::now() + server.timeout();
    let mut client = server.client(deadline).await?;
    let names: Vec<&str> = keys.iter().map(Key::as_str).collect();
    let flags: &[&str] = if with_data { &["t", "s", "v"] } else { &["t", "s"] };
    let found = timeout_at(deadline, client.meta_get_multi(&names, Some(flags))).await;
    let found = match found.map_err(|_| Fault::TimedOut).and_then(|found| found.map_err(Fault::from)) {
        Ok(found) => found,
        Err(fault) => {
            server.discard(client, matches!(fault, Fault::Lost(_)));
            return Err(fault);
        }
    };
    let entry = |value: MetaValue| {
        let key = Key::new("", core::str::from_utf8(&value.key?).ok()?).ok()?;
        let bytes = usize::try_from(value.size?).ok()?;
        let data = with_data.then(|| value.data.unwrap_or_default());
        Some(Entry { key, bytes, expires: expires(value.ttl_remaining?, now), data })
    };
    Ok(found.into_iter().filter_map(entry).collect())
}

/// Converts to the error of the contract, without key and data.
fn error(fault: Fault, key: Option<&Key>) -> StoreError {
    let (kind, what) = match &fault {
        Fault::TimedOut => (ErrorKind::Timeout, "no answer in time"),
        Fault::Lost(Error::Connect(cause)) if cause.kind() == std::io::ErrorKind::TimedOut => {
            (ErrorKind::Timeout, "no connection in time")
        }
        Fault::Lost(lost) => {
            (ErrorKind::Unavailable, unreachable::reason(&lost.to_string()).unwrap_or("the connection broke"))
        }
        Fault::Says(ServerSays::Server(says)) if says.contains("too large") => {
            (ErrorKind::Full, "the record is too large for the server")
        }
        Fault::Says(ServerSays::Server(says)) if says.contains("memory") => {
            (ErrorKind::Full, "the server has no memory left")
        }
        Fault::Says(ServerSays::Server(_)) => (ErrorKind::Unavailable, "the server failed"),
        Fault::Says(ServerSays::NonexistentCommand) => {
            (ErrorKind::Unsupported, "the server does not know the command; memcached 1.6 does")
        }
        Fault::Says(ServerSays::Generic(says)) if says.starts_with("BUSY") => {
            (ErrorKind::Unavailable, "the server is making another listing")
        }
        Fault::Says(ServerSays::Protocol(_)) => (ErrorKind::Corrupt, "malformed reply"),
        Fault::Says(_) => (ErrorKind::Refused, "the server refused the command"),
    };
    let store_error = StoreError::new(KIND, kind, what);
    let text = match fault {
        // The operating system's errors quote no command.
        Fault::Lost(Error::Connect(source) | Error::Io(source)) => return store_error.caused_by(source),
        Fault::Lost(cause) => cause.to_string(),
        Fault::Says(ServerSays::Server(says) | ServerSays::Client(says)) if is_plain(&says) => says,
        Fault::Says(ServerSays::NonexistentCommand) => "ERROR".to_owned(),
        Fault::TimedOut | Fault::Says(_) => return store_error,
    };
    let text = key.map_or_else(|| text.clone(), |key| text.replace(key.as_str(), "(key)"));
    store_error.caused_by(DriverMessage::new(text))
}

/// Returns `true` if the text is one of memcached's own messages, which are in lower case and quote nothing.
fn is_plain(says: &str) -> bool {
    says.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' ')
}

/// memcached takes a larger number for a point in time.
const RELATIVE: u64 = 60 * 60 * 24 * 30;

/// The largest number that memcached reads: 31 bits.
const LAST_SECOND: u64 = 0x7fff_ffff;

/// memcached's overhead per record: key, header, numbers, and the joints of a value that spans
/// several chunks.
const OVERHEAD: usize = 512;

/// The maximum number of attempts if the number changed but not the data.
const TRIES: usize = 4;

/// The number of records that a listing reads in one round trip.
const AT_ONCE: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ttl_becomes_a_point_in_time() {
        let now = UnixTime::from_secs(1_700_000_000);
        for (seconds, expected) in [
            (0, "T1"),
            (60, "T60"),
            (2_592_000, "T2592000"),
            (2_592_001, "T1702592001"),
            (2_678_400, "T1702678400"),
            (1_000_000_000, "T2147483647"),
            (u64::MAX, "T2147483647"),
        ] {
            assert_eq!(time(Duration::from_secs(seconds), now), expected);
        }
    }

    #[test]
    fn source_is_the_error_of_the_socket() {
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let error = error(Fault::Lost(Error::Io(io)), None);
        let source = std::error::Error::source(&error).unwrap().downcast_ref::<std::io::Error>().unwrap();
        assert_eq!(source.kind(), std::io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn last_second_counts_as_one() {
        let now = UnixTime::from_secs(100);
        assert_eq!(expires(-1, now), None);
        assert_eq!(expires(0, now), Some(UnixTime::from_secs(101)));
        assert_eq!(expires(60, now), Some(UnixTime::from_secs(160)));
    }

    #[test]
    fn error_quotes_no_key() {
        let key = Key::new("session:", "secret-id").unwrap();
        for says in ["bad key session:secret-id", "Bad data SECRET"] {
            let error = error(Fault::Says(ServerSays::Client(says.to_owned())), Some(&key));
            assert!(std::error::Error::source(&error).is_none(), "{error:?}");
        }
        let error = error(Fault::Says(ServerSays::Server("out of memory".to_owned())), Some(&key));
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "out of memory");
    }
}
