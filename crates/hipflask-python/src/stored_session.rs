//! The native half of a session in a store.

use std::sync::{Mutex, PoisonError};

use hipflask_core::session::SessionDict;
use hipflask_store::save::Slot;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::guard::{entry, raise, store_entry};
use crate::records::dict_of_session;

/// A session as it was last read or saved, with its record.
///
/// `None` while it is being saved, and after a panic, when nobody knows what was saved.
#[pyclass(frozen, module = "hipflask._native")]
pub(crate) struct StoredSession(Mutex<Option<(SessionDict, Slot)>>);

#[pymethods]
impl StoredSession {
    /// A session that was not read from a record.
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        entry(py, "StoredSession", || Ok(Self::of(SessionDict::default(), Slot::default())))
    }

    /// The data of the session as it was last read or saved.
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

impl StoredSession {
    pub(crate) fn of(session: SessionDict, slot: Slot) -> Self {
        Self(Mutex::new(Some((session, slot))))
    }

    pub(crate) fn take(&self, py: Python<'_>) -> PyResult<(SessionDict, Slot)> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| raise(py, "SessionStoreError", IN_USE))
    }

    pub(crate) fn put(&self, session: SessionDict, slot: Slot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((session, slot));
    }
}

const IN_USE: &str = "another thread is saving this session, or a save of it ended with a panic";
