//! What an app and its session interface say, read anew for each request.

use std::sync::Arc;
use std::time::Duration;

use hipflask_core::cookie::{CookieConfig, SameSite};
use hipflask_core::signing::{Compression, Derivation, Digest, KeyRing, SecretKey, Signer, TimestampSigner};
use hipflask_core::tagged::KeyOrder;
use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyList, PyString, PyType};
use pyo3::{intern, types::PyDelta};

use crate::flask::{Flask, Method};
use crate::recent::Recent;
use crate::text::with_utf8;

/// An app and its interface. Whatever Flask lets an app override is asked of them.
pub(crate) struct Settings<'a, 'py> {
    pub(crate) interface: &'a Bound<'py, PyAny>,
    pub(crate) app: &'a Bound<'py, PyAny>,
    pub(crate) flask: &'py Flask,
    class: Bound<'py, PyType>,
    /// What was set on the interface itself and not on its class; nearly always nothing.
    own: Option<Bound<'py, PyDict>>,
    config: Config<'py>,
}

enum Config<'py> {
    /// Flask's own, of which it is known that it is a dict and nothing more.
    Flasks(Bound<'py, PyDict>),
    Other(Bound<'py, PyAny>),
}

/// Who signs.
pub(crate) enum Signing {
    /// Nobody: there is no secret key.
    Nobody,
    /// Rust, with these keys.
    Rust(Arc<Sealing>),
    /// Python: the app has put something in place of what Flask does.
    Python,
}

/// How values are signed and packed.
pub(crate) struct Sealing {
    pub(crate) signer: TimestampSigner,
    /// How far ahead of our clock a cookie's time may be.
    pub(crate) leeway: Duration,
    pub(crate) compression: Compression,
}

/// How the cookie is written.
pub(crate) struct Cookie {
    pub(crate) config: CookieConfig,
    /// The longest value that browsers keep, in bytes.
    pub(crate) room: usize,
}

/// The settings of the cookie as an app has them: arguments of Werkzeug's `set_cookie`.
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

    /// Whether a method is the one that Flask has.
    pub(crate) fn is_flasks(&self, method: Method) -> PyResult<bool> {
        let (name, original) = self.flask.method(self.py(), method);
        if let Some(own) = &self.own
            && own.contains(name)?
        {
            return Ok(false);
        }
        Ok(self.class.getattr(name)?.is(original))
    }

    /// `self.config[key]`, or what the app has put in place of the method that reads it.
    fn ask(&self, method: Method, key: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
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

    /// A setting that is ours: in the configuration, or else on the interface.
    fn ours(
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
        self.ask(Method::Name, intern!(self.py(), "SESSION_COOKIE_NAME"))
    }

    pub(crate) fn session_class(&self) -> PyResult<Bound<'py, PyAny>> {
        self.interface.getattr(intern!(self.py(), "session_class"))
    }

    /// The value of a property of `flask.Flask` that reads the configuration: from there, unless there is a subclass, which
    /// may have put another in its place.
    fn app_property(
        &self,
        key: &Bound<'py, PyString>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if is_of(self.app, &self.flask.app) { self.config(key) } else { self.app.getattr(name) }
    }

    /// `int(app.permanent_session_lifetime.total_seconds())`.
    pub(crate) fn lifetime(&self) -> PyResult<f64> {
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
        // To ask one calls Python, and makes two objects.
        let of = [lifetime];
        if let Some(seconds) = LIFETIMES.find(&of) {
            return Ok(*seconds);
        }
        let [lifetime] = &of;
        let seconds = lifetime.call_method0(intern!(py, "total_seconds"))?.extract()?;
        let is_fixed = lifetime.is_exact_instance_of::<PyDelta>();
        Ok(if is_fixed { *LIFETIMES.keep(&of, seconds) } else { seconds })
    }

    /// Our own settings are read with those of the signer, at the beginning of each request: what is wrong with them is
    /// noticed by the first visitor, whatever cookie he has.
    pub(crate) fn signing(&self, made: &Recent<Sealing>) -> PyResult<Signing> {
        let py = self.py();
        let leeway = self.ours(intern!(py, "SESSION_COOKIE_LEEWAY"), intern!(py, "leeway"))?;
        let compression = self.ours(intern!(py, "SESSION_COOKIE_COMPRESSION"), intern!(py, "compression"))?;
        if !self.is_flasks(Method::SigningSerializer)? || !self.has_flasks_serializer()? {
            return leeway_of(&leeway).and(compression_of(&compression)).map(|_| Signing::Python);
        }
        let secret_key = self.app_property(intern!(py, "SECRET_KEY"), intern!(py, "secret_key"))?;
        if !secret_key.is_truthy()? {
            return leeway_of(&leeway).and(compression_of(&compression)).map(|_| Signing::Nobody);
        }
        let mut of = vec![
            leeway,
            compression,
            self.interface.getattr(intern!(py, "salt"))?,
            self.interface.getattr(intern!(py, "key_derivation"))?,
            self.interface.getattr(intern!(py, "digest_method"))?,
            secret_key,
        ];
        of.extend(self.fallbacks()?);
        if let Some(sealing) = made.find(&of) {
            return Ok(Signing::Rust(sealing));
        }
        let [leeway, compression, signed_with @ ..] = &*of else { return Ok(Signing::Python) };
        let (leeway, compression) = (leeway_of(leeway)?, compression_of(compression)?);
        Ok(match self.build_signer(signed_with)? {
            Some(signer) => Signing::Rust(made.keep(&of, Sealing { signer, leeway, compression })),
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
                "SECRET_KEY_FALLBACKS is text, of which each letter would be a key; make it a list of keys",
            ));
        }
        fallbacks.try_iter()?.collect()
    }

    /// The signer of `[salt, key_derivation, digest_method, secret_key, *fallbacks]`, if Rust knows all of it.
    fn build_signer(&self, of: &[Bound<'py, PyAny>]) -> PyResult<Option<TimestampSigner>> {
        let [salt, derivation, digest_method, secret_key, fallbacks @ ..] = of else { return Ok(None) };
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
        let keys = KeyRing::from_flask(secret_key, keys);
        let signer = Signer::builder(keys).salt(salt).derivation(derivation).digest(digest).build();
        let signer = signer.map_err(|_| {
            PyRuntimeError::new_err(
                "SECRET_KEY_FALLBACKS holds an empty key, with which anybody could sign; take it out of the list",
            )
        })?;
        Ok(Some(TimestampSigner::new(signer)))
    }

    /// Whether sessions are written as Flask's tagged JSON, with its own tags and no other.
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

    /// Whether the app reads JSON as Flask does.
    pub(crate) fn reads_flasks_json(&self) -> PyResult<bool> {
        let py = self.py();
        let provider = self.app.getattr(intern!(py, "json"))?;
        self.provider_has(&provider, intern!(py, "loads"), &self.flask.provider_loads)
    }

    /// The order of keys, if the app writes JSON as Flask does.
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
            domain: self.ask(Method::Domain, intern!(py, "SESSION_COOKIE_DOMAIN"))?,
            path,
            secure: self.ask(Method::Secure, intern!(py, "SESSION_COOKIE_SECURE"))?,
            http_only: self.ask(Method::HttpOnly, intern!(py, "SESSION_COOKIE_HTTPONLY"))?,
            same_site: self.ask(Method::SameSite, intern!(py, "SESSION_COOKIE_SAMESITE"))?,
            partitioned: self.ask(Method::Partitioned, intern!(py, "SESSION_COOKIE_PARTITIONED"))?,
        })
    }

    /// The cookie of these settings; `None` if they are not what Rust writes, so that Werkzeug may do with them what it
    /// does.
    pub(crate) fn cookie(
        &self,
        settings: &CookieSettings<'py>,
        max_size: Bound<'py, PyAny>,
        made: &Recent<Cookie>,
    ) -> Option<Arc<Cookie>> {
        let of = settings.objects(max_size);
        made.find(&of).or_else(|| build_cookie(&of).map(|cookie| made.keep(&of, cookie)))
    }
}

impl<'py> CookieSettings<'py> {
    fn objects(&self, max_size: Bound<'py, PyAny>) -> [Bound<'py, PyAny>; 8] {
        let Self { name, domain, path, secure, http_only, same_site, partitioned } = self;
        [name, domain, path, secure, http_only, same_site, partitioned, &max_size].map(Clone::clone)
    }
}

/// In seconds.
static LIFETIMES: Recent<f64> = Recent::new();

/// Whether an object is of this very class.
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

/// The error of a setting that is not what it may be.
pub(crate) fn wrong(key: &str, given: &Bound<'_, PyAny>, allowed: &str) -> PyErr {
    let given = given.repr().map_or_else(|_| "something else".to_owned(), |shown| shown.to_string());
    PyValueError::new_err(format!("{key} must be {allowed}, but is {given}"))
}

fn build_cookie(of: &[Bound<'_, PyAny>; 8]) -> Option<Cookie> {
    let [name, domain, path, secure, http_only, same_site, partitioned, max_size] = of;
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
    let room = match config.max_size() {
        0 => usize::MAX,
        limit => limit.saturating_sub(config.set("", None).len()),
    };
    Some(Cookie { config, room })
}

fn is_absent(object: &Bound<'_, PyAny>) -> bool {
    object.is_none() || object.is(PyBool::new(object.py(), false))
}

/// Werkzeug writes what is neither None nor a bool as the attribute's value.
fn truth(object: &Bound<'_, PyAny>) -> Option<bool> {
    match object.cast_exact::<PyBool>() {
        Ok(value) => Some(value.is_true()),
        Err(_) => object.is_none().then_some(false),
    }
}

fn exact_text(object: &Bound<'_, PyAny>) -> Option<String> {
    object.cast_exact::<PyString>().ok()?.extract().ok()
}

/// The bytes of a key or salt, text being UTF-8; `None` for everything else.
fn bytes_of(object: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Some(bytes.as_bytes().to_vec()));
    }
    match object.cast::<PyString>() {
        Ok(text) => with_utf8(text, |text| Some(text.as_bytes().to_vec())),
        Err(_) => Ok(None),
    }
}
