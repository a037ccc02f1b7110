//! A store and the runtime that drives its connections, in the process that uses them.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use hipflask_store::store::{ErrorKind, Store, StoreError};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::forks::Inside;

/// Where a store is; connected to when it is first needed, and anew in a process that was forked since.
pub(crate) struct Lives {
    url: String,
    driver: Driver,
    /// What lives in the memory of the process and has no connections.
    memory: Option<Arc<dyn Store>>,
    /// Locked only by who holds the GIL, and released before it lets go of it: a fork, which holds it, too, can then not
    /// leave it locked for ever in the child.
    live: Mutex<Option<Arc<Live>>>,
}

/// Who drives the connections.
#[derive(Debug, Clone, Copy)]
enum Driver {
    /// Whoever waits for an answer; nobody else has to be woken for it. Between two calls nothing is done.
    Caller,
    /// A thread, for clients that have something to do between two calls: they watch servers, or close what lies idle.
    Thread,
}

/// Connected.
pub(crate) struct Live {
    process: u32,
    runtime: Arc<Runtime>,
    store: Arc<dyn Store>,
    /// Whether the store's locks are memory of the process.
    is_local: bool,
}

impl Lives {
    /// The store at `url`, once the URL has been checked and, if `now`, the store has said that it is ready.
    pub(crate) fn at(py: Python<'_>, url: String, now: bool) -> Result<Self, StoreError> {
        let (kind, memory) = py.detach(|| {
            // For this alone, so that nothing of it is there when the process forks.
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
        let lives = Self { url, driver: Driver::of(kind), memory, live: Mutex::new(None) };
        if now && kind == "sqlite" {
            // Its connection is kept: a thread of its own would be closing it while the process forks.
            let live = lives.here(py)?;
            live.wait(py, hipflask_store::ready(&*live.store))?;
        }
        Ok(lives)
    }

    /// The connections of this process.
    pub(crate) fn here(&self, _gil: Python<'_>) -> Result<Arc<Live>, StoreError> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if let Some(live) = live.as_ref().filter(|live| live.process == process) {
            return Ok(Arc::clone(live));
        }
        let made = Arc::new(self.connect(process)?);
        *live = Some(Arc::clone(&made));
        Ok(made)
    }

    fn connect(&self, process: u32) -> Result<Live, StoreError> {
        let runtime = self.driver.runtime().map_err(no_runtime)?;
        let store = match &self.memory {
            Some(store) => Arc::clone(store),
            None => runtime.block_on(hipflask_store::open(&self.url))?,
        };
        let is_local = matches!(store.describe().kind, "memory" | "sqlite");
        Ok(Live { process, runtime: Arc::new(runtime), store, is_local })
    }
}

/// In a process that was forked since, it is left as it is: its threads are not here to be waited for, one of them may have
/// held a lock, and its sockets are the other process's. Whoever lets go of it there is often the garbage collector.
impl Drop for Live {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget((Arc::clone(&self.runtime), Arc::clone(&self.store)));
        }
    }
}

impl Driver {
    fn of(kind: &str) -> Self {
        match kind {
            "redis" | "memcached" | "memory" => Self::Caller,
            _ => Self::Thread,
        }
    }

    fn runtime(self) -> std::io::Result<Runtime> {
        match self {
            Self::Caller => Builder::new_current_thread().enable_all().build(),
            Self::Thread => {
                Builder::new_multi_thread().worker_threads(1).thread_name("hipflask").enable_all().build()
            }
        }
    }
}

impl Live {
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Waits for `work` without the GIL.
    pub(crate) fn wait<T: Send>(&self, py: Python<'_>, work: impl Future<Output = T> + Send) -> T {
        let _inside = self.is_local.then(|| Inside::enter(py));
        py.detach(|| self.runtime.block_on(work))
    }

    /// [`wait`](Self::wait) for `work` that has most likely nothing to wait for.
    pub(crate) fn soon<T: Send>(&self, py: Python<'_>, work: impl Future<Output = T> + Send) -> T {
        let mut work = pin!(work);
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => self.wait(py, work),
        }
    }
}

fn no_runtime(error: std::io::Error) -> StoreError {
    StoreError::new("session", ErrorKind::Unavailable, "no thread can be started for it").caused_by(error)
}
