//! The drivers of sqlx behind a common trait.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::time::Duration;

use sqlx::database::HasStatementCache;
use sqlx::error::DatabaseError;
use sqlx::query::Query;
use sqlx::{
    AssertSqlSafe, ColumnIndex, Connection, Database, Decode, Encode, Executor, IntoArguments, Row, Type,
};
use tokio::sync::Semaphore;

use super::failure::{Failure, Meaning};
use super::pool::{Pool, PooledConnection};
use super::statements::{Parameter, Statement, Values};
use crate::store::StoreError;

/// The future of a driver's result.
pub(super) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// A database that runs statements.
pub(super) trait Driver: Send + Sync {
    /// Runs a statement and returns the number of rows that it matched.
    fn execute<'a>(&'a self, statement: &'a Statement, values: Values<'a>) -> Answer<'a, u64>;

    /// Runs a statement for each of these values in one transaction, and returns the number of rows
    /// that each matched; 0 for a key that exists.
    fn execute_all<'a>(&'a self, statement: &'a Statement, values: &'a [Values<'a>]) -> Answer<'a, Vec<u64>>;

    /// Returns the record that a statement finds: data, and expiry as text.
    fn record<'a>(&'a self, statement: &'a Statement, values: Values<'a>) -> Answer<'a, Option<Record>>;

    /// Returns the rows that a statement lists.
    fn rows<'a>(&'a self, statement: &'a Statement, values: Values<'a>) -> Answer<'a, Vec<ListedRow>>;

    /// Returns the numbers that a statement lists.
    fn ids<'a>(&'a self, statement: &'a Statement, values: Values<'a>) -> Answer<'a, Vec<i64>>;

    /// Returns `true` if a failure means that the key exists already.
    fn is_duplicate(&self, failure: &Failure) -> bool;

    /// Returns `true` if a failure means that the table is missing.
    fn is_missing_table(&self, failure: &Failure) -> bool;

    /// Converts a failure to the error of the contract.
    fn explain(&self, failure: Failure) -> StoreError;
}

/// The differences between databases.
pub(super) trait Dialect: Send + Sync + 'static {
    type Db: Database + HasStatementCache;

    const STORE: &'static str;

    /// The first statement on each new connection.
    const SETUP: Option<&'static str> = None;

    /// Returns the rows matched, not the rows changed: a touch to the same second has matched its row.
    fn rows_found(result: &<Self::Db as Database>::QueryResult) -> u64;

    fn meaning(error: &dyn DatabaseError) -> Meaning;

    fn is_duplicate(error: &dyn DatabaseError) -> bool;

    fn is_missing_table(error: &dyn DatabaseError) -> bool;

    /// Returns `true` if the statement was rolled back because of another one, and may be repeated.
    fn is_collision(error: &dyn DatabaseError) -> bool;
}

/// Data, and expiry as text.
pub(super) type Record = (Vec<u8>, Option<String>);

/// A row of a listing.
pub(super) struct ListedRow {
    pub(super) id: i64,
    pub(super) key: String,
    pub(super) bytes: i64,
    pub(super) expiry: Option<String>,
    pub(super) data: Option<Vec<u8>>,
}

type ConnectionOf<D> = <<D as Dialect>::Db as Database>::Connection;
type RowOf<D> = <<D as Dialect>::Db as Database>::Row;
type ArgumentsOf<D> = <<D as Dialect>::Db as Database>::Arguments;

/// A database with its pool.
pub(super) struct Connected<D: Dialect> {
    pool: Pool<ConnectionOf<D>>,
    timeout: Duration,
    /// Limits concurrent writers. SQLite allows one, and this queue is fairer than its lock.
    writers: Semaphore,
}

impl<D: Dialect> Connected<D> {
    pub(super) fn new(
        options: <ConnectionOf<D> as Connection>::Options,
        connections: u32,
        writers: u32,
        timeout: Duration,
    ) -> Self {
        let writers = Semaphore::new(writers.max(1) as usize);
        Self { pool: Pool::new(options, connections, timeout), timeout, writers }
    }
}

/// The bounds state that sqlx can send text, bytes and numbers to this database and read them back.
impl<D> Connected<D>
where
    D: Dialect,
    ArgumentsOf<D>: IntoArguments<D::Db>,
    for<'c> &'c mut ConnectionOf<D>: Executor<'c, Database = D::Db>,
    for<'q> &'q str: Encode<'q, D::Db> + Type<D::Db>,
    for<'q> &'q [u8]: Encode<'q, D::Db> + Type<D::Db>,
    for<'q> i64: Encode<'q, D::Db> + Type<D::Db>,
{
    fn query<'q>(statement: &Statement, values: Values<'q>) -> Query<'q, D::Db, ArgumentsOf<D>> {
        let sql = AssertSqlSafe(statement.sql.clone());
        let query = sqlx::query::<D::Db>(sql).persistent(!statement.once);
        statement.order.iter().fold(query, |query, parameter| match parameter {
            Parameter::Key => query.bind(values.key),
            Parameter::Data => query.bind(values.data),
            Parameter::Expected => query.bind(values.expected),
            Parameter::Now => query.bind(values.now),
            Parameter::Expiry => query.bind(values.expiry),
            Parameter::After => query.bind(values.after),
            Parameter::Limit => query.bind(values.limit),
        })
    }

    async fn connection(&self) -> Result<PooledConnection<'_, ConnectionOf<D>>, Failure> {
        let mut pooled = self.pool.get().await?;
        if let (false, Some(setup)) = (pooled.is_used, D::SETUP) {
            self.in_time(sqlx::query::<D::Db>(setup).execute(&mut pooled.connection)).await?;
        }
        Ok(pooled)
    }

    async fn fetch(
        &self,
        pooled: &mut PooledConnection<'_, ConnectionOf<D>>,
        statement: &Statement,
        values: Values<'_>,
    ) -> Result<Vec<RowOf<D>>, Failure> {
        self.in_time(Self::query(statement, values).fetch_all(&mut pooled.connection)).await
    }

    /// Reads, and reads again if the connection had broken while it was idle.
    async fn read(&self, statement: &Statement, values: Values<'_>) -> Result<Vec<RowOf<D>>, Failure> {
        let mut collisions = 0;
        loop {
            let mut pooled = self.connection().await?;
            let is_used = pooled.is_used;
            let answer = self.fetch(&mut pooled, statement, values).await;
            self.give_back(pooled, answer.as_ref().err());
            match answer {
                Err(failure) if is_used && is_lost(&failure) => {}
                Err(failure) if Self::may_try_again(&failure, &mut collisions).await => {}
                answer => return answer,
            }
        }
    }

    async fn write(&self, statement: &Statement, values: Values<'_>) -> Result<u64, Failure> {
        let permit = tokio::time::timeout(self.timeout, self.writers.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(Failure::Busy(self.timeout)) };
        let mut collisions = 0;
        loop {
            let mut pooled = self.connection().await?;
            let work = Self::query(statement, values).execute(&mut pooled.connection);
            let answer = self.in_time(work).await.map(|result| D::rows_found(&result));
            self.give_back(pooled, answer.as_ref().err());
            match answer {
                Err(failure) if Self::may_try_again(&failure, &mut collisions).await => {}
                answer => return answer,
            }
        }
    }

    async fn write_all(&self, statement: &Statement, values: &[Values<'_>]) -> Result<Vec<u64>, Failure> {
        let permit = tokio::time::timeout(self.timeout, self.writers.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(Failure::Busy(self.timeout)) };
        let mut collisions = 0;
        loop {
            let mut pooled = self.connection().await?;
            let answer = self.transaction(&mut pooled, statement, values).await;
            match &answer {
                Ok(_) => pooled.keep(),
                Err(failure) if is_lost(failure) => self.pool.forget(),
                // Closed, and the transaction with it.
                Err(_) => drop(pooled),
            }
            match answer {
                Err(failure) if Self::may_try_again(&failure, &mut collisions).await => {}
                answer => return answer,
            }
        }
    }

    async fn transaction(
        &self,
        pooled: &mut PooledConnection<'_, ConnectionOf<D>>,
        statement: &Statement,
        values: &[Values<'_>],
    ) -> Result<Vec<u64>, Failure> {
        let mut transaction = self.in_time(pooled.connection.begin()).await?;
        let mut rows = Vec::with_capacity(values.len());
        for values in values {
            match self.in_time(Self::query(statement, *values).execute(&mut *transaction)).await {
                Ok(result) => rows.push(D::rows_found(&result)),
                // This error only rolls back its own statement.
                Err(failure) if failure.said().is_some_and(D::is_duplicate) => rows.push(0),
                Err(failure) => return Err(failure),
            }
        }
        self.in_time(transaction.commit()).await?;
        Ok(rows)
    }

    async fn in_time<T>(&self, step: impl Future<Output = sqlx::Result<T>>) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, step).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Failure::Slow(self.timeout)),
        }
    }

    /// Returns a connection to the pool after a reply, which may be a server error. Otherwise it is closed.
    fn give_back(&self, pooled: PooledConnection<'_, ConnectionOf<D>>, failure: Option<&Failure>) {
        match failure {
            None => pooled.keep(),
            Some(failure) if is_lost(failure) => self.pool.forget(),
            Some(failure) if failure.said().is_some() => pooled.keep(),
            Some(_) => {}
        }
    }

    async fn may_try_again(failure: &Failure, collisions: &mut u32) -> bool {
        if *collisions >= MAX_COLLISIONS || !failure.said().is_some_and(D::is_collision) {
            return false;
        }
        *collisions += 1;
        tokio::time::sleep(Duration::from_millis(u64::from(*collisions))).await;
        true
    }
}

impl<D> Driver for Connected<D>
where
    D: Dialect,
    ArgumentsOf<D>: IntoArguments<D::Db>,
    for<'c> &'c mut ConnectionOf<D>: Executor<'c, Database = D::Db>,
    for<'q> &'q str: Encode<'q, D::Db> + Type<D::Db>,
    for<'q> &'q [u8]: Encode<'q, D::Db> + Type<D::Db>,
    for<'q> i64: Encode<'q, D::Db> + Type<D::Db> + Decode<'q, D::Db>,
    for<'q> String: Decode<'q, D::Db>,
    for<'q> Option<String>: Decode<'q, D::Db>,
    for<'q> Vec<u8>: Decode<'q, D::Db>,
    usize: ColumnIndex<RowOf<D>>,
{
    fn execute<'a>(&'a self, statement: &'a Statement, values: Values<'a>) -> Answer<'a, u64> {
        Box::pin(self.write(statement, values))
    }

    fn execute_all<'a>(&'a self, statement: &'a Statement, values: &'a [Values<'a>]) -> Answer<'a, Vec<u64>> {
        Box::pin(self.write_all(statement, values))
    }

    fn record<'a>(&'a self, statement: &'a Statement, values: Values<'a>) -> Answer<'a, Option<Record>> {
        Box::pin(async move {
            let rows = self.read(statement, values).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            Ok(Some((row.try_get_unchecked(0)?, row.try_get_unchecked(1)?)))
        })
    }

    fn rows<'a>(&'a self, statement: &'a Statement, values: Values<'a>) -> Answer<'a, Vec<ListedRow>> {
        Box::pin(async move {
            let rows = self.read(statement, values).await?;
            let listed = rows.iter().map(|row| {
                Ok(ListedRow {
                    id: row.try_get_unchecked(0)?,
                    key: row.try_get_unchecked(1)?,
                    bytes: row.try_get_unchecked(2)?,
                    expiry: row.try_get_unchecked(3)?,
                    data: if row.len() > 4 { Some(row.try_get_unchecked(4)?) } else { None },
                })
            });
            listed.collect()
        })
    }

    fn ids<'a>(&'a self, statement: &'a Statement, values: Values<'a>) -> Answer<'a, Vec<i64>> {
        Box::pin(async move {
            let rows = self.read(statement, values).await?;
            rows.iter().map(|row| Ok(row.try_get_unchecked(0)?)).collect()
        })
    }

    fn is_duplicate(&self, failure: &Failure) -> bool {
        failure.said().is_some_and(D::is_duplicate)
    }

    fn is_missing_table(&self, failure: &Failure) -> bool {
        failure.said().is_some_and(D::is_missing_table)
    }

    fn explain(&self, failure: Failure) -> StoreError {
        failure.into_store_error(D::STORE, D::meaning)
    }
}

impl<D: Dialect> fmt::Debug for Connected<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(D::STORE)
    }
}

/// Returns `true` if the connection broke or the server closed it: PostgreSQL's class 57P,
/// "operator intervention", and the common class 08, "connection exception".
fn is_lost(failure: &Failure) -> bool {
    let code = failure.said().and_then(|said| said.code());
    let is_closing =
        code.is_some_and(|code| code.len() == 5 && (code.starts_with("57P") || code.starts_with("08")));
    is_closing || failure.is_broken_connection()
}

const MAX_COLLISIONS: u32 = 20;
