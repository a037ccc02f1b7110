//! The session's cookie: out of a request's `Cookie` header, and into a response's `Set-Cookie`.

use std::sync::Arc;

use hipflask_core::cookie;
use hipflask_core::time::UnixTime;
use pyo3::exceptions::PyUserWarning;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::flask::{Flask, Method};
use crate::guard::entry;
use crate::recent::Recent;
use crate::settings::{Cookie, CookieSettings, Settings};
use crate::text::with_utf8;

/// How many cookies of the session's name are looked at, as in all our fronts.
const COOKIES_TRIED: usize = 4;

/// The cookies of an interface that is written in Python.
#[pyclass(frozen, module = "hipflask._native")]
pub(crate) struct SessionCookies(Recent<Cookie>);

#[pymethods]
impl SessionCookies {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        entry(py, "SessionCookies", || Ok(Self(Recent::new())))
    }

    /// The values of the request's cookies of the session's name: the first ones, without those that are empty.
    #[staticmethod]
    fn read<'py>(
        interface: &Bound<'py, PyAny>,
        app: &Bound<'py, PyAny>,
        request: &Bound<'py, PyAny>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let py = request.py();
        entry(py, "SessionCookies.read", || {
            let mut values = Vec::new();
            first_cookie(&Settings::of(interface, app)?, request, |value| {
                values.push(PyBytes::new(py, value.as_bytes()));
                Ok(None::<()>)
            })?;
            Ok(values)
        })
    }

    /// `response.set_cookie` with the settings of the app.
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
            Answer { settings: &settings, response, made: &self.0 }.set(session, permanent, |_, _| Ok(value))
        })
    }

    /// `response.delete_cookie` with the settings of the app.
    fn remove(
        &self,
        interface: &Bound<'_, PyAny>,
        app: &Bound<'_, PyAny>,
        response: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        entry(app.py(), "SessionCookies.remove", || {
            Answer { settings: &Settings::of(interface, app)?, response, made: &self.0 }.remove()
        })
    }

    /// `response.vary.add("Cookie")`.
    #[staticmethod]
    fn vary(response: &Bound<'_, PyAny>) -> PyResult<()> {
        entry(response.py(), "SessionCookies.vary", || vary_by_cookie(Flask::of(response.py())?, response))
    }
}

/// The first thing that `take` makes of one of the request's cookies of the session's name.
pub(crate) fn first_cookie<T>(
    settings: &Settings<'_, '_>,
    request: &Bound<'_, PyAny>,
    mut take: impl FnMut(&str) -> PyResult<Option<T>>,
) -> PyResult<Option<T>> {
    let name = settings.cookie_name()?;
    let Some(header) = cookie_header(settings.flask, request, &name)? else { return Ok(None) };
    let name: String = name.extract()?;
    let mut values = cookie::values([&*header], &name).filter(|value| !value.is_empty()).take(COOKIES_TRIED);
    values.find_map(|value| take(&value).transpose()).transpose()
}

/// The octets of the `Cookie` header. WSGI hands them over as characters; what holds others was put there by somebody who
/// has replaced a part of Werkzeug.
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

/// The session's cookie out of `request.cookies`, as a header would have it.
fn cookies_as_header(request: &Bound<'_, PyAny>, name: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let value = request.getattr("cookies")?.call_method1("get", (name,))?;
    let mut header = name.extract::<String>()?.into_bytes();
    header.push(b'=');
    if !value.is_none() {
        header.extend_from_slice(value.extract::<String>()?.as_bytes());
    }
    Ok(header)
}

/// A response that gets something to say about the session.
pub(crate) struct Answer<'a, 'py> {
    pub(crate) settings: &'a Settings<'a, 'py>,
    pub(crate) response: &'a Bound<'py, PyAny>,
    /// The cookies that were made before.
    pub(crate) made: &'a Recent<Cookie>,
}

impl<'py> Answer<'_, 'py> {
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

    /// Sets the cookie. `make` makes its value, told the time and how many bytes browsers keep.
    pub(crate) fn set(
        &self,
        session: &Bound<'py, PyAny>,
        permanent: bool,
        make: impl FnOnce(f64, usize) -> PyResult<String>,
    ) -> PyResult<()> {
        let (py, flask) = (self.py(), self.settings.flask);
        let settings = self.settings.cookie_settings()?;
        let cookie = self.cookie(&settings)?;
        let now = flask.now(py)?;
        let value = make(now, cookie.as_ref().map_or(usize::MAX, |cookie| cookie.room))?;
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

    /// When the cookie ends, if it does and Rust can tell; `None` if Python has to be asked.
    #[expect(clippy::option_option, reason = "a cookie without a date is no unknown date")]
    fn expires(&self, now: f64, permanent: bool) -> PyResult<Option<Option<UnixTime>>> {
        let flasks = self.settings.is_flasks(Method::Expiration)?;
        if !flasks || !self.has(intern!(self.py(), "set_cookie"), &self.settings.flask.set_cookie)? {
            return Ok(None);
        }
        if !permanent {
            return Ok(Some(None));
        }
        let ends = now + self.settings.lifetime()?;
        Ok((ends >= 0.0).then(|| Some(UnixTime::from_secs(ends as u64))))
    }

    fn cookie(&self, settings: &CookieSettings<'py>) -> PyResult<Option<Arc<Cookie>>> {
        let name = intern!(self.py(), "max_cookie_size");
        let max_size = if self.has(name, &self.settings.flask.max_cookie_size)? {
            self.settings.config(intern!(self.py(), "MAX_COOKIE_SIZE"))?
        } else {
            self.response.getattr(name)?
        };
        Ok(self.settings.cookie(settings, max_size, self.made))
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

/// The list of a response's headers, if it is Werkzeug's.
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

/// `response.vary.add("Cookie")`.
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
