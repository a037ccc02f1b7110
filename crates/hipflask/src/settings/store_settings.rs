//! [`StoreSettings`]: the settings of sessions in a store.

use std::fmt;
use std::sync::Arc;

use hipflask_core::value::{Dict, Value};
use hipflask_store::id::Ids;
use hipflask_store::record::Format;
use hipflask_store::save::ServerSessions;
use hipflask_store::{RecordKind, Store};

use super::engine_settings::EngineSettings;
use super::error::ConfigError;
use super::store_url::url;
use crate::engine::{FailureHook, Spawner, Stored};
use crate::error::Cause;

pub(crate) struct StoreSettings {
    pub(crate) store: Option<Arc<dyn Store>>,
    /// Flask-Session's settings of a store that is not connected yet.
    pub(crate) named: Dict,
    pub(crate) permanent: bool,
    pub(crate) key_prefix: String,
    pub(crate) id_length: usize,
    pub(crate) use_signer: bool,
    pub(crate) format: Format,
    pub(crate) on_failure: FailureHook,
    pub(crate) spawner: Spawner,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            store: None,
            named: Dict::new(),
            permanent: true,
            key_prefix: "session:".into(),
            id_length: 32,
            use_signer: false,
            format: Format::Msgpack,
            on_failure: FailureHook::default(),
            spawner: Spawner::default(),
        }
    }
}

impl StoreSettings {
    /// Notes a setting that names the store to connect to.
    pub(crate) fn name(&mut self, setting: &str, value: &str) -> Result<(), ConfigError> {
        self.named.insert(setting, value);
        Ok(())
    }

    /// Builds the store's part of an engine. `None` if sessions are in cookies.
    pub(crate) fn build(self, engine: &EngineSettings) -> Result<Option<Stored>, ConfigError> {
        self.check_connected()?;
        let Some(store) = self.store.clone() else { return Ok(None) };
        let ids = self.ids(engine)?;
        if !matches!(self.format, Format::Msgpack | Format::Json) {
            return Err(ConfigError::UnsupportedFormat { format: self.format.to_string() });
        }
        let is_pickled = store.describe().records == RecordKind::Pickle;
        let mut sessions = ServerSessions::new(store, ids, engine.lifetime)
            .with_refresh(engine.refresh_each_request)
            .with_pickles(!engine.is_strict);
        // The strict profile shares nothing with Flask, so its directories hold no pickles.
        if !is_pickled || engine.is_strict {
            sessions = sessions.with_format(self.format);
        }
        let Self { permanent, on_failure, spawner, .. } = self;
        Ok(Some(Stored { sessions, permanent, on_failure, spawner }))
    }

    /// Fails if the settings name a store that nothing has connected to.
    fn check_connected(&self) -> Result<(), ConfigError> {
        let Some(kind) = self.named.get("SESSION_TYPE").and_then(Value::as_str) else { return Ok(()) };
        // Reports settings that no connection would fix first.
        url(&self.named)?;
        Err(ConfigError::NotConnected { kind: kind.split(':').next().unwrap_or_default().to_owned() })
    }

    fn ids(&self, engine: &EngineSettings) -> Result<Ids, ConfigError> {
        let mut ids = Ids::builder().bytes(self.id_length).prefix(self.key_prefix.clone());
        if self.use_signer {
            ids = ids.signed(engine.ring.clone()?);
        }
        ids.hashed_at_rest(engine.is_strict).build().map_err(|error| ConfigError::Store(Cause::new(error)))
    }
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings").field("store", &self.store).finish_non_exhaustive()
    }
}
