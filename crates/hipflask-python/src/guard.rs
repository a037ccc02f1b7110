//! Panics stay in Rust: each entry point turns a panic into an exception that Python's error handlers see.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;

/// Runs the body of the entry point `name`. A panic becomes `hipflask.errors.InternalError`.
pub(crate) fn entry<T>(
    py: Python<'_>,
    name: &'static str,
    body: impl FnOnce() -> PyResult<T>,
) -> PyResult<T> {
    guarded(name, body).unwrap_or_else(|text| Err(raise(py, "InternalError", &text)))
}

/// Runs the body of an entry point that uses a store. A panic becomes a 503.
pub(crate) fn store_entry<T>(
    py: Python<'_>,
    name: &'static str,
    body: impl FnOnce() -> PyResult<T>,
) -> PyResult<T> {
    guarded(name, body).unwrap_or_else(|text| Err(raise(py, "SessionStoreError", &text)))
}

/// Runs `body`; the error is the text of a panic. What the body has taken out of a session is never
/// put back then, so no half changed value is used again.
fn guarded<T>(name: &'static str, body: impl FnOnce() -> PyResult<T>) -> Result<PyResult<T>, String> {
    let run = AssertUnwindSafe(|| {
        planted::panic_in(name);
        body()
    });
    catch_unwind(run).map_err(|panic| format!("hipflask panicked in {name}: {}", text_of(&*panic)))
}

/// The message of a panic.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Creates an exception of `hipflask.errors`.
pub(crate) fn raise(py: Python<'_>, name: &str, text: &str) -> PyErr {
    let exception = py.import("hipflask.errors").and_then(|module| module.getattr(name)?.call1((text,)));
    exception.map_or_else(|error| error, PyErr::from_value)
}

/// Panics on request, in the wheel that only tests use.
#[cfg(feature = "planted-panics")]
pub(crate) mod planted {
    use std::sync::{Mutex, PoisonError};

    use pyo3::prelude::*;

    static WHERE: Mutex<Option<String>> = Mutex::new(None);

    /// From now on the entry point with this name panics; with `None` no entry point does.
    #[pyfunction]
    #[pyo3(signature = (name))]
    pub(crate) fn plant_panic(name: Option<String>) {
        *WHERE.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    pub(super) fn panic_in(name: &'static str) {
        let planted = WHERE.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(name);
        assert!(!planted, "planted");
    }
}

#[cfg(not(feature = "planted-panics"))]
mod planted {
    pub(super) const fn panic_in(_: &'static str) {}
}
