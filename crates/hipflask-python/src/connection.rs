//! The connection to a store, and the thread that drives it, in the process that uses it.

use std::future::Future;
use std::sync::mpsc::{RecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use hipflask_store::record::Format;
use hipflask_store::{ErrorKind, RecordKind, Store, StoreError};
use pyo3::intern;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::fork_guard::LocalOperation;
use crate::greenlets::Hub;
use crate::guard::raise;

/// The address of a store. Connects when the store is first needed, and again in a forked process.
pub(crate) struct StoreHandle {
    url: String,
    /// A store in the memory of the process, which does not have connections.
    memory: Option<Arc<dyn Store>>,
    /// Locked only with the GIL held, and released before the GIL is. A fork holds the GIL, so the
    /// child never finds it locked.
    connection: Mutex<Option<Arc<Connection>>>,
}

/// A connected store.
///
/// Its work is done by its own thread, and never by the thread that waits for it. A waiting thread
/// may not run again for a long time, because a signal handler of its server can keep it, and other
/// threads must not depend on it.
pub(crate) struct Connection {
    process: u32,
    runtime: Arc<Runtime>,
    store: Arc<dyn Store>,
    /// The store's locks are memory of the process.
    is_local: bool,
}

impl StoreHandle {
    /// Opens the store at `url`. Checks the URL and, if `ready`, prepares the store: its table is created.
    pub(crate) fn open(py: Python<'_>, url: String, ready: bool) -> Result<Self, StoreError> {
        let (kind, memory) = py.detach(|| {
            // For this check alone, so that nothing of it exists when the process forks.
            let runtime = Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
            runtime.block_on(async {
                let store = hipflask_store::open(&url).await?;
                let kind = store.describe().kind;
                if ready && kind != "sqlite" {
                    hipflask_store::ready(&*store).await?;
                }
                Ok((kind, (kind == "memory").then_some(store)))
            })
        })?;
        let handle = Self { url, memory, connection: Mutex::new(None) };
        if ready && kind == "sqlite" {
            // Keeps its connection. Otherwise a thread of SQLite could be closing it while the process forks.
            let connection = handle.connection(py)?;
            let store = Arc::clone(&connection.store);
            let ready = async move { hipflask_store::ready(&*store).await };
            connection.wait(py, ready).map_err(|error| interrupted(&error))??;
        }
        Ok(handle)
    }

    /// The connection of this process.
    pub(crate) fn connection(&self, py: Python<'_>) -> Result<Arc<Connection>, StoreError> {
        let process = std::process::id();
        let known = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| known.process == process) {
            return Ok(known);
        }
        let new = Arc::new(self.connect(py, process)?);
        let mut current = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = current.as_ref().filter(|other| other.process == process) {
            return Ok(Arc::clone(other));
        }
        let before = current.replace(Arc::clone(&new));
        drop(current);
        drop(before);
        Ok(new)
    }

    fn connect(&self, py: Python<'_>, process: u32) -> Result<Connection, StoreError> {
        let runtime = without_signals(py, || {
            Builder::new_multi_thread().worker_threads(1).thread_name("hipflask").enable_all().build()
        });
        let runtime = runtime.map_err(|error| interrupted(&error))?.map_err(no_runtime)?;
        let store = match &self.memory {
            Some(store) => Arc::clone(store),
            None => runtime.block_on(hipflask_store::open(&self.url))?,
        };
        let is_local = matches!(store.describe().kind, "memory" | "sqlite");
        Ok(Connection { process, runtime: Arc::new(runtime), store, is_local })
    }
}

/// A forked process leaves the runtime as it is: its threads do not exist there, one of them may
/// have held a lock, and its sockets belong to the other process. The garbage collector is often
/// what drops it there.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget((Arc::clone(&self.runtime), Arc::clone(&self.store)));
        }
    }
}

impl Connection {
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The address of the store, without a password.
    pub(crate) fn address(&self) -> String {
        self.store.describe().address
    }

    /// The format of records. Some stores hold nothing but pickles.
    pub(crate) fn format(&self, wanted: Option<Format>) -> Format {
        match self.store.describe().records {
            RecordKind::Pickle => Format::Pickle,
            _ => wanted.unwrap_or(Format::Msgpack),
        }
    }

    /// Waits for `work` without the GIL. Under gevent other greenlets run meanwhile.
    ///
    /// # Errors
    /// `SessionStoreError` if the work panics. An exception that was raised in the waiting
    /// greenlet; the work is done even then.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> PyResult<T> {
        let (done, interrupted) = self.wait_to_end(py, work)?;
        interrupted.map(|()| done)
    }

    /// [`wait`](Self::wait) for callers that need the result even if an exception was raised in the
    /// waiting greenlet. That exception is the second value.
    pub(crate) fn wait_to_end<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> PyResult<(T, PyResult<()>)> {
        let hub = Hub::here(py)?;
        let bell = hub.as_ref().map(|hub| hub.bell(py));
        let operation = self.is_local.then(|| LocalOperation::begin(py));
        let (sender, receiver) = sync_channel(1);
        self.runtime.spawn(async move {
            // Rings when it is dropped, even if the work panics.
            let _bell = bell;
            let _operation = operation;
            let _ = sender.send(work.await);
        });
        let interrupted = hub.map_or(Ok(()), |hub| hub.wait(py));
        let done = py.detach(move || receiver.recv()).map_err(|error| panicked(py, error))?;
        Ok((done, interrupted))
    }

    /// [`wait_to_end`](Self::wait_to_end) for `work` that most likely does not have to wait for anything.
    pub(crate) fn poll_or_wait<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> PyResult<(T, PyResult<()>)> {
        let mut work = Box::pin(work);
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Ok((done, Ok(()))),
            Poll::Pending => self.wait_to_end(py, work),
        }
    }
}

/// Starts threads that no signal interrupts: the signal handlers of a server expect one of its own threads.
fn without_signals<T>(py: Python<'_>, start: impl FnOnce() -> T) -> PyResult<T> {
    let signals = py.import(intern!(py, "signal"))?;
    let Ok(mask) = signals.getattr(intern!(py, "pthread_sigmask")) else { return Ok(start()) };
    let all = signals.getattr(intern!(py, "valid_signals"))?.call0()?;
    let before = mask.call1((signals.getattr(intern!(py, "SIG_BLOCK"))?, all))?;
    let started = start();
    mask.call1((signals.getattr(intern!(py, "SIG_SETMASK"))?, before))?;
    Ok(started)
}

/// The task has ended without a result.
fn panicked(py: Python<'_>, _: RecvError) -> PyErr {
    raise(
        py,
        "SessionStoreError",
        "hipflask panicked while it used the session store; its message is on stderr",
    )
}

fn interrupted(error: &PyErr) -> StoreError {
    StoreError::new("session", ErrorKind::Unavailable, format!("interrupted by Python: {error}"))
}

fn no_runtime(error: std::io::Error) -> StoreError {
    StoreError::new("session", ErrorKind::Unavailable, "cannot start a thread for it").caused_by(error)
}
