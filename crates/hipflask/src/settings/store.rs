//! The setters of [`SessionsBuilder`] for sessions in a store.

use std::pin::Pin;
use std::sync::Arc;

use hipflask_core::value::Dict;
use hipflask_store::record::Format;
use hipflask_store::{Store, StoreError};

use super::builder::SessionsBuilder;
use crate::engine::{FailureHook, OnStoreFailure, Spawner};

impl SessionsBuilder {
    /// Keeps sessions in `store`, as Flask-Session does. The cookie carries only an id, and no
    /// secret key is needed.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use hipflask::{Sessions, store::memory::MemoryStore};
    /// let sessions = Sessions::builder().store(Arc::new(MemoryStore::new())).build()?;
    /// assert!(sessions.is_stored());
    /// # Ok::<(), hipflask::ConfigError>(())
    /// ```
    #[doc(alias = "SESSION_TYPE")]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store.store = Some(store);
        self.store.named = Dict::new();
        self
    }

    /// Sets if new sessions in the store outlive the browser. The default is `true`.
    #[doc(alias = "SESSION_PERMANENT")]
    pub fn session_permanent(mut self, permanent: bool) -> Self {
        self.store.permanent = permanent;
        self
    }

    /// Sets the prefix of ids in the store. The default is `session:`.
    #[doc(alias = "SESSION_KEY_PREFIX")]
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.store.key_prefix = prefix.into();
        self
    }

    /// Sets the number of random bytes in a new id, from 16 to 96. The default is 32.
    #[doc(alias = "SESSION_ID_LENGTH")]
    pub fn id_length(mut self, bytes: usize) -> Self {
        self.store.id_length = bytes;
        self
    }

    /// Sets the format of new records: [`Format::Msgpack`], the default, or [`Format::Json`]. Both
    /// are read in any case.
    ///
    /// A directory keeps pickles instead, as in Flask-Session. In the strict profile it keeps this
    /// format, and pickles are not read.
    #[doc(alias = "SESSION_SERIALIZATION_FORMAT")]
    pub fn serialization_format(mut self, format: Format) -> Self {
        self.store.format = format;
        self
    }

    /// Signs ids in the cookie. Needs a secret key.
    #[doc(alias = "SESSION_USE_SIGNER")]
    pub fn use_signer(mut self, signed: bool) -> Self {
        self.store.use_signer = signed;
        self
    }

    /// Runs saves that outlive their request with `spawn`, for runtimes other than tokio.
    ///
    /// A save that has begun always runs to its end. If it has to wait for the store, a task
    /// finishes it, by default on tokio. Outside of tokio and without this setting, the next save
    /// of the same request finishes it.
    pub fn spawn_saves_with(
        mut self,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        self.store.spawner = Spawner(Some(Arc::new(spawn)));
        self
    }

    /// Decides how to handle a request whose session cannot be loaded. The default is a 503.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use hipflask::{OnStoreFailure, Sessions, store::memory::MemoryStore};
    ///
    /// // While the store is briefly unreachable, the shop still shows its goods.
    /// let sessions = Sessions::builder()
    ///     .store(Arc::new(MemoryStore::new()))
    ///     .on_store_failure(|error| if error.is_transient() { OnStoreFailure::ReadOnly } else { OnStoreFailure::Refuse })
    ///     .build()?;
    /// # Ok::<(), hipflask::ConfigError>(())
    /// ```
    ///
    /// To replace the bare 503 by your own page, use `sessions.layer().error_page(..)`, or
    /// `sessions.middleware().error_page(..)` with actix-web.
    pub fn on_store_failure(
        mut self,
        decide: impl Fn(&StoreError) -> OnStoreFailure + Send + Sync + 'static,
    ) -> Self {
        self.store.on_failure = FailureHook(Box::new(decide));
        self
    }
}
