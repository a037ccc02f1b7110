//! [`SessionsBuilder`]: every setting, checked where the engine is built.

use std::fmt;
use std::time::Duration;

use hipflask_core::codec::{DEFAULT_LEEWAY, DEFAULT_LIFETIME, SessionCodec};
use hipflask_core::cookie::{CookieConfig, CookieConfigBuilder, SameSite};
use hipflask_core::plan::{LifetimeError, Profile, Rules, check_lifetimes};
use hipflask_core::signing::{Compression, Derivation, Digest, KeyRing, SecretKey};
use hipflask_core::tagged::KeyOrder;

use super::engine_settings::EngineSettings;
use super::error::ConfigError;
use super::store_settings::StoreSettings;
use crate::engine::{Clock, Kind, Proxies, Sessions, Surroundings, SystemClock, Timeouts};

/// The name of the strict profile's cookie.
const STRICT_NAME: &str = "__Host-session";

/// The default lifetimes of the strict profile: without use, and from the start of a session.
const STRICT_IDLE: Duration = Duration::from_secs(30 * 60);
const STRICT_ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);

/// The fewest bytes of a key in the strict profile.
const STRICT_KEY: usize = 32;

/// The need of a secret key, for an engine with sessions in cookies.
#[derive(Debug, Clone, Copy)]
enum Keys {
    Required,
    #[cfg_attr(not(feature = "app"), expect(dead_code, reason = "only an app runs without a key"))]
    Optional,
}

/// A builder of [`Sessions`], with Flask's defaults. It only needs a secret key, or a store.
///
/// ```
/// use std::time::Duration;
/// use hipflask::{SameSite, Sessions};
///
/// let sessions = Sessions::builder()
///     .secret_keys(["the key that signs", "last year's key, still accepted"])
///     .permanent_lifetime(Duration::from_secs(7 * 24 * 60 * 60))
///     .cookie_secure(true)
///     .cookie_same_site(SameSite::Lax)
///     .build()?;
/// # Ok::<(), hipflask::ConfigError>(())
/// ```
#[must_use = "call `build`"]
pub struct SessionsBuilder {
    pub(crate) keys: Vec<SecretKey>,
    /// In Flask's order: the last one is tried first.
    pub(crate) fallbacks: Vec<SecretKey>,
    /// The environment variable of the secret key, if variables were read.
    pub(crate) variable_of_key: Option<String>,
    salt: Vec<u8>,
    derivation: Derivation,
    digest: Digest,
    compression: Compression,
    key_order: KeyOrder,
    lifetime: Option<Duration>,
    absolute: Option<Duration>,
    leeway: Duration,
    pub(crate) refresh_each_request: bool,
    profile: Profile,
    cookie: CookieConfigBuilder,
    /// `true` if the cookie's name was set, so the strict profile does not replace it.
    named: bool,
    secured: Option<bool>,
    same_site: Option<Option<SameSite>>,
    http_only: bool,
    insecure_allowed: bool,
    clock: Box<dyn Clock>,
    /// The hosts in `TRUSTED_HOSTS`, for an app.
    pub(crate) trusted_hosts: Vec<String>,
    /// The reverse proxies in `TRUSTED_PROXIES`.
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) surroundings: Surroundings,
    pub(crate) store: StoreSettings,
}

impl Default for SessionsBuilder {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            fallbacks: Vec::new(),
            variable_of_key: None,
            salt: b"cookie-session".to_vec(),
            derivation: Derivation::Hmac,
            digest: Digest::Sha1,
            compression: Compression::default(),
            key_order: KeyOrder::default(),
            lifetime: None,
            absolute: None,
            leeway: DEFAULT_LEEWAY,
            refresh_each_request: true,
            profile: Profile::default(),
            cookie: CookieConfig::builder(),
            named: false,
            secured: None,
            same_site: None,
            http_only: true,
            insecure_allowed: false,
            clock: Box::new(SystemClock),
            trusted_hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            surroundings: Surroundings::default(),
            store: StoreSettings::default(),
        }
    }
}

impl SessionsBuilder {
    /// Sets the key that signs cookies: Flask's `SECRET_KEY`, or `app.secret_key`. Text becomes UTF-8.
    #[doc(alias = "SECRET_KEY")]
    pub fn secret_key(self, key: impl Into<SecretKey>) -> Self {
        self.secret_keys([key])
    }

    /// Sets the keys. The first one signs, all of them verify. To rotate keys, use `[new, old]`.
    #[doc(alias = "SECRET_KEY_FALLBACKS")]
    pub fn secret_keys<K: Into<SecretKey>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the salt, if the Flask app's session interface does not use `cookie-session`.
    pub fn salt(mut self, salt: impl AsRef<[u8]>) -> Self {
        self.salt = salt.as_ref().to_vec();
        self
    }

    /// Sets the key derivation, if the Flask app's session interface does not use `hmac`.
    pub const fn key_derivation(mut self, derivation: Derivation) -> Self {
        self.derivation = derivation;
        self
    }

    /// Sets the hash function, if the Flask app's session interface does not use SHA-1.
    pub const fn digest_method(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// Sets when payloads are compressed. Flask reads all three ways.
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Sets the order of keys in the cookie, if the Flask app has `app.json.sort_keys = False`.
    pub const fn key_order(mut self, order: KeyOrder) -> Self {
        self.key_order = order;
        self
    }

    /// Sets the lifetime of a cookie after it was signed, which is also how long a permanent
    /// session outlives the browser. In whole seconds, at least one. The default is 31 days, or 30
    /// minutes in the strict profile.
    #[doc(alias = "PERMANENT_SESSION_LIFETIME")]
    pub const fn permanent_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Sets the lifetime of a session from its start, however much it is used. The default is
    /// unlimited, or 12 hours in the strict profile. It cannot be shorter than
    /// [`permanent_lifetime`](Self::permanent_lifetime).
    ///
    /// The session then has its start time under the key `_created`, and a session without it is
    /// refused. So this is for services that do not share sessions with Flask.
    pub const fn absolute_lifetime(mut self, lifetime: Duration) -> Self {
        self.absolute = Some(lifetime);
        self
    }

    /// Sets how far the clock of another server may be ahead of ours. The default is 5 s; 0 is Flask's rule.
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Sends a permanent session's cookie again with every response, so that it stays alive while
    /// it is used. The default is `true`.
    #[doc(alias = "SESSION_REFRESH_EACH_REQUEST")]
    pub const fn refresh_each_request(mut self, refresh: bool) -> Self {
        self.refresh_each_request = refresh;
        self
    }

    /// Sets the profile. The default is compatible with Flask. [`Profile::Strict`] is for services
    /// that do not share sessions with Flask:
    ///
    /// - The cookie is called `__Host-session`, is `Secure` and `SameSite=Lax`.
    /// - A response that sets it says `Cache-Control: no-store`.
    /// - Keys must have 32 bytes or more.
    /// - A cookie over the size limit is an error.
    /// - A session expires after 30 minutes without use, and 12 hours after its start.
    /// - A store keeps hashes of ids.
    pub const fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Sets the cookie's name. The default is `session`.
    #[doc(alias = "SESSION_COOKIE_NAME")]
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie = self.cookie.name(name);
        self.named = true;
        self
    }

    /// Sets the domain whose hosts get the cookie. By default only the host that set it does.
    #[doc(alias = "SESSION_COOKIE_DOMAIN")]
    pub fn cookie_domain<'a>(mut self, domain: impl Into<Option<&'a str>>) -> Self {
        self.cookie = self.cookie.domain(domain);
        self
    }

    /// Sets the path below which browsers send the cookie. The default is `/`.
    #[doc(alias = "SESSION_COOKIE_PATH")]
    pub fn cookie_path(mut self, path: impl Into<String>) -> Self {
        self.cookie = self.cookie.path(path);
        self
    }

    /// Restricts the cookie to https.
    #[doc(alias = "SESSION_COOKIE_SECURE")]
    pub const fn cookie_secure(mut self, secure: bool) -> Self {
        self.secured = Some(secure);
        self
    }

    /// Hides the cookie from scripts on the page. The default is `true`.
    #[doc(alias = "SESSION_COOKIE_HTTPONLY")]
    pub const fn cookie_http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Sets the `SameSite` attribute, which limits requests from other sites that carry the cookie.
    #[doc(alias = "SESSION_COOKIE_SAMESITE")]
    pub fn cookie_same_site(mut self, same_site: impl Into<Option<SameSite>>) -> Self {
        self.same_site = Some(same_site.into());
        self
    }

    /// Allows the strict profile to send a cookie without `Secure`, `HttpOnly` or `SameSite`, or
    /// with `SameSite=None`, if the settings say so. Plain http then shows the session to the
    /// network, scripts can read it, and other sites can send requests that carry it.
    ///
    /// Without `Secure`, browsers refuse the default name `__Host-session`, so set
    /// [`cookie_name`](Self::cookie_name) as well.
    pub const fn danger_insecure_cookie(mut self, allowed: bool) -> Self {
        self.insecure_allowed = allowed;
        self
    }

    /// Partitions the cookie, so that an embedded page has one for each embedding site. Implies `Secure`.
    #[doc(alias = "SESSION_COOKIE_PARTITIONED")]
    pub fn cookie_partitioned(mut self, partitioned: bool) -> Self {
        self.cookie = self.cookie.partitioned(partitioned);
        self
    }

    /// Sets the size in bytes of a complete `Set-Cookie` value beyond which a warning is logged.
    /// The default is 4093; 0 means no limit.
    #[doc(alias = "MAX_COOKIE_SIZE")]
    pub fn max_cookie_size(mut self, bytes: usize) -> Self {
        self.cookie = self.cookie.max_size(bytes);
        self
    }

    /// Sets the reverse proxies in front of the server: addresses and networks such as `10.0.0.0/8`.
    /// Their headers `X-Forwarded-For` and `X-Forwarded-Proto` name the client's address and scheme;
    /// the same headers of all other clients are not believed. None unless set.
    ///
    /// Form tokens and logins use the address and the scheme; see
    /// [`RequestInfo`](crate::RequestInfo).
    ///
    /// ```
    /// # use hipflask::Sessions;
    /// let sessions = Sessions::builder()
    ///     .secret_key("a secret key for the docs")
    ///     .trusted_proxies(["127.0.0.1", "10.0.0.0/8"])
    ///     .build()?;
    /// # Ok::<(), hipflask::ConfigError>(())
    /// ```
    #[doc(alias = "ProxyFix")]
    pub fn trusted_proxies<P: Into<String>>(mut self, proxies: impl IntoIterator<Item = P>) -> Self {
        self.trusted_proxies = proxies.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the clock. The default is the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Checks the settings, derives the keys and builds the engine.
    ///
    /// # Errors
    /// [`ConfigError`] for a setting that is missing or invalid. Its message says what to do.
    pub fn build(self) -> Result<Sessions, ConfigError> {
        self.build_as(Keys::Required)
    }

    /// [`build`](Self::build), or without a key an engine whose sessions are empty and read-only.
    #[cfg(feature = "app")]
    pub(crate) fn build_even_without_key(self) -> Result<Sessions, ConfigError> {
        self.build_as(Keys::Optional)
    }

    fn build_as(mut self, need: Keys) -> Result<Sessions, ConfigError> {
        let ring = self.ring();
        let stored = std::mem::take(&mut self.store).build(&EngineSettings {
            ring: ring.clone().ok_or_else(|| self.no_secret_key()),
            lifetime: self.idle_lifetime(),
            refresh_each_request: self.refresh_each_request,
            is_strict: self.is_strict(),
        })?;
        self.check_keys()?;
        self.check_lifetimes()?;
        if !self.trusted_hosts.is_empty() {
            // An app takes them out before.
            tracing::warn!(
                "TRUSTED_HOSTS is not checked here: only `App` checks it, with the settings given to it"
            );
        }
        let cookie = self.cookie()?;
        // The keys are checked for every kind of session.
        let keys = ring.clone();
        let codec = ring.map(|ring| self.codec(ring, &cookie)).transpose()?;
        let kind = match (stored, codec, need) {
            (Some(stored), ..) => Kind::Stored(stored),
            (None, Some(codec), _) => Kind::Cookie(codec),
            (None, None, Keys::Optional) => Kind::Keyless,
            (None, None, Keys::Required) => return Err(self.no_secret_key()),
        };
        let surroundings = self.surroundings(keys)?;
        let rules = Rules { refresh_each_request: self.refresh_each_request, profile: self.profile };
        let (lifetime, timeouts) = (self.idle_lifetime(), self.timeouts());
        Ok(Sessions::new(kind, cookie, rules, lifetime, timeouts, self.clock, surroundings))
    }

    fn surroundings(&mut self, keys: Option<KeyRing>) -> Result<Surroundings, ConfigError> {
        let mut surroundings = std::mem::take(&mut self.surroundings);
        let proxies = std::mem::take(&mut self.trusted_proxies);
        surroundings.proxies = Proxies::new(proxies).map_err(|entry| ConfigError::TrustedProxy { entry })?;
        surroundings.leeway = self.leeway;
        #[cfg(feature = "csrf")]
        {
            surroundings.csrf = surroundings.csrf.with_signer(keys.as_ref())?;
        }
        surroundings.keys = keys;
        Ok(surroundings)
    }

    fn codec(&self, ring: KeyRing, cookie: &CookieConfig) -> Result<SessionCodec, ConfigError> {
        let codec = SessionCodec::builder(ring)
            .salt(&self.salt)
            .derivation(self.derivation)
            .digest(self.digest)
            .lifetime(Some(self.idle_lifetime()))
            .leeway(self.leeway)
            .compression(self.compression)
            .key_order(self.key_order)
            .fits_in(cookie.max_value_len());
        Ok(codec.build()?)
    }

    /// The lifetime of a session after its last save; in the strict profile, after its last use.
    pub(crate) fn idle_lifetime(&self) -> Duration {
        let default = if self.is_strict() { STRICT_IDLE } else { DEFAULT_LIFETIME };
        self.lifetime.unwrap_or(default)
    }

    fn timeouts(&self) -> Timeouts {
        let strict = self.is_strict();
        Timeouts { absolute: self.absolute.or(strict.then_some(STRICT_ABSOLUTE)), sliding: strict }
    }

    const fn is_strict(&self) -> bool {
        matches!(self.profile, Profile::Strict)
    }

    fn cookie(&self) -> Result<CookieConfig, ConfigError> {
        let strict = self.is_strict();
        if let (true, false, Some((attribute, setting))) = (strict, self.insecure_allowed, self.insecure()) {
            return Err(ConfigError::InsecureCookie { attribute, setting });
        }
        let mut cookie = self.cookie.clone().secure(self.secured.unwrap_or(strict)).http_only(self.http_only);
        if strict && !self.named {
            cookie = cookie.name(STRICT_NAME);
        }
        let default = strict.then_some(SameSite::Lax);
        Ok(cookie.same_site(self.same_site.unwrap_or(default)).build()?)
    }

    /// The protection of the cookie that was switched off, and the setting that did it.
    fn insecure(&self) -> Option<(&'static str, &'static str)> {
        if self.secured == Some(false) {
            Some(("Secure", "cookie_secure (SESSION_COOKIE_SECURE)"))
        } else if !self.http_only {
            Some(("HttpOnly", "cookie_http_only (SESSION_COOKIE_HTTPONLY)"))
        } else if matches!(self.same_site, Some(None | Some(SameSite::None))) {
            Some(("SameSite=Lax or Strict", "cookie_same_site (SESSION_COOKIE_SAMESITE)"))
        } else {
            None
        }
    }

    fn check_lifetimes(&self) -> Result<(), ConfigError> {
        let (idle, absolute) = (self.idle_lifetime(), self.timeouts().absolute);
        check_lifetimes(idle, absolute).map_err(|error| match (error, absolute) {
            (LifetimeError::AbsoluteBelowIdle, Some(absolute)) => {
                ConfigError::ShortAbsoluteLifetime { absolute, idle }
            }
            _ => ConfigError::ShortLifetime { lifetime: idle },
        })
    }

    pub(crate) fn no_secret_key(&self) -> ConfigError {
        let setting = self.variable_of_key.clone();
        ConfigError::NoSecretKey {
            setting: setting.unwrap_or_else(|| "SECRET_KEY in the configuration".into()),
        }
    }

    pub(crate) fn ring(&self) -> Option<KeyRing> {
        let (first, rest) = self.keys.split_first()?;
        let ring = rest.iter().chain(self.fallbacks.iter().rev());
        Some(ring.fold(KeyRing::new(first.clone()), |ring, key| ring.accept(key.clone())))
    }

    fn check_keys(&self) -> Result<(), ConfigError> {
        for (index, key) in self.keys.iter().chain(&self.fallbacks).enumerate() {
            let bytes = key.len();
            if key.is_empty() {
                // The signer reports it as an error.
                continue;
            }
            if self.is_strict() && bytes < STRICT_KEY {
                return Err(ConfigError::ShortKey { index, bytes, needed: STRICT_KEY });
            }
            if let Some(why) = key.weakness() {
                tracing::warn!(
                    "the configuration {why} (key {index}); make a good one with `hipflask key new`"
                );
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SessionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsBuilder")
            .field("keys", &self.keys)
            .field("fallbacks", &self.fallbacks)
            .field("lifetime", &self.idle_lifetime())
            .field("profile", &self.profile)
            .field("cookie", &self.cookie)
            .finish_non_exhaustive()
    }
}

impl Sessions {
    /// Returns a builder with Flask's defaults. It only needs a secret key, or a store.
    pub fn builder() -> SessionsBuilder {
        SessionsBuilder::default()
    }
}
