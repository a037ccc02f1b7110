//! Where server-side sessions live: the contract that every store keeps, and the stores.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`copy`] | sessions from one store to another, while people use them |
//! | `dynamodb` | DynamoDB, by feature |
//! | `file` | cachelib's directory, by feature |
//! | [`id`] | session ids: made, checked, signed, hashed |
//! | `memcached` | memcached, with pymemcache's placement on several servers, by feature |
//! | [`memory`] | a store in the memory of one process |
//! | `mongodb` | MongoDB, by feature |
//! | [`record`] | a session as bytes: msgpack, JSON and pickle, as Flask-Session keeps them |
//! | `redis` | Redis and Valkey: one server, Sentinel, cluster, by feature |
//! | [`save`] | the save protocol: open, save, transact, destroy, regenerate |
//! | `sql` | SQLite, PostgreSQL, MySQL and MariaDB, by feature |
//! | [`store`] | [`Store`](store::Store), the contract, with its keys, outcomes and errors |
//!
//! [`connect`] turns a URL into any of them.
//!
//! A store remembers bytes under keys. It knows neither cookies nor session values, reads no clock, and decides nothing:
//! what to write is settled above it.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod connect;
mod hex;
mod together;

pub mod copy;

#[cfg(any(
    feature = "memcached",
    feature = "mongodb",
    feature = "redis",
    feature = "sqlite",
    feature = "postgres",
    feature = "mysql"
))]
mod reach;
#[cfg(any(
    feature = "memcached",
    feature = "redis",
    feature = "sqlite",
    feature = "postgres",
    feature = "mysql"
))]
#[cfg_attr(
    not(any(feature = "memcached", feature = "redis")),
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
#[cfg(feature = "memcached")]
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
pub mod store;

pub use connect::{connect, connect_existing, missing_feature, open, ready};
