//! Changes of a session that are not saved yet.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString};

use crate::guard::entry;

/// The changes that a request has made to a session in a store, except those of its data.
///
/// The save resets them before Python runs again. An interrupt between two lines of Python, such as
/// Ctrl-C, therefore cannot have them saved a second time.
#[pyclass(module = "hipflask._native")]
pub(crate) struct SessionChanges {
    /// The app has called a method that changes the session.
    #[pyo3(get, set)]
    changed: bool,
    /// The session was cleared, with the keys that other requests add.
    #[pyo3(get, set)]
    pub(crate) cleared: bool,
    /// The session gets a new id.
    #[pyo3(get, set)]
    pub(crate) regenerate: bool,
    /// The record is to be deleted.
    #[pyo3(get, set)]
    pub(crate) destroy: bool,
    /// The sum that was added to each number.
    #[pyo3(get)]
    pub(crate) added: Py<PyDict>,
}

#[pymethods]
impl SessionChanges {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        entry(py, "SessionChanges", || Ok(Self::none(py)))
    }

    /// Adds `by` to the number of `key`.
    fn add(slf: &Bound<'_, Self>, key: &Bound<'_, PyString>, by: &Bound<'_, PyInt>) -> PyResult<()> {
        let py = slf.py();
        entry(py, "SessionChanges.add", || {
            // Not borrowed meanwhile: a subclass of `str` may run Python.
            let added = slf.borrow().added.clone_ref(py).into_bound(py);
            let sum = match added.get_item(key)? {
                Some(before) => before.add(by)?,
                None => by.clone().into_any(),
            };
            added.set_item(key, sum)
        })
    }

    /// Records that the session was cleared. Earlier increments no longer count.
    fn clear(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        entry(py, "SessionChanges.clear", || {
            let added = PyDict::new(py).unbind();
            let mut changes = slf.borrow_mut();
            changes.cleared = true;
            changes.added = added;
            Ok(())
        })
    }

    /// Returns a copy, which later changes leave as it is.
    fn copy(&self, py: Python<'_>) -> PyResult<Self> {
        entry(py, "SessionChanges.copy", || {
            let Self { changed, cleared, regenerate, destroy, .. } = *self;
            let added = self.added.bind(py).copy()?.unbind();
            Ok(Self { changed, cleared, regenerate, destroy, added })
        })
    }
}

impl SessionChanges {
    pub(crate) fn none(py: Python<'_>) -> Self {
        let added = PyDict::new(py).unbind();
        Self { changed: false, cleared: false, regenerate: false, destroy: false, added }
    }
}
