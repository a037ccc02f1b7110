//! [`SessionsBuilder`]: every setting, checked where the engine is built.

use std::fmt;
#[cfg(feature = "store")]
use std::pin::Pin;
#[cfg(feature = "store")]
use std::sync::Arc;
use std::time::Duration;

use hipflask_core::codec::{DEFAULT_LEEWAY, DEFAULT_LIFETIME, SessionCodec};
use hipflask_core::cookie::{CookieConfig, CookieConfigBuilder, SameSite};
use hipflask_core::plan::{LifetimeError, Profile, Rules, check_lifetimes};
use hipflask_core::signing::{Compression, Derivation, Digest, KeyRing, SecretKey};
use hipflask_core::tagged::KeyOrder;
#[cfg(feature = "store")]
use hipflask_core::value::{Dict, Value};
#[cfg(feature = "store")]
use hipflask_store::{RecordKind, Store, StoreError, id::Ids, record::Format, save::ServerSessions};

use super::error::ConfigError;
use crate::engine::{Clock, Sessions, SystemClock, Timeouts};
#[cfg(feature = "store")]
use crate::engine::{FailureHook, OnStoreFailure, Server, Spawner};

/// What the strict profile calls its cookie.
const STRICT_NAME: &str = "__Host-session";

/// How long a session of the strict profile lives unused, and in all, unless set.
const STRICT_IDLE: Duration = Duration::from_secs(30 * 60);
const STRICT_ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);

/// The fewest bytes of a key in the strict profile.
const STRICT_KEY: usize = 32;

/// Configures [`Sessions`]. The defaults are Flask's; a secret key is all that is needed.
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
#[must_use = "nothing is checked before `build`"]
pub struct SessionsBuilder {
    pub(crate) keys: Vec<SecretKey>,
    /// In Flask's order: tried from last to first.
    pub(crate) fallbacks: Vec<SecretKey>,
    /// The environment variable that a key could have been in, if variables were read.
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
    /// What was set by hand and so is not a default that the strict profile replaces.
    named: bool,
    secured: Option<bool>,
    same_site: Option<Option<SameSite>>,
    http_only: bool,
    insecure_allowed: bool,
    clock: Box<dyn Clock>,
    /// The hosts in `TRUSTED_HOSTS`, for an app.
    #[cfg(feature = "app")]
    pub(crate) trusted_hosts: Vec<String>,
    #[cfg(feature = "store")]
    pub(crate) server: ServerSettings,
    /// What the settings say of a store that is not connected yet.
    #[cfg(feature = "store")]
    pub(crate) named_store: hipflask_core::value::Dict,
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
            #[cfg(feature = "app")]
            trusted_hosts: Vec::new(),
            #[cfg(feature = "store")]
            server: ServerSettings::default(),
            #[cfg(feature = "store")]
            named_store: hipflask_core::value::Dict::new(),
        }
    }
}

impl SessionsBuilder {
    /// The key that signs: Flask's `SECRET_KEY`, or `app.secret_key`. Text is taken as UTF-8.
    #[doc(alias = "SECRET_KEY")]
    pub fn secret_key(self, key: impl Into<SecretKey>) -> Self {
        self.secret_keys([key])
    }

    /// The keys: the first signs, every one verifies. For a rotation: `[new, old]`.
    #[doc(alias = "SECRET_KEY_FALLBACKS")]
    pub fn secret_keys<K: Into<SecretKey>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// The salt, where the Flask app's session interface has another than `cookie-session`.
    pub fn salt(mut self, salt: impl AsRef<[u8]>) -> Self {
        self.salt = salt.as_ref().to_vec();
        self
    }

    /// The key derivation, where the Flask app's session interface has another than `hmac`.
    pub const fn key_derivation(mut self, derivation: Derivation) -> Self {
        self.derivation = derivation;
        self
    }

    /// The hash function, where the Flask app's session interface has another than SHA-1.
    pub const fn digest_method(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// When payloads are deflated. Flask reads all three ways.
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// The order of keys in the cookie, where the Flask app has `app.json.sort_keys = False`.
    pub const fn key_order(mut self, order: KeyOrder) -> Self {
        self.key_order = order;
        self
    }

    /// How long a cookie is valid after it was signed, and how long a permanent session outlives the browser: 31 days
    /// unless set, in the strict profile 30 minutes; in whole seconds, at least one.
    #[doc(alias = "PERMANENT_SESSION_LIFETIME")]
    pub const fn permanent_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// How long after it began a session ends, however much it is used. Only the strict profile has such an end unless this
    /// is set: 12 hours. The session keeps its beginning under the key `_created`; one without it is not accepted then, so
    /// this is for services that share no session with Flask. It cannot be shorter than
    /// [`permanent_lifetime`](Self::permanent_lifetime).
    pub const fn absolute_lifetime(mut self, lifetime: Duration) -> Self {
        self.absolute = Some(lifetime);
        self
    }

    /// How far ahead of our clock another server's may be: 5 s unless set; 0 is Flask's rule.
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Whether a permanent session's cookie is sent anew with every response, so that it lives on while it is used: true
    /// unless set.
    #[doc(alias = "SESSION_REFRESH_EACH_REQUEST")]
    pub const fn refresh_each_request(mut self, refresh: bool) -> Self {
        self.refresh_each_request = refresh;
        self
    }

    /// How strict the rules are. [`Profile::Strict`] is for services that share nothing with Flask: the cookie is called
    /// `__Host-session`, is `Secure` and `SameSite=Lax`; a response that carries it says `Cache-Control: no-store`; keys
    /// have 32 bytes or more; a cookie over the size limit is an error; a session ends when it was not used for 30 minutes,
    /// and in any case after 12 hours; and a store keeps hashes of ids.
    pub const fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The cookie's name: `session` unless set.
    #[doc(alias = "SESSION_COOKIE_NAME")]
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie = self.cookie.name(name);
        self.named = true;
        self
    }

    /// The domain whose hosts get the cookie; only the host that set it unless set.
    #[doc(alias = "SESSION_COOKIE_DOMAIN")]
    pub fn cookie_domain<'a>(mut self, domain: impl Into<Option<&'a str>>) -> Self {
        self.cookie = self.cookie.domain(domain);
        self
    }

    /// The path under which the cookie is sent: `/` unless set.
    #[doc(alias = "SESSION_COOKIE_PATH")]
    pub fn cookie_path(mut self, path: impl Into<String>) -> Self {
        self.cookie = self.cookie.path(path);
        self
    }

    /// Whether the cookie is sent over https only.
    #[doc(alias = "SESSION_COOKIE_SECURE")]
    pub const fn cookie_secure(mut self, secure: bool) -> Self {
        self.secured = Some(secure);
        self
    }

    /// Whether scripts on the page cannot see the cookie: true unless set.
    #[doc(alias = "SESSION_COOKIE_HTTPONLY")]
    pub const fn cookie_http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Which requests from other sites carry the cookie.
    #[doc(alias = "SESSION_COOKIE_SAMESITE")]
    pub fn cookie_same_site(mut self, same_site: impl Into<Option<SameSite>>) -> Self {
        self.same_site = Some(same_site.into());
        self
    }

    /// Allows the strict profile to send a cookie without `Secure`, `HttpOnly` or `SameSite`, or with `SameSite=None`, if
    /// these are switched off by name. Plain http then shows the session to the network, scripts read it, and other sites
    /// send requests that carry it.
    ///
    /// Without `Secure` browsers refuse the default name `__Host-session`: set [`cookie_name`](Self::cookie_name) as well.
    pub const fn danger_insecure_cookie(mut self, allowed: bool) -> Self {
        self.insecure_allowed = allowed;
        self
    }

    /// Whether an embedded page gets a cookie of its own for each embedding site. Forces `Secure`.
    #[doc(alias = "SESSION_COOKIE_PARTITIONED")]
    pub fn cookie_partitioned(mut self, partitioned: bool) -> Self {
        self.cookie = self.cookie.partitioned(partitioned);
        self
    }

    /// The size in bytes of a whole `Set-Cookie` value beyond which a warning is logged: 4093 unless set, 0 for none.
    #[doc(alias = "MAX_COOKIE_SIZE")]
    pub fn max_cookie_size(mut self, bytes: usize) -> Self {
        self.cookie = self.cookie.max_size(bytes);
        self
    }

    /// The clock; the system's unless set.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Checks everything and derives the keys.
    ///
    /// # Errors
    /// [`ConfigError`] for whatever is missing or cannot work; it says what to do.
    #[cfg_attr(not(feature = "store"), allow(unused_mut, reason = "only a store is taken out"))]
    pub fn build(mut self) -> Result<Sessions, ConfigError> {
        #[cfg(feature = "store")]
        if let Some(server) = self.take_server()? {
            return self.build_codec_even_without_key().map(|sessions| sessions.with_server(server));
        }
        self.build_codec()
    }

    fn build_codec(self) -> Result<Sessions, ConfigError> {
        self.check_keys()?;
        self.check_lifetimes()?;
        #[cfg(feature = "app")]
        if !self.trusted_hosts.is_empty() {
            // An app takes them out before.
            tracing::warn!(
                "nothing checks TRUSTED_HOSTS here: only `App` does, with the settings given to it"
            );
        }
        let cookie = self.cookie()?;
        let ring = self.ring().ok_or_else(|| self.no_secret_key())?;
        let rules = Rules { refresh_each_request: self.refresh_each_request, profile: self.profile };
        let codec = SessionCodec::builder(ring)
            .salt(&self.salt)
            .derivation(self.derivation)
            .digest(self.digest)
            .lifetime(Some(self.idle_lifetime()))
            .leeway(self.leeway)
            .compression(self.compression)
            .key_order(self.key_order)
            .fits_in(cookie.max_value_len())
            .build()?;
        let timeouts = self.timeouts();
        Ok(Sessions::new(codec, cookie, rules, timeouts, self.clock))
    }

    /// How long a session lives after it was last saved, or in the strict profile used.
    pub(crate) fn idle_lifetime(&self) -> Duration {
        let default = if self.profile == Profile::Strict { STRICT_IDLE } else { DEFAULT_LIFETIME };
        self.lifetime.unwrap_or(default)
    }

    fn timeouts(&self) -> Timeouts {
        let strict = self.profile == Profile::Strict;
        Timeouts { absolute: self.absolute.or(strict.then_some(STRICT_ABSOLUTE)), sliding: strict }
    }

    /// [`build`](Self::build), and without a key an engine whose sessions are empty and cannot be changed.
    #[cfg(feature = "app")]
    pub(crate) fn build_even_without_key(self) -> Result<Sessions, ConfigError> {
        #[cfg(feature = "store")]
        if self.is_stored() {
            return self.build();
        }
        self.build_codec_even_without_key()
    }

    #[cfg(any(feature = "app", feature = "store"))]
    fn build_codec_even_without_key(self) -> Result<Sessions, ConfigError> {
        if !self.keys.is_empty() {
            return self.build_codec();
        }
        // Long enough for every profile; it signs nothing.
        self.secret_key("no key was given, and nothing is signed with this")
            .build_codec()
            .map(Sessions::without_key)
    }

    #[cfg(feature = "store")]
    pub(crate) const fn is_strict(&self) -> bool {
        matches!(self.profile, Profile::Strict)
    }

    fn cookie(&self) -> Result<CookieConfig, ConfigError> {
        let strict = self.profile == Profile::Strict;
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

    /// The attribute that was switched off and protects the cookie, and the setting that did it.
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
                // The signer says it as an error.
                continue;
            }
            if self.profile == Profile::Strict && bytes < STRICT_KEY {
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

#[cfg(feature = "store")]
impl SessionsBuilder {
    /// Keeps sessions in `store`, as Flask-Session does: the cookie carries only an id. A secret key is then not needed.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use hipflask::{Sessions, store::memory::MemoryStore};
    /// let sessions = Sessions::builder().store(Arc::new(MemoryStore::new())).build()?;
    /// assert!(sessions.is_stored());
    /// # Ok::<(), hipflask::ConfigError>(())
    /// ```
    #[doc(alias = "SESSION_TYPE")]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.server.store = Some(store);
        self.named_store = Dict::new();
        self
    }

    /// Whether a new session in the store outlives the browser: true unless set.
    #[doc(alias = "SESSION_PERMANENT")]
    pub fn session_permanent(mut self, permanent: bool) -> Self {
        self.server.permanent = permanent;
        self
    }

    /// What stands before an id in the store: `session:` unless set.
    #[doc(alias = "SESSION_KEY_PREFIX")]
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.server.key_prefix = prefix.into();
        self
    }

    /// How many random bytes a new id has: 32 unless set, 16 to 96.
    #[doc(alias = "SESSION_ID_LENGTH")]
    pub fn id_length(mut self, bytes: usize) -> Self {
        self.server.id_length = bytes;
        self
    }

    /// How records are written where Flask-Session uses msgspec, which is everywhere but in a directory: [`Format::Msgpack`]
    /// unless set, or [`Format::Json`]. Both are read in any case. A directory keeps pickles, as in Flask-Session; in the
    /// strict profile it keeps this format, and pickles are not read.
    #[doc(alias = "SESSION_SERIALIZATION_FORMAT")]
    pub fn serialization_format(mut self, format: Format) -> Self {
        self.server.format = format;
        self
    }

    /// Whether ids are signed in the cookie; needs a secret key.
    #[doc(alias = "SESSION_USE_SIGNER")]
    pub fn use_signer(mut self, signed: bool) -> Self {
        self.server.use_signer = signed;
        self
    }

    /// Runs saves that outlive their request with `spawn`, where tokio is not the runtime.
    ///
    /// A save that has begun is never broken off. If it has to wait for the store, a task finishes it, by default one of
    /// tokio. Outside of tokio and without this setting, the next save of the same request finishes it.
    pub fn spawn_saves_with(
        mut self,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        self.server.spawner = Spawner(Some(Arc::new(spawn)));
        self
    }

    /// Whether sessions are to be in a store, connected or not.
    #[cfg(feature = "app")]
    pub(crate) fn is_stored(&self) -> bool {
        self.server.store.is_some() || self.named_store.contains("SESSION_TYPE")
    }

    /// What keeps the sessions, if they are not in the cookie.
    pub(crate) fn take_server(&mut self) -> Result<Option<Server>, ConfigError> {
        if let Some(kind) = self.named_store.get("SESSION_TYPE").and_then(Value::as_str) {
            let scheme = kind.split(':').next().unwrap_or_default().to_owned();
            // What no connecting would mend is said at once.
            super::store_url::url(&self.named_store)?;
            return Err(ConfigError::NotConnected { kind: scheme });
        }
        let settings = std::mem::take(&mut self.server);
        let Some(store) = settings.store else { return Ok(None) };
        let mut ids = Ids::builder().bytes(settings.id_length).prefix(settings.key_prefix);
        if settings.use_signer {
            ids = ids.signed(self.ring().ok_or_else(|| self.no_secret_key())?);
        }
        let ids = ids.hashed_at_rest(self.is_strict()).build();
        let ids = ids.map_err(|error| ConfigError::Store(error.to_string()))?;
        if !matches!(settings.format, Format::Msgpack | Format::Json) {
            return Err(ConfigError::UnsupportedFormat { format: settings.format.to_string() });
        }
        let is_pickled = store.describe().records == RecordKind::Pickle;
        let mut sessions = ServerSessions::new(store, ids, self.idle_lifetime())
            .with_refresh(self.refresh_each_request)
            .with_pickles(!self.is_strict());
        // The strict profile shares nothing with Flask, so its directories hold no pickles.
        if !is_pickled || self.is_strict() {
            sessions = sessions.with_format(settings.format);
        }
        let ServerSettings { permanent, on_failure, spawner, .. } = settings;
        Ok(Some(Server { sessions, permanent, on_failure, spawner }))
    }

    /// What becomes of a request whose session cannot be loaded; it is refused with a 503 unless this says otherwise.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use hipflask::{OnStoreFailure, Sessions, store::memory::MemoryStore};
    ///
    /// // While the store is away for a moment, the shop still shows its goods.
    /// let sessions = Sessions::builder()
    ///     .store(Arc::new(MemoryStore::new()))
    ///     .on_store_failure(|error| if error.is_transient() { OnStoreFailure::ReadOnly } else { OnStoreFailure::Refuse })
    ///     .build()?;
    /// # Ok::<(), hipflask::ConfigError>(())
    /// ```
    ///
    /// A page of one's own in place of the bare 503 is for the front: `sessions.layer().error_page(..)`, or
    /// `sessions.middleware().error_page(..)` with actix-web.
    pub fn on_store_failure(
        mut self,
        decide: impl Fn(&StoreError) -> OnStoreFailure + Send + Sync + 'static,
    ) -> Self {
        self.server.on_failure = FailureHook(Box::new(decide));
        self
    }
}

#[cfg(feature = "store")]
/// How sessions in a store are kept, apart from the store itself.
#[derive(Debug)]
pub(crate) struct ServerSettings {
    store: Option<Arc<dyn Store>>,
    permanent: bool,
    key_prefix: String,
    id_length: usize,
    use_signer: bool,
    format: Format,
    pub(crate) on_failure: FailureHook,
    spawner: Spawner,
}

#[cfg(feature = "store")]
impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            store: None,
            permanent: true,
            key_prefix: "session:".into(),
            id_length: 32,
            use_signer: false,
            format: Format::Msgpack,
            on_failure: FailureHook::default(),
            spawner: Spawner::default(),
        }
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
    /// Starts a configuration with Flask's defaults. A secret key is all that it needs.
    pub fn builder() -> SessionsBuilder {
        SessionsBuilder::default()
    }
}
