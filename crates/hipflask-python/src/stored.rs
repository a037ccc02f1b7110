//! Sessions in a store, for `hipflask.Session`: opened and saved by the engine, without the GIL
//! while the store works.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hipflask_core::cookie::Choice;
use hipflask_core::log_limit::BadSignatures;
use hipflask_core::plan::Profile;
use hipflask_core::session::SessionDict;
use hipflask_core::signing::{KeyRing, SecretKey};
use hipflask_core::time::UnixTime;
use hipflask_store::StoreError;
use hipflask_store::id::{IdError, Ids, IdsError, SessionId};
use hipflask_store::missing_feature;
use hipflask_store::record::Format;
use hipflask_store::save::{Opened, SaveError, ServerSessions, Slot};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::connection::{Connection, StoreHandle};
use crate::guard::{raise, store_entry};
use crate::records::{check_member, dict_of_session, not_encoded};
use crate::save_request::SaveRequest;
use crate::settings::Settings;
use crate::stored_session::StoredSession;

/// The sessions of one store.
#[pyclass(frozen, module = "hipflask._native")]
pub(crate) struct StoredSessions {
    store: StoreHandle,
    prefix: String,
    id_length: usize,
    format: Option<Format>,
    engines: Mutex<Vec<Engine>>,
    bad_signatures: BadSignatures,
}

/// The engine for the settings of recent requests. They are the same in nearly every request.
struct Engine {
    connection: Arc<Connection>,
    settings: RequestSettings,
    sessions: Arc<ServerSessions>,
}

/// Settings that an app can change between two requests.
#[derive(Clone, PartialEq, Eq)]
struct RequestSettings {
    lifetime: Duration,
    refresh: bool,
    /// The keys that sign ids, the newest first; none if ids are not signed.
    keys: Vec<Vec<u8>>,
}

impl RequestSettings {
    fn of(interface: &Bound<'_, PyAny>, app: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (py, settings) = (interface.py(), Settings::of(interface, app)?);
        let is_signed = interface.getattr(intern!(py, "use_signer"))?.is_truthy()?;
        Ok(Self {
            lifetime: settings.lifetime()?,
            refresh: settings.config(intern!(py, "SESSION_REFRESH_EACH_REQUEST"))?.is_truthy()?,
            keys: if is_signed { interface.call_method1("_keys", (app,))?.extract()? } else { Vec::new() },
        })
    }
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
        store_entry(py, "StoredSessions", || {
            let format = record_format(py, format)?;
            if missing_feature(&url).is_some() {
                let scheme = url.split(':').next().unwrap_or_default();
                return Err(misconfigured(py, &format!("{scheme}: {NOT_IN_THIS_WHEEL}")));
            }
            ids(&prefix, id_length, &[])
                .map_err(|error| misconfigured(py, &format!("{error}; the prefix is {prefix:?}")))?;
            let store = StoreHandle::open(py, url, ready);
            let store = store.map_err(|error| misconfigured(py, &with_causes(&error)))?;
            let (engines, bad_signatures) = (Mutex::default(), BadSignatures::default());
            Ok(Self { store, prefix, id_length, format, engines, bad_signatures })
        })
    }

    /// Opens the session whose id is in one of these cookies; `None` if the store does not know any of them.
    fn open(
        &self,
        cookies: Vec<Vec<u8>>,
        now: f64,
        interface: &Bound<'_, PyAny>,
        app: &Bound<'_, PyAny>,
    ) -> PyResult<Option<(StoredSession, Py<PyDict>, String)>> {
        let py = app.py();
        store_entry(py, "StoredSessions.open", || {
            let settings = RequestSettings::of(interface, app)?;
            let (connection, sessions) = self.engine(py, settings)?;
            let now = time(now);
            let engine = Arc::clone(&sessions);
            let found = connection.wait(py, async move { find(&engine, cookies, now).await })?;
            let (found, bad_signatures) = found.map_err(|error| failed(py, error, &connection))?;
            for _ in 0..bad_signatures {
                Settings::of(interface, app)?.note_bad_signature(
                    &self.bad_signatures,
                    sessions.stats().opened,
                    now,
                )?;
            }
            let Some((session, slot)) = found else { return Ok(None) };
            let (Some(stored), Some(opaque), Some(id)) = (slot.stored(), slot.opaque(), slot.id()) else {
                return Ok(None);
            };
            let dict = dict_of_session(py, &session, opaque, &stored.data)?.unbind();
            let id = id.as_str().to_owned();
            Ok(Some((StoredSession::of(session, *slot), dict, id)))
        })
    }

    /// Saves a `ServerSideSession` as it is now, and resets its changes. Returns what was done to
    /// the record, and the cookie's value if there is a record. With `if_unchanged` nothing is
    /// merged: it is an error if another request has changed the record.
    #[pyo3(signature = (session, now, interface, app, *, modified, if_unchanged=false))]
    fn save(
        &self,
        session: &Bound<'_, PyDict>,
        now: f64,
        interface: &Bound<'_, PyAny>,
        app: &Bound<'_, PyAny>,
        modified: bool,
        if_unchanged: bool,
    ) -> PyResult<(&'static str, Option<String>)> {
        let py = session.py();
        store_entry(py, "StoredSessions.save", || {
            let (connection, sessions) = self.engine(py, RequestSettings::of(interface, app)?)?;
            let mut request = SaveRequest::of(session, modified, if_unchanged)?;
            request.id = request.sid.as_deref().map(|sid| self.id(sid)).transpose()?;
            let saved = request.save(&connection, &sessions, time(now))?;
            saved.map_err(|error| not_saved(py, error, &connection))
        })
    }

    /// Raises an exception that names the key if a record cannot hold this.
    fn check_value(&self, py: Python<'_>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        store_entry(py, "StoredSessions.check_value", || {
            check_member(key, value, self.connection(py)?.format(self.format))
        })
    }

    /// Checks the settings that the app can change between two requests.
    fn check(&self, py: Python<'_>, interface: &Bound<'_, PyAny>, app: &Bound<'_, PyAny>) -> PyResult<()> {
        store_entry(py, "StoredSessions.check", || {
            self.ids(&RequestSettings::of(interface, app)?.keys).map(drop)
        })
    }

    /// Creates an id for a new session.
    fn fresh_id(&self, py: Python<'_>) -> PyResult<String> {
        store_entry(py, "StoredSessions.fresh_id", || {
            let id = self.ids(&[])?.fresh();
            Ok(id.map_err(|error| PyRuntimeError::new_err(error.to_string()))?.as_str().to_owned())
        })
    }

    /// Returns the cookie's value for an id, signed if the interface signs.
    fn cookie(
        &self,
        py: Python<'_>,
        sid: &str,
        interface: &Bound<'_, PyAny>,
        app: &Bound<'_, PyAny>,
    ) -> PyResult<String> {
        store_entry(py, "StoredSessions.cookie", || {
            let settings = RequestSettings::of(interface, app)?;
            Ok(self.ids(&settings.keys)?.to_cookie(&self.id(sid)?))
        })
    }

    /// Deletes expired records. Returns their number.
    fn purge(&self, py: Python<'_>, now: f64) -> PyResult<u64> {
        store_entry(py, "StoredSessions.purge", || {
            let connection = self.connection(py)?;
            let store = Arc::clone(connection.store());
            let purged = connection.wait(py, async move { store.purge_expired(time(now)).await })?;
            purged.map_err(|error| failed(py, error, &connection))
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
            let (connection, sessions) = self.engine(py, RequestSettings::of(interface, app)?)?;
            let id = self.id(sid)?;
            let destroyed = connection.wait(py, async move { sessions.destroy(&id, time(now)).await })?;
            destroyed.map(drop).map_err(|error| failed(py, error, &connection))
        })
    }
}

impl StoredSessions {
    fn connection(&self, py: Python<'_>) -> PyResult<Arc<Connection>> {
        self.store.connection(py).map_err(|error| raise_store_error(py, &error))
    }

    /// The connection of this process, and the engine for these settings.
    fn engine(
        &self,
        py: Python<'_>,
        settings: RequestSettings,
    ) -> PyResult<(Arc<Connection>, Arc<ServerSessions>)> {
        let connection = self.connection(py)?;
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        engines.retain(|engine| Arc::ptr_eq(&engine.connection, &connection));
        if let Some(engine) = engines.iter().find(|engine| engine.settings == settings) {
            return Ok((connection, Arc::clone(&engine.sessions)));
        }
        let sessions =
            ServerSessions::new(Arc::clone(connection.store()), self.ids(&settings.keys)?, settings.lifetime)
                .with_refresh(settings.refresh)
                .with_format(connection.format(self.format));
        let sessions = Arc::new(sessions);
        if engines.len() >= ENGINE_LIMIT {
            engines.remove(0);
        }
        let engine =
            Engine { connection: Arc::clone(&connection), settings, sessions: Arc::clone(&sessions) };
        engines.push(engine);
        Ok((connection, sessions))
    }

    fn ids(&self, keys: &[Vec<u8>]) -> PyResult<Ids> {
        ids(&self.prefix, self.id_length, keys).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Reads an id that the application has chosen.
    fn id(&self, sid: &str) -> PyResult<SessionId> {
        self.ids(&[])?.read(sid.as_bytes()).map_err(|_| {
            PyValueError::new_err(
                "this does not have the form of an id, so no cookie could bring it back; call session.regenerate() for a new one",
            )
        })
    }
}

type Found = Option<(SessionDict, Box<Slot>)>;

/// Finds the session of one of the cookies, and counts the bad signatures.
async fn find(
    sessions: &ServerSessions,
    cookies: Vec<Vec<u8>>,
    now: UnixTime,
) -> Result<(Found, u64), StoreError> {
    let (mut choice, mut bad_signatures) = (Choice::new(Profile::Flask), 0);
    for cookie in cookies {
        if !choice.is_needed(&cookie) {
            break;
        }
        match sessions.open(&cookie, now).await? {
            Opened::Found { session, slot } => choice.accept(&cookie, (session, slot)),
            Opened::NotAnId(IdError::BadSignature(_)) => bad_signatures += 1,
            _ => {}
        }
    }
    // Only the strict profile refuses a choice.
    Ok((choice.finish().unwrap_or_default(), bad_signatures))
}

fn record_format(py: Python<'_>, name: Option<&str>) -> PyResult<Option<Format>> {
    match name {
        None | Some("msgpack") => Ok(None),
        Some("json") => Ok(Some(Format::Json)),
        Some(other) => {
            let text = format!(
                "Unsupported serialization format: {other}; SESSION_SERIALIZATION_FORMAT must be 'msgpack' or 'json'"
            );
            Err(misconfigured(py, &text))
        }
    }
}

fn ids(prefix: &str, id_length: usize, keys: &[Vec<u8>]) -> Result<Ids, IdsError> {
    let mut ids = Ids::builder().any_length().bytes(id_length).prefix(prefix);
    if let Some((newest, older)) = keys.split_first() {
        let ring = KeyRing::new(SecretKey::from(newest.clone()));
        ids = ids.signed(older.iter().fold(ring, |ring, key| ring.accept(SecretKey::from(key.clone()))));
    }
    ids.build()
}

fn time(now: f64) -> UnixTime {
    UnixTime::from_secs(now.max(0.0) as u64)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn misconfigured(py: Python<'_>, text: &str) -> PyErr {
    raise(py, "ConfigurationError", text)
}

fn raise_store_error(py: Python<'_>, error: &StoreError) -> PyErr {
    raise(py, "SessionStoreError", &with_causes(error))
}

fn failed(py: Python<'_>, error: StoreError, connection: &Connection) -> PyErr {
    raise_store_error(py, &error.at(connection.address()))
}

fn not_saved(py: Python<'_>, error: SaveError, connection: &Connection) -> PyErr {
    match error {
        SaveError::Store(error) => failed(py, error, connection),
        SaveError::Encode(error) => not_encoded(&error),
        SaveError::Contended { .. } => raise(py, "SessionContended", &with_causes(&error)),
        other => raise(py, "SessionStoreError", &with_causes(&other)),
    }
}

const ENGINE_LIMIT: usize = 16;

const NOT_IN_THIS_WHEEL: &str = "this wheel of hipflask is without PostgreSQL, MySQL, MongoDB and DynamoDB; build one that \
    has them, in a checkout of hipflask: MATURIN_PEP517_ARGS='--features full' pip install ./crates/hipflask-python";
