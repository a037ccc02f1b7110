//! [`Server`]: sessions in a store. The cookie carries an id, and the store has the rest.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use hipflask_core::session::SessionDict;
use hipflask_core::value::{Dict, Value};
use hipflask_store::StoreError;
use hipflask_store::save::{SaveError, ServerSessions, Slot};

use super::failure::{FailureHook, OnStoreFailure};
use crate::error::SessionError;

/// Where the sessions of an engine are.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) sessions: ServerSessions,
    /// Whether a new session is permanent: Flask-Session's `SESSION_PERMANENT`.
    pub(crate) permanent: bool,
    pub(crate) on_failure: FailureHook,
    pub(crate) spawner: Spawner,
}

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs tasks: tokio, unless another function was given.
#[derive(Clone, Default)]
pub(crate) struct Spawner(pub(crate) Option<Arc<dyn Fn(Task) + Send + Sync>>);

impl Spawner {
    /// Runs `task`, or drops it if no runtime is found.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(spawn) = &self.0 {
            spawn(Box::pin(task));
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(task));
        }
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Spawner(given)" } else { "Spawner(tokio)" })
    }
}

/// The session that a request's cookies led to.
#[derive(Debug)]
pub(crate) struct FoundStored {
    pub(crate) data: SessionDict,
    pub(crate) slot: Option<Box<Slot>>,
    /// Why it is empty and must not be changed, if so.
    pub(crate) read_only: Option<Box<SessionError>>,
}

impl Server {
    /// Runs a save to its end.
    pub(crate) fn spawn(&self, save: impl Future<Output = ()> + Send + 'static) {
        self.spawner.spawn(save);
    }

    /// A session that came from nowhere. As in Flask-Session it is permanent from the start, and still counts as empty.
    pub(crate) fn fresh(&self) -> SessionDict {
        let mut data = if self.permanent {
            SessionDict::from_dict(Dict::from([("_permanent", Value::Bool(true))]))
        } else {
            SessionDict::new()
        };
        data.set_new(true);
        data
    }

    /// The session of a request whose record could not be loaded.
    pub(crate) fn without_store(&self, error: &StoreError) -> Result<FoundStored, SessionError> {
        let refused = failed(error);
        match self.on_failure.decide(error) {
            OnStoreFailure::Refuse => Err(refused),
            OnStoreFailure::ReadOnly => {
                let read_only = Some(Box::new(SessionError::ReadOnly(error.to_string())));
                Ok(FoundStored { data: self.fresh(), slot: None, read_only })
            }
        }
    }
}

/// The log gets the causes; the caller gets the text of the error.
fn failed(error: &StoreError) -> SessionError {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    tracing::error!(%error, ?causes, "the session store failed");
    SessionError::Store(error.to_string())
}

pub(crate) fn not_saved(error: &SaveError) -> SessionError {
    match error {
        SaveError::Store(error) => failed(error),
        SaveError::Contended { .. } => SessionError::Store(error.to_string()),
        other => SessionError::NotWritten(other.to_string()),
    }
}
