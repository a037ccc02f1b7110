//! [`ConfigError`]: a configuration that cannot work.

use std::fmt;
use std::time::Duration;

use hipflask_core::cookie::CookieConfigError;
use hipflask_core::signing::SignerConfigError;
use hipflask_core::value::Value;

use crate::error::Cause;

/// A configuration that cannot work. Each error names the setting and says what to do; none shows a key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No secret key.
    #[error(
        "The session is unavailable because no secret key was set. Set it with `.secret_key(..)`, or {setting}, to \
         something unique and secret; `hipflask key new` makes one."
    )]
    NoSecretKey {
        /// Where it could have been: the environment variable, if those were read.
        setting: String,
    },
    /// No environment variable has a name with this prefix.
    #[error(
        "{prefix:?} cannot be the prefix of environment variables: an underscore is put between it and the setting, so \
         FLASK is the prefix of FLASK_SECRET_KEY"
    )]
    Prefix {
        /// The given prefix.
        prefix: String,
    },
    /// A key is too short for the strict profile.
    #[error(
        "secret key {index} has {bytes} bytes; the strict profile needs {needed}. `hipflask key new` makes such a key."
    )]
    ShortKey {
        /// Which key, from 0.
        index: usize,
        /// Its length.
        bytes: usize,
        /// The required length.
        needed: usize,
    },
    /// Sessions would expire before the next request.
    #[error(
        "permanent_lifetime (PERMANENT_SESSION_LIFETIME) is {lifetime:?}, so every request would start with an empty \
         session; it counts whole seconds: set 1 or more, or leave it out for the default"
    )]
    ShortLifetime {
        /// The lifetime that was set.
        lifetime: Duration,
    },
    /// Sessions would expire while they are used before they expire unused.
    #[error(
        "absolute_lifetime is {absolute:?}, which is shorter than the {idle:?} that a session lives unused; set \
         permanent_lifetime (PERMANENT_SESSION_LIFETIME) to {absolute:?} or less, or absolute_lifetime to {idle:?} or more"
    )]
    ShortAbsoluteLifetime {
        /// The lifetime that was set, or the default of the strict profile.
        absolute: Duration,
        /// The lifetime without use.
        idle: Duration,
    },
    /// The strict profile without a protection of its cookie.
    #[error(
        "the strict profile needs {attribute} on the session's cookie: leave {setting} out; or, if the app cannot work \
         with it, allow it by name with `danger_insecure_cookie(true)`"
    )]
    InsecureCookie {
        /// The attribute that was switched off.
        attribute: &'static str,
        /// The setting that switched it off.
        setting: &'static str,
    },
    /// Logins without a function that loads users.
    #[cfg(feature = "login")]
    #[error("logins need a function that finds a user by id: call `FlaskLoginBuilder::load`")]
    NoUserLoader,
    /// The secret key cannot sign remember cookies.
    #[cfg(feature = "login")]
    #[error(transparent)]
    RememberKey(hipflask_core::login::RememberKeyError),
    /// The page to log in at is not a path.
    #[cfg(feature = "login")]
    #[error("the login page {view:?} is not a path; write \"/login\"")]
    LoginView {
        /// The page.
        view: String,
    },
    /// An entry of the trusted proxies is neither an address nor a network.
    #[error(
        "{entry:?} in the trusted proxies (TRUSTED_PROXIES) is neither an IP address nor a network; write \"127.0.0.1\" or \
         \"10.0.0.0/8\""
    )]
    TrustedProxy {
        /// The entry.
        entry: String,
    },
    /// A key or the signing settings cannot be used.
    #[error(transparent)]
    Signer(#[from] SignerConfigError),
    /// The cookie's settings cannot work in a browser.
    #[error("{error}{here}", error = .0, here = in_settings(.0))]
    Cookie(#[source] CookieConfigError),
    /// A setting has a value of the wrong type.
    #[error("{name} is {found}, but must be {wanted}")]
    WrongType {
        /// The setting.
        name: String,
        /// The type or value found.
        found: String,
        /// The type or value required.
        wanted: &'static str,
    },
    /// A setting that looks like ours has a name that does not exist.
    #[error("unknown setting {name}; {}", suggestion.map_or_else(
        || "see the list in docs/coming-from-flask.md".to_owned(),
        |name| format!("did you mean {name}?")
    ))]
    UnknownSetting {
        /// The name.
        name: String,
        /// A name that exists and is like it.
        suggestion: Option<&'static str>,
    },
    /// A kind of session that is not there.
    #[error(
        "SESSION_TYPE {kind:?} is not available; there are filesystem, redis, memcached, mongodb, sqlalchemy, dynamodb and \
         the URL of a store, with the feature `store` of hipflask; without SESSION_TYPE the session lives in Flask's \
         signed cookie"
    )]
    UnknownType {
        /// The requested kind.
        kind: String,
    },
    /// The settings name a store, and nothing connected to it.
    #[error(
        "SESSION_TYPE {kind} asks for a store, which has to be connected to: use `connect_env` or `connect_toml` of \
         Sessions in place of `from_env` and `from_toml`, or `.connect().await?` before `.build()`"
    )]
    NotConnected {
        /// The requested kind, or the scheme of a URL.
        kind: String,
    },
    /// Records cannot be written so.
    #[error("Unsupported serialization format: {format}. SESSION_SERIALIZATION_FORMAT is msgpack or json.")]
    UnsupportedFormat {
        /// The requested kind.
        format: String,
    },
    /// The settings of sessions in a store are invalid.
    #[error(transparent)]
    Store(Cause),
    /// Flask-Session's settings do not name a store.
    #[error("{problem}")]
    StoreSetting {
        /// The problem, and how to fix it.
        problem: &'static str,
    },
    /// The store cannot be reached, or its URL is invalid.
    #[error("{}", WithCauses(.0))]
    Connect(#[source] Cause),
    /// The TOML cannot be read.
    #[cfg(feature = "toml")]
    #[error("invalid TOML: {}{message}", line.map_or_else(String::new, |line| format!("line {line}: ")))]
    Toml {
        /// The line of the error, from 1.
        line: Option<usize>,
        /// The parser's message. It does not quote the line, which may hold a key.
        message: String,
    },
}

/// Shows an error with its causes. Those of a store do not show a password.
struct WithCauses<'e>(&'e Cause);

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cause = std::error::Error::source(self.0);
        let mut separator = "";
        while let Some(error) = cause {
            write!(f, "{separator}{error}")?;
            (cause, separator) = (error.source(), ": ");
        }
        Ok(())
    }
}

impl From<CookieConfigError> for ConfigError {
    fn from(error: CookieConfigError) -> Self {
        Self::Cookie(error)
    }
}

/// The names in the settings of builder methods that an error suggests.
fn in_settings(error: &CookieConfigError) -> &'static str {
    match error {
        CookieConfigError::Prefix { .. } | CookieConfigError::SameSiteNoneWithoutSecure => {
            ". Here these are `cookie_secure` and so on, and SESSION_COOKIE_SECURE and so on in a configuration"
        }
        _ => "",
    }
}

impl ConfigError {
    pub(crate) fn wrong(name: &str, value: &Value, wanted: &'static str) -> Self {
        Self::WrongType { name: name.into(), found: value.kind().to_string(), wanted }
    }
}
