//! [`StoreSettings`] in a build without stores, where every setting that names one is an error.

use super::engine_settings::EngineSettings;
use super::error::ConfigError;
use crate::engine::Stored;

#[derive(Debug, Default)]
pub(crate) struct StoreSettings;

#[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "has the methods of the one with stores")]
impl StoreSettings {
    pub(crate) fn name(&mut self, _: &str, kind: &str) -> Result<(), ConfigError> {
        Err(ConfigError::UnknownType { kind: kind.into() })
    }

    pub(crate) const fn build(self, _: &EngineSettings) -> Result<Option<Stored>, ConfigError> {
        Ok(None)
    }
}
