//! Opens stores by URL.

use std::sync::Arc;
#[cfg(all(unix, feature = "file"))]
use std::time::Duration;

use hipflask_core::time::UnixTime;

use crate::memory::MemoryStore;
use crate::store::{ErrorKind, Scan, Store, StoreError};

/// Opens the store at `url` and checks that it is ready.
///
/// | URL | store | feature |
/// | --- | --- | --- |
/// | `memory:` | [`MemoryStore`], for one process | |
/// | `file:./flask_session`, `file:/srv/sessions?mode=600` | a directory, as cachelib has it; also `sync=true`, `md5=true`, `timeout=2`, `danger_shared_directory=true` | `file` |
/// | `sqlite:app.db` | SQLite | `sqlite` |
/// | `postgres://user:password@host/db` | PostgreSQL | `postgres` |
/// | `mysql://user:password@host/db` | MySQL and MariaDB | `mysql` |
/// | `redis://host:6379/0`, `redis+unix:`, `redis+cluster:`, `redis+sentinel:`; `valkey` for `redis` | Redis, Valkey | `redis` |
/// | `rediss://host`, and so on | the same with TLS | `redis-tls` |
/// | `memcached://a,b`, `memcached+unix:` | memcached | `memcached` |
/// | `mongodb://host/db` | MongoDB | `mongodb` |
/// | `dynamodb://Sessions?region=eu-west-1` | DynamoDB | `dynamodb` |
///
/// The page of each store lists its options.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), hipflask_store::StoreError> {
/// let store = hipflask_store::connect("memory:").await?;
/// assert_eq!(store.describe().kind, "memory");
///
/// let error = hipflask_store::connect("reddis://127.0.0.1").await.unwrap_err();
/// assert!(error.to_string().contains("unknown store scheme `reddis:`; use memory:, file:, "));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ErrorKind::Misconfigured`] for an invalid URL: an unknown scheme, a missing feature, a typo in
/// an option. The store's error if it is unreachable. No error shows a password.
pub async fn connect(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    let store = open(url).await?;
    ready(&*store).await?;
    Ok(store)
}

/// Calls [`Store::ready`], and adds the store's address to its error.
///
/// # Errors
/// Same as [`Store::ready`].
pub async fn ready(store: &dyn Store) -> Result<(), StoreError> {
    store.ready().await.map_err(|error| error.at(store.describe().address))
}

/// Opens the store at `url` without connecting.
///
/// # Errors
/// Same as [`connect`], for the URL alone.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    make(url.trim(), true).await
}

/// Same as [`connect`], but never creates a directory, file or table: a missing one is an error.
/// For operators.
///
/// # Errors
/// Same as [`connect`].
pub async fn connect_existing(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    let url = url.trim();
    let store = make(url, false).await?;
    match kind(url)? {
        // Their `ready` creates an index or enables the TTL. Reading a record shows that they exist.
        Kind::MongoDb | Kind::DynamoDb => {
            let first = store.scan(&Scan::new("").limit(1), UnixTime::from_secs(0)).await;
            first.map_err(|error| error.at(store.describe().address))?;
        }
        _ => ready(&*store).await?,
    }
    Ok(store)
}

/// Returns the feature that [`connect`] lacks for `url`; `None` if it lacks none, or if no store
/// has this scheme.
///
/// ```
/// assert_eq!(hipflask_store::missing_feature("memory:"), None);
/// # #[cfg(not(feature = "redis"))]
/// assert_eq!(hipflask_store::missing_feature("redis://127.0.0.1"), Some("redis"));
/// ```
#[must_use]
pub fn missing_feature(url: &str) -> Option<&'static str> {
    let kind = kind(url.trim()).ok()?;
    let is_compiled_in = match kind {
        Kind::Memory => true,
        Kind::File => cfg!(feature = "file"),
        Kind::Sqlite => cfg!(feature = "sqlite"),
        Kind::Postgres => cfg!(feature = "postgres"),
        Kind::MySql => cfg!(feature = "mysql"),
        Kind::Redis => cfg!(feature = "redis"),
        Kind::RedisTls => cfg!(feature = "redis-tls"),
        Kind::Memcached => cfg!(feature = "memcached"),
        Kind::MongoDb => cfg!(feature = "mongodb"),
        Kind::DynamoDb => cfg!(feature = "dynamodb"),
    };
    (!is_compiled_in).then(|| kind.feature())
}

fn kind(url: &str) -> Result<Kind, StoreError> {
    url.split_once(':').and_then(|(scheme, _)| Kind::of(scheme)).ok_or_else(|| unknown(url))
}

/// Opens the store. With `make` it may create a missing directory or table.
#[allow(unused_variables, reason = "without features no store creates anything")]
async fn make(url: &str, make: bool) -> Result<Arc<dyn Store>, StoreError> {
    match kind(url)? {
        Kind::Memory if url.len() == "memory:".len() => Ok(Arc::new(MemoryStore::new())),
        Kind::Memory => Err(wrong("memory", "`memory:` takes no path")),
        #[cfg(all(unix, feature = "file"))]
        Kind::File => file(url, make),
        #[cfg(feature = "sqlite")]
        Kind::Sqlite => sql(url, make),
        #[cfg(feature = "postgres")]
        Kind::Postgres => sql(url, make),
        #[cfg(feature = "mysql")]
        Kind::MySql => sql(url, make),
        #[cfg(feature = "redis")]
        Kind::Redis => Ok(Arc::new(crate::redis::RedisStore::from_url(url)?)),
        #[cfg(feature = "redis-tls")]
        Kind::RedisTls => Ok(Arc::new(crate::redis::RedisStore::from_url(url)?)),
        #[cfg(all(unix, feature = "memcached"))]
        Kind::Memcached => Ok(Arc::new(crate::memcached::MemcachedStore::from_url(url)?)),
        #[cfg(feature = "mongodb")]
        Kind::MongoDb => Ok(Arc::new(crate::mongodb::MongoDbStore::from_url(url).await?)),
        #[cfg(feature = "dynamodb")]
        Kind::DynamoDb => {
            let store = crate::dynamodb::DynamoDbStore::from_url(url);
            let store =
                store.map_err(|error| wrong("dynamodb", "its URL cannot be used").caused_by(error))?;
            Ok(Arc::new(store.make_table(make)))
        }
        #[allow(unreachable_patterns, reason = "with every feature on, each kind has its store")]
        missing => Err(missing.not_compiled_in()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Memory,
    File,
    Sqlite,
    Postgres,
    MySql,
    Redis,
    RedisTls,
    Memcached,
    MongoDb,
    DynamoDb,
}

impl Kind {
    /// Returns the kind of a scheme. The part after a `+` is for the store.
    fn of(scheme: &str) -> Option<Self> {
        let scheme = scheme.to_ascii_lowercase();
        Some(match scheme.split('+').next().unwrap_or_default() {
            "memory" => Self::Memory,
            "file" => Self::File,
            "sqlite" => Self::Sqlite,
            "postgres" | "postgresql" => Self::Postgres,
            "mysql" | "mariadb" => Self::MySql,
            "redis" | "valkey" | "unix" => Self::Redis,
            "rediss" | "valkeys" => Self::RedisTls,
            "memcached" => Self::Memcached,
            "mongodb" => Self::MongoDb,
            "dynamodb" => Self::DynamoDb,
            _ => return None,
        })
    }

    const fn feature(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::File => "file",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::Redis => "redis",
            Self::RedisTls => "redis-tls",
            Self::Memcached => "memcached",
            Self::MongoDb => "mongodb",
            Self::DynamoDb => "dynamodb",
        }
    }

    fn not_compiled_in(self) -> StoreError {
        let reason = match self {
            Self::File => "it needs Unix file locks",
            _ => "its client needs Unix sockets",
        };
        if cfg!(not(unix)) && matches!(self, Self::File | Self::Memcached) {
            return StoreError::new(self.feature(), ErrorKind::Unsupported, reason);
        }
        let feature = self.feature();
        let store = if self == Self::RedisTls { "redis" } else { feature };
        let what =
            format!("it was not compiled in; add the feature `{feature}` of hipflask or hipflask-store");
        StoreError::new(store, ErrorKind::Misconfigured, what)
    }
}

/// Repeats nothing of the URL but its scheme: the rest may contain a password.
fn unknown(url: &str) -> StoreError {
    let shown = url.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| {
        scheme.len() <= 20 && scheme.bytes().all(|byte| byte.is_ascii_alphabetic() || b"+-.".contains(&byte))
    });
    let what = match shown {
        Some(scheme) => format!("unknown store scheme `{scheme}:`; use {KNOWN}"),
        None => format!("not a store URL; use {KNOWN}"),
    };
    StoreError::new("session", ErrorKind::Misconfigured, what)
}

fn wrong(store: &'static str, what: &str) -> StoreError {
    StoreError::new(store, ErrorKind::Misconfigured, what)
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
fn sql(url: &str, make: bool) -> Result<Arc<dyn Store>, StoreError> {
    match crate::sql::SqlStore::builder(url).and_then(|builder| builder.make_table(make).build()) {
        Ok(store) => Ok(Arc::new(store)),
        Err(error) => Err(wrong("SQL", "its URL cannot be used").caused_by(error)),
    }
}

/// Opens `file:` and a path, which is not decoded, with options after a `?`.
#[cfg(all(unix, feature = "file"))]
fn file(url: &str, make: bool) -> Result<Arc<dyn Store>, StoreError> {
    let rest = url.split_once(':').map_or("", |(_, rest)| rest);
    let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
    let path = match path.strip_prefix("//") {
        None => path,
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err(wrong("file", "write `file:./directory`, or `file:/srv/directory`")),
    };
    if path.is_empty() {
        return Err(wrong("file", "the URL has no directory; write `file:./directory`"));
    }
    let mut store = crate::file::FileStore::new(path).make_directory(make);
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let truth = value.parse::<bool>();
        store = match (name, truth) {
            ("sync", Ok(sync)) => store.with_sync(sync),
            ("md5", Ok(md5)) => store.with_md5_names(md5),
            ("danger_shared_directory", Ok(shared)) => store.danger_shared_directory(shared),
            ("timeout", _) => match value.parse::<f64>().map(Duration::try_from_secs_f64) {
                Ok(Ok(timeout)) => store.with_timeout(timeout),
                _ => return Err(wrong("file", "`timeout` is a number of seconds, such as 2")),
            },
            ("mode", _) => match u32::from_str_radix(value, 8) {
                Ok(mode) if mode <= 0o777 => store.with_mode(mode),
                _ => return Err(wrong("file", "`mode` is three octal digits, such as 600")),
            },
            _ => {
                let options = "its options are mode=600, sync=true, md5=true, timeout=2 and \
                               danger_shared_directory=true";
                return Err(wrong("file", options));
            }
        };
    }
    Ok(Arc::new(store))
}

const KNOWN: &str = "memory:, file:, sqlite:, postgres:, mysql:, redis:, rediss:, redis+cluster:, redis+sentinel:, \
                     redis+unix:, memcached:, mongodb: or dynamodb:";

#[cfg(test)]
mod tests {
    use super::*;

    async fn error(url: &str) -> String {
        let error = open(url).await.expect_err(url);
        let mut text = error.to_string();
        if let Some(cause) = std::error::Error::source(&error) {
            text += &cause.to_string();
        }
        text
    }

    #[tokio::test]
    async fn unknown_url_is_refused_and_never_repeated() {
        for url in ["", "secret", "ftp://user:secret@host", "user1:secret@host/", "s3cret!:x"] {
            let error = error(url).await;
            assert!(error.contains(KNOWN) && !error.contains("cret"), "{error}");
        }
        for url in ["memory:secret", "file:", "file://secret", "file:x?secret=1", "file:x?mode=secret"] {
            let error = error(url).await;
            assert!(!error.contains("cret"), "{error}");
        }
    }

    #[tokio::test]
    async fn missing_store_names_its_feature() {
        for (kind, feature) in [(Kind::Redis, "redis"), (Kind::RedisTls, "redis-tls"), (Kind::MySql, "mysql")]
        {
            let error = kind.not_compiled_in().to_string();
            assert!(error.contains(&format!("add the feature `{feature}` of hipflask or")), "{error}");
        }
        #[cfg(not(feature = "dynamodb"))]
        assert!(error("DynamoDB://Sessions").await.contains("`dynamodb`"));
    }

    #[cfg(all(unix, feature = "file"))]
    #[tokio::test]
    async fn connect_existing_creates_no_directory() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("file:{}/not-there", directory.path().display());
        let error = connect_existing(&url).await.unwrap_err();
        assert!(error.to_string().contains("the session directory does not exist"), "{error}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        connect(&url).await.unwrap();
        connect_existing(&url).await.unwrap();
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn connect_existing_creates_neither_file_nor_table() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("app.db");
        let url = format!("sqlite:{}", file.display());
        let error = connect_existing(&url).await.unwrap_err();
        assert!(error.to_string().contains("does not exist") && !file.exists(), "{error}");
        std::fs::write(&file, "").unwrap();
        let error = connect_existing(&url).await.unwrap_err();
        assert!(error.to_string().contains("no session table"), "{error}");
        connect(&url).await.unwrap();
        connect_existing(&url).await.unwrap();
    }

    #[test]
    fn missing_feature_names_the_feature() {
        assert_eq!((missing_feature("memory:"), missing_feature("ftp://x")), (None, None));
        #[cfg(not(feature = "mongodb"))]
        assert_eq!(missing_feature(" mongodb://h/db"), Some("mongodb"));
        #[cfg(feature = "redis")]
        assert_eq!(missing_feature("valkey://h"), None);
    }

    #[cfg(all(unix, feature = "file"))]
    #[tokio::test]
    async fn directory_url_has_several_forms() {
        for (url, place) in [
            ("file:./a b", "file:./a b"),
            ("file:sessions?mode=640&sync=true&md5=true", "file:sessions"),
            ("File:/srv/s", "file:/srv/s"),
            ("file:///srv/s", "file:/srv/s"),
        ] {
            assert_eq!(open(url).await.unwrap().describe().address, place);
        }
    }

    #[cfg(all(unix, feature = "sqlite", feature = "redis", feature = "memcached"))]
    #[tokio::test]
    async fn every_scheme_leads_to_its_store() {
        for (url, kind) in [
            ("sqlite:app.db", "sqlite"),
            ("redis://:secret@127.0.0.1/1", "redis"),
            ("valkey+cluster://a,b", "redis"),
            ("redis+sentinel://a/master", "redis"),
            ("unix:///run/redis.sock", "redis"),
            ("memcached://a,b:11212", "memcached"),
        ] {
            let description = open(url).await.unwrap().describe();
            assert_eq!(description.kind, kind, "{url}");
            assert!(!description.address.contains("secret"));
        }
    }
}
