//! The URL of the store that Flask-Session's settings name.

use hipflask_core::value::{Dict, Value};

use super::error::ConfigError;

/// The URL that the settings mean.
pub(crate) fn url(named: &Dict) -> Result<Option<String>, ConfigError> {
    let get = |name: &str| named.get(name).and_then(Value::as_str);
    let or = |name, default: &str| get(name).unwrap_or(default).to_owned();
    let Some(kind) = get("SESSION_TYPE") else { return Ok(None) };
    let (mut url, options): (String, &[(&str, &str)]) = match kind.to_ascii_lowercase().as_str() {
        "filesystem" | "cachelib" => {
            let directory = or("SESSION_FILE_DIR", "flask_session");
            if directory.contains('?') {
                return Err(ConfigError::StoreSetting {
                    problem: "SESSION_FILE_DIR cannot have a `?` in it",
                });
            }
            (format!("file:{directory}"), &[("mode", "SESSION_FILE_MODE")])
        }
        "redis" => (or("SESSION_REDIS", "redis://127.0.0.1:6379/0"), &[]),
        "memcached" => (or("SESSION_MEMCACHED", "memcached://127.0.0.1:11211"), &[]),
        "mongodb" => (
            mongodb(&or("SESSION_MONGODB", "mongodb://127.0.0.1:27017"), get("SESSION_MONGODB_DB"))?,
            &[("collection", "SESSION_MONGODB_COLLECT")],
        ),
        "sqlalchemy" => {
            let url = get("SESSION_SQLALCHEMY").or(get("SQLALCHEMY_DATABASE_URI"));
            let missing = "SESSION_TYPE sqlalchemy needs the URL of the database in SQLALCHEMY_DATABASE_URI";
            (
                url.ok_or_else(|| ConfigError::StoreSetting { problem: missing })?.to_owned(),
                &[
                    ("table", "SESSION_SQLALCHEMY_TABLE"),
                    ("schema", "SESSION_SQLALCHEMY_SCHEMA"),
                    ("sequence", "SESSION_SQLALCHEMY_SEQUENCE"),
                ],
            )
        }
        "dynamodb" => match get("SESSION_DYNAMODB") {
            Some(url) => (url.to_owned(), &[]),
            None => (format!("dynamodb://{}", or("SESSION_DYNAMODB_TABLE", "Sessions")), &[]),
        },
        _ if kind.contains(':') => (kind.to_owned(), &[]),
        _ => return Err(ConfigError::UnknownType { kind: kind.into() }),
    };
    for (option, name) in options {
        if let Some(value) = get(name) {
            url += if url.contains('?') { "&" } else { "?" };
            url += &format!("{option}={value}");
        }
    }
    Ok(Some(url))
}

/// The URL with the name of the database in it, which Flask-Session has in a setting of its own.
fn mongodb(url: &str, database: Option<&str>) -> Result<String, ConfigError> {
    let Some(database) = database else { return Ok(url.to_owned()) };
    let (place, options) = url.split_once('?').map_or((url, String::new()), |(p, o)| (p, format!("?{o}")));
    let place = place.trim_end_matches('/');
    if place.split_once("://").is_some_and(|(_, rest)| rest.contains('/')) {
        let what = "SESSION_MONGODB names a database already; leave SESSION_MONGODB_DB out";
        return Err(ConfigError::StoreSetting { problem: what });
    }
    Ok(format!("{place}/{database}{options}"))
}
