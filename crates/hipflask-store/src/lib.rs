//! Server-side sessions: the [`Store`] contract, the stores that implement it, and the protocol
//! that saves sessions in them.
//!
//! [`connect`] turns a URL into a store.
//!
//! | module | contents | feature |
//! | --- | --- | --- |
//! | [`id`] | session ids: generated, checked, signed, hashed | |
//! | [`record`] | a session as bytes: msgpack, JSON and pickle, as Flask-Session writes them | |
//! | [`save`] | the save protocol: open, save, transact, destroy, regenerate | |
//! | [`copy`] | copies sessions from one store to another while both are in use | |
//! | [`memory`] | the memory of one process | |
//! | `file` | a directory, as cachelib uses it | `file` |
//! | `sql` | SQLite, PostgreSQL, MySQL and MariaDB | `sqlite`, `postgres`, `mysql` |
//! | `redis` | Redis and Valkey: one server, Sentinel, cluster | `redis`, `redis-tls` |
//! | `memcached` | memcached, keys distributed over several servers as pymemcache does | `memcached` |
//! | `mongodb` | MongoDB | `mongodb` |
//! | `dynamodb` | DynamoDB | `dynamodb` |
//!
//! A store maps keys to bytes. It does not know cookies or session values, does not read the clock,
//! and does not decide what to write: [`save`] does.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod connect;
mod together;

pub mod copy;

#[cfg(any(
    all(unix, feature = "memcached"),
    feature = "mongodb",
    feature = "redis",
    feature = "sqlite",
    feature = "postgres",
    feature = "mysql"
))]
mod unreachable;
#[cfg(any(
    all(unix, feature = "memcached"),
    feature = "redis",
    feature = "sqlite",
    feature = "postgres",
    feature = "mysql"
))]
#[cfg_attr(
    not(any(all(unix, feature = "memcached"), feature = "redis")),
    allow(
        dead_code,
        reason = "SQL stores decode the parts of their URLs, and leave the rest to the drivers"
    )
)]
mod url;

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(all(unix, feature = "file"))]
pub mod file;
pub mod id;
#[cfg(all(unix, feature = "memcached"))]
pub mod memcached;
pub mod memory;
#[cfg(feature = "mongodb")]
pub mod mongodb;
pub mod record;
#[cfg(feature = "redis")]
pub mod redis;
pub mod save;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub mod sql;
mod store;

pub use connect::{connect, connect_existing, missing_feature, open, ready};
pub use store::{
    BadKey, BoxError, Created, Cursor, Deleted, DeletedIf, Description, DriverMessage, Entry, ErrorKind, Key,
    NewRecord, Page, RecordKind, Replaced, Scan, Store, StoreError, StoreFuture, StoreMethod, StoreWrapper,
    Stored, Token, Touched, expiry, whole_seconds,
};

/// For the macros.
#[doc(hidden)]
pub use hipflask_core::time::UnixTime;
