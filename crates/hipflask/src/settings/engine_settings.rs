//! Settings of an engine that the settings of its store need.

use std::time::Duration;

use hipflask_core::signing::KeyRing;

use super::error::ConfigError;

#[cfg_attr(not(feature = "store"), expect(dead_code, reason = "only a store needs them"))]
pub(crate) struct EngineSettings {
    /// The secret keys, or the error that asks for one.
    pub(crate) ring: Result<KeyRing, ConfigError>,
    pub(crate) lifetime: Duration,
    pub(crate) refresh_each_request: bool,
    pub(crate) is_strict: bool,
}
