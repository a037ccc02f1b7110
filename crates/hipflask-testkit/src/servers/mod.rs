//! Real servers for tests: child processes on free ports, with their data in a temporary directory, ended when dropped.
//!
//! A server that is not installed is an error that names its package, never a test that passes by not running.

mod flask_session;
mod mariadb;
mod memcached;
mod mongo;
mod moto;
mod postgres;
mod process;
mod proxy;
mod redis;

pub use flask_session::FlaskSession;
pub use mariadb::MariaDb;
pub use memcached::Memcached;
pub use mongo::MongoFront;
pub use moto::Moto;
pub use postgres::Postgres;
pub use process::ServerError;
pub use proxy::{Answers, Proxy};
pub use redis::{Redis, RedisCluster, RedisSentinel};
