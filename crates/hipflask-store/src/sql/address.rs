//! Parses a URL into a database, a table and settings.

use core::time::Duration;
use std::path::PathBuf;

use super::error::SqlError;
use crate::url::decode;

/// A database and its address.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Database {
    /// A file.
    Sqlite { file: PathBuf, write_ahead_log: bool },
    /// A URL for the driver.
    Postgres(String),
    /// A URL for the driver.
    MySql(String),
}

/// A parsed URL.
pub(super) struct Address {
    pub(super) database: Database,
    pub(super) address: String,
    pub(super) settings: Settings,
}

/// The settings of a URL or a builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) table: String,
    pub(super) schema: Option<String>,
    pub(super) sequence: Option<String>,
    pub(super) connections: u32,
    pub(super) timeout: Duration,
    pub(super) make_table: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            table: "sessions".to_owned(),
            schema: None,
            sequence: None,
            connections: 10,
            timeout: Duration::from_secs(5),
            make_table: true,
        }
    }
}

impl Address {
    /// Parses a URL. The scheme is `sqlite`, `postgres`, `postgresql`, `mysql` or `mariadb`; the
    /// driver after a `+` in SQLAlchemy's URLs makes no difference.
    pub(super) fn parse(url: &str) -> Result<Self, SqlError> {
        let (scheme, rest) = url.split_once(':').ok_or(SqlError::NoScheme)?;
        let scheme = scheme.split('+').next().unwrap_or(scheme).to_ascii_lowercase();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut settings = Settings::default();
        let mut write_ahead_log = false;
        let mut left = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "table" => settings.table = decoded(value)?,
                "schema" => settings.schema = Some(decoded(value)?),
                "sequence" => settings.sequence = Some(decoded(value)?),
                "connections" => {
                    settings.connections =
                        value.parse().map_err(|_| SqlError::BadParameter { name: "connections" })?;
                }
                "timeout" => {
                    let seconds = value.parse().map_err(|_| SqlError::BadParameter { name: "timeout" })?;
                    settings.timeout = Duration::from_secs(seconds);
                }
                "wal" if scheme == "sqlite" => {
                    write_ahead_log = value.parse().map_err(|_| SqlError::BadParameter { name: "wal" })?;
                }
                _ if scheme == "sqlite" => return Err(SqlError::UnknownParameter),
                _ => left.push(pair),
            }
        }
        let (kind, driver) = match scheme.as_str() {
            "sqlite" => {
                let file = sqlite_file(rest)?;
                let address = format!("sqlite:{}", file.display());
                let database = Database::Sqlite { file, write_ahead_log };
                return Ok(Self { database, address, settings });
            }
            "postgres" | "postgresql" => ("postgres", Database::Postgres as fn(String) -> Database),
            "mysql" | "mariadb" => ("mysql", Database::MySql as fn(String) -> Database),
            _ => return Err(SqlError::UnknownScheme { scheme }),
        };
        if !rest.starts_with("//") {
            return Err(SqlError::NoScheme);
        }
        let question = if left.is_empty() { "" } else { "?" };
        let url = format!("{kind}:{rest}{question}{}", left.join("&"));
        Ok(Self { database: driver(url), address: format!("{kind}:{}", without_password(rest)), settings })
    }
}

/// Decodes a name that may be percent-encoded.
fn decoded(name: &str) -> Result<String, SqlError> {
    decode(name).ok_or_else(|| SqlError::BadName { name: name.chars().take(80).collect() })
}

/// Returns the file of `app.db`, `/srv/app.db`, and SQLAlchemy's `///app.db` (relative) and
/// `////srv/app.db` (absolute).
fn sqlite_file(rest: &str) -> Result<PathBuf, SqlError> {
    let path = match rest.strip_prefix("//") {
        // `app.db` in `sqlite://app.db` could be a host or a file.
        Some(rest) => rest.strip_prefix('/').ok_or(SqlError::TwoSlashes)?,
        None => rest,
    };
    match path {
        "" | ":memory:" => Err(SqlError::NoFile),
        path => Ok(PathBuf::from(path)),
    }
}

/// Returns `//user:password@host/db` without the password.
fn without_password(rest: &str) -> String {
    let authority = rest.trim_start_matches('/');
    let end = authority.find(['/', '#']).unwrap_or(authority.len());
    let (authority, path) = authority.split_at(end);
    let address = match authority.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", user.split(':').next().unwrap_or_default()),
        None => authority.to_owned(),
    };
    format!("//{address}{path}")
}

/// Quotes a name for a statement, if it cannot end the quotes.
pub(super) fn quoted(name: &str, quote: char) -> Result<String, SqlError> {
    let is_letter = |letter: char| letter.is_alphanumeric() || "_ -.".contains(letter);
    if (1..=63).contains(&name.len()) && name.chars().all(is_letter) {
        Ok(format!("{quote}{name}{quote}"))
    } else {
        Err(SqlError::BadName { name: name.chars().take(80).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> String {
        Address::parse(url).map_or_else(|error| error.to_string(), |address| address.address)
    }

    #[test]
    fn address_never_shows_the_password() {
        assert_eq!(
            address("postgres://app:s3cr%40t@db:5432/web?sslmode=require"),
            "postgres://app@db:5432/web"
        );
        assert_eq!(address("mysql+pymysql://app:a@b:c@db/web"), "mysql://app@db/web");
        assert_eq!(address("mariadb://db/web"), "mysql://db/web");
        assert_eq!(address("postgresql://:p@/web?host=/run/postgresql&password=x"), "postgres://@/web");
    }

    #[test]
    fn sqlite_urls_include_those_of_sqlalchemy() {
        assert_eq!(address("sqlite:app.db"), "sqlite:app.db");
        assert_eq!(address("sqlite:/srv/app.db"), "sqlite:/srv/app.db");
        assert_eq!(address("sqlite:///app.db"), "sqlite:app.db");
        assert_eq!(address("sqlite:////srv/app.db"), "sqlite:/srv/app.db");
        assert_eq!(address("sqlite://app.db"), SqlError::TwoSlashes.to_string());
        assert_eq!(address("sqlite::memory:"), SqlError::NoFile.to_string());
    }

    #[test]
    fn settings_are_removed_from_the_drivers_url() {
        let address =
            Address::parse("postgres://db/web?table=s&sslmode=require&timeout=2&schema=x&connections=3");
        let address = address.unwrap();
        assert!(address.database == Database::Postgres("postgres://db/web?sslmode=require".to_owned()));
        let settings = address.settings;
        assert_eq!((settings.table.as_str(), settings.schema.as_deref()), ("s", Some("x")));
        assert_eq!((settings.connections, settings.timeout), (3, Duration::from_secs(2)));
    }

    #[test]
    fn invalid_url_is_an_error() {
        assert_eq!(address("app.db"), SqlError::NoScheme.to_string());
        assert_eq!(address("postgres:web"), SqlError::NoScheme.to_string());
        assert_eq!(address("oracle://db"), "no SQL store for `oracle:`; use sqlite:, postgres: or mysql:");
        assert_eq!(address("sqlite:app.db?mode=ro"), SqlError::UnknownParameter.to_string());
    }

    #[test]
    fn name_that_could_end_its_quotes_is_refused() {
        for name in ["sessions", "my sessions", "1st", "a.b-c", "é"] {
            assert_eq!(quoted(name, '"').unwrap(), format!("\"{name}\""));
        }
        for name in ["", "a\"", "a`", "a;drop", "a:b", "a{b", "a\n", "a\\", &"x".repeat(64)] {
            assert!(quoted(name, '"').is_err(), "{name}");
        }
    }
}
