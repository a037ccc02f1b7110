//! The settings of an engine, checked when it is built.

mod builder;
mod engine_settings;
mod error;
mod flask;
#[cfg(feature = "store")]
mod flask_session;
#[cfg(feature = "store")]
mod store;
#[cfg_attr(not(feature = "store"), path = "no_store.rs")]
mod store_settings;
#[cfg(feature = "store")]
mod store_url;
mod value;

pub use builder::SessionsBuilder;
pub use error::ConfigError;

/// Flask-Session's settings, of which a build without stores knows none.
#[cfg(not(feature = "store"))]
mod flask_session {
    pub(crate) const SETTINGS: [super::value::Setting; 0] = [];
}
