//! SQLite: a file, which a Flask process may share.

use core::time::Duration;
use std::path::Path;

use sqlx::error::DatabaseError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteQueryResult};
use sqlx::{ConnectOptions, Sqlite};

use super::driver::{Connected, Dialect};
use super::failure::Meaning;
use super::statements::Words;
use crate::store::ErrorKind;

pub(super) struct SqliteDialect;

pub(super) fn connect(
    file: &Path,
    write_ahead_log: bool,
    make_file: bool,
    connections: u32,
    timeout: Duration,
) -> Connected<SqliteDialect> {
    // The wait for the file's lock is shorter than the timeout, so that the error names the lock.
    let patience = timeout.mul_f32(0.8);
    let mut options =
        SqliteConnectOptions::new().filename(file).create_if_missing(make_file).busy_timeout(patience);
    if write_ahead_log {
        options = options.journal_mode(SqliteJournalMode::Wal);
    }
    Connected::new(options.disable_statement_logging(), connections, 1, timeout)
}

/// `table` is quoted.
pub(super) fn words(table: String) -> Words {
    let make = format!(
        "CREATE TABLE IF NOT EXISTS {table} (id INTEGER NOT NULL, session_id VARCHAR(255), data BLOB, \
         expiry DATETIME, PRIMARY KEY (id), UNIQUE (session_id))"
    );
    Words {
        is_key: "session_id = :key",
        time: "{}",
        expiry_text: "expiry",
        id: "id",
        length: "length(CAST(data AS BLOB))",
        on_duplicate: " ON CONFLICT (session_id) DO NOTHING",
        next_id: None,
        numbered: false,
        make: vec![make],
        table,
    }
}

impl Dialect for SqliteDialect {
    type Db = Sqlite;

    const STORE: &'static str = "sqlite";

    fn rows_found(result: &SqliteQueryResult) -> u64 {
        result.rows_affected()
    }

    fn meaning(error: &dyn DatabaseError) -> Meaning {
        let (kind, what) = match code(error) & 0xff {
            1 if Self::is_missing_table(error) => {
                (ErrorKind::Misconfigured, "its table is missing; restart the app, which creates it")
            }
            1 if error.message().starts_with("ON CONFLICT clause") => {
                (ErrorKind::Misconfigured, "the table's session_id is not UNIQUE")
            }
            1 => (ErrorKind::Misconfigured, "its table is not a session table"),
            3 | 23 => (ErrorKind::Refused, "no permission to use the file"),
            5 | 6 => (ErrorKind::Timeout, "another writer held the file's lock"),
            8 => (ErrorKind::Refused, "the file or its directory is read-only"),
            10 => (ErrorKind::Unavailable, "the disk failed"),
            11 | 26 => (ErrorKind::Corrupt, "the file is not a SQLite database, or is damaged"),
            13 => (ErrorKind::Full, "the disk is full"),
            14 => (ErrorKind::Misconfigured, "the file cannot be opened; it or its directory does not exist"),
            18 => (ErrorKind::Full, "the record is longer than SQLite's maximum"),
            other => return Meaning::unknown(&other.to_string()),
        };
        Meaning::safe(kind, what)
    }

    fn is_duplicate(_: &dyn DatabaseError) -> bool {
        false
    }

    fn is_missing_table(error: &dyn DatabaseError) -> bool {
        error.message().starts_with("no such table")
    }

    /// SQLite has already waited for the lock.
    fn is_collision(_: &dyn DatabaseError) -> bool {
        false
    }
}

fn code(error: &dyn DatabaseError) -> i32 {
    error.code().and_then(|code| code.parse().ok()).unwrap_or(0)
}
