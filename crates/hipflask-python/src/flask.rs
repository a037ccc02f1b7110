//! Flask's own classes and functions, looked up once, to recognize those that an app has replaced.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};

use crate::guard::entry;

/// Flask's own classes, functions and descriptors.
pub(crate) struct Flask {
    /// `flask.sessions.SecureCookieSessionInterface`.
    pub(crate) interface: Py<PyType>,
    /// `flask.sessions.SecureCookieSession` and `hipflask.SecureCookieSession`.
    session_classes: [Py<PyType>; 2],
    /// The `__init__` of both, and the function that a session calls when it changes.
    pub(crate) session_init: Py<PyAny>,
    pub(crate) note_change: Py<PyAny>,
    /// `dict.__new__`.
    pub(crate) new_dict: Py<PyAny>,
    /// The methods of `interface` that an app overrides, in the order of [`METHODS`], and their names.
    methods: Vec<(Py<PyString>, Py<PyAny>)>,
    /// `flask.json.tag.TaggedJSONSerializer`, and its default tags.
    pub(crate) serializer: Py<PyType>,
    pub(crate) tags: Vec<Py<PyAny>>,
    /// `flask.json.provider.DefaultJSONProvider.dumps` and `loads`.
    pub(crate) provider_dumps: Py<PyAny>,
    pub(crate) provider_loads: Py<PyAny>,
    /// `flask.Request`, the namespaces in which it looks for `cookies`, and Werkzeug's `Request.cookies`.
    request: Py<PyType>,
    request_namespaces: Vec<Py<PyAny>>,
    cookies: Py<PyAny>,
    /// Werkzeug's `Response.set_cookie`, `delete_cookie` and `vary`, and Flask's `max_cookie_size`.
    pub(crate) set_cookie: Py<PyAny>,
    pub(crate) delete_cookie: Py<PyAny>,
    pub(crate) vary: Py<PyAny>,
    pub(crate) max_cookie_size: Py<PyAny>,
    /// `werkzeug.datastructures.Headers`.
    pub(crate) headers: Py<PyType>,
    /// `flask.Config`, which looks up keys as a dict does.
    pub(crate) config: Py<PyType>,
    /// `flask.Flask.secret_key` and `permanent_session_lifetime`, which read the configuration.
    pub(crate) app: Py<PyType>,
    /// `itsdangerous.BadData`.
    pub(crate) bad_data: Py<PyType>,
    /// The functions of each digest with its name: those of Flask, itsdangerous and `hashlib`.
    pub(crate) digests: Vec<(Py<PyAny>, &'static str)>,
    /// The module `time`. Its function is looked up each time, because tests replace it.
    time: Py<PyModule>,
    /// `zlib.compress`, with which a deflated cookie has the same bytes as in Flask.
    compress: Py<PyAny>,
}

/// A method of Flask's interface that an app may override.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    SigningSerializer,
    Name,
    Domain,
    Path,
    HttpOnly,
    Secure,
    SameSite,
    Partitioned,
    Expiration,
    ShouldSet,
}

const METHODS: [&str; 10] = [
    "get_signing_serializer",
    "get_cookie_name",
    "get_cookie_domain",
    "get_cookie_path",
    "get_cookie_httponly",
    "get_cookie_secure",
    "get_cookie_samesite",
    "get_cookie_partitioned",
    "get_expiration_time",
    "should_set_cookie",
];

impl Flask {
    pub(crate) fn of(py: Python<'_>) -> PyResult<&Self> {
        static FLASK: PyOnceLock<Flask> = PyOnceLock::new();
        FLASK.get_or_try_init(py, || Self::import(py))
    }

    fn import(py: Python<'_>) -> PyResult<Self> {
        let find = |module: &str, path: &str| -> PyResult<Bound<'_, PyAny>> {
            path.split('.').try_fold(py.import(module)?.into_any(), |object, name| object.getattr(name))
        };
        let class = |module: &str, path: &str| -> PyResult<Py<PyType>> {
            Ok(find(module, path)?.cast_into::<PyType>()?.unbind())
        };
        let interface = class("flask.sessions", "SecureCookieSessionInterface")?;
        let methods = METHODS
            .iter()
            .map(|name| Ok((PyString::intern(py, name).unbind(), interface.getattr(py, *name)?)))
            .collect::<PyResult<_>>()?;
        let serializer = class("flask.json.tag", "TaggedJSONSerializer")?;
        let tags = serializer.bind(py).getattr("default_tags")?.try_iter()?;
        let mut digests = vec![
            (find("flask.sessions", "_lazy_sha1")?.unbind(), "sha1"),
            (find("itsdangerous.signer", "_lazy_sha1")?.unbind(), "sha1"),
        ];
        for name in ["sha1", "sha256", "sha512"] {
            // A FIPS build may not have SHA-1.
            digests.extend(find("hashlib", name).ok().map(|function| (function.unbind(), name)));
        }
        let provider = class("flask.json.provider", "DefaultJSONProvider")?;
        Ok(Self {
            tags: tags.map(|tag| Ok(tag?.unbind())).collect::<PyResult<_>>()?,
            provider_dumps: provider.getattr(py, "dumps")?,
            provider_loads: provider.getattr(py, "loads")?,
            request_namespaces: namespaces(&find("flask", "Request")?, "cookies")?,
            request: class("flask", "Request")?,
            cookies: find("werkzeug.sansio.request", "Request.cookies")?.unbind(),
            set_cookie: find("werkzeug.sansio.response", "Response.set_cookie")?.unbind(),
            delete_cookie: find("werkzeug.sansio.response", "Response.delete_cookie")?.unbind(),
            vary: find("werkzeug.sansio.response", "Response.vary")?.unbind(),
            max_cookie_size: find("flask", "Response.max_cookie_size")?.unbind(),
            headers: class("werkzeug.datastructures", "Headers")?,
            config: class("flask", "Config")?,
            app: class("flask", "Flask")?,
            session_classes: [
                class("hipflask.sessions", "SecureCookieSession")?,
                class("flask.sessions", "SecureCookieSession")?,
            ],
            session_init: find("flask.sessions", "SecureCookieSession.__init__")?.unbind(),
            note_change: wrap_pyfunction!(note_change, py)?.into_any().unbind(),
            new_dict: py.get_type::<PyDict>().getattr("__new__")?.unbind(),
            bad_data: class("itsdangerous", "BadData")?,
            time: py.import("time")?.unbind(),
            compress: find("zlib", "compress")?.unbind(),
            interface,
            methods,
            serializer,
            digests,
        })
    }

    /// Returns `true` if a class behaves as Flask's session class when it is created and read.
    pub(crate) fn is_session_class(&self, class: &Bound<'_, PyAny>) -> bool {
        self.session_classes.iter().any(|known| class.is(known))
    }

    /// The name of a method, and Flask's own function.
    pub(crate) fn method<'py>(
        &'py self,
        py: Python<'py>,
        method: Method,
    ) -> (&'py Bound<'py, PyString>, &'py Py<PyAny>) {
        let (name, original) = &self.methods[method as usize];
        (name.bind(py), original)
    }

    /// Returns `true` if a request reads its cookies as Werkzeug does. Looking up the property on
    /// the class itself would call Python code.
    pub(crate) fn reads_cookies(&self, request: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (py, class) = (request.py(), request.get_type());
        let name = pyo3::intern!(py, "cookies");
        let [nearer @ .., last] = &*self.request_namespaces else { return Ok(false) };
        if !class.is(&self.request) {
            return Ok(class.getattr(name)?.is(&self.cookies));
        }
        for namespace in nearer {
            if namespace.bind(py).contains(name)? {
                return Ok(false);
            }
        }
        Ok(last.bind(py).get_item(name)?.is(&self.cookies))
    }

    /// Returns `time.time()`.
    pub(crate) fn now(&self, py: Python<'_>) -> PyResult<f64> {
        self.time.bind(py).call_method0(pyo3::intern!(py, "time"))?.extract()
    }

    /// Returns the zlib stream of `data`, at the level that itsdangerous uses.
    pub(crate) fn deflate<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        self.compress.bind(py).call1((data,))
    }
}

/// Returns the `__dict__` of each class in which a name is looked up, up to the one that has it.
fn namespaces(class: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<Py<PyAny>>> {
    let mut namespaces = Vec::new();
    for class in class.getattr("__mro__")?.try_iter()? {
        let namespace = class?.getattr("__dict__")?;
        let has_it = namespace.contains(name)?;
        namespaces.push(namespace.unbind());
        if has_it {
            break;
        }
    }
    Ok(namespaces)
}

/// Marks a session as modified. Sessions call it when they change.
#[pyfunction]
fn note_change(session: &Bound<'_, PyAny>) -> PyResult<()> {
    entry(session.py(), "note_change", || session.setattr(pyo3::intern!(session.py(), "modified"), true))
}
