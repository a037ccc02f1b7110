//! The session's cookie: read from the `Cookie` header of a request, and written to the
//! `Set-Cookie` header of a response.

use std::sync::Arc;

use hipflask_core::cookie::{Choice, candidates};
use hipflask_core::plan::Profile;
use hipflask_core::time::UnixTime;
use pyo3::exceptions::PyUserWarning;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::flask::{Flask, Method};
use crate::guard::entry;
use crate::object_cache::ObjectCache;
use crate::settings::{CookieSettings, ResponseCookie, Settings};
use crate::text::with_utf8;

/// The cookies of an interface that is written in Python.
#[pyclass(frozen, module = "hipflask._native")]
pub(crate) struct SessionCookies(ObjectCache<ResponseCookie>);

#[pymethods]
impl SessionCookies {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        entry(py, "SessionCookies", || Ok(Self(ObjectCache::new())))
    }

    /// Returns the values of the request's cookies that may be the session.
    #[staticmethod]
    fn read<'py>(
        interface: &Bound<'py, PyAny>,
        app: &Bound<'py, PyAny>,
        request: &Bound<'py, PyAny>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let py = request.py();
        entry(py, "SessionCookies.read", || {
            let mut values = Vec::new();
            choose_cookie(&Settings::of(interface, app)?, request, |value| {
                values.push(PyBytes::new(py, value));
                Ok(None::<()>)
            })?;
            Ok(values)
        })
    }

    /// Calls `response.set_cookie` with the settings of the app.
    fn set<'py>(
        &self,
        interface: &Bound<'py, PyAny>,
        app: &Bound<'py, PyAny>,
        session: &Bound<'py, PyAny>,
        response: &Bound<'py, PyAny>,
        value: String,
    ) -> PyResult<()> {
        entry(session.py(), "SessionCookies.set", || {
            let settings = Settings::of(interface, app)?;
            let permanent = session.getattr(intern!(session.py(), "permanent"))?.is_truthy()?;
            let response = SessionResponse { settings: &settings, response, cache: &self.0 };
            response.set(session, permanent, |_, _| Ok(value))
        })
    }

    /// Calls `response.delete_cookie` with the settings of the app.
    fn remove(
        &self,
        interface: &Bound<'_, PyAny>,
        app: &Bound<'_, PyAny>,
        response: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        entry(app.py(), "SessionCookies.remove", || {
            SessionResponse { settings: &Settings::of(interface, app)?, response, cache: &self.0 }.remove()
        })
    }

    /// Calls `response.vary.add("Cookie")`.
    #[staticmethod]
    fn vary(response: &Bound<'_, PyAny>) -> PyResult<()> {
        entry(response.py(), "SessionCookies.vary", || vary_by_cookie(Flask::of(response.py())?, response))
    }
}

/// Calls `open` with the request's cookies of the session's name until it returns a session.
pub(crate) fn choose_cookie<T>(
    settings: &Settings<'_, '_>,
    request: &Bound<'_, PyAny>,
    mut open: impl FnMut(&[u8]) -> PyResult<Option<T>>,
) -> PyResult<Option<T>> {
    let name = settings.cookie_name()?;
    let Some(header) = cookie_header(settings.flask, request, &name)? else { return Ok(None) };
    let name: String = name.extract()?;
    let mut choice = Choice::new(Profile::Flask);
    for value in candidates([&*header], &name, Profile::Flask) {
        if !choice.is_needed(&value) {
            break;
        }
        if let Some(session) = open(&value)? {
            choice.accept(&value, session);
        }
    }
    // Only the strict profile refuses a choice.
    Ok(choice.finish().unwrap_or_default())
}

/// Returns the octets of the `Cookie` header, which WSGI passes as characters. A header with other
/// characters comes from an app that has replaced a part of Werkzeug.
fn cookie_header(
    flask: &Flask,
    request: &Bound<'_, PyAny>,
    name: &Bound<'_, PyAny>,
) -> PyResult<Option<Vec<u8>>> {
    let py = request.py();
    if !flask.reads_cookies(request)? {
        return cookies_as_header(request, name).map(Some);
    }
    let environ = request.getattr(intern!(py, "environ"))?;
    let Ok(environ) = environ.cast::<PyDict>() else { return cookies_as_header(request, name).map(Some) };
    let Some(header) = environ.get_item(intern!(py, "HTTP_COOKIE"))? else { return Ok(None) };
    let ascii = with_utf8(header.cast()?, |text| text.is_ascii().then(|| text.as_bytes().to_vec()))?;
    if ascii.is_some() {
        return Ok(ascii);
    }
    let octets: PyResult<Vec<u8>> = header.call_method1("encode", ("latin-1",))?.extract();
    octets.map(Some)
}

/// Writes the session's cookie of `request.cookies` as a header.
fn cookies_as_header(request: &Bound<'_, PyAny>, name: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let value = request.getattr("cookies")?.call_method1("get", (name,))?;
    let mut header = name.extract::<String>()?.into_bytes();
    header.push(b'=');
    if !value.is_none() {
        header.extend_from_slice(value.extract::<String>()?.as_bytes());
    }
    Ok(header)
}

/// A response that gets the headers of the session.
pub(crate) struct SessionResponse<'a, 'py> {
    pub(crate) settings: &'a Settings<'a, 'py>,
    pub(crate) response: &'a Bound<'py, PyAny>,
    /// The cookies that were built before.
    pub(crate) cache: &'a ObjectCache<ResponseCookie>,
}

impl<'py> SessionResponse<'_, 'py> {
    fn py(&self) -> Python<'py> {
        self.response.py()
    }

    /// Removes the cookie.
    pub(crate) fn remove(&self) -> PyResult<()> {
        let py = self.py();
        let settings = self.settings.cookie_settings()?;
        if self.has(intern!(py, "delete_cookie"), &self.settings.flask.delete_cookie)?
            && let Some(headers) = header_list(self.settings.flask, self.response)?
            && let Some(cookie) = self.cookie(&settings)?
        {
            return append(&headers, intern!(py, "Set-Cookie"), cookie.config.removal());
        }
        let keywords = settings.keywords(py)?;
        self.response.call_method("delete_cookie", (&settings.name,), Some(&keywords)).map(drop)
    }

    /// Sets the cookie. `make_value` gets the time, and the greatest length of a value that browsers keep.
    pub(crate) fn set(
        &self,
        session: &Bound<'py, PyAny>,
        permanent: bool,
        make_value: impl FnOnce(f64, usize) -> PyResult<String>,
    ) -> PyResult<()> {
        let (py, flask) = (self.py(), self.settings.flask);
        let settings = self.settings.cookie_settings()?;
        let cookie = self.cookie(&settings)?;
        let now = flask.now(py)?;
        let value = make_value(now, cookie.as_ref().map_or(usize::MAX, |cookie| cookie.max_value_len))?;
        let headers = header_list(flask, self.response)?;
        if let (Some(cookie), Some(headers), Some(expires)) = (cookie, headers, self.expires(now, permanent)?)
        {
            let header = cookie.config.set(&value, expires);
            if let Err(too_large) = cookie.config.check_size(&value, &header) {
                let text = std::ffi::CString::new(too_large.to_string()).unwrap_or_default();
                PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 1)?;
            }
            return append(&headers, intern!(py, "Set-Cookie"), header);
        }
        let keywords = settings.keywords(py)?;
        let expires =
            self.settings.interface.call_method1("get_expiration_time", (self.settings.app, session))?;
        keywords.set_item("expires", expires)?;
        self.response.call_method("set_cookie", (&settings.name, value), Some(&keywords)).map(drop)
    }

    /// The date of expiry, which a cookie may be without; `None` if only Python knows it.
    #[expect(clippy::option_option, reason = "a cookie without a date is not one with an unknown date")]
    fn expires(&self, now: f64, permanent: bool) -> PyResult<Option<Option<UnixTime>>> {
        let flasks = self.settings.is_flasks(Method::Expiration)?;
        if !flasks || !self.has(intern!(self.py(), "set_cookie"), &self.settings.flask.set_cookie)? {
            return Ok(None);
        }
        if !permanent {
            return Ok(Some(None));
        }
        let expires = now + self.settings.lifetime()?.as_secs_f64();
        Ok((expires >= 0.0).then(|| Some(UnixTime::from_secs(expires as u64))))
    }

    fn cookie(&self, settings: &CookieSettings<'py>) -> PyResult<Option<Arc<ResponseCookie>>> {
        let name = intern!(self.py(), "max_cookie_size");
        let max_size = if self.has(name, &self.settings.flask.max_cookie_size)? {
            self.settings.config(intern!(self.py(), "MAX_COOKIE_SIZE"))?
        } else {
            self.response.getattr(name)?
        };
        Ok(self.settings.cookie(settings, max_size, self.cache))
    }

    fn has(&self, name: &Bound<'py, PyString>, original: &Py<PyAny>) -> PyResult<bool> {
        Ok(self.response.get_type().getattr(name)?.is(original))
    }
}

impl<'py> CookieSettings<'py> {
    /// The arguments of Werkzeug's `set_cookie` and `delete_cookie`.
    fn keywords(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let keywords = PyDict::new(py);
        keywords.set_item("domain", &self.domain)?;
        keywords.set_item("path", &self.path)?;
        keywords.set_item("secure", &self.secure)?;
        keywords.set_item("httponly", &self.http_only)?;
        keywords.set_item("samesite", &self.same_site)?;
        keywords.set_item("partitioned", &self.partitioned)?;
        Ok(keywords)
    }
}

/// The list of a response's headers, if they are Werkzeug's class.
fn header_list<'py>(flask: &Flask, response: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyList>>> {
    let py = response.py();
    let headers = response.getattr(intern!(py, "headers"))?;
    if !headers.get_type().is(&flask.headers) {
        return Ok(None);
    }
    Ok(headers.getattr(intern!(py, "_list"))?.cast_into().ok())
}

fn append(headers: &Bound<'_, PyList>, name: &Bound<'_, PyString>, value: String) -> PyResult<()> {
    headers.append((name, value))
}

/// Calls `response.vary.add("Cookie")`.
pub(crate) fn vary_by_cookie(flask: &Flask, response: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = response.py();
    let (name, cookie) = (intern!(py, "vary"), intern!(py, "Cookie"));
    if response.get_type().getattr(name)?.is(&flask.vary)
        && let Some(headers) = header_list(flask, response)?
    {
        match vary_of(&headers)? {
            None => return headers.append((intern!(py, "Vary"), cookie)),
            Some(value) if value.is(cookie) || value.eq(cookie)? => return Ok(()),
            Some(_) => {}
        }
    }
    response.getattr(name)?.call_method1("add", (cookie,)).map(drop)
}

/// The first `Vary` of the headers.
fn vary_of<'py>(headers: &Bound<'py, PyList>) -> PyResult<Option<Bound<'py, PyAny>>> {
    for header in headers.iter() {
        let (name, value): (Bound<'_, PyString>, Bound<'_, PyAny>) = header.extract()?;
        if name.len()? == VARY.len() && with_utf8(&name, |name| name.eq_ignore_ascii_case(VARY))? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

const VARY: &str = "Vary";
