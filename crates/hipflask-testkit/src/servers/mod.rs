//! Real servers for tests: child processes on free ports with their data in a temporary directory.
//! They stop on drop.
//!
//! If a server is not installed, the error names its package; no test passes by being skipped.

mod flask_session;
mod http_program;
mod mariadb;
mod memcached;
mod mongo;
mod moto;
mod postgres;
mod process;
mod proxy;
mod redis;

pub use flask_session::FlaskSession;
pub use http_program::HttpProgram;
pub use mariadb::MariaDb;
pub use memcached::Memcached;
pub use mongo::MongoFront;
pub use moto::Moto;
pub use postgres::Postgres;
pub use process::ServerError;
pub use proxy::{Answers, Proxy};
pub use redis::{Redis, RedisCluster, RedisSentinel};
