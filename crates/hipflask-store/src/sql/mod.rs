//! A table of SQLite, PostgreSQL, MySQL or MariaDB, with the records of Flask-Session.
//!
//! The table is that of Flask-Session 0.8 with the name `sessions`. It is created if it is missing:
//!
//! | column | SQLite | PostgreSQL | MySQL, MariaDB |
//! | --- | --- | --- | --- |
//! | `id`, the primary key | `INTEGER` | `SERIAL` | `INTEGER AUTO_INCREMENT` |
//! | `session_id`, unique | `VARCHAR(255)` | `VARCHAR(255)` | `VARCHAR(255)` |
//! | `data` | `BLOB` | `BYTEA` | `LONGBLOB` (SQLAlchemy creates a `BLOB` of 64 KiB) |
//! | `expiry`, UTC | text, `2026-12-21 10:20:07.459353` | `TIMESTAMP` | `DATETIME` |
//!
//! A change is one `UPDATE .. WHERE data = <the data that was read>`. It costs one round trip and
//! needs neither a lock nor a version column. Each call is one statement that commits by itself. No
//! connection is reserved while a request is handled.
//!
//! | | here | in Flask-Session |
//! | --- | --- | --- |
//! | `expiry` is NULL | not a session, as in Flask-Session 0.8; `purge_expired` leaves the row, as its cleanup does | deleted on read |
//! | expired | not a session; the application removes it with [`purge_expired`](crate::Store::purge_expired) | deleted on read |
//! | two writers | the second one gets the first one's record | the second one wins |
//!
//! # Configuration
//!
//! [`SqlStore::from_url`] and [`SqlStore::builder`] take URLs, those of SQLAlchemy included:
//!
//! | URL | feature |
//! | --- | --- |
//! | `sqlite:app.db` `sqlite:/srv/app.db` `sqlite:///app.db` `sqlite:////srv/app.db` | `sqlite` |
//! | `postgres://user:password@host:5432/db` `postgresql+psycopg2://..` `postgres:///db?host=/run/postgresql` | `postgres` |
//! | `mysql://user:password@host:3306/db` `mariadb+pymysql://..` `mysql://user@localhost/db?socket=/run/mysqld.sock` | `mysql` |
//!
//! with these parameters; others go to the driver (`sslmode=verify-full`, `sslrootcert=..`):
//!
//! | parameter | meaning | default |
//! | --- | --- | --- |
//! | `table`, `schema` | the table, as `SESSION_SQLALCHEMY_TABLE` and `_SCHEMA` | `sessions`, the user's own |
//! | `sequence` | numbers the rows, as `SESSION_SQLALCHEMY_SEQUENCE` | the column numbers them |
//! | `connections` | the maximum number of connections | 10 |
//! | `timeout` | seconds for a connection, and for a reply | 5 |
//! | `wal` | SQLite's write-ahead log, which allows reads during a write; not for network disks | unchanged |
//!
//! Behind a pooler that gives a connection to another client after each statement, add
//! `statement-cache-capacity=0`.
//!
//! # Limits
//!
//! The column `id` counts to 2 147 483 647, as in Flask-Session. A site with more logins can widen
//! it (`ALTER TABLE sessions ALTER COLUMN id TYPE bigint`); Flask-Session still works then.
//! `expiry` has no index, so a purge reads the whole table; it only locks the rows that it deletes.

mod address;
mod driver;
mod error;
mod failure;
#[cfg(feature = "mysql")]
mod mysql;
mod pool;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;
mod times;

use core::fmt;
use core::time::Duration;

use hipflask_core::time::UnixTime;

use crate::store::{
    Created, Cursor, Deleted, DeletedIf, Description, Entry, ErrorKind, Key, NewRecord, Page, Replaced, Scan,
    Store, StoreError, StoreFuture, Stored, Token, Touched, expiry,
};
pub use error::SqlError;

use address::{Address, Database, Settings, quoted};
use driver::Driver;
use failure::Failure;
use statements::{Statements, Values, Words};

/// A table of sessions. See the [module](self).
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use hipflask_store::sql::SqlStore;
/// use hipflask_store::Store;
/// let store = SqlStore::from_url("sqlite:app.db?table=web_sessions")?;
/// assert_eq!(store.describe().address, "sqlite:app.db");
/// # }
/// # Ok::<(), hipflask_store::sql::SqlError>(())
/// ```
pub struct SqlStore {
    driver: Box<dyn Driver>,
    statements: Statements,
    kind: &'static str,
    address: String,
    make_table: bool,
}

/// The configuration of a [`SqlStore`].
#[derive(Clone)]
#[must_use]
pub struct SqlStoreBuilder {
    database: Database,
    address: String,
    settings: Settings,
}

impl SqlStore {
    /// Creates the store at `url`, without connecting.
    ///
    /// # Errors
    /// [`SqlError`] if the URL is invalid.
    pub fn from_url(url: &str) -> Result<Self, SqlError> {
        Self::builder(url)?.build()
    }

    /// Starts with the settings in `url`.
    ///
    /// # Errors
    /// [`SqlError`] if the URL is invalid.
    pub fn builder(url: &str) -> Result<SqlStoreBuilder, SqlError> {
        let Address { database, address, settings } = Address::parse(url)?;
        Ok(SqlStoreBuilder { database, address, settings })
    }

    async fn load(&self, key: &Key, now: UnixTime) -> Result<Option<Stored>, StoreError> {
        if key.is_at_rest() {
            return Ok(None);
        }
        let now = times::to_text(now);
        let values = Values { key: key.as_str(), now: &now, ..Values::default() };
        let record = self.driver.record(&self.statements.load, values).await;
        let record = record.map_err(|failure| self.driver.explain(failure))?;
        Ok(record.map(|(data, expiry)| Stored::new(data, expiry.as_deref().and_then(times::from_text))))
    }

    async fn create(
        &self,
        key: &Key,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<Created, StoreError> {
        if key.is_at_rest() {
            return Err(self.no_such_names());
        }
        let (expiry, now_text) = (times::to_text(expiry(now, ttl)), times::to_text(now));
        let values = Values { key: key.as_str(), data, expiry: &expiry, now: &now_text, ..Values::default() };
        for _ in 0..MAX_ROUNDS {
            match self.driver.execute(&self.statements.insert, values).await {
                Ok(0) => {}
                Ok(_) => return Ok(Created::Created(Token::Data)),
                Err(failure) if self.driver.is_duplicate(&failure) => {}
                Err(failure) => return Err(self.driver.explain(failure)),
            }
            if self.execute(&self.statements.take_over, values).await? > 0 {
                return Ok(Created::Created(Token::Data));
            }
            // Neither new nor expired: it is live, or went away just now.
            if self.load(key, now).await?.is_some() {
                break;
            }
        }
        Ok(Created::Exists)
    }

    /// The rows in one transaction; those that exist are then looked at one by one.
    async fn create_many(
        &self,
        records: &[NewRecord<'_>],
        now: UnixTime,
    ) -> Result<Vec<Created>, StoreError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        if records.iter().any(|new| new.key.is_at_rest()) {
            return Err(self.no_such_names());
        }
        let now_text = times::to_text(now);
        let expiries: Vec<String> = records.iter().map(|new| times::to_text(expiry(now, new.ttl))).collect();
        let values: Vec<Values<'_>> = records
            .iter()
            .zip(&expiries)
            .map(|(new, expiry)| Values {
                key: new.key.as_str(),
                data: new.data,
                expiry,
                now: &now_text,
                ..Values::default()
            })
            .collect();
        let rows = self.driver.execute_all(&self.statements.insert, &values).await;
        let rows = rows.map_err(|failure| self.driver.explain(failure))?;
        let mut created = Vec::with_capacity(records.len());
        for (new, rows) in records.iter().zip(rows) {
            created.push(match rows {
                0 => self.create(new.key, new.data, new.ttl, now).await?,
                _ => Created::Created(Token::Data),
            });
        }
        Ok(created)
    }

    async fn replace(
        &self,
        key: &Key,
        expected: &Stored,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<Replaced, StoreError> {
        if key.is_at_rest() {
            return Ok(Replaced::Gone);
        }
        let (expiry, now_text) = (times::to_text(expiry(now, ttl)), times::to_text(now));
        let values = Values {
            key: key.as_str(),
            data,
            expected: &expected.data,
            expiry: &expiry,
            now: &now_text,
            ..Values::default()
        };
        if self.execute(&self.statements.replace, values).await? > 0 {
            return Ok(Replaced::Replaced(Token::Data));
        }
        Ok(self.load(key, now).await?.map_or(Replaced::Gone, Replaced::Conflict))
    }

    async fn touch(&self, key: &Key, ttl: Duration, now: UnixTime) -> Result<Touched, StoreError> {
        if key.is_at_rest() {
            return Ok(Touched::Gone);
        }
        let (expiry, now) = (times::to_text(expiry(now, ttl)), times::to_text(now));
        let values = Values { key: key.as_str(), expiry: &expiry, now: &now, ..Values::default() };
        let found = self.execute(&self.statements.touch, values).await?;
        Ok(if found > 0 { Touched::Touched } else { Touched::Gone })
    }

    async fn delete(&self, key: &Key, now: UnixTime) -> Result<Deleted, StoreError> {
        if key.is_at_rest() {
            return Ok(Deleted::Gone);
        }
        let now = times::to_text(now);
        let values = Values { key: key.as_str(), now: &now, ..Values::default() };
        if self.execute(&self.statements.delete_live, values).await? > 0 {
            return Ok(Deleted::Deleted);
        }
        // An expired one goes too: a server whose clock is behind would still take it for live.
        self.execute(&self.statements.delete_expired, values).await?;
        Ok(Deleted::Gone)
    }

    async fn delete_if(&self, key: &Key, expected: &Stored, now: UnixTime) -> Result<DeletedIf, StoreError> {
        if key.is_at_rest() {
            return Ok(DeletedIf::Gone);
        }
        let now_text = times::to_text(now);
        let values =
            Values { key: key.as_str(), expected: &expected.data, now: &now_text, ..Values::default() };
        if self.execute(&self.statements.delete_if, values).await? > 0 {
            return Ok(DeletedIf::Deleted);
        }
        Ok(self.load(key, now).await?.map_or(DeletedIf::Gone, DeletedIf::Conflict))
    }

    async fn scan(&self, scan: &Scan, now: UnixTime) -> Result<Page, StoreError> {
        let after = scan.after.as_ref().map_or(Ok(i64::MIN), |cursor| cursor.as_str().parse());
        let after = after.map_err(|_| {
            StoreError::new(self.kind, ErrorKind::Misconfigured, "the cursor is not one of this store's")
        })?;
        let limit = scan.limit.clamp(1, LONGEST_PAGE);
        let now = times::to_text(now);
        let values = Values { now: &now, after, limit: limit as i64, ..Values::default() };
        let statement = if scan.with_data { &self.statements.page_with_data } else { &self.statements.page };
        let rows = self.driver.rows(statement, values).await;
        let rows = rows.map_err(|failure| self.driver.explain(failure))?;
        let next = rows.last().filter(|_| rows.len() >= limit).map(|row| Cursor::new(row.id.to_string()));
        let entries = rows.into_iter().filter(|row| row.key.starts_with(&scan.prefix)).filter_map(|row| {
            // A row whose key is not valid cannot be loaded either.
            let key = Key::new("", &row.key).ok()?;
            let expires = row.expiry.as_deref().and_then(times::from_text);
            Some(Entry { key, bytes: usize::try_from(row.bytes).unwrap_or(0), expires, data: row.data })
        });
        Ok(Page { entries: entries.collect(), next })
    }

    async fn purge_expired(&self, now: UnixTime) -> Result<u64, StoreError> {
        let now = times::to_text(now);
        let (mut dropped, mut after) = (0, i64::MIN);
        loop {
            let values = Values { now: &now, after, limit: PURGED_AT_ONCE as i64, ..Values::default() };
            let ids = self.driver.ids(&self.statements.expired_ids, values).await;
            let ids = ids.map_err(|failure| self.driver.explain(failure))?;
            let Some(last) = ids.last() else { return Ok(dropped) };
            after = *last;
            dropped += self.execute(&self.statements.purge(&ids), values).await?;
            if ids.len() < PURGED_AT_ONCE {
                return Ok(dropped);
            }
        }
    }

    /// Runs the statements without changing anything, and creates the table if it is missing.
    async fn ready(&self) -> Result<(), StoreError> {
        match self.probe().await {
            Err(failure) if self.make_table && self.driver.is_missing_table(&failure) => {}
            Err(failure) if self.driver.is_missing_table(&failure) => {
                return Err(StoreError::new(self.kind, ErrorKind::Misconfigured, "it has no session table"));
            }
            answer => return answer.map_err(|failure| self.driver.explain(failure)),
        }
        for statement in &self.statements.make {
            let made = self.driver.execute(statement, Values::default()).await;
            // PostgreSQL fails if two processes create it at the same time. The probe shows if it exists now.
            if let Err(failure) = made {
                if self.probe().await.is_ok() {
                    return Ok(());
                }
                return Err(self.driver.explain(failure));
            }
        }
        self.probe().await.map_err(|failure| self.driver.explain(failure))
    }

    async fn probe(&self) -> Result<(), Failure> {
        let nothing = Values { now: "2000-01-01 00:00:00.000000", ..Values::default() };
        self.driver.record(&self.statements.load, nothing).await?;
        for statement in &self.statements.probes {
            self.driver.execute(statement, nothing).await?;
        }
        Ok(())
    }

    async fn execute(
        &self,
        statement: &statements::Statement,
        values: Values<'_>,
    ) -> Result<u64, StoreError> {
        self.driver.execute(statement, values).await.map_err(|failure| self.driver.explain(failure))
    }

    fn no_such_names(&self) -> StoreError {
        StoreError::new(self.kind, ErrorKind::Unsupported, "it only finds records by their keys")
    }
}

impl SqlStoreBuilder {
    /// Sets the table's name: `SESSION_SQLALCHEMY_TABLE`.
    #[doc(alias = "SESSION_SQLALCHEMY_TABLE")]
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.settings.table = name.into();
        self
    }

    /// Sets the table's schema: `SESSION_SQLALCHEMY_SCHEMA`.
    #[doc(alias = "SESSION_SQLALCHEMY_SCHEMA")]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.settings.schema = Some(name.into());
        self
    }

    /// Sets the sequence that numbers the rows: `SESSION_SQLALCHEMY_SEQUENCE`. For PostgreSQL and
    /// MariaDB; SQLite ignores it, as in SQLAlchemy.
    #[doc(alias = "SESSION_SQLALCHEMY_SEQUENCE")]
    pub fn sequence(mut self, name: impl Into<String>) -> Self {
        self.settings.sequence = Some(name.into());
        self
    }

    /// Sets the maximum number of connections: 10 by default.
    pub const fn connections(mut self, connections: u32) -> Self {
        self.settings.connections = connections;
        self
    }

    /// Sets the timeout for a connection, and then for a reply: 5 s by default.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Sets whether a missing table is created, which is the default. For SQLite this includes a
    /// missing file.
    pub const fn make_table(mut self, make_table: bool) -> Self {
        self.settings.make_table = make_table;
        self
    }

    /// Creates the store, without connecting.
    ///
    /// # Errors
    /// [`SqlError`] if a name is not allowed in a statement, or the database's feature is missing.
    pub fn build(self) -> Result<SqlStore, SqlError> {
        let Self { database, address, settings } = self;
        let (driver, words, kind) = open(database, &settings)?;
        let statements = Statements::new(&words);
        Ok(SqlStore { driver, statements, kind, address, make_table: settings.make_table })
    }
}

type OpenedDatabase = (Box<dyn Driver>, Words, &'static str);

fn open(database: Database, settings: &Settings) -> Result<OpenedDatabase, SqlError> {
    let quote = if matches!(database, Database::MySql(_)) { '`' } else { '"' };
    let name = |name: &String| quoted(name, quote);
    let (table, sequence) = (name(&settings.table)?, settings.sequence.as_ref().map(name).transpose()?);
    let table = match &settings.schema {
        Some(schema) => format!("{}.{table}", name(schema)?),
        None => table,
    };
    let (connections, timeout) = (settings.connections, settings.timeout);
    match database {
        #[cfg(feature = "sqlite")]
        Database::Sqlite { file, write_ahead_log } => {
            // SQLite has no sequences, and SQLAlchemy ignores the setting as well.
            drop(sequence);
            let driver = sqlite::connect(&file, write_ahead_log, settings.make_table, connections, timeout);
            Ok((Box::new(driver), sqlite::words(table), "sqlite"))
        }
        #[cfg(feature = "postgres")]
        Database::Postgres(url) => {
            let driver = postgres::connect(&url, connections, timeout);
            let driver = driver.map_err(|_| SqlError::BadUrl { store: "postgres" })?;
            Ok((Box::new(driver), postgres::words(table, sequence), "postgres"))
        }
        #[cfg(feature = "mysql")]
        Database::MySql(url) => {
            let driver = mysql::connect(&url, connections, timeout);
            let driver = driver.map_err(|_| SqlError::BadUrl { store: "mysql" })?;
            Ok((Box::new(driver), mysql::words(table, sequence), "mysql"))
        }
        #[cfg(not(feature = "sqlite"))]
        Database::Sqlite { .. } => Err(SqlError::FeatureMissing { store: "sqlite" }),
        #[cfg(not(feature = "postgres"))]
        Database::Postgres(_) => Err(SqlError::FeatureMissing { store: "postgres" }),
        #[cfg(not(feature = "mysql"))]
        Database::MySql(_) => Err(SqlError::FeatureMissing { store: "mysql" }),
    }
}

impl Store for SqlStore {
    crate::async_store_methods!();

    fn create_many<'a>(
        &'a self,
        records: &'a [NewRecord<'a>],
        now: UnixTime,
    ) -> StoreFuture<'a, Vec<Created>> {
        Box::pin(self.create_many(records, now))
    }

    fn describe(&self) -> Description {
        let mut description = Description::new(self.kind, self.address.clone());
        description.expires_by_itself = false;
        description
    }
}

/// Shows the address, which has no password.
impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Shows the address, which has no password.
impl fmt::Debug for SqlStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStoreBuilder")
            .field("address", &self.address)
            .field("settings", &self.settings)
            .finish()
    }
}

const MAX_ROUNDS: usize = 3;
const LONGEST_PAGE: usize = 10_000;
const PURGED_AT_ONCE: usize = 500;
