//! Flask's `SecureCookieSessionInterface`, from the `Cookie` header to the `Set-Cookie` header.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hipflask_core::codec::OpenError;
use hipflask_core::log_limit::BadSignatures;
use hipflask_core::plan::{CookieOp, Profile, Rules, SessionFlags, plan};
use hipflask_core::signing::{Compression, SignatureError};
use hipflask_core::tagged;
use hipflask_core::time::UnixTime;
use hipflask_core::value::Value;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::convert::{ConvertError, to_python};
use crate::cookies::{SessionResponse, choose_cookie, vary_by_cookie};
use crate::flask::{Flask, Method};
use crate::guard::entry;
use crate::json_reader::{ReadError, fill_from_json};
use crate::json_writer::json_of;
use crate::object_cache::ObjectCache;
use crate::settings::{CookieCodec, ResponseCookie, Settings, Signing};

/// The native half of `hipflask.SecureCookieSessionInterface`. Its other half, Flask's own class,
/// has the methods that an app overrides.
#[pyclass(frozen, subclass, module = "hipflask._native")]
pub(crate) struct SecureCookieSessions {
    codecs: ObjectCache<CookieCodec>,
    cookies: ObjectCache<ResponseCookie>,
    opened: AtomicU64,
    bad_signatures: BadSignatures,
}

#[pymethods]
impl SecureCookieSessions {
    /// Accepts all arguments, because the `__init__` of a subclass may.
    #[new]
    #[pyo3(signature = (*args, **_kwargs))]
    fn new(args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        entry(args.py(), "SecureCookieSessions", || {
            Ok(Self {
                codecs: ObjectCache::new(),
                cookies: ObjectCache::new(),
                opened: AtomicU64::new(0),
                bad_signatures: BadSignatures::default(),
            })
        })
    }

    /// Opens the session of a request: empty if no cookie verifies, `None` without a secret key.
    fn open_session<'py>(
        slf: &Bound<'py, Self>,
        app: &Bound<'py, PyAny>,
        request: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        entry(slf.py(), "SecureCookieSessions.open_session", || {
            let settings = Settings::of(slf.as_any(), app)?;
            let signing = settings.signing(&slf.get().codecs)?;
            if matches!(signing, Signing::Disabled) {
                return Ok(slf.py().None().into_bound(slf.py()));
            }
            let lifetime = settings.lifetime()?;
            match signing {
                Signing::Native(codec) if settings.reads_flasks_json()? => {
                    let class = settings.session_class()?;
                    let opening =
                        Opening { counters: slf.get(), settings: &settings, codec: &codec, lifetime, class };
                    opening.session(request)
                }
                _ => open_in_python(&settings, request),
            }
        })
    }

    /// Adds the headers of the session to the response.
    fn save_session<'py>(
        slf: &Bound<'py, Self>,
        app: &Bound<'py, PyAny>,
        session: &Bound<'py, PyAny>,
        response: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        entry(slf.py(), "SecureCookieSessions.save_session", || save(slf, app, session, response))
    }
}

fn save<'py>(
    slf: &Bound<'py, SecureCookieSessions>,
    app: &Bound<'py, PyAny>,
    session: &Bound<'py, PyAny>,
    response: &Bound<'py, PyAny>,
) -> PyResult<()> {
    let settings = Settings::of(slf.as_any(), app)?;
    let (flags, rules) = plan_input(&settings, session)?;
    if flags.accessed {
        vary_by_cookie(settings.flask, response)?;
    }
    let native = slf.get();
    let headers = SessionResponse { settings: &settings, response, cache: &native.cookies };
    match plan(flags, rules).cookie {
        CookieOp::Leave => return Ok(()),
        CookieOp::Remove => headers.remove()?,
        CookieOp::Set { expires } => {
            let saving = Saving { codecs: &native.codecs, settings: &settings, session };
            headers.set(session, expires, |now, max_value_len| saving.value(now, max_value_len))?;
        }
    }
    vary_by_cookie(settings.flask, response)
}

/// A request whose session is being opened.
struct Opening<'a, 'py> {
    counters: &'a SecureCookieSessions,
    settings: &'a Settings<'a, 'py>,
    codec: &'a CookieCodec,
    lifetime: Duration,
    class: Bound<'py, PyAny>,
}

impl<'py> Opening<'_, 'py> {
    /// The session of the cookie that [`choose_cookie`] takes; else an empty one.
    fn session(&self, request: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let mut now = None;
        let chosen = choose_cookie(self.settings, request, |value| {
            let now = match now {
                Some(now) => now,
                None => *now.insert(UnixTime::from_secs(self.settings.flask.now(self.class.py())? as u64)),
            };
            self.open(value, now)
        })?;
        chosen.map_or_else(|| empty_session(self.settings.flask, &self.class), Ok)
    }

    /// The session in a cookie; `None` if the cookie is refused.
    fn open(&self, value: &[u8], now: UnixTime) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Self { counters, settings, codec, lifetime, class } = self;
        match codec.codec.open_json(value, now, *lifetime) {
            Ok(json) => {
                counters.opened.fetch_add(1, Ordering::Relaxed);
                session_of(settings, class, &json)
            }
            Err(OpenError::Signature(SignatureError::BadSignature { .. })) => {
                let opened = counters.opened.load(Ordering::Relaxed);
                settings.note_bad_signature(&counters.bad_signatures, opened, now).map(|()| None)
            }
            Err(OpenError::Signature(_)) => Ok(None),
            Err(error) => unreadable(settings, &error),
        }
    }
}

/// Creates `session_class(data)`; `None` for JSON that cannot be read.
fn session_of<'py>(
    settings: &Settings<'_, 'py>,
    class: &Bound<'py, PyAny>,
    json: &str,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = class.py();
    let session = new_session(settings.flask, class)?;
    let data = session.clone().unwrap_or_else(|| PyDict::new(py));
    match fill_from_json(&data, json) {
        Ok(()) if session.is_some() => Ok(Some(data.into_any())),
        Ok(()) => class.call1((data,)).map(Some),
        Err(ReadError::Raised(error)) => Err(error),
        Err(ReadError::NeedsTree) => session_of_tree(settings, class, json),
    }
}

/// [`session_of`] with a tree of values, for JSON that is rare or wrong. Data that a dict cannot be
/// made of is as unreadable as bad JSON.
fn session_of_tree<'py>(
    settings: &Settings<'_, 'py>,
    class: &Bound<'py, PyAny>,
    json: &str,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = class.py();
    let data = match tagged::from_str(json) {
        Ok(data) => data,
        Err(error) => return unreadable(settings, &OpenError::Json(error)),
    };
    match class.call1((to_python(py, &data)?,)) {
        Err(error)
            if !matches!(data, Value::Dict(_))
                && (error.is_instance_of::<PyTypeError>(py) || error.is_instance_of::<PyValueError>(py)) =>
        {
            log_unreadable(settings, "a session must be an object")?;
            class.call0().map(Some)
        }
        session => session.map(Some),
    }
}

/// Creates `class()` without running Python, if the class is Flask's or ours: their `__init__` is known.
fn new_session<'py>(flask: &Flask, class: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = class.py();
    if !flask.is_session_class(class) || !class.getattr(intern!(py, "__init__"))?.is(&flask.session_init) {
        return Ok(None);
    }
    let session = flask.new_dict.bind(py).call1((class,))?;
    session.setattr(intern!(py, "on_update"), &flask.note_change)?;
    Ok(Some(session.cast_into()?))
}

/// Creates `class()`.
fn empty_session<'py>(flask: &Flask, class: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    new_session(flask, class)?.map_or_else(|| class.call0(), |session| Ok(session.into_any()))
}

/// Opens the session with Flask's code, for an app that has replaced a part of it.
fn open_in_python<'py>(
    settings: &Settings<'_, 'py>,
    request: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = request.py();
    let open_session = settings.flask.interface.bind(py).getattr(intern!(py, "open_session"))?;
    match open_session.call1((settings.interface, settings.app, request)) {
        Err(error) if error.is_instance(py, settings.flask.bad_data.bind(py)) => {
            log_unreadable(settings, &error.value(py).to_string())?;
            settings.session_class()?.call0()
        }
        session => session,
    }
}

/// Skips a cookie, with a warning in the log.
fn unreadable<T>(settings: &Settings<'_, '_>, why: &OpenError) -> PyResult<Option<T>> {
    log_unreadable(settings, &why.to_string()).map(|()| None)
}

/// Logs a cookie that only a holder of the key can have made. The user cannot fix it.
fn log_unreadable(settings: &Settings<'_, '_>, why: &str) -> PyResult<()> {
    let text =
        "a session cookie has a good signature and an unreadable payload; the session starts empty: %s";
    settings.app.getattr("logger")?.call_method1("warning", (text, why)).map(drop)
}

/// Reads what [`plan`] needs: the flags of the session, and the rules of the app.
fn plan_input(settings: &Settings<'_, '_>, session: &Bound<'_, PyAny>) -> PyResult<(SessionFlags, Rules)> {
    let py = session.py();
    let flag = |name: &Bound<'_, PyString>| session.getattr(name)?.is_truthy();
    let mut flags = SessionFlags {
        empty: !session.is_truthy()?,
        modified: flag(intern!(py, "modified"))?,
        accessed: flag(intern!(py, "accessed"))?,
        permanent: false,
    };
    let mut rules = Rules { refresh_each_request: false, profile: Profile::Flask };
    if flags.empty {
        return Ok((flags, rules));
    }
    flags.permanent = is_permanent(settings.flask, session)?;
    if settings.is_flasks(Method::ShouldSet)? {
        if flags.permanent && !flags.modified {
            let refresh = settings.config(intern!(py, "SESSION_REFRESH_EACH_REQUEST"))?;
            rules.refresh_each_request = refresh.is_truthy()?;
        }
    } else {
        let should = settings.interface.call_method1("should_set_cookie", (settings.app, session))?;
        flags.modified = should.is_truthy()?;
    }
    Ok((flags, rules))
}

/// Returns `session.permanent`, without a call if the property is Flask's own.
fn is_permanent(flask: &Flask, session: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = session.py();
    if flask.is_session_class(session.get_type().as_any())
        && let Ok(dict) = session.cast::<PyDict>()
    {
        return dict.get_item(intern!(py, "_permanent"))?.map_or(Ok(false), |value| value.is_truthy());
    }
    session.getattr(intern!(py, "permanent"))?.is_truthy()
}

/// A session that is being saved.
struct Saving<'a, 'py> {
    codecs: &'a ObjectCache<CookieCodec>,
    settings: &'a Settings<'a, 'py>,
    session: &'a Bound<'py, PyAny>,
}

impl<'py> Saving<'_, 'py> {
    fn py(&self) -> Python<'py> {
        self.session.py()
    }

    /// The signed value of the cookie.
    fn value(&self, now: f64, max_value_len: usize) -> PyResult<String> {
        let settings = self.settings;
        let Signing::Native(codec) = settings.signing(self.codecs)? else {
            return self.value_in_python();
        };
        let (json, now) = (self.json()?, UnixTime::from_secs(now as u64));
        let value = match codec.compression {
            Compression::AsFlask => {
                // This Python's zlib, whose bytes may differ from ours.
                let deflated = settings.flask.deflate(self.py(), json.as_bytes())?;
                codec.codec.sign_deflated(&json, deflated.extract()?, now)
            }
            _ => codec.codec.sign_json(&json, now, max_value_len),
        };
        value.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// The session's tagged JSON. Python writes values that Rust does not know, or refuses them.
    fn json(&self) -> PyResult<String> {
        let data = self.data()?;
        if let Some(order) = self.settings.key_order()? {
            match json_of(&data, order) {
                Ok(json) => return Ok(json),
                Err(ConvertError::Raised(error)) => return Err(error),
                Err(ConvertError::NeedsPython) => {}
            }
        }
        let serializer = self.settings.interface.getattr("serializer")?;
        serializer.call_method1("dumps", (data,))?.extract()
    }

    fn data(&self) -> PyResult<Bound<'py, PyDict>> {
        if self.settings.flask.is_session_class(self.session.get_type().as_any()) {
            return Ok(self.session.cast::<PyDict>()?.clone());
        }
        Ok(self.py().get_type::<PyDict>().call1((self.session,))?.cast_into()?)
    }

    fn value_in_python(&self) -> PyResult<String> {
        let settings = self.settings;
        let serializer = settings.interface.call_method1("get_signing_serializer", (settings.app,))?;
        let data = self.py().get_type::<PyDict>().call1((self.session,))?;
        serializer.call_method1("dumps", (data,))?.extract()
    }
}
