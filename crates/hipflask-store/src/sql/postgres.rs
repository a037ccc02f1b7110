//! PostgreSQL, and databases with its protocol.

use core::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgQueryResult};
use sqlx::{ConnectOptions, Postgres};

use super::driver::{Connected, Dialect};
use super::failure::Meaning;
use super::statements::Words;
use crate::store::ErrorKind;

pub(super) struct PostgresDialect;

pub(super) fn connect(
    url: &str,
    connections: u32,
    timeout: Duration,
) -> sqlx::Result<Connected<PostgresDialect>> {
    let options: PgConnectOptions = url.parse()?;
    Ok(Connected::new(options.disable_statement_logging(), connections, connections, timeout))
}

/// `table` and `sequence` are quoted.
pub(super) fn words(table: String, sequence: Option<String>) -> Words {
    let id = if sequence.is_some() { "INTEGER" } else { "SERIAL" };
    let mut make: Vec<String> =
        sequence.iter().map(|sequence| format!("CREATE SEQUENCE IF NOT EXISTS {sequence}")).collect();
    make.push(format!(
        "CREATE TABLE IF NOT EXISTS {table} (id {id} NOT NULL, session_id VARCHAR(255), data BYTEA, \
         expiry TIMESTAMP WITHOUT TIME ZONE, PRIMARY KEY (id), UNIQUE (session_id))"
    ));
    Words {
        is_key: "session_id = :key",
        time: "CAST({} AS timestamp)",
        expiry_text: "to_char(expiry, 'YYYY-MM-DD HH24:MI:SS.US')",
        id: "CAST(id AS bigint)",
        length: "CAST(octet_length(data) AS bigint)",
        on_duplicate: " ON CONFLICT (session_id) DO NOTHING",
        next_id: sequence.map(|sequence| format!("nextval('{sequence}')")),
        numbered: true,
        make,
        table,
    }
}

impl Dialect for PostgresDialect {
    type Db = Postgres;

    const STORE: &'static str = "postgres";

    fn rows_found(result: &PgQueryResult) -> u64 {
        result.rows_affected()
    }

    fn meaning(error: &dyn DatabaseError) -> Meaning {
        let code = error.code().unwrap_or_default();
        let (kind, what) = match &*code {
            "23502" => (ErrorKind::Misconfigured, "the table does not number its rows; name its sequence"),
            "23505" => (ErrorKind::Corrupt, "the table's sequence is behind its rows; set it with setval()"),
            "25006" => (ErrorKind::Refused, "the server is read-only: a standby, or configured so"),
            "28000" | "28P01" => (ErrorKind::Refused, "the server refuses the user or the password"),
            "3D000" => {
                (ErrorKind::Misconfigured, "the server does not have this database; create it with createdb")
            }
            "3F000" => (
                ErrorKind::Misconfigured,
                "the database does not have this schema; create it with CREATE SCHEMA",
            ),
            "40001" | "40P01" => (ErrorKind::Timeout, "too many concurrent changes of the same record"),
            "42501" => (ErrorKind::Refused, "no permission to use the table; see GRANT"),
            "42P01" => (ErrorKind::Misconfigured, "its table is missing; restart the app, which creates it"),
            "42P10" => (ErrorKind::Misconfigured, "the table's session_id is not UNIQUE"),
            "53300" => (ErrorKind::Unavailable, "the server accepts no more connections"),
            "55P03" | "57014" => (ErrorKind::Timeout, "the server ended the statement"),
            code if code.starts_with("42") => (ErrorKind::Misconfigured, "its table is not a session table"),
            code if code.starts_with("53") => (ErrorKind::Full, "the server has no room"),
            code if code.starts_with("57P") => {
                (ErrorKind::Unavailable, "the server is starting or shutting down")
            }
            code => return Meaning::unknown(code),
        };
        let meaning = Meaning::safe(kind, what);
        // The server quotes a value that violates a constraint.
        Meaning { is_safe: !code.starts_with("23"), ..meaning }
    }

    fn is_duplicate(_: &dyn DatabaseError) -> bool {
        false
    }

    fn is_missing_table(error: &dyn DatabaseError) -> bool {
        matches!(error.code().as_deref(), Some("42P01"))
    }

    /// Serialization failure and deadlock, with a stricter isolation level than the default.
    fn is_collision(error: &dyn DatabaseError) -> bool {
        matches!(error.code().as_deref(), Some("40001" | "40P01"))
    }
}
