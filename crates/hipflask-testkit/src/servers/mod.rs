//! Real servers for tests: child processes on free ports, with their data in a temporary directory, ended when dropped.
//!
//! A server that is not installed is an error that names its package, never a test that passes by not running.

mod mariadb;
mod postgres;
mod process;

pub use mariadb::MariaDb;
pub use postgres::Postgres;
pub use process::ServerError;
