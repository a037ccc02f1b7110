//! Stores by URL and by Flask-Session's settings.

use hipflask_core::value::Value;
use hipflask_store::record::Format;

use super::builder::SessionsBuilder;
use super::error::ConfigError;
use super::store_url::url;
use super::value::{Setting, text, truth};
use crate::engine::Sessions;
use crate::error::Cause;

impl Sessions {
    /// [`from_env`](Self::from_env) for sessions in a store as well: with Flask-Session's
    /// `SESSION_TYPE`, it is connected to.
    ///
    /// # Errors
    /// [`ConfigError`] for whatever is missing or cannot work, and for a store that cannot be reached.
    pub async fn connect_env(prefix: &str) -> Result<Self, ConfigError> {
        Self::builder().env(prefix)?.connect().await?.build()
    }
}

impl SessionsBuilder {
    /// Keeps sessions in the store at `url`, which is connected to now: `redis://127.0.0.1/0`,
    /// `file:./flask_session` and whatever else [`hipflask_store::connect`] knows.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), hipflask::ConfigError> {
    /// use hipflask::Sessions;
    /// let sessions = Sessions::builder().store_url("memory:").await?.build()?;
    /// assert!(sessions.is_stored());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::Store`] for a URL that cannot work, and for a store that cannot be reached.
    pub async fn store_url(self, url: &str) -> Result<Self, ConfigError> {
        let store =
            hipflask_store::connect(url).await.map_err(|error| ConfigError::Connect(Cause::new(error)))?;
        Ok(self.store(store))
    }

    /// Connects to the store that `SESSION_TYPE` in the settings before this asks for. Does nothing
    /// if it asks for none.
    ///
    /// | `SESSION_TYPE` | where it is |
    /// | --- | --- |
    /// | `filesystem`, `cachelib` | the directory `SESSION_FILE_DIR`, or else `flask_session`; `SESSION_FILE_MODE` |
    /// | `redis` | the URL in `SESSION_REDIS`, or else this machine |
    /// | `memcached` | the URL in `SESSION_MEMCACHED`, or else this machine |
    /// | `mongodb` | the URL in `SESSION_MONGODB`, or else this machine; `SESSION_MONGODB_DB`, `SESSION_MONGODB_COLLECT` |
    /// | `sqlalchemy` | the URL in `SESSION_SQLALCHEMY` or `SQLALCHEMY_DATABASE_URI`; `SESSION_SQLALCHEMY_TABLE`, `_SCHEMA`, `_SEQUENCE` |
    /// | `dynamodb` | the URL in `SESSION_DYNAMODB`, or else the table `SESSION_DYNAMODB_TABLE` |
    /// | a URL | as in [`store_url`](Self::store_url) |
    ///
    /// Where Flask-Session takes a client object, give a URL here.
    ///
    /// # Errors
    /// As [`store_url`](Self::store_url).
    pub async fn connect(mut self) -> Result<Self, ConfigError> {
        let named = std::mem::take(&mut self.store.named);
        match url(&named)? {
            Some(url) => self.store_url(&url).await,
            None => Ok(self),
        }
    }
}

/// Flask-Session's names, each with what takes it.
pub(crate) const SETTINGS: [Setting; 21] = [
    ("SESSION_PERMANENT", |b, name, value| Ok(b.session_permanent(truth(name, value)?))),
    ("SESSION_KEY_PREFIX", |b, name, value| Ok(b.key_prefix(text(name, value, "text")?))),
    ("SESSION_USE_SIGNER", |b, name, value| Ok(b.use_signer(truth(name, value)?))),
    ("SESSION_ID_LENGTH", |b, name, value| {
        let number = value.as_i64().and_then(|number| usize::try_from(number).ok());
        Ok(b.id_length(number.ok_or_else(|| ConfigError::wrong(name, value, "a number of bytes"))?))
    }),
    ("SESSION_SERIALIZATION_FORMAT", |b, name, value| match text(name, value, "text")? {
        "msgpack" => Ok(b.serialization_format(Format::Msgpack)),
        "json" => Ok(b.serialization_format(Format::Json)),
        other => Err(ConfigError::UnsupportedFormat { format: other.to_owned() }),
    }),
    // Live sessions are never dropped here, and no request pays for the cleaning.
    ("SESSION_FILE_THRESHOLD", |b, _, _| Ok(b)),
    ("SESSION_CLEANUP_N_REQUESTS", |b, _, _| Ok(b)),
    ("SESSION_FILE_DIR", named),
    ("SESSION_FILE_MODE", |mut b, name, value| match value.as_i64() {
        Some(mode @ 0..=0o777) => {
            b.store.name(name, &format!("{mode:o}"))?;
            Ok(b)
        }
        _ => Err(ConfigError::wrong(name, value, "a number up to 511; 384 is 0600")),
    }),
    ("SESSION_REDIS", named),
    ("SESSION_MEMCACHED", named),
    ("SESSION_MONGODB", named),
    ("SESSION_MONGODB_DB", named),
    ("SESSION_MONGODB_COLLECT", named),
    ("SQLALCHEMY_DATABASE_URI", named),
    ("SESSION_SQLALCHEMY", named),
    ("SESSION_SQLALCHEMY_TABLE", named),
    ("SESSION_SQLALCHEMY_SCHEMA", named),
    ("SESSION_SQLALCHEMY_SEQUENCE", named),
    ("SESSION_DYNAMODB", named),
    ("SESSION_DYNAMODB_TABLE", named),
];

fn named(mut b: SessionsBuilder, name: &str, value: &Value) -> Result<SessionsBuilder, ConfigError> {
    if *value != Value::None {
        b.store.name(name, text(name, value, "text")?)?;
    }
    Ok(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url_of(toml: &str) -> String {
        let builder = Sessions::builder().toml(toml).unwrap();
        url(&builder.store.named).unwrap().unwrap()
    }

    #[test]
    fn the_settings_of_flask_session_name_a_store() {
        for (settings, url) in [
            ("SESSION_TYPE = 'filesystem'", "file:flask_session"),
            (
                "SESSION_TYPE = 'FileSystem'\nSESSION_FILE_DIR = '/srv/s'\nSESSION_FILE_MODE = 416\nSESSION_FILE_THRESHOLD = 9",
                "file:/srv/s?mode=640",
            ),
            ("SESSION_TYPE = 'redis'", "redis://127.0.0.1:6379/0"),
            ("SESSION_TYPE = 'redis'\nSESSION_REDIS = 'rediss://h'", "rediss://h"),
            ("SESSION_TYPE = 'memcached'\nSESSION_MEMCACHED = 'memcached://a,b'", "memcached://a,b"),
            (
                "SESSION_TYPE = 'mongodb'\nSESSION_MONGODB = 'mongodb://h?x=1'\nSESSION_MONGODB_DB = 'd'\nSESSION_MONGODB_COLLECT = 'c'",
                "mongodb://h/d?x=1&collection=c",
            ),
            (
                "SESSION_TYPE = 'sqlalchemy'\nSQLALCHEMY_DATABASE_URI = 'sqlite:///a.db'\nSESSION_SQLALCHEMY_TABLE = 't'",
                "sqlite:///a.db?table=t",
            ),
            ("SESSION_TYPE = 'dynamodb'\nSESSION_DYNAMODB_TABLE = 'T'", "dynamodb://T"),
            ("SESSION_TYPE = 'valkey://h/3'", "valkey://h/3"),
        ] {
            assert_eq!(url_of(settings), url);
        }
    }

    #[tokio::test]
    async fn unavailable_store_is_an_error_with_a_fix() {
        for (settings, expected) in [
            ("SESSION_TYPE = 'rediss'", "not available"),
            ("SESSION_TYPE = 'sqlalchemy'", "SQLALCHEMY_DATABASE_URI"),
            ("SESSION_TYPE = 'reddis://secret@h'", "use memory:, file:"),
            ("SESSION_TYPE = 'file:/dev/null/sessions'", "file store at file:/dev/null/sessions: "),
            ("SESSION_TYPE = 'memory:'\nSESSION_USE_SIGNER = true", "no secret key was set"),
            ("SESSION_TYPE = 'memory:'\nSESSION_ID_LENGTH = 1", "SESSION_ID_LENGTH is 1"),
            (
                "SESSION_TYPE = 'memory:'\nSESSION_SERIALIZATION_FORMAT = 'pickle'",
                "Unsupported serialization format: pickle",
            ),
        ] {
            let error = Sessions::connect_toml(settings).await.unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("secret@"), "{settings}: {error}");
        }
        let error = Sessions::from_toml("SESSION_TYPE = 'redis'").unwrap_err().to_string();
        assert!(error.contains("`connect_env`") && error.contains("redis"), "{error}");
    }

    #[tokio::test]
    async fn id_settings_do_not_depend_on_order() {
        let before = Sessions::builder().id_length(16).session_permanent(false);
        let sessions = before.store_url("memory:").await.unwrap().build().unwrap();
        assert!(sessions.is_stored());
        let error = Sessions::builder().id_length(1).store_url("memory:").await.unwrap().build();
        assert!(error.is_err());
    }
}
