//! Sessions in a store, for `hipflask.Session`: opened and saved by the save protocol, without the GIL while the store works.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hipflask_core::session::SessionDict;
use hipflask_core::signing::{KeyRing, SecretKey};
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Int};
use hipflask_store::StoreError;
use hipflask_store::id::{Ids, IdsError, SessionId};
use hipflask_store::missing_feature;
use hipflask_store::record::{Format, OpaqueValues};
use hipflask_store::save::{Attempt, Opened, SaveError, Saved, ServerSessions, Slot, StoreOp};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::convert::{entries_of, int_of, text_of};
use crate::guard::{entry, raise, store_entry};
use crate::live::{Live, Lives};
use crate::records::{check_member, dict_of_session, is_as_it_came, not_encoded, record_of_dict};
use crate::settings::{Settings, wrong};

/// The sessions of one store.
#[pyclass(frozen, module = "hipflask._native")]
pub(crate) struct StoredSessions {
    lives: Lives,
    prefix: String,
    id_length: usize,
    format: Option<Format>,
    made: Mutex<Vec<Made>>,
}

/// What was set up for settings that were met before: they are the same with nearly every request.
struct Made {
    live: Arc<Live>,
    rules: Rules,
    sessions: Arc<ServerSessions>,
}

/// What an app can change from one request to the next.
#[derive(Clone, PartialEq, Eq)]
struct Rules {
    /// Seconds.
    lifetime: u64,
    refresh: bool,
    /// The keys that sign ids, the newest first; none if they are not signed.
    keys: Vec<Vec<u8>>,
}

impl Rules {
    fn of(interface: &Bound<'_, PyAny>, app: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (py, settings) = (interface.py(), Settings::of(interface, app)?);
        let lifetime = settings.lifetime().ok().filter(|lifetime| *lifetime >= 0.0);
        let Some(lifetime) = lifetime else {
            let given = settings.config(intern!(py, "PERMANENT_SESSION_LIFETIME"))?;
            let allowed = "a timedelta or a number of seconds from 0 on";
            return Err(wrong("PERMANENT_SESSION_LIFETIME", &given, allowed));
        };
        let is_signed = interface.getattr(intern!(py, "use_signer"))?.is_truthy()?;
        Ok(Self {
            lifetime: lifetime as u64,
            refresh: settings.config(intern!(py, "SESSION_REFRESH_EACH_REQUEST"))?.is_truthy()?,
            keys: if is_signed { interface.call_method1("_keys", (app,))?.extract()? } else { Vec::new() },
        })
    }
}

/// Where a session of Python came from: its record as it was read. `None` while it is saved, and after a panic, when nobody
/// knows what was saved.
#[pyclass(frozen, module = "hipflask._native")]
pub(crate) struct StoredSession(Mutex<Option<(SessionDict, Slot)>>);

/// What a request has said of its session, beside what it left in it.
struct Asked<'a, 'py> {
    cleared: bool,
    added: &'a Bound<'py, PyDict>,
    modified: bool,
    regenerate: bool,
    alone: bool,
}

impl Asked<'_, '_> {
    fn is_nothing(&self) -> bool {
        !(self.cleared || self.modified || self.regenerate || self.alone) && self.added.is_empty()
    }
}

/// A session with what a request did to it; as it was read, too, if it is saved alone.
struct Adopted {
    data: SessionDict,
    slot: Slot,
    read: Option<SessionDict>,
}

#[pymethods]
impl StoredSessions {
    #[new]
    #[pyo3(signature = (url, *, prefix, id_length, format=None, ready=false))]
    fn new(
        py: Python<'_>,
        url: String,
        prefix: String,
        id_length: usize,
        format: Option<&str>,
        ready: bool,
    ) -> PyResult<Self> {
        store_entry(py, "StoredSessions", || Self::at(py, url, prefix, id_length, format, ready))
    }

    /// The session of the first of these cookies that the store knows; `None` if there is none.
    fn open(
        &self,
        py: Python<'_>,
        cookies: Vec<Vec<u8>>,
        now: f64,
        interface: &Bound<'_, PyAny>,
        app: &Bound<'_, PyAny>,
    ) -> PyResult<Option<(StoredSession, Py<PyDict>, String)>> {
        store_entry(py, "StoredSessions.open", || self.find(py, cookies, now, Rules::of(interface, app)?))
    }

    /// Saves a session as it is now. Returns what was done, the id, and the cookie's value if there is a record. With
    /// `alone` it is an error that another request was first, and nothing is merged.
    #[pyo3(signature = (origin, session, sid, now, interface, app, *, cleared, added, modified, regenerate, destroy, alone))]
    #[expect(clippy::too_many_arguments, reason = "each is a flag of Python's session, and named there")]
    fn save(
        &self,
        py: Python<'_>,
        origin: &StoredSession,
        session: &Bound<'_, PyDict>,
        sid: Option<&str>,
        now: f64,
        interface: &Bound<'_, PyAny>,
        app: &Bound<'_, PyAny>,
        cleared: bool,
        added: &Bound<'_, PyDict>,
        modified: bool,
        regenerate: bool,
        destroy: bool,
        alone: bool,
    ) -> PyResult<(&'static str, Option<String>, Option<String>)> {
        store_entry(py, "StoredSessions.save", || {
            let (live, sessions) = self.sessions(py, Rules::of(interface, app)?)?;
            let asked = Asked { cleared, added, modified, regenerate, alone };
            let mut adopted = self.adopted(py, origin, session, sid, sessions.format(), &asked)?;
            if destroy {
                adopted.slot.restart();
            }
            save_adopted(py, &live, &sessions, origin, adopted, time(now))
        })
    }

    /// Raises an exception that names the key if the records cannot hold this.
    fn check_value(&self, py: Python<'_>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        store_entry(py, "StoredSessions.check_value", || check_member(key, value, self.format_here(py)?))
    }

    /// Reads what the app can change from one request to the next, to report what is wrong with it.
    fn check(&self, py: Python<'_>, interface: &Bound<'_, PyAny>, app: &Bound<'_, PyAny>) -> PyResult<()> {
        store_entry(py, "StoredSessions.check", || self.ids(&Rules::of(interface, app)?.keys).map(drop))
    }

    /// An id for a new session.
    fn fresh_id(&self, py: Python<'_>) -> PyResult<String> {
        store_entry(py, "StoredSessions.fresh_id", || {
            let id = self.ids(&[])?.fresh();
            Ok(id.map_err(|error| PyRuntimeError::new_err(error.to_string()))?.as_str().to_owned())
        })
    }

    /// The cookie's value for an id, signed if the interface signs.
    fn cookie(
        &self,
        py: Python<'_>,
        sid: &str,
        interface: &Bound<'_, PyAny>,
        app: &Bound<'_, PyAny>,
    ) -> PyResult<String> {
        store_entry(py, "StoredSessions.cookie", || {
            let rules = Rules::of(interface, app)?;
            Ok(self.ids(&rules.keys)?.to_cookie(&self.id(sid)?))
        })
    }

    /// Drops the records that have expired; returns how many.
    fn purge(&self, py: Python<'_>, now: f64) -> PyResult<u64> {
        store_entry(py, "StoredSessions.purge", || {
            let live = self.lives.here(py).map_err(|error| failed(py, &error))?;
            let store = Arc::clone(live.store());
            let purged = live.wait(py, async move { store.purge_expired(time(now)).await })?;
            purged.map_err(|error| failed(py, &error.at(live.place())))
        })
    }

    /// Deletes the record of an id.
    fn destroy(
        &self,
        py: Python<'_>,
        sid: &str,
        now: f64,
        interface: &Bound<'_, PyAny>,
        app: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        store_entry(py, "StoredSessions.destroy", || {
            let (live, sessions) = self.sessions(py, Rules::of(interface, app)?)?;
            let id = self.id(sid)?;
            let ended = live.wait(py, async move { sessions.destroy(&id, time(now)).await })?;
            ended.map(drop).map_err(|error| failed(py, &error.at(live.place())))
        })
    }
}

/// Saves what [`StoredSessions::adopted`] has taken out of `origin`, and puts it back.
fn save_adopted(
    py: Python<'_>,
    live: &Live,
    sessions: &Arc<ServerSessions>,
    origin: &StoredSession,
    adopted: Adopted,
    now: UnixTime,
) -> PyResult<(&'static str, Option<String>, Option<String>)> {
    let Adopted { mut data, mut slot, read } = adopted;
    let has_nothing_to_do = read.is_none() && sessions.op(&data, &slot, now) == StoreOp::Leave;
    let here = Arc::clone(sessions);
    let save = async move {
        let saved = match read {
            Some(read) => save_alone(&here, read, &mut data, &mut slot, now).await,
            None => here.save(&mut data, &mut slot, now).await,
        };
        (saved, data, slot)
    };
    let (saved, data, slot) = if has_nothing_to_do { live.soon(py, save)? } else { live.wait(py, save)? };
    let (id, cookie) = match slot.id() {
        Some(id) => (Some(id.as_str().to_owned()), Some(sessions.ids().to_cookie(id))),
        None => (None, None),
    };
    origin.put(data, slot);
    Ok((word(saved.map_err(|error| not_saved(py, error, live))?), id, cookie))
}

impl StoredSessions {
    fn at(
        py: Python<'_>,
        url: String,
        prefix: String,
        id_length: usize,
        format: Option<&str>,
        ready: bool,
    ) -> PyResult<Self> {
        let format = match format {
            None | Some("msgpack") => None,
            Some("json") => Some(Format::Json),
            Some(other) => {
                let text = format!(
                    "Unsupported serialization format: {other}; SESSION_SERIALIZATION_FORMAT must be 'msgpack' or 'json'"
                );
                return Err(misconfigured(py, &text));
            }
        };
        if missing_feature(&url).is_some() {
            let scheme = url.split(':').next().unwrap_or_default();
            return Err(misconfigured(py, &format!("{scheme}: {NOT_IN_THIS_WHEEL}")));
        }
        ids(&prefix, id_length, &[])
            .map_err(|error| misconfigured(py, &format!("{error}; the prefix is {prefix:?}")))?;
        let lives = Lives::at(py, url, ready).map_err(|error| misconfigured(py, &explained(&error)))?;
        Ok(Self { lives, prefix, id_length, format, made: Mutex::default() })
    }

    fn find(
        &self,
        py: Python<'_>,
        cookies: Vec<Vec<u8>>,
        now: f64,
        rules: Rules,
    ) -> PyResult<Option<(StoredSession, Py<PyDict>, String)>> {
        let (live, sessions) = self.sessions(py, rules)?;
        let found = live.wait(py, async move {
            for cookie in &cookies {
                if let Opened::Found { session, slot } = sessions.open(cookie, time(now)).await? {
                    return Ok(Some((session, slot)));
                }
            }
            Ok(None)
        })?;
        let found = found.map_err(|error: StoreError| failed(py, &error.at(live.place())))?;
        let Some((session, slot)) = found else { return Ok(None) };
        let (Some(stored), Some(opaque), Some(id)) = (slot.stored(), slot.opaque(), slot.id()) else {
            return Ok(None);
        };
        let dict = dict_of_session(py, &session, opaque, &stored.data)?.unbind();
        let id = id.as_str().to_owned();
        Ok(Some((StoredSession::of(session, *slot), dict, id)))
    }

    /// The format in which this process writes records.
    fn format_here(&self, py: Python<'_>) -> PyResult<Format> {
        let live = self.lives.here(py).map_err(|error| failed(py, &error))?;
        Ok(live.format(self.format))
    }

    fn sessions(&self, py: Python<'_>, rules: Rules) -> PyResult<(Arc<Live>, Arc<ServerSessions>)> {
        let live = self.lives.here(py).map_err(|error| failed(py, &error))?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|made| Arc::ptr_eq(&made.live, &live));
        if let Some(made) = made.iter().find(|made| made.rules == rules) {
            return Ok((live, Arc::clone(&made.sessions)));
        }
        let lifetime = Duration::from_secs(rules.lifetime);
        let mut sessions = ServerSessions::new(Arc::clone(live.store()), self.ids(&rules.keys)?, lifetime)
            .with_refresh(rules.refresh);
        sessions = sessions.with_format(live.format(self.format));
        let sessions = Arc::new(sessions);
        if made.len() >= MOST {
            made.remove(0);
        }
        made.push(Made { live: Arc::clone(&live), rules, sessions: Arc::clone(&sessions) });
        Ok((live, sessions))
    }

    /// Takes the session out of `origin`, with what the request did to it.
    fn adopted(
        &self,
        py: Python<'_>,
        origin: &StoredSession,
        session: &Bound<'_, PyDict>,
        sid: Option<&str>,
        format: Format,
        asked: &Asked<'_, '_>,
    ) -> PyResult<Adopted> {
        let (data, slot) = origin.take(py)?;
        let is_same_id = slot.id().map(SessionId::as_str) == sid;
        if is_same_id && asked.is_nothing() && is_as_it_came(session, &data) {
            return Ok(Adopted { data, slot, read: None });
        }
        origin.put(data, slot);
        let record = record_of_dict(session, format)?;
        let added = numbers(asked.added)?;
        let proposed = sid.map(|sid| self.id(sid)).transpose()?;
        let (mut data, mut slot) = origin.take(py)?;
        let before = slot.opaque().cloned().unwrap_or_default();
        let opaque: &OpaqueValues = &record.opaque;
        let read = asked.alone.then(|| data.clone());
        let adopted = data.adopt(record.dict, asked.cleared, &added, |key| before.differs(opaque, key));
        if let Err(error) = adopted {
            origin.put(data, slot);
            return Err(PyValueError::new_err(error.to_string()));
        }
        data.set_modified(data.is_modified() || asked.modified);
        slot.set_opaque(record.opaque);
        if let Some(id) = proposed {
            if asked.regenerate || slot.id().is_some_and(|known| *known != id) {
                slot.regenerate();
            }
            slot.propose(id);
        }
        Ok(Adopted { data, slot, read })
    }

    fn ids(&self, keys: &[Vec<u8>]) -> PyResult<Ids> {
        ids(&self.prefix, self.id_length, keys).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// An id that the application has chosen.
    fn id(&self, sid: &str) -> PyResult<SessionId> {
        self.ids(&[])?.read(sid.as_bytes()).map_err(|_| {
            PyValueError::new_err(
                "this does not have the form of an id, so no cookie could bring it back; call session.regenerate() for a new one",
            )
        })
    }
}

impl StoredSession {
    fn of(session: SessionDict, slot: Slot) -> Self {
        Self(Mutex::new(Some((session, slot))))
    }

    fn take(&self, py: Python<'_>) -> PyResult<(SessionDict, Slot)> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| raise(py, "SessionStoreError", IN_USE))
    }

    fn put(&self, session: SessionDict, slot: Slot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((session, slot));
    }
}

#[pymethods]
impl StoredSession {
    /// That of a session that was not read from a record.
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        entry(py, "StoredSession", || Ok(Self::of(SessionDict::default(), Slot::default())))
    }

    /// The session as it was last read or saved.
    fn dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        store_entry(py, "StoredSession.dict", || {
            let (session, slot) = self.take(py)?;
            let opaque = slot.opaque().cloned().unwrap_or_default();
            let data = slot.stored().map(|stored| stored.data.clone()).unwrap_or_default();
            let dict = dict_of_session(py, &session, &opaque, &data);
            self.put(session, slot);
            dict
        })
    }
}

const IN_USE: &str = "another thread is saving this session, or a save of it ended with a panic";

const MOST: usize = 16;

const NOT_IN_THIS_WHEEL: &str = "this wheel of hipflask is without PostgreSQL, MySQL, MongoDB and DynamoDB; build one that \
    has them, in a checkout of hipflask: MATURIN_PEP517_ARGS='--features full' pip install ./crates/hipflask-python";

/// Saves `changed`, which was read as `read`, if the record is still as it was read.
async fn save_alone(
    sessions: &ServerSessions,
    mut read: SessionDict,
    changed: &mut SessionDict,
    slot: &mut Slot,
    now: UnixTime,
) -> Result<Saved, SaveError> {
    let mut written = slot.clone();
    let saved = match sessions.attempt(&read, changed.clone(), &mut written, now).await {
        Ok(Attempt::Saved(saved, how)) => {
            *slot = written;
            read = saved;
            Ok(how)
        }
        Ok(Attempt::Gone) => Ok(Saved::Gone),
        Ok(Attempt::Conflict(_)) => Err(SaveError::Contended { attempts: 1 }),
        Err(error) => Err(error),
    };
    // What was saved; what was read if nothing was.
    *changed = read;
    saved
}

fn ids(prefix: &str, id_length: usize, keys: &[Vec<u8>]) -> Result<Ids, IdsError> {
    let mut ids = Ids::builder().any_length().bytes(id_length).prefix(prefix);
    if let Some((newest, older)) = keys.split_first() {
        let ring = KeyRing::new(SecretKey::from(newest.clone()));
        ids = ids.signed(older.iter().fold(ring, |ring, key| ring.accept(SecretKey::from(key.clone()))));
    }
    ids.build()
}

fn numbers(added: &Bound<'_, PyDict>) -> PyResult<Dict<Int>> {
    let mut out = Dict::new();
    for (key, by) in entries_of(added) {
        let (Ok(key), Ok(by)) = (text_of(key.cast::<PyString>()?), int_of(by.cast()?)) else {
            return Err(PyValueError::new_err("only an int is added, under a text"));
        };
        out.insert(key, by);
    }
    Ok(out)
}

fn time(now: f64) -> UnixTime {
    UnixTime::from_secs(now.max(0.0) as u64)
}

const fn word(saved: Saved) -> &'static str {
    match saved {
        Saved::Unchanged => "unchanged",
        Saved::Touched => "touched",
        Saved::Created => "created",
        Saved::Replaced { merged: false } => "replaced",
        Saved::Replaced { merged: true } => "merged",
        Saved::Deleted => "deleted",
        Saved::Regenerated => "regenerated",
        Saved::Gone => "gone",
    }
}

fn explained(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn misconfigured(py: Python<'_>, text: &str) -> PyErr {
    raise(py, "ConfigurationError", text)
}

fn failed(py: Python<'_>, error: &StoreError) -> PyErr {
    raise(py, "SessionStoreError", &explained(error))
}

fn not_saved(py: Python<'_>, error: SaveError, live: &Live) -> PyErr {
    match error {
        SaveError::Store(error) => failed(py, &error.at(live.place())),
        SaveError::Encode(error) => not_encoded(&error),
        SaveError::Contended { .. } => raise(py, "SessionContended", &explained(&error)),
        other => raise(py, "SessionStoreError", &explained(&other)),
    }
}
