//! A store and the thread that drives its connections, in the process that uses them.

use std::future::Future;
use std::sync::mpsc::{RecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use hipflask_store::record::Format;
use hipflask_store::{ErrorKind, RecordKind, Store, StoreError};
use pyo3::intern;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::forks::Inside;
use crate::greenlets::Hub;
use crate::guard::raise;

/// Where a store is. Connects when the store is first needed, and again in a process that was forked since.
pub(crate) struct Lives {
    url: String,
    /// A store in the memory of the process, which has no connections.
    memory: Option<Arc<dyn Store>>,
    /// Locked only with the GIL held, and released before the GIL is: a fork, which holds the GIL, never leaves it locked
    /// in the child.
    live: Mutex<Option<Arc<Live>>>,
}

/// A connected store.
///
/// Its work is done by a thread of its own, and never by the thread that waits for it. A waiting thread may not run again
/// for a long time: a signal handler of its server can keep it, and other threads must not depend on it.
pub(crate) struct Live {
    process: u32,
    runtime: Arc<Runtime>,
    store: Arc<dyn Store>,
    /// The store's locks are memory of the process.
    is_local: bool,
}

impl Lives {
    /// The store at `url`. Checks the URL and, if `now`, that the store is ready.
    pub(crate) fn at(py: Python<'_>, url: String, now: bool) -> Result<Self, StoreError> {
        let (kind, memory) = py.detach(|| {
            // Used for this alone, so that nothing of it is left when the process forks.
            let runtime = Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
            runtime.block_on(async {
                let store = hipflask_store::open(&url).await?;
                let kind = store.describe().kind;
                if now && kind != "sqlite" {
                    hipflask_store::ready(&*store).await?;
                }
                Ok((kind, (kind == "memory").then_some(store)))
            })
        })?;
        let lives = Self { url, memory, live: Mutex::new(None) };
        if now && kind == "sqlite" {
            // Keeps its connection: a thread of SQLite's would otherwise be closing it while the process forks.
            let live = lives.here(py)?;
            let store = Arc::clone(&live.store);
            let ready = async move { hipflask_store::ready(&*store).await };
            live.wait(py, ready).map_err(|error| interrupted(&error))??;
        }
        Ok(lives)
    }

    /// The connections of this process.
    pub(crate) fn here(&self, py: Python<'_>) -> Result<Arc<Live>, StoreError> {
        let process = std::process::id();
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(live) = live.filter(|live| live.process == process) {
            return Ok(live);
        }
        let made = Arc::new(self.connect(py, process)?);
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = live.as_ref().filter(|live| live.process == process) {
            return Ok(Arc::clone(other));
        }
        let before = live.replace(Arc::clone(&made));
        drop(live);
        drop(before);
        Ok(made)
    }

    fn connect(&self, py: Python<'_>, process: u32) -> Result<Live, StoreError> {
        let runtime = without_signals(py, || {
            Builder::new_multi_thread().worker_threads(1).thread_name("hipflask").enable_all().build()
        });
        let runtime = runtime.map_err(|error| interrupted(&error))?.map_err(no_runtime)?;
        let store = match &self.memory {
            Some(store) => Arc::clone(store),
            None => runtime.block_on(hipflask_store::open(&self.url))?,
        };
        let is_local = matches!(store.describe().kind, "memory" | "sqlite");
        Ok(Live { process, runtime: Arc::new(runtime), store, is_local })
    }
}

/// In a process that was forked since, the runtime is left as it is: its threads do not exist here, one of them may have held
/// a lock, and its sockets belong to the other process. The garbage collector is often what drops it there.
impl Drop for Live {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget((Arc::clone(&self.runtime), Arc::clone(&self.store)));
        }
    }
}

impl Live {
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Where the store is, without a password.
    pub(crate) fn place(&self) -> String {
        self.store.describe().address
    }

    /// The format of records here. Stores whose records are pickles have no other.
    pub(crate) fn format(&self, wanted: Option<Format>) -> Format {
        match self.store.describe().records {
            RecordKind::Pickle => Format::Pickle,
            _ => wanted.unwrap_or(Format::Msgpack),
        }
    }

    /// Waits for `work` without the GIL; under gevent other greenlets run meanwhile. The work is always finished, even if
    /// the wait ends with an exception.
    ///
    /// # Errors
    /// `SessionStoreError` if the work panics; an exception that was raised in the waiting greenlet.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> PyResult<T> {
        let hub = Hub::here(py)?;
        let bell = hub.as_ref().map(|hub| hub.bell(py));
        let inside = self.is_local.then(|| Inside::enter(py));
        let (done, answer) = sync_channel(1);
        self.runtime.spawn(async move {
            // Rings when it is dropped, at the latest when the work panics.
            let _bell = bell;
            let _inside = inside;
            let _ = done.send(work.await);
        });
        if let Some(hub) = hub {
            hub.wait(py)?;
        }
        py.detach(move || answer.recv()).map_err(|error| panicked(py, error))
    }

    /// [`wait`](Self::wait) for `work` that most likely has nothing to wait for.
    pub(crate) fn soon<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> PyResult<T> {
        let mut work = Box::pin(work);
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Ok(done),
            Poll::Pending => self.wait(py, work),
        }
    }
}

/// Makes threads that no signal interrupts: the handlers of a server, which expect one of its own threads, run elsewhere.
fn without_signals<T>(py: Python<'_>, make: impl FnOnce() -> T) -> PyResult<T> {
    let signals = py.import(intern!(py, "signal"))?;
    let Ok(mask) = signals.getattr(intern!(py, "pthread_sigmask")) else { return Ok(make()) };
    let all = signals.getattr(intern!(py, "valid_signals"))?.call0()?;
    let before = mask.call1((signals.getattr(intern!(py, "SIG_BLOCK"))?, all))?;
    let made = make();
    mask.call1((signals.getattr(intern!(py, "SIG_SETMASK"))?, before))?;
    Ok(made)
}

/// The task has ended without an answer.
fn panicked(py: Python<'_>, _: RecvError) -> PyErr {
    raise(py, "SessionStoreError", "hipflask panicked at work on the session store; its message is on stderr")
}

fn interrupted(error: &PyErr) -> StoreError {
    StoreError::new("session", ErrorKind::Unavailable, format!("Python interrupted it: {error}"))
}

fn no_runtime(error: std::io::Error) -> StoreError {
    StoreError::new("session", ErrorKind::Unavailable, "no thread can be started for it").caused_by(error)
}
