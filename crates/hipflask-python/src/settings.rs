//! The settings of an app and its session interface, read again for each request.

use std::sync::Arc;
use std::time::Duration;

use hipflask_core::codec::SessionCodec;
use hipflask_core::cookie::{CookieConfig, SameSite};
use hipflask_core::log_limit::{BadSignatures, MANY_BAD_SIGNATURES};
use hipflask_core::plan::check_lifetimes;
use hipflask_core::signing::{Compression, Derivation, Digest, KeyRing, SecretKey};
use hipflask_core::tagged::KeyOrder;
use hipflask_core::time::UnixTime;
use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyList, PyString, PyType};
use pyo3::{intern, types::PyDelta};

use crate::flask::{Flask, Method};
use crate::object_cache::ObjectCache;
use crate::text::with_utf8;

/// An app and its interface. Everything that Flask lets an app override is read from them.
pub(crate) struct Settings<'a, 'py> {
    pub(crate) interface: &'a Bound<'py, PyAny>,
    pub(crate) app: &'a Bound<'py, PyAny>,
    pub(crate) flask: &'py Flask,
    class: Bound<'py, PyType>,
    /// The attributes of the interface itself, not of its class; nearly always none.
    own: Option<Bound<'py, PyDict>>,
    config: Config<'py>,
}

enum Config<'py> {
    /// Flask's own class, which looks up keys as a dict does.
    Flasks(Bound<'py, PyDict>),
    Other(Bound<'py, PyAny>),
}

/// The way in which cookies are signed.
pub(crate) enum Signing {
    /// Not at all, because the secret key is missing.
    Disabled,
    /// By Rust, with these keys.
    Native(Arc<CookieCodec>),
    /// By Python: the app has replaced a part of what Flask does.
    Python,
}

/// The codec of cookies.
pub(crate) struct CookieCodec {
    pub(crate) codec: SessionCodec,
    pub(crate) compression: Compression,
}

/// The cookie of a response.
pub(crate) struct ResponseCookie {
    pub(crate) config: CookieConfig,
    /// The greatest length of a value that browsers keep, in bytes.
    pub(crate) max_value_len: usize,
}

/// The settings of the cookie as Python objects: the arguments of Werkzeug's `set_cookie`.
pub(crate) struct CookieSettings<'py> {
    pub(crate) name: Bound<'py, PyAny>,
    pub(crate) domain: Bound<'py, PyAny>,
    pub(crate) path: Bound<'py, PyAny>,
    pub(crate) secure: Bound<'py, PyAny>,
    pub(crate) http_only: Bound<'py, PyAny>,
    pub(crate) same_site: Bound<'py, PyAny>,
    pub(crate) partitioned: Bound<'py, PyAny>,
}

impl<'a, 'py> Settings<'a, 'py> {
    pub(crate) fn of(interface: &'a Bound<'py, PyAny>, app: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        let py = interface.py();
        let (flask, own) = (Flask::of(py)?, interface.getattr(intern!(py, "__dict__"))?);
        let own = own.cast_into::<PyDict>()?;
        let config = app.getattr(intern!(py, "config"))?;
        let config = match config.cast_into::<PyDict>() {
            Ok(config) if is_of(&config, &flask.config) => Config::Flasks(config),
            Ok(config) => Config::Other(config.into_any()),
            Err(error) => Config::Other(error.into_inner()),
        };
        let (class, own) = (interface.get_type(), (!own.is_empty()).then_some(own));
        Ok(Self { interface, app, flask, class, own, config })
    }

    fn py(&self) -> Python<'py> {
        self.interface.py()
    }

    /// Returns `true` if a method is Flask's own.
    pub(crate) fn is_flasks(&self, method: Method) -> PyResult<bool> {
        let (name, original) = self.flask.method(self.py(), method);
        if let Some(own) = &self.own
            && own.contains(name)?
        {
            return Ok(false);
        }
        Ok(self.class.getattr(name)?.is(original))
    }

    /// Returns `self.config[key]`, or calls the method that the app has put in place of Flask's.
    fn read(&self, method: Method, key: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        if self.is_flasks(method)? { self.config(key) } else { self.call(method) }
    }

    fn call(&self, method: Method) -> PyResult<Bound<'py, PyAny>> {
        self.interface.call_method1(self.flask.method(self.py(), method).0, (self.app,))
    }

    pub(crate) fn config(&self, key: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        match &self.config {
            Config::Flasks(config) => config.get_item(key)?.ok_or_else(|| missing(key)),
            Config::Other(config) => config.get_item(key),
        }
    }

    /// Returns one of our own settings: from the configuration, or else from the interface.
    fn own_setting(
        &self,
        key: &Bound<'py, PyString>,
        attribute: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let configured = match &self.config {
            Config::Flasks(config) => config.get_item(key)?,
            Config::Other(config) => {
                config.cast::<PyDict>().map_or(Ok(None), |config| config.get_item(key))?
            }
        };
        configured.map_or_else(|| self.interface.getattr(attribute), Ok)
    }

    pub(crate) fn cookie_name(&self) -> PyResult<Bound<'py, PyAny>> {
        self.read(Method::Name, intern!(self.py(), "SESSION_COOKIE_NAME"))
    }

    pub(crate) fn session_class(&self) -> PyResult<Bound<'py, PyAny>> {
        self.interface.getattr(intern!(self.py(), "session_class"))
    }

    /// Returns the value of a property of `flask.Flask` that reads the configuration. A subclass
    /// may have replaced the property, so only for `flask.Flask` itself it is read from there.
    fn app_property(
        &self,
        key: &Bound<'py, PyString>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if is_of(self.app, &self.flask.app) { self.config(key) } else { self.app.getattr(name) }
    }

    /// Returns `app.permanent_session_lifetime`.
    ///
    /// # Errors
    /// `ValueError` if no session could live until the next request.
    pub(crate) fn lifetime(&self) -> PyResult<Duration> {
        let py = self.py();
        let key = intern!(py, "PERMANENT_SESSION_LIFETIME");
        let lifetime = self.lifetime_seconds().and_then(|seconds| Ok(Duration::try_from_secs_f64(seconds)?));
        lifetime.ok().filter(|lifetime| check_lifetimes(*lifetime, None).is_ok()).map_or_else(
            || {
                let allowed = "a timedelta or a number of seconds from 1 on";
                Err(wrong("PERMANENT_SESSION_LIFETIME", &self.config(key)?, allowed))
            },
            Ok,
        )
    }

    fn lifetime_seconds(&self) -> PyResult<f64> {
        let py = self.py();
        let (key, name) =
            (intern!(py, "PERMANENT_SESSION_LIFETIME"), intern!(py, "permanent_session_lifetime"));
        let mut lifetime = self.app_property(key, name)?;
        if lifetime.is_exact_instance_of::<PyInt>() {
            return lifetime.extract();
        }
        if !lifetime.is_exact_instance_of::<PyDelta>() {
            lifetime = self.app.getattr(name)?;
        }
        // `total_seconds` calls Python, and creates two objects.
        let key = [lifetime];
        if let Some(seconds) = LIFETIMES.get(&key) {
            return Ok(*seconds);
        }
        let [lifetime] = &key;
        let seconds = lifetime.call_method0(intern!(py, "total_seconds"))?.extract()?;
        let is_immutable = lifetime.is_exact_instance_of::<PyDelta>();
        Ok(if is_immutable { *LIFETIMES.insert(&key, seconds) } else { seconds })
    }

    /// Returns how cookies are signed. Our own settings are checked with every request, so that the
    /// first request reports what is wrong with them, whatever its cookie is.
    pub(crate) fn signing(&self, cache: &ObjectCache<CookieCodec>) -> PyResult<Signing> {
        let py = self.py();
        let leeway = self.own_setting(intern!(py, "SESSION_COOKIE_LEEWAY"), intern!(py, "leeway"))?;
        let compression =
            self.own_setting(intern!(py, "SESSION_COOKIE_COMPRESSION"), intern!(py, "compression"))?;
        if !self.is_flasks(Method::SigningSerializer)? || !self.has_flasks_serializer()? {
            return leeway_of(&leeway).and(compression_of(&compression)).map(|_| Signing::Python);
        }
        let secret_key = self.app_property(intern!(py, "SECRET_KEY"), intern!(py, "secret_key"))?;
        if !secret_key.is_truthy()? {
            return leeway_of(&leeway).and(compression_of(&compression)).map(|_| Signing::Disabled);
        }
        let mut key = vec![
            leeway,
            compression,
            self.interface.getattr(intern!(py, "salt"))?,
            self.interface.getattr(intern!(py, "key_derivation"))?,
            self.interface.getattr(intern!(py, "digest_method"))?,
            secret_key,
        ];
        key.extend(self.fallbacks()?);
        if let Some(codec) = cache.get(&key) {
            return Ok(Signing::Native(codec));
        }
        Ok(match self.build_codec(&key)? {
            Some(codec) => Signing::Native(cache.insert(&key, codec)),
            None => Signing::Python,
        })
    }

    fn fallbacks(&self) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let fallbacks = self.config(intern!(self.py(), "SECRET_KEY_FALLBACKS"))?;
        if !fallbacks.is_truthy()? {
            return Ok(Vec::new());
        }
        if fallbacks.is_instance_of::<PyString>() || fallbacks.is_instance_of::<PyBytes>() {
            return Err(PyTypeError::new_err(
                "SECRET_KEY_FALLBACKS is a text, so each letter would be a key; make it a list of keys",
            ));
        }
        fallbacks.try_iter()?.collect()
    }

    /// Builds the codec of
    /// `[leeway, compression, salt, key_derivation, digest_method, secret_key, *fallbacks]`; `None`
    /// if Rust does not know a part of it.
    fn build_codec(&self, key: &[Bound<'py, PyAny>]) -> PyResult<Option<CookieCodec>> {
        let [leeway, compression, salt, derivation, digest_method, secret_key, fallbacks @ ..] = key else {
            return Ok(None);
        };
        let (leeway, compression) = (leeway_of(leeway)?, compression_of(compression)?);
        let known = self.flask.digests.iter().find(|(function, _)| function.is(digest_method));
        let Some(Ok(digest)) = known.map(|(_, name)| name.parse::<Digest>()) else { return Ok(None) };
        let derivation = derivation.extract::<String>().ok().and_then(|name| name.parse::<Derivation>().ok());
        let (Some(derivation), Some(salt), Some(secret_key)) =
            (derivation, bytes_of(salt)?, bytes_of(secret_key)?)
        else {
            return Ok(None);
        };
        let mut keys = Vec::new();
        for fallback in fallbacks {
            let Some(key) = bytes_of(fallback)? else { return Ok(None) };
            keys.push(SecretKey::from(key));
        }
        let codec = SessionCodec::builder(KeyRing::from_flask(secret_key, keys))
            .salt(salt)
            .derivation(derivation)
            .digest(digest)
            .leeway(leeway)
            .compression(compression)
            .build();
        let codec = codec.map_err(|_| {
            PyRuntimeError::new_err(
                "SECRET_KEY_FALLBACKS has an empty key, with which anybody could sign; remove it from the list",
            )
        })?;
        Ok(Some(CookieCodec { codec, compression }))
    }

    /// Returns `true` if sessions are written as Flask's tagged JSON, with exactly its own tags.
    fn has_flasks_serializer(&self) -> PyResult<bool> {
        let py = self.py();
        let serializer = self.interface.getattr(intern!(py, "serializer"))?;
        if !is_of(&serializer, &self.flask.serializer) {
            return Ok(false);
        }
        let order = serializer.getattr(intern!(py, "order"))?;
        let Ok(order) = order.cast::<PyList>() else { return Ok(false) };
        let tags = &self.flask.tags;
        Ok(order.len() == tags.len() && order.iter().zip(tags).all(|(tag, class)| is_of(&tag, class)))
    }

    /// Returns `true` if the app reads JSON as Flask does.
    pub(crate) fn reads_flasks_json(&self) -> PyResult<bool> {
        let py = self.py();
        let provider = self.app.getattr(intern!(py, "json"))?;
        self.provider_has(&provider, intern!(py, "loads"), &self.flask.provider_loads)
    }

    /// Returns the order of keys if the app writes JSON as Flask does.
    pub(crate) fn key_order(&self) -> PyResult<Option<KeyOrder>> {
        let py = self.py();
        let provider = self.app.getattr(intern!(py, "json"))?;
        let as_flask = self.provider_has(&provider, intern!(py, "dumps"), &self.flask.provider_dumps)?
            && provider.getattr(intern!(py, "ensure_ascii"))?.is(PyBool::new(py, true));
        if !as_flask {
            return Ok(None);
        }
        let sorted = provider.getattr(intern!(py, "sort_keys"))?.is_truthy()?;
        Ok(Some(if sorted { KeyOrder::Sorted } else { KeyOrder::Insertion }))
    }

    fn provider_has(
        &self,
        provider: &Bound<'py, PyAny>,
        name: &Bound<'py, PyString>,
        original: &Py<PyAny>,
    ) -> PyResult<bool> {
        let own = provider.getattr(intern!(self.py(), "__dict__"))?;
        Ok(provider.get_type().getattr(name)?.is(original) && !own.contains(name)?)
    }

    pub(crate) fn cookie_settings(&self) -> PyResult<CookieSettings<'py>> {
        let py = self.py();
        let path = if self.is_flasks(Method::Path)? {
            let path = self.config(intern!(py, "SESSION_COOKIE_PATH"))?;
            if path.is_truthy()? { path } else { self.config(intern!(py, "APPLICATION_ROOT"))? }
        } else {
            self.call(Method::Path)?
        };
        Ok(CookieSettings {
            name: self.cookie_name()?,
            domain: self.read(Method::Domain, intern!(py, "SESSION_COOKIE_DOMAIN"))?,
            path,
            secure: self.read(Method::Secure, intern!(py, "SESSION_COOKIE_SECURE"))?,
            http_only: self.read(Method::HttpOnly, intern!(py, "SESSION_COOKIE_HTTPONLY"))?,
            same_site: self.read(Method::SameSite, intern!(py, "SESSION_COOKIE_SAMESITE"))?,
            partitioned: self.read(Method::Partitioned, intern!(py, "SESSION_COOKIE_PARTITIONED"))?,
        })
    }

    /// Returns the cookie of these settings; `None` if Rust does not write such a cookie, so that
    /// Werkzeug has to.
    pub(crate) fn cookie(
        &self,
        settings: &CookieSettings<'py>,
        max_size: Bound<'py, PyAny>,
        cache: &ObjectCache<ResponseCookie>,
    ) -> Option<Arc<ResponseCookie>> {
        let key = settings.objects(max_size);
        cache.get(&key).or_else(|| build_cookie(&key).map(|cookie| cache.insert(&key, cookie)))
    }

    /// Counts a bad signature, after `opened` good ones. Warns in the app's log if they are many: a
    /// wrong key empties every session, and nobody would see why.
    pub(crate) fn note_bad_signature(
        &self,
        counter: &BadSignatures,
        opened: u64,
        now: UnixTime,
    ) -> PyResult<()> {
        let Some(count) = counter.note(opened, now) else { return Ok(()) };
        let arguments = ("%s (count=%d, cookie=%s)", MANY_BAD_SIGNATURES, count, self.cookie_name()?);
        self.app.getattr("logger")?.call_method1("warning", arguments).map(drop)
    }
}

impl<'py> CookieSettings<'py> {
    fn objects(&self, max_size: Bound<'py, PyAny>) -> [Bound<'py, PyAny>; 8] {
        let Self { name, domain, path, secure, http_only, same_site, partitioned } = self;
        [name, domain, path, secure, http_only, same_site, partitioned, &max_size].map(Clone::clone)
    }
}

/// The seconds of timedeltas.
static LIFETIMES: ObjectCache<f64> = ObjectCache::new();

/// Returns `true` if an object is an instance of this very class, not of a subclass.
fn is_of<T>(object: &Bound<'_, PyAny>, class: &Py<T>) -> bool {
    object.get_type_ptr().cast() == class.as_ptr()
}

fn missing(key: &Bound<'_, PyString>) -> PyErr {
    PyKeyError::new_err(key.clone().unbind())
}

fn leeway_of(given: &Bound<'_, PyAny>) -> PyResult<Duration> {
    given
        .extract()
        .map(Duration::from_secs)
        .map_err(|_| wrong("SESSION_COOKIE_LEEWAY", given, "a whole number of seconds from 0 on"))
}

fn compression_of(given: &Bound<'_, PyAny>) -> PyResult<Compression> {
    let known = given.extract::<String>().ok().and_then(|name| name.parse().ok());
    known.ok_or_else(|| wrong("SESSION_COOKIE_COMPRESSION", given, "'when-it-pays', 'flask' or 'never'"))
}

/// Creates the error of a setting whose value is not allowed.
pub(crate) fn wrong(key: &str, given: &Bound<'_, PyAny>, allowed: &str) -> PyErr {
    let given = given.repr().map_or_else(|_| "something else".to_owned(), |shown| shown.to_string());
    PyValueError::new_err(format!("{key} must be {allowed}, but is {given}"))
}

fn build_cookie(key: &[Bound<'_, PyAny>; 8]) -> Option<ResponseCookie> {
    let [name, domain, path, secure, http_only, same_site, partitioned, max_size] = key;
    let domain = if is_absent(domain) { None } else { Some(exact_text(domain)?) };
    let same_site = match same_site.is_none() {
        true => None,
        false => Some(exact_text(same_site)?.parse::<SameSite>().ok()?),
    };
    let config = CookieConfig::builder()
        .name(exact_text(name)?)
        .domain(domain.as_deref())
        .path(exact_text(path)?)
        .secure(truth(secure)?)
        .http_only(truth(http_only)?)
        .same_site(same_site)
        .partitioned(truth(partitioned)?)
        .max_size(max_size.extract().ok()?)
        .build()
        .ok()?;
    let max_value_len = config.max_value_len();
    Some(ResponseCookie { config, max_value_len })
}

fn is_absent(object: &Bound<'_, PyAny>) -> bool {
    object.is_none() || object.is(PyBool::new(object.py(), false))
}

/// Reads a flag. Werkzeug writes anything but None and a bool as the attribute's value.
fn truth(object: &Bound<'_, PyAny>) -> Option<bool> {
    match object.cast_exact::<PyBool>() {
        Ok(value) => Some(value.is_true()),
        Err(_) => object.is_none().then_some(false),
    }
}

fn exact_text(object: &Bound<'_, PyAny>) -> Option<String> {
    object.cast_exact::<PyString>().ok()?.extract().ok()
}

/// Returns the bytes of a key or salt, which are UTF-8 for a text; `None` for everything else.
fn bytes_of(object: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Some(bytes.as_bytes().to_vec()));
    }
    match object.cast::<PyString>() {
        Ok(text) => with_utf8(text, |text| Some(text.as_bytes().to_vec())),
        Err(_) => Ok(None),
    }
}
