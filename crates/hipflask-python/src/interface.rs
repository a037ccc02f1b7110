//! Flask's `SecureCookieSessionInterface`, from the `Cookie` header to the `Set-Cookie` header.

use std::time::Duration;

use hipflask_core::codec::{OpenError, check_length};
use hipflask_core::plan::{CookieOp, Profile, Rules, SessionFlags, plan};
use hipflask_core::signing::{Age, Compression, PayloadCodec, TimestampSigner};
use hipflask_core::tagged;
use hipflask_core::time::UnixTime;
use hipflask_core::value::Value;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::convert::{Unfit, to_python};
use crate::cookies::{Answer, first_cookie, vary_by_cookie};
use crate::flask::{Flask, Method};
use crate::guard::entry;
use crate::read::{Unread, fill_from_json};
use crate::recent::Recent;
use crate::settings::{Cookie, Sealing, Settings, Signing};
use crate::write::json_of;

/// What `hipflask.SecureCookieSessionInterface` does natively. Its other half, Flask's own class, holds what an app
/// overrides.
#[pyclass(frozen, subclass, module = "hipflask._native")]
pub(crate) struct SecureCookieSessions {
    sealings: Recent<Sealing>,
    cookies: Recent<Cookie>,
}

#[pymethods]
impl SecureCookieSessions {
    /// Takes whatever the `__init__` of a subclass takes.
    #[new]
    #[pyo3(signature = (*args, **_kwargs))]
    fn new(args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        entry(args.py(), "SecureCookieSessions", || {
            Ok(Self { sealings: Recent::new(), cookies: Recent::new() })
        })
    }

    /// The session of a request: empty if there is no cookie that verifies, `None` if there is no secret key.
    fn open_session<'py>(
        slf: &Bound<'py, Self>,
        app: &Bound<'py, PyAny>,
        request: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        entry(slf.py(), "SecureCookieSessions.open_session", || {
            let settings = Settings::of(slf.as_any(), app)?;
            match settings.signing(&slf.get().sealings)? {
                Signing::Nobody => Ok(slf.py().None().into_bound(slf.py())),
                Signing::Rust(sealing) if settings.reads_flasks_json()? => open(&settings, &sealing, request),
                _ => open_in_python(&settings, request),
            }
        })
    }

    /// Puts into the response what it must say about the session.
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
    let plan = plan_of(&settings, session)?;
    if plan.accessed {
        vary_by_cookie(settings.flask, response)?;
    }
    if plan.cookie == CookieOp::Leave {
        return Ok(());
    }
    let made = slf.get();
    let answer = Answer { settings: &settings, response, made: &made.cookies };
    match plan.cookie {
        CookieOp::Set { expires } => {
            let saving = Saving { made: &made.sealings, settings: &settings, session };
            answer.set(session, expires, |now, room| saving.value(now, room))?;
        }
        _ => answer.remove()?,
    }
    vary_by_cookie(settings.flask, response)
}

/// The first session among the cookies of the session's name.
fn open<'py>(
    settings: &Settings<'_, 'py>,
    sealing: &Sealing,
    request: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let class = settings.session_class()?;
    let mut times = None;
    let found = first_cookie(settings, request, |value| {
        let (now, age) = match times {
            Some(times) => times,
            None => *times.insert(times_of(settings, sealing.leeway)?),
        };
        match opened(&sealing.signer, value.as_bytes(), now, age) {
            Ok(Some(json)) => session_of(settings, &class, &json),
            Ok(None) | Err(OpenError::Signature(_)) => Ok(None),
            Err(error) => unreadable(settings, &error),
        }
    })?;
    found.map_or_else(|| empty_session(settings.flask, &class), Ok)
}

/// The time, and the ages that are accepted; `None` if none is.
fn times_of(settings: &Settings<'_, '_>, leeway: Duration) -> PyResult<(UnixTime, Option<Age>)> {
    let now = settings.flask.now(settings.interface.py())?;
    let seconds = settings.lifetime()?.trunc();
    let age = (seconds >= 0.0).then(|| Age::at_most(Duration::from_secs(seconds as u64)).leeway(leeway));
    Ok((UnixTime::from_secs(now as u64), age))
}

/// The JSON that a cookie holds; `None` if no age is accepted.
fn opened(
    signer: &TimestampSigner,
    value: &[u8],
    now: UnixTime,
    age: Option<Age>,
) -> Result<Option<Vec<u8>>, OpenError> {
    let Some(age) = age else { return Ok(None) };
    Ok(Some(PayloadCodec::default().decode(signer.unsign(value, now, age)?.value)?))
}

/// `session_class(data)`; `None` for JSON that cannot be read.
fn session_of<'py>(
    settings: &Settings<'_, 'py>,
    class: &Bound<'py, PyAny>,
    json: &[u8],
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = class.py();
    let session = new_session(settings.flask, class)?;
    let data = session.clone().unwrap_or_else(|| PyDict::new(py));
    match fill_from_json(&data, json) {
        Ok(()) if session.is_some() => Ok(Some(data.into_any())),
        Ok(()) => class.call1((data,)).map(Some),
        Err(Unread::Raised(error)) => Err(error),
        Err(Unread::AskTree) => session_of_tree(settings, class, json),
    }
}

/// [`session_of`] by the tree of values, which knows what is wrong; data of which no dict can be made is as unreadable as bad
/// JSON.
fn session_of_tree<'py>(
    settings: &Settings<'_, 'py>,
    class: &Bound<'py, PyAny>,
    json: &[u8],
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = class.py();
    let data = match tagged::from_slice(json) {
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
        made => made.map(Some),
    }
}

/// `class()` without running Python, if it is Flask's own: what its `__init__` does is known.
fn new_session<'py>(flask: &Flask, class: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = class.py();
    if !class.is(&flask.session) || !class.getattr(intern!(py, "__init__"))?.is(&flask.session_init) {
        return Ok(None);
    }
    let session = flask.new_dict.bind(py).call1((class,))?;
    session.setattr(intern!(py, "on_update"), &flask.note_change)?;
    Ok(Some(session.cast_into()?))
}

/// `class()`.
fn empty_session<'py>(flask: &Flask, class: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    new_session(flask, class)?.map_or_else(|| class.call0(), |session| Ok(session.into_any()))
}

/// Where an app has put something of its own in place of what Flask signs and reads with.
fn open_in_python<'py>(
    settings: &Settings<'_, 'py>,
    request: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = request.py();
    let flasks = settings.flask.interface.bind(py).getattr(intern!(py, "open_session"))?;
    match flasks.call1((settings.interface, settings.app, request)) {
        Err(error) if error.is_instance(py, settings.flask.bad_data.bind(py)) => {
            log_unreadable(settings, &error.value(py).to_string())?;
            settings.session_class()?.call0()
        }
        opened => opened,
    }
}

/// A cookie that is passed over, with a word in the log.
fn unreadable<T>(settings: &Settings<'_, '_>, why: &OpenError) -> PyResult<Option<T>> {
    log_unreadable(settings, &why.to_string()).map(|()| None)
}

/// Only a holder of the key can have made it: worth a look, and no fault of the visitor.
fn log_unreadable(settings: &Settings<'_, '_>, why: &str) -> PyResult<()> {
    let text =
        "a session cookie has a good signature and an unreadable payload; the session starts empty: %s";
    settings.app.getattr("logger")?.call_method1("warning", (text, why)).map(drop)
}

/// What is to be done, and whether the session was looked at.
struct Planned {
    cookie: CookieOp,
    accessed: bool,
}

fn plan_of(settings: &Settings<'_, '_>, session: &Bound<'_, PyAny>) -> PyResult<Planned> {
    let py = session.py();
    let flag = |name: &Bound<'_, PyString>| session.getattr(name)?.is_truthy();
    let mut seen = SessionFlags {
        empty: !session.is_truthy()?,
        modified: flag(intern!(py, "modified"))?,
        accessed: flag(intern!(py, "accessed"))?,
        permanent: false,
    };
    let mut rules = Rules { refresh_each_request: false, profile: Profile::Flask };
    if !seen.empty {
        seen.permanent = is_permanent(settings.flask, session)?;
        if settings.is_flasks(Method::ShouldSet)? {
            if seen.permanent && !seen.modified {
                let refresh = settings.config(intern!(py, "SESSION_REFRESH_EACH_REQUEST"))?;
                rules.refresh_each_request = refresh.is_truthy()?;
            }
        } else {
            let should = settings.interface.call_method1("should_set_cookie", (settings.app, session))?;
            seen.modified = should.is_truthy()?;
        }
    }
    Ok(Planned { cookie: plan(seen, rules).cookie, accessed: seen.accessed })
}

/// `session.permanent`, past the property if it is Flask's own.
fn is_permanent(flask: &Flask, session: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = session.py();
    if session.get_type().is(&flask.session)
        && let Ok(dict) = session.cast::<PyDict>()
    {
        return dict.get_item(intern!(py, "_permanent"))?.map_or(Ok(false), |value| value.is_truthy());
    }
    session.getattr(intern!(py, "permanent"))?.is_truthy()
}

/// A session that is being saved.
struct Saving<'a, 'py> {
    made: &'a Recent<Sealing>,
    settings: &'a Settings<'a, 'py>,
    session: &'a Bound<'py, PyAny>,
}

impl<'py> Saving<'_, 'py> {
    fn py(&self) -> Python<'py> {
        self.session.py()
    }

    /// The cookie's value, signed.
    fn value(&self, now: f64, room: usize) -> PyResult<String> {
        let settings = self.settings;
        let Signing::Rust(sealing) = settings.signing(self.made)? else {
            return self.value_in_python();
        };
        let signer = &sealing.signer;
        let json = self.json()?;
        check_length(json.as_bytes()).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let now = UnixTime::from_secs(now as u64);
        let room = room.saturating_sub(signer.overhead(now));
        let mut value = String::with_capacity(json.len() / 3 * 4 + 4 + signer.overhead(now));
        match sealing.compression {
            Compression::AsFlask => self.deflate_as_flask(&json, &mut value)?,
            compression => {
                PayloadCodec::new(compression).limit(room).encode_into(json.as_bytes(), &mut value)
            }
        }
        signer.sign_in_place(&mut value, now);
        Ok(value)
    }

    /// With this Python's own zlib, whose bytes may be others than ours.
    fn deflate_as_flask(&self, json: &str, out: &mut String) -> PyResult<()> {
        let plain = PayloadCodec::new(Compression::Never);
        let deflated = self.settings.flask.deflate(self.py(), json.as_bytes())?;
        let deflated: &[u8] = deflated.extract()?;
        if deflated.len() + 1 < json.len() {
            out.push('.');
            plain.encode_into(deflated, out);
        } else {
            plain.encode_into(json.as_bytes(), out);
        }
        Ok(())
    }

    /// The session's tagged JSON. Python writes what it alone can, or refuses it.
    fn json(&self) -> PyResult<String> {
        let data = self.data()?;
        if let Some(order) = self.settings.key_order()? {
            match json_of(&data, order) {
                Ok(json) => return Ok(json),
                Err(Unfit::Raised(error)) => return Err(error),
                Err(Unfit::AskPython) => {}
            }
        }
        let serializer = self.settings.interface.getattr("serializer")?;
        serializer.call_method1("dumps", (data,))?.extract()
    }

    fn data(&self) -> PyResult<Bound<'py, PyDict>> {
        if self.session.get_type().is(&self.settings.flask.session) {
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
