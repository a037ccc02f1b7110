//! Redis and Valkey, with the records of Flask-Session.
//!
//! | step | commands, one round trip each |
//! | --- | --- |
//! | load | `GET` and `PTTL`, sent together |
//! | load for a request | `GET` alone if the expiry was read less than a minute ago and no touch is due by it |
//! | create | `SET key data NX EX seconds` |
//! | replace | `SET key data IFEQ expected EX seconds` if the server supports it (Redis 8.4, Valkey 8.1), else a Lua script |
//! | touch | `EXPIRE` |
//! | delete | `DEL`, and `WAIT` if replicas must confirm it |
//! | delete if unchanged | `DELEX IFEQ` (Redis 8.4) or `DELIFEQ` (Valkey 9.0), else a Lua script |
//! | list | `SCAN`, then `STRLEN` or `GET` with `PTTL` for all keys of the page together |
//!
//! The store finds out which commands the server supports when it first needs them. A conflict in a
//! script returns the current record; a conflict in a native command costs a load.
//!
//! # Failures
//!
//! Each call ends within [`timeout`](RedisStoreBuilder::timeout), connecting included. The next
//! call reopens a lost connection. Before a write the store sends `PING` on a connection that was
//! idle for a second. It repeats a read if the connection broke. It never repeats a write unless
//! the server replied that it did nothing (it is loading, or no longer the master). With Sentinel
//! or a cluster a call waits for the next master until its timeout.
//!
//! Redis replicates asynchronously. A failover may lose the last acknowledged writes if the replica
//! had not received them. `min-replicas-to-write` on the server limits that, and
//! [`wait_for_replicas`](RedisStoreBuilder::wait_for_replicas) prevents it for deletions, so that
//! no logged-out session comes back. Eviction has the same effect as deletion, and a server without
//! `appendonly yes` forgets logouts when it restarts. [`Store::ready`] warns once of both, if the
//! server reveals its configuration.
//!
//! # Connections
//!
//! Commands about small records share one connection. Commands about records of more than 16 KiB
//! use up to three others (`connections=4` in total), so that nobody waits behind other users'
//! large sessions. Each is opened when first needed and reconnects by itself. A cluster has the
//! same number to each node.

mod command;
mod connection;
mod connections;
mod durability;
mod expiry_cache;
mod fault;
mod scan;
mod settings;

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use core::time::Duration;

use ::redis::Value;
use hipflask_core::time::UnixTime;

use self::command::{Compared, PROBE, Script};
use self::connection::{Connection, Effect, Request, malformed_reply};
use self::connections::{Connections, Size};
use self::expiry_cache::ExpiryCache;
use self::fault::{Fault, KIND};
use self::settings::Settings;
use crate::store::{
    Created, Deleted, DeletedIf, Description, ErrorKind, Key, Page, Replaced, Scan, Store, StoreError,
    StoreFuture, Stored, Token, Touched,
};

/// Records in Redis or Valkey: one server, Sentinel, or a cluster.
///
/// | address | for |
/// | --- | --- |
/// | `redis://user:password@host:6379/0` | one server; `valkey://` is the same |
/// | `rediss://host` | TLS (feature `redis-tls`); `ca=file.pem` trusts that instead of the system's certificates |
/// | `redis+unix:///run/redis.sock?db=0` | a socket; `unix://` is the same |
/// | `redis+cluster://host:port,host:port` | a cluster; one reachable node is enough to find the others |
/// | `redis+sentinel://host:26379,host/master/0` | the master of that name; `sentinel_user=`, `sentinel_password=` |
///
/// `rediss+cluster` and `rediss+sentinel` use TLS. Every form takes `timeout=2` (seconds, fractions
/// allowed), `connections=4` and `wait_replicas=1`. An unknown option is an error.
///
/// ```
/// use hipflask_store::redis::RedisStore;
/// use hipflask_store::Store;
///
/// // Connects at the first call, or in `ready`.
/// let store = RedisStore::from_url("redis://app:secret@127.0.0.1/0?timeout=0.5")?;
/// assert_eq!(store.describe().address, "redis://127.0.0.1:6379/0");
/// # Ok::<(), hipflask_store::StoreError>(())
/// ```
///
/// Needs a tokio runtime with time and I/O.
pub struct RedisStore {
    connections: Connections,
    /// For commands that block their connection.
    slow_connection: Connection,
    settings: Settings,
    replace: Script,
    delete_if: Script,
    expiries: ExpiryCache,
    /// The server does not support `SET .. IFEQ`.
    sets_by_script: AtomicBool,
    /// The index in [`DELETIONS`] of the command that the server supports, or [`UNKNOWN`].
    deletion: AtomicU8,
    /// [`Store::ready`] has checked the server's configuration.
    is_advised: AtomicBool,
}

/// Settings beyond the address of a [`RedisStore`].
#[must_use]
pub struct RedisStoreBuilder(Settings);

impl RedisStore {
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
    pub fn builder(address: &str) -> Result<RedisStoreBuilder, StoreError> {
        Settings::parse(address).map(RedisStoreBuilder)
    }
}

impl RedisStoreBuilder {
    /// Sets the timeout of a call, connecting included: 2 seconds by default.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// Sets the maximum number of connections, from 1 to 100: 4 by default. With 1, small sessions
    /// wait behind large ones.
    pub fn connections(mut self, connections: u32) -> Self {
        self.0.connections = connections.clamp(1, settings::MAX_CONNECTIONS);
        self
    }

    /// Makes [`Store::delete`] succeed only if `replicas` replicas confirm the deletion `within`
    /// that time, so that no failover brings a deleted session back. It fails if fewer do; the
    /// record is then deleted on the master, and another deletion waits again.
    ///
    /// These deletions use a separate connection, one after another.
    pub const fn wait_for_replicas(mut self, replicas: u32, within: Duration) -> Self {
        self.0.confirmed_by = Some((replicas, within));
        self
    }

    /// Trusts these certificates, in PEM format, instead of the system's.
    #[cfg(feature = "redis-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-tls")))]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.0.root_certificates = Some(pem.into());
        self
    }

    /// Creates the store, without connecting.
    ///
    /// # Errors
    /// [`ErrorKind::Misconfigured`] if the settings contradict each other, or a certificate is unreadable.
    pub fn build(self) -> Result<RedisStore, StoreError> {
        let failed = |error| Fault::from(error).into_error(None);
        Ok(RedisStore {
            connections: Connections::new(&self.0).map_err(failed)?,
            slow_connection: Connection::new(&self.0).map_err(failed)?,
            replace: Script::replace(),
            delete_if: Script::delete_if(),
            expiries: ExpiryCache::new(),
            sets_by_script: AtomicBool::new(false),
            deletion: AtomicU8::new(UNKNOWN),
            is_advised: AtomicBool::new(false),
            settings: self.0,
        })
    }
}

impl RedisStore {
    async fn one(&self, request: &Request, effect: Effect<'_>, size: Size) -> Result<Value, Fault> {
        self.connections.ask(request, effect, size).await?.next().ok_or_else(|| malformed_reply().into())
    }

    fn size(&self, key: &str) -> Size {
        self.expiries.bytes(key).map_or(Size::Unknown, Size::Bytes)
    }

    async fn find(&self, key: &str, now: UnixTime) -> Result<Option<Stored>, Fault> {
        let answers = self.connections.ask(&command::load(key), Effect::Read, self.size(key)).await?;
        let found = command::loaded(answers, now)?;
        if let Some(stored) = &found {
            self.expiries.note(key, stored.data.len(), stored.expires, now);
        }
        Ok(found)
    }

    /// Reads the expiry only if the cached one is too old or not late enough.
    async fn find_open(&self, key: &str, enough: UnixTime, now: UnixTime) -> Result<Option<Stored>, Fault> {
        match self.expiries.expiry(key, now) {
            Some(expires) if expires.is_none_or(|expires| expires > enough.max(now)) => {
                let answer = self.one(&command::get(key), Effect::Read, self.size(key)).await?;
                Ok(command::got(answer)?.map(|data| Stored::new(data, expires)))
            }
            _ => self.find(key, now).await,
        }
    }

    async fn replace_if(
        &self,
        key: &str,
        expected: &[u8],
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<Compared, Fault> {
        if !self.sets_by_script.load(Ordering::Relaxed) {
            let request = command::replace_natively(key, expected, data, ttl);
            let size = Size::Bytes(expected.len().saturating_add(data.len()));
            match self.one(&request, Effect::Write(key), size).await {
                Ok(answer) if command::was_set(&answer)? => return Ok(Compared::Done),
                Ok(_) => return self.after_mismatch(key, now).await,
                Err(fault) if fault.is_not_known() => self.sets_by_script.store(true, Ordering::Relaxed),
                Err(fault) => return Err(fault),
            }
        }
        let seconds = command::seconds(ttl).to_string();
        self.run(&self.replace, key, &[expected, data, seconds.as_bytes()], now).await
    }

    async fn remove_if(&self, key: &str, expected: &[u8], now: UnixTime) -> Result<Compared, Fault> {
        let way = self.way_to_delete(key).await?;
        let Some(build) = DELETIONS.get(usize::from(way)) else {
            return self.run(&self.delete_if, key, &[expected], now).await;
        };
        match self.one(&build(key, expected), Effect::Write(key), Size::Bytes(expected.len())).await {
            Ok(answer) if command::was_one(&answer)? => Ok(Compared::Done),
            Ok(_) => self.after_mismatch(key, now).await,
            Err(fault) => {
                // After a failover it may be another server.
                self.deletion.store(UNKNOWN, Ordering::Relaxed);
                Err(fault)
            }
        }
    }

    /// Returns the index in [`DELETIONS`] of the command that the server supports; their number if
    /// none. Probes with a text that no record contains: a server that does not know a command
    /// quotes its arguments in the error.
    async fn way_to_delete(&self, key: &str) -> Result<u8, Fault> {
        let known = self.deletion.load(Ordering::Relaxed);
        if known != UNKNOWN {
            return Ok(known);
        }
        let mut way = 0;
        while let Some(build) = DELETIONS.get(usize::from(way)) {
            match self.one(&build(key, PROBE.as_bytes()), Effect::Write(key), Size::Tiny).await {
                Err(fault) if fault.is_not_known() => way += 1,
                Err(fault) => return Err(fault),
                Ok(_) => break,
            }
        }
        self.deletion.store(way, Ordering::Relaxed);
        Ok(way)
    }

    /// Returns the reason why a native comparison failed.
    async fn after_mismatch(&self, key: &str, now: UnixTime) -> Result<Compared, Fault> {
        Ok(self.find(key, now).await?.map_or(Compared::Gone, Compared::Other))
    }

    async fn run(
        &self,
        script: &Script,
        key: &str,
        arguments: &[&[u8]],
        now: UnixTime,
    ) -> Result<Compared, Fault> {
        let size = Size::Bytes(arguments.iter().map(|argument| argument.len()).sum());
        let answer = match self.one(&script.by_digest(key, arguments), Effect::Write(key), size).await {
            Err(fault) if fault.is_no_script() => {
                self.one(&script.by_text(key, arguments), Effect::Write(key), size).await?
            }
            other => other?,
        };
        Ok(command::compared(answer, now)?)
    }

    async fn remove(&self, key: &str) -> Result<Deleted, StoreErrorOr<Fault>> {
        let Some((replicas, within)) = self.settings.confirmed_by else {
            let answer = self.one(&command::delete(key), Effect::Write(key), Size::Tiny).await?;
            return Ok(deleted(command::was_one(&answer)?));
        };
        let request = command::delete_everywhere(key, replicas, within);
        let mut answers = self
            .slow_connection
            .ask_within(&request, Effect::Write(key), self.settings.timeout + within)
            .await?;
        let (Some(was_there), Some(seen)) = (answers.next(), answers.next()) else {
            return Err(malformed_reply().into());
        };
        match seen {
            Value::Int(seen) if seen >= i64::from(replicas) => Ok(deleted(command::was_one(&was_there)?)),
            Value::Int(seen) => {
                let what = format!(
                    "the record is deleted, but only {seen} of {replicas} replicas have confirmed it"
                );
                Err(StoreErrorOr::Error(StoreError::new(KIND, ErrorKind::Timeout, what)))
            }
            Value::ServerError(_) => {
                let error = seen.extract_error().err().unwrap_or_else(malformed_reply);
                Err(Fault::from(error).into())
            }
            _ => Err(malformed_reply().into()),
        }
    }

    /// Pings the server and finds out which commands it supports.
    async fn probe_capabilities(&self) -> Result<(), Fault> {
        self.one(&Request::Command(::redis::cmd("PING")), Effect::Read, Size::Tiny).await?;
        let now = UnixTime::from_secs(0);
        for answer in [
            self.replace_if(PROBE, b"expected", b"", Duration::from_secs(1), now).await,
            self.remove_if(PROBE, b"expected", now).await,
        ] {
            match answer {
                // An account may only have access to the keys of sessions. Then the first session finds out.
                Err(fault) if !fault.is_not_permitted() => return Err(fault),
                _ => {}
            }
        }
        Ok(())
    }
}

impl RedisStore {
    /// Warns once if the server may lose sessions or restore deleted ones.
    async fn advise(&self) {
        if self.is_advised.swap(true, Ordering::Relaxed) {
            return;
        }
        for advice in durability::advice(self.connections.first()).await {
            tracing::warn!(server = %self.settings.shown(), advice, "the Redis server may lose sessions");
        }
    }
}

/// The methods of [`Store`].
impl RedisStore {
    async fn load(&self, key: &Key, now: UnixTime) -> Result<Option<Stored>, StoreError> {
        let Some(name) = name(key) else { return Ok(None) };
        self.find(name, now).await.map_err(|fault| fault.into_error(Some(key)))
    }

    async fn create(
        &self,
        key: &Key,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<Created, StoreError> {
        let Some(name) = name(key) else {
            return Err(settings::misconfigured("the key is another store's"));
        };
        let size = Size::Bytes(data.len());
        let answer = self.one(&command::create(name, data, ttl), Effect::Write(name), size).await;
        match answer.and_then(|answer| Ok(command::was_set(&answer)?)) {
            Ok(true) => {
                self.expiries.note_write(name, data.len(), ttl, now);
                Ok(Created::Created(Token::Data))
            }
            Ok(false) => Ok(Created::Exists),
            Err(fault) => Err(fault.into_error(Some(key))),
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
        let Some(name) = name(key) else { return Ok(Replaced::Gone) };
        match self.replace_if(name, &expected.data, data, ttl, now).await {
            Ok(Compared::Done) => {
                self.expiries.note_write(name, data.len(), ttl, now);
                Ok(Replaced::Replaced(Token::Data))
            }
            Ok(Compared::Gone) => Ok(Replaced::Gone),
            Ok(Compared::Other(current)) => Ok(Replaced::Conflict(current)),
            Err(fault) => Err(fault.into_error(Some(key))),
        }
    }

    async fn touch(&self, key: &Key, ttl: Duration, now: UnixTime) -> Result<Touched, StoreError> {
        let Some(name) = name(key) else { return Ok(Touched::Gone) };
        let answer = self.one(&command::touch(name, ttl), Effect::Write(name), Size::Tiny).await;
        match answer.and_then(|answer| Ok(command::was_one(&answer)?)) {
            Ok(true) => {
                self.expiries.note_touch(name, ttl, now);
                Ok(Touched::Touched)
            }
            Ok(false) => Ok(Touched::Gone),
            Err(fault) => Err(fault.into_error(Some(key))),
        }
    }

    async fn delete(&self, key: &Key, _now: UnixTime) -> Result<Deleted, StoreError> {
        let Some(name) = name(key) else { return Ok(Deleted::Gone) };
        self.remove(name).await.map_err(|failure| match failure {
            StoreErrorOr::Error(error) => error,
            StoreErrorOr::Or(fault) => fault.into_error(Some(key)),
        })
    }

    async fn delete_if(&self, key: &Key, expected: &Stored, now: UnixTime) -> Result<DeletedIf, StoreError> {
        let Some(name) = name(key) else { return Ok(DeletedIf::Gone) };
        match self.remove_if(name, &expected.data, now).await {
            Ok(Compared::Done) => Ok(DeletedIf::Deleted),
            Ok(Compared::Gone) => Ok(DeletedIf::Gone),
            Ok(Compared::Other(current)) => Ok(DeletedIf::Conflict(current)),
            Err(fault) => Err(fault.into_error(Some(key))),
        }
    }

    async fn scan(&self, scan: &Scan, now: UnixTime) -> Result<Page, StoreError> {
        scan::page(self.connections.bulk(), scan, now).await.map_err(|fault| fault.into_error(None))
    }

    /// The server removes expired records by itself.
    async fn purge_expired(&self, _now: UnixTime) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.probe_capabilities().await.map_err(|fault| fault.into_error(None))?;
        self.advise().await;
        Ok(())
    }
}

impl Store for RedisStore {
    crate::async_store_methods!();

    fn open<'a>(&'a self, key: &'a Key, enough: UnixTime, now: UnixTime) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            let Some(name) = name(key) else { return Ok(None) };
            self.find_open(name, enough, now).await.map_err(|fault| fault.into_error(Some(key)))
        })
    }

    fn describe(&self) -> Description {
        Description::new(KIND, self.settings.shown())
    }
}

/// Shows the address, never the account.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisStore").field(&self.settings.shown()).finish()
    }
}

/// Shows the address, never the account.
impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisStoreBuilder").field(&self.0.shown()).finish()
    }
}

/// An error, or a failure that still has to be converted to one.
enum StoreErrorOr<T> {
    Error(StoreError),
    Or(T),
}

impl<E: Into<Fault>> From<E> for StoreErrorOr<Fault> {
    fn from(fault: E) -> Self {
        Self::Or(fault.into())
    }
}

/// Returns the server's name for the record. It knows no names [`at_rest`](Key::at_rest).
fn name(key: &Key) -> Option<&str> {
    if key.is_at_rest() { None } else { Some(key.as_str()) }
}

const fn deleted(was_there: bool) -> Deleted {
    if was_there { Deleted::Deleted } else { Deleted::Gone }
}

/// The native commands for compare-and-delete. A script is used if the server supports none.
const DELETIONS: &[fn(&str, &[u8]) -> Request] = &[command::delex, command::delifeq];

const UNKNOWN: u8 = u8::MAX;
