//! Forks next to running threads: a fork waits until no thread is using a store that lives in this process.
//!
//! The locks of such a store, SQLite's among them, are memory of the process. A child gets them as
//! they are at that moment, without the thread that would release them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The number of operations that are running on such stores. Grows only with the GIL held, as it is
/// when the process forks.
static OPERATIONS: AtomicUsize = AtomicUsize::new(0);
/// The number of threads that are about to fork.
static FORKING: AtomicUsize = AtomicUsize::new(0);

/// An operation on a store that lives in this process, until it is dropped.
pub(crate) struct LocalOperation(());

impl LocalOperation {
    /// Waits, without the GIL, for threads that are about to fork.
    pub(crate) fn begin(py: Python<'_>) -> Self {
        wait_until_zero(py, &FORKING);
        OPERATIONS.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for LocalOperation {
    fn drop(&mut self) {
        OPERATIONS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Registers the hooks that Python calls when it forks.
pub(crate) fn register(py: Python<'_>) -> PyResult<()> {
    // Missing where processes do not fork.
    let Ok(register) = py.import("os")?.getattr("register_at_fork") else { return Ok(()) };
    let hooks = PyDict::new(py);
    hooks.set_item("before", wrap_pyfunction!(before_fork, py)?)?;
    hooks.set_item("after_in_parent", wrap_pyfunction!(after_fork_in_parent, py)?)?;
    hooks.set_item("after_in_child", wrap_pyfunction!(after_fork_in_child, py)?)?;
    register.call((), Some(&hooks)).map(drop)
}

/// Waits for the running operations, each of which ends at the latest when its store times out. No
/// new one begins.
#[pyfunction]
fn before_fork(py: Python<'_>) {
    FORKING.fetch_add(1, Ordering::SeqCst);
    wait_until_zero(py, &OPERATIONS);
}

#[pyfunction]
fn after_fork_in_parent() {
    FORKING.fetch_sub(1, Ordering::SeqCst);
}

/// The child does not have the other threads, some of which may have been about to fork as well.
#[pyfunction]
fn after_fork_in_child() {
    FORKING.store(0, Ordering::SeqCst);
    OPERATIONS.store(0, Ordering::SeqCst);
}

fn wait_until_zero(py: Python<'_>, count: &AtomicUsize) {
    while count.load(Ordering::SeqCst) > 0 {
        py.detach(|| std::thread::sleep(PAUSE));
    }
}

const PAUSE: Duration = Duration::from_micros(200);
