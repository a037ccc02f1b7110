//! gevent: while a greenlet waits for the store, the other greenlets of its thread run.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// A greenlet that is about to wait, in a process that gevent has patched.
pub(crate) struct Hub(Py<PyAny>);

impl Hub {
    /// Returns `None` if a wait may block the thread.
    pub(crate) fn here(py: Python<'_>) -> PyResult<Option<Self>> {
        static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
        let modules = MODULES.get_or_try_init(py, || {
            let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?;
            PyResult::Ok(modules.cast_into::<PyDict>()?.unbind())
        })?;
        if !modules.bind(py).contains(intern!(py, "gevent.monkey"))? {
            return Ok(None);
        }
        let waiting = py.import(intern!(py, "hipflask._greenlets"))?.call_method0(intern!(py, "waiting"))?;
        Ok((!waiting.is_none()).then(|| Self(waiting.unbind())))
    }

    pub(crate) fn bell(&self, py: Python<'_>) -> Bell {
        Bell(Some(self.0.clone_ref(py)))
    }

    /// Lets other greenlets run until the bell rings.
    pub(crate) fn wait(&self, py: Python<'_>) -> PyResult<()> {
        self.0.call_method0(py, intern!(py, "wait")).map(drop)
    }
}

/// Wakes the greenlet when it is dropped, in any thread.
pub(crate) struct Bell(Option<Py<PyAny>>);

impl Drop for Bell {
    fn drop(&mut self) {
        let Some(waiting) = self.0.take() else { return };
        // Not in the thread of the store, which would have to wait for the GIL.
        let ring = move || {
            let rung = Python::try_attach(|py| {
                let rung = waiting.call_method0(py, intern!(py, "ring"));
                drop(waiting);
                rung.map(drop)
            });
            if let Some(Err(error)) = rung {
                Python::try_attach(|py| error.write_unraisable(py, None));
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(ring)),
            Err(_) => ring(),
        }
    }
}
