//! A MongoDB collection, with the records of Flask-Session.
//!
//! The collection is that of Flask-Session 0.8: `sessions` in the database `flask_session` by
//! default. A document has `id` (the key), `val` (binary) and `expiration` (a date, by which a TTL
//! index removes it).
//!
//! | | here | in Flask-Session 0.8 |
//! | --- | --- | --- |
//! | index on `id` | created, and unique: it guarantees that a new session is new | none, so that each request reads the whole collection |
//! | an expired document that still exists | not a session: the server removes them once a minute | a session |
//! | `expiration` is missing | never expires | the same |
//! | two writers | the second one gets the first one's record | the second one wins |
//!
//! Writes wait for a majority of the replicas, and reads use the primary, so that deleted sessions
//! stay deleted after a failover. The driver only repeats a write with a number by which the server
//! recognizes it.
//!
//! # Configuration
//!
//! - [`MongoDbStore::from_url`]:
//!   `mongodb://user:password@host:27017/DATABASE?collection=sessions&timeout=5`. Both parameters
//!   are optional; others go to the driver (`authSource=admin`, `tls=true`). `mongodb+srv://` needs
//!   the feature `mongodb-srv`.
//! - [`MongoDbStore::from_client`] takes a client.
//!
//! # Tests
//!
//! **Not tested against a real MongoDB**, which was not available. The tests run against
//! `wire/mongo_front.py`, which implements MongoDB's protocol in front of mongomock; real
//! Flask-Session with pymongo uses it in the same tests. They cover names, types and conditions,
//! but not the TTL monitor, write concern, authentication or a failover.

mod client;
mod document;
mod failure;

use core::fmt;
use core::future::IntoFuture;
use core::time::Duration;
use std::sync::Arc;

pub use mongodb as driver;

use hipflask_core::time::UnixTime;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{ClientOptions, IndexOptions};
use mongodb::{Client, IndexModel};

use crate::store::{
    Created, Cursor, Deleted, DeletedIf, Description, Entry, ErrorKind, Key, Page, Replaced, Scan, Store,
    StoreError, Stored, Token, Touched, expiry,
};
use client::{ClientHandle, RenewableClient};
use document::{binary, date, stored};
use failure::{NAME, explain, is_duplicate};

/// A collection of sessions. See the [module](self).
///
/// ```no_run
/// # async fn example() -> Result<(), hipflask_store::StoreError> {
/// use hipflask_store::mongodb::MongoDbStore;
/// use hipflask_store::Store;
/// let store = MongoDbStore::from_url("mongodb://127.0.0.1/flask_session").await?;
/// store.ready().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MongoDbStore {
    clients: Arc<RenewableClient>,
    address: String,
    timeout: Duration,
}

impl MongoDbStore {
    /// Creates the store at `url`, without connecting.
    ///
    /// # Errors
    /// [`ErrorKind::Misconfigured`] if the URL is invalid.
    pub async fn from_url(url: &str) -> Result<Self, StoreError> {
        let (start, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut collection, mut timeout, mut left) = ("sessions", Duration::from_secs(5), Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("collection", name)) => collection = name,
                Some(("timeout", seconds)) => {
                    let seconds =
                        seconds.parse().map_err(|_| misconfigured("`timeout` in the URL is not a number"))?;
                    timeout = Duration::from_secs(seconds);
                }
                _ => left.push(pair),
            }
        }
        // The driver requires a `/` before the `?`.
        let after_scheme = start.split_once("://").map_or("", |(_, rest)| rest);
        let slash = if after_scheme.contains('/') { "" } else { "/" };
        let parsed = ClientOptions::parse(format!("{start}{slash}?{}", left.join("&"))).await;
        let mut options = parsed.map_err(|_| {
            misconfigured(
                "invalid URL; write `mongodb://HOST/DATABASE`, with a percent-encoded password, \
                 and for `mongodb+srv:` add the feature `mongodb-srv`",
            )
        })?;
        // The driver knows why no server is available, so it gives up first.
        options.server_selection_timeout = Some(timeout * 9 / 10);
        // The driver monitors the server on one connection. If that one hangs, it must notice and
        // try another one before the callers give up.
        options.connect_timeout.get_or_insert(timeout / 2);
        let hosts: Vec<String> = options.hosts.iter().map(ToString::to_string).collect();
        let database = options.default_database.clone().unwrap_or_else(|| "flask_session".to_owned());
        let address = format!("mongodb://{}/{database}?collection={collection}", hosts.join(","));
        let clients = RenewableClient::renewed(options, &database, collection).map_err(explain)?;
        Ok(Self { clients: Arc::new(clients), address, timeout })
    }

    /// Creates a store that uses `client`, and `collection` of `database`.
    #[must_use]
    #[doc(alias("SESSION_MONGODB", "SESSION_MONGODB_DB", "SESSION_MONGODB_COLLECT"))]
    pub fn from_client(client: &Client, database: &str, collection: &str) -> Self {
        Self {
            clients: Arc::new(RenewableClient::of(client, database, collection)),
            address: format!("mongodb:{database}?collection={collection}"),
            timeout: Duration::from_secs(5),
        }
    }

    /// Sets the timeout for a reply: 5 s by default.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn load(&self, key: &Key, now: UnixTime) -> Result<Option<Stored>, StoreError> {
        if key.is_at_rest() {
            return Ok(None);
        }
        let client = self.clients.current();
        let found = self.within(&client, client.sessions().find_one(doc! { "id": key.as_str() })).await?;
        Ok(found.and_then(stored).filter(|stored| !stored.is_expired(now)))
    }

    async fn create(
        &self,
        key: &Key,
        data: &[u8],
        ttl: Duration,
        now: UnixTime,
    ) -> Result<Created, StoreError> {
        if key.is_at_rest() {
            let what = "it only finds records by their keys";
            return Err(StoreError::new(NAME, ErrorKind::Unsupported, what));
        }
        // Reuses an expired document. Otherwise it inserts one, which the unique index refuses if a
        // live one exists.
        let expired = doc! { "id": key.as_str(), "expiration": { "$lte": date(now) } };
        let new = doc! { "$set": { "val": binary(data), "expiration": date(expiry(now, ttl)) } };
        let client = self.clients.current();
        match self.answer(&client, client.sessions().update_one(expired, new).upsert(true)).await? {
            Ok(_) => Ok(Created::Created(Token::Data)),
            Err(error) if is_duplicate(&error) => Ok(Created::Exists),
            Err(error) => Err(explain(error)),
        }
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
        let set = doc! { "val": binary(data), "expiration": date(expiry(now, ttl)) };
        if self.set(live(key, Some(expected), now), set).await? {
            return Ok(Replaced::Replaced(Token::Data));
        }
        Ok(self.load(key, now).await?.map_or(Replaced::Gone, Replaced::Conflict))
    }

    async fn touch(&self, key: &Key, ttl: Duration, now: UnixTime) -> Result<Touched, StoreError> {
        if key.is_at_rest() {
            return Ok(Touched::Gone);
        }
        let set = doc! { "expiration": date(expiry(now, ttl)) };
        let done = self.set(live(key, None, now), set).await?;
        Ok(if done { Touched::Touched } else { Touched::Gone })
    }

    /// Returns `true` if there was a document to change.
    async fn set(&self, filter: Document, set: Document) -> Result<bool, StoreError> {
        let client = self.clients.current();
        let done = self.within(&client, client.sessions().update_one(filter, doc! { "$set": set })).await?;
        Ok(done.matched_count > 0)
    }

    async fn delete(&self, key: &Key, now: UnixTime) -> Result<Deleted, StoreError> {
        if key.is_at_rest() {
            return Ok(Deleted::Gone);
        }
        let client = self.clients.current();
        let was = client.sessions().find_one_and_delete(doc! { "id": key.as_str() });
        let was = self.within(&client, was).await?;
        let was_live = was.and_then(stored).is_some_and(|stored| !stored.is_expired(now));
        Ok(if was_live { Deleted::Deleted } else { Deleted::Gone })
    }

    async fn delete_if(&self, key: &Key, expected: &Stored, now: UnixTime) -> Result<DeletedIf, StoreError> {
        if key.is_at_rest() {
            return Ok(DeletedIf::Gone);
        }
        let client = self.clients.current();
        let done = self.within(&client, client.sessions().delete_one(live(key, Some(expected), now))).await?;
        if done.deleted_count > 0 {
            return Ok(DeletedIf::Deleted);
        }
        Ok(self.load(key, now).await?.map_or(DeletedIf::Gone, DeletedIf::Conflict))
    }

    async fn scan(&self, scan: &Scan, now: UnixTime) -> Result<Page, StoreError> {
        let limit = scan.limit.clamp(1, LONGEST_PAGE);
        // Sorted by key, documents with the prefix are adjacent.
        let from = match &scan.after {
            Some(after) => doc! { "$gt": after.as_str() },
            None => doc! { "$gte": &scan.prefix },
        };
        let client = self.clients.current();
        let find = client.sessions().find(doc! { "id": from }).sort(doc! { "id": 1 }).limit(limit as i64);
        let reading = async {
            let mut cursor = find.await?;
            let mut documents = Vec::new();
            while cursor.advance().await? {
                documents.push(cursor.deserialize_current()?);
            }
            Ok(documents)
        };
        let documents: Vec<Document> = self.within(&client, reading).await?;
        let id = |document: &Document| document.get_str("id").unwrap_or_default().to_owned();
        let last = documents.last().map(id).filter(|id| id.starts_with(&scan.prefix));
        let next = last.filter(|_| documents.len() >= limit).map(Cursor::new);
        let entries = documents.into_iter().filter_map(|document| {
            let key = id(&document);
            let key = Key::new("", &key).ok().filter(|_| key.starts_with(&scan.prefix))?;
            let Stored { data, expires, .. } = stored(document).filter(|stored| !stored.is_expired(now))?;
            Some(Entry { key, bytes: data.len(), expires, data: scan.with_data.then_some(data) })
        });
        Ok(Page { entries: entries.collect(), next })
    }

    /// The backend removes expired records by itself.
    async fn purge_expired(&self, _: UnixTime) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let ttl = IndexOptions::builder().expire_after(Duration::ZERO).build();
        let ttl = IndexModel::builder().keys(doc! { "expiration": 1 }).options(ttl).build();
        let unique = IndexOptions::builder().unique(true).build();
        let unique = IndexModel::builder().keys(doc! { "id": 1 }).options(unique).build();
        let client = self.clients.current();
        self.within(&client, client.sessions().create_indexes([ttl, unique])).await?;
        // Neither finds anything; both check the permissions.
        let nothing = doc! { "id": "hipflask:ready", "expiration": { "$lte": date(UnixTime::from_secs(0)) } };
        self.set(nothing.clone(), doc! { "expiration": date(UnixTime::from_secs(0)) }).await?;
        self.within(&client, client.sessions().delete_one(nothing)).await.map(drop)
    }

    async fn within<T>(
        &self,
        client: &Arc<ClientHandle>,
        work: impl IntoFuture<Output = mongodb::error::Result<T>>,
    ) -> Result<T, StoreError> {
        self.answer(client, work).await?.map_err(explain)
    }

    /// Returns the driver's result of `work`, or fails after the timeout.
    async fn answer<T>(
        &self,
        client: &Arc<ClientHandle>,
        work: impl IntoFuture<Output = mongodb::error::Result<T>>,
    ) -> Result<mongodb::error::Result<T>, StoreError> {
        let before = client.answers();
        match tokio::time::timeout(self.timeout, work.into_future()).await {
            Ok(answer) => {
                client.note_answer();
                Ok(answer)
            }
            Err(_) => {
                if client.answers() == before {
                    self.clients.renew(client);
                }
                let what = format!("no answer within {:?}", self.timeout);
                Err(StoreError::new(NAME, ErrorKind::Timeout, what))
            }
        }
    }
}

/// Returns a filter for the live document of `key`, with the expected data if given.
fn live(key: &Key, expected: Option<&Stored>, now: UnixTime) -> Document {
    let mut filter = doc! {
        "id": key.as_str(),
        "$or": [{ "expiration": { "$gt": date(now) } }, { "expiration": Bson::Null }],
    };
    if let Some(expected) = expected {
        filter.insert("val", binary(&expected.data));
    }
    filter
}

fn misconfigured(what: &str) -> StoreError {
    StoreError::new(NAME, ErrorKind::Misconfigured, what)
}

impl Store for MongoDbStore {
    crate::async_store_methods!();

    fn describe(&self) -> Description {
        let mut description = Description::new(NAME, self.address.clone());
        description.max_bytes = Some(LONGEST_RECORD);
        description
    }
}

/// Shows the address, which has no password.
impl fmt::Debug for MongoDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoDbStore").field("address", &self.address).finish_non_exhaustive()
    }
}

const LONGEST_PAGE: usize = 1000;

/// 16 MiB less the longest key and the names.
const LONGEST_RECORD: usize = 16 * 1024 * 1024 - 1024;
