//! MySQL and MariaDB.

use core::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlQueryResult};
use sqlx::{ConnectOptions, MySql};

use super::driver::{Connected, Dialect};
use super::failure::Meaning;
use super::statements::Words;
use crate::store::ErrorKind;

pub(super) struct MySqlDialect;

pub(super) fn connect(
    url: &str,
    connections: u32,
    timeout: Duration,
) -> sqlx::Result<Connected<MySqlDialect>> {
    let options: MySqlConnectOptions = url.parse()?;
    Ok(Connected::new(options.disable_statement_logging(), connections, connections, timeout))
}

/// `table` and `sequence` are quoted.
pub(super) fn words(table: String, sequence: Option<String>) -> Words {
    let id = if sequence.is_some() { "INTEGER NOT NULL" } else { "INTEGER NOT NULL AUTO_INCREMENT" };
    let mut make: Vec<String> =
        sequence.iter().map(|sequence| format!("CREATE SEQUENCE IF NOT EXISTS {sequence}")).collect();
    // SQLAlchemy creates a BLOB, which is limited to 64 KiB, and ids that ignore case.
    // Flask-Session works with these types as well.
    make.push(format!(
        "CREATE TABLE IF NOT EXISTS {table} (id {id}, \
         session_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, data LONGBLOB, expiry DATETIME, \
         PRIMARY KEY (id), UNIQUE (session_id))"
    ));
    Words {
        // The first half finds the row by its index. The second compares case in a table that ignores it.
        is_key: "session_id = :key AND CAST(session_id AS BINARY) = CAST(:key AS BINARY)",
        time: "CAST({} AS DATETIME(6))",
        expiry_text: "DATE_FORMAT(expiry, '%Y-%m-%d %H:%i:%s.%f')",
        id: "CAST(id AS SIGNED)",
        length: "CAST(OCTET_LENGTH(data) AS SIGNED)",
        // MySQL has no form that reports the outcome.
        on_duplicate: "",
        next_id: sequence.map(|sequence| format!("NEXTVAL({sequence})")),
        numbered: false,
        make,
        table,
    }
}

impl Dialect for MySqlDialect {
    type Db = MySql;

    const STORE: &'static str = "mysql";

    /// Without strict mode MySQL silently truncates a record that is too long.
    const SETUP: Option<&'static str> =
        Some("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), SESSION autocommit = 1");

    /// sqlx requests matched rows (`CLIENT_FOUND_ROWS`), which a test checks.
    fn rows_found(result: &MySqlQueryResult) -> u64 {
        result.rows_affected()
    }

    fn meaning(error: &dyn DatabaseError) -> Meaning {
        let number = number(error);
        let (kind, what) = match number {
            1021 | 1114 => (ErrorKind::Full, "the server has no room"),
            1040 | 1203 | 1226 => (ErrorKind::Unavailable, "the server accepts no more connections"),
            1044 | 1045 | 1698 => (ErrorKind::Refused, "the server refuses the user or the password"),
            1046 | 1049 => (
                ErrorKind::Misconfigured,
                "the server does not have this database; create it with CREATE DATABASE",
            ),
            1053 | 1077 | 1079 => (ErrorKind::Unavailable, "the server is shutting down"),
            1054 => (ErrorKind::Misconfigured, "its table is not a session table"),
            1142 | 1143 | 1227 | 1370 => (ErrorKind::Refused, "no permission to use the table; see GRANT"),
            1146 => (ErrorKind::Misconfigured, "its table is missing; restart the app, which creates it"),
            1153 => (ErrorKind::Full, "the record is longer than the server's max_allowed_packet"),
            1205 | 1213 => (ErrorKind::Timeout, "too many concurrent changes of the same record"),
            1290 | 1792 | 1836 => (ErrorKind::Refused, "the server is read-only"),
            1364 => (ErrorKind::Misconfigured, "the table does not number its rows; name its sequence"),
            1406 => {
                (ErrorKind::Full, "the record is longer than the column `data` allows; make it a LONGBLOB")
            }
            1969 | 3024 => (ErrorKind::Timeout, "the server ended the statement"),
            number => return Meaning::unknown(&number.to_string()),
        };
        Meaning::safe(kind, what)
    }

    fn is_duplicate(error: &dyn DatabaseError) -> bool {
        number(error) == 1062
    }

    fn is_missing_table(error: &dyn DatabaseError) -> bool {
        number(error) == 1146
    }

    /// Deadlock and lock wait timeout: the statement was rolled back.
    fn is_collision(error: &dyn DatabaseError) -> bool {
        matches!(number(error), 1205 | 1213)
    }
}

fn number(error: &dyn DatabaseError) -> u16 {
    error.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number)
}
