//! Configuration in TOML, under Flask's names.

use hipflask_core::value::Dict;

use super::builder::SessionsBuilder;
use super::error::ConfigError;
use crate::engine::Sessions;

impl Sessions {
    /// The configuration of a TOML text, with Flask's names as keys.
    ///
    /// ```
    /// let sessions = hipflask::Sessions::from_toml(r#"
    ///     SECRET_KEY = "a key of your own"
    ///     SESSION_COOKIE_SAMESITE = "Lax"
    ///     PERMANENT_SESSION_LIFETIME = 604800
    /// "#)?;
    /// # Ok::<(), hipflask::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] for whatever is missing or cannot work.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::builder().toml(text)?.build()
    }

    /// [`from_toml`](Self::from_toml) for sessions in a store as well.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), hipflask::ConfigError> {
    /// let sessions = hipflask::Sessions::connect_toml(r#"
    ///     SESSION_TYPE = "memory:"
    ///     SESSION_PERMANENT = false
    ///     SESSION_KEY_PREFIX = "shop:"
    /// "#).await?;
    /// assert!(sessions.is_stored());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`connect_env`](Self::connect_env).
    #[cfg(feature = "store")]
    pub async fn connect_toml(text: &str) -> Result<Self, ConfigError> {
        Self::builder().toml(text)?.connect().await?.build()
    }
}

impl SessionsBuilder {
    /// Takes over a TOML text with Flask's names as keys.
    ///
    /// ```
    /// use hipflask::Sessions;
    ///
    /// let sessions = Sessions::builder().toml("SECRET_KEY = 'a key of your own'")?.cookie_secure(true).build()?;
    /// # Ok::<(), hipflask::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] for invalid TOML, a value that does not fit, or a name that is nearly one of
    /// Flask's.
    pub fn toml(self, text: &str) -> Result<Self, ConfigError> {
        let settings: Dict = toml::from_str(text).map_err(|error| {
            // The message and the line number, never the line itself: it may hold a key.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| before.matches('\n').count() + 1);
            ConfigError::Toml { line, message: error.message().to_owned() }
        })?;
        self.settings(&settings)
    }
}
