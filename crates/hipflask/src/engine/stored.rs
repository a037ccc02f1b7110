//! Settings of an engine that keeps its sessions in a store.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use hipflask_core::session::SessionDict;
use hipflask_core::value::{Dict, Value};
use hipflask_store::StoreError;
use hipflask_store::save::ServerSessions;

/// The store of an engine, and how its sessions begin, fail and are saved.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) sessions: ServerSessions,
    /// `true` if new sessions are permanent: Flask-Session's `SESSION_PERMANENT`.
    pub(crate) permanent: bool,
    pub(crate) on_failure: FailureHook,
    pub(crate) spawner: Spawner,
}

impl Stored {
    /// Creates a session for a visitor without one. As in Flask-Session it is permanent from the start and
    /// still counts as empty.
    pub(crate) fn new_session(&self) -> SessionDict {
        let mut data = if self.permanent {
            SessionDict::from_dict(Dict::from([("_permanent", Value::Bool(true))]))
        } else {
            SessionDict::new()
        };
        data.set_new(true);
        data
    }
}

/// The way to handle a request whose session cannot be loaded.
///
/// A loaded session that cannot be saved is always an error, because the handler's changes are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnStoreFailure {
    /// Opening the session fails with [`SessionError::Store`](crate::SessionError::Store), which becomes a
    /// 503 unless the handler makes something else of it.
    #[default]
    Refuse,
    /// The request goes on with an empty session that cannot be changed, as for an anonymous visitor; see
    /// [`Session::is_read_only`](crate::Session::is_read_only). Nothing is written and the cookie stays, so
    /// the visitor is logged in again once the store is back.
    ///
    /// Setting a value fails with [`SessionError::ReadOnly`](crate::SessionError::ReadOnly). So does
    /// destroying the session, because the visitor would stay logged in. After a change by a method that
    /// returns no error, such as `clear`, the response is a 503.
    ReadOnly,
}

/// The application's function that chooses an [`OnStoreFailure`].
pub(crate) struct FailureHook(pub(crate) Box<dyn Fn(&StoreError) -> OnStoreFailure + Send + Sync>);

impl FailureHook {
    pub(crate) fn decide(&self, error: &StoreError) -> OnStoreFailure {
        (self.0)(error)
    }
}

impl Default for FailureHook {
    fn default() -> Self {
        Self(Box::new(|_| OnStoreFailure::Refuse))
    }
}

impl fmt::Debug for FailureHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FailureHook(..)")
    }
}

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs saves as tasks: on tokio, unless the application gave another function.
#[derive(Clone, Default)]
pub(crate) struct Spawner(pub(crate) Option<Arc<dyn Fn(Task) + Send + Sync>>);

impl Spawner {
    /// Runs `task`, or drops it outside of any runtime.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
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
