//! A fork beside threads that are at work: it waits until nobody is in the middle of a store that lives in this process.
//!
//! Locks of such a store, SQLite's among them, are memory of the process. A child gets them as they are at that moment, and
//! the thread that would release them is not there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// How much work is at such a store. It grows only with the GIL held, as it is when the process forks.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// How many threads are about to fork.
static FORKING: AtomicUsize = AtomicUsize::new(0);

/// Work at a store that lives in this process, until it is dropped.
pub(crate) struct Inside(());

impl Inside {
    /// Waits, without the GIL, for threads that are about to fork.
    pub(crate) fn enter(py: Python<'_>) -> Self {
        wait_until_none(py, &FORKING);
        INSIDE.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Has Python say when it forks.
pub(crate) fn watch(py: Python<'_>) -> PyResult<()> {
    // Where processes do not fork there is nothing to be told.
    let Ok(register) = py.import("os")?.getattr("register_at_fork") else { return Ok(()) };
    let hooks = PyDict::new(py);
    hooks.set_item("before", wrap_pyfunction!(before_fork, py)?)?;
    hooks.set_item("after_in_parent", wrap_pyfunction!(after_fork_in_parent, py)?)?;
    hooks.set_item("after_in_child", wrap_pyfunction!(after_fork_in_child, py)?)?;
    register.call((), Some(&hooks)).map(drop)
}

/// Who is inside has so long as its store waits for an answer, and nobody else comes in.
#[pyfunction]
fn before_fork(py: Python<'_>) {
    FORKING.fetch_add(1, Ordering::SeqCst);
    wait_until_none(py, &INSIDE);
}

#[pyfunction]
fn after_fork_in_parent() {
    FORKING.fetch_sub(1, Ordering::SeqCst);
}

/// The other threads, which may have been about to fork as well, are not here.
#[pyfunction]
fn after_fork_in_child() {
    FORKING.store(0, Ordering::SeqCst);
    INSIDE.store(0, Ordering::SeqCst);
}

fn wait_until_none(py: Python<'_>, count: &AtomicUsize) {
    while count.load(Ordering::SeqCst) > 0 {
        py.detach(|| std::thread::sleep(PAUSE));
    }
}

const PAUSE: Duration = Duration::from_micros(200);
