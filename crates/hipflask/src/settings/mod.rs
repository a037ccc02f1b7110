//! The settings of an engine, checked when it is built.

mod builder;
mod engine_settings;
mod error;
mod flask;
#[cfg(feature = "login")]
mod flask_login;
#[cfg(feature = "store")]
mod flask_session;
#[cfg(feature = "csrf")]
mod flask_wtf;
#[cfg(feature = "store")]
mod store;
#[cfg_attr(not(feature = "store"), path = "no_store.rs")]
mod store_settings;
#[cfg(feature = "store")]
mod store_url;
#[cfg(feature = "toml")]
mod toml;
mod value;

pub use builder::SessionsBuilder;
pub use error::ConfigError;

/// Flask-Session's settings, of which a build without stores knows none.
#[cfg(not(feature = "store"))]
mod flask_session {
    pub(crate) const SETTINGS: [super::value::Setting; 0] = [];
}

/// Flask-Login's setting that begins like one of ours, which a build without logins passes over.
#[cfg(not(feature = "login"))]
mod flask_login {
    pub(crate) const SETTINGS: [super::value::Setting; 1] =
        [("SESSION_PROTECTION", |builder, _, _| Ok(builder))];
}

/// Flask-WTF's settings, of which a build without form tokens knows none.
#[cfg(not(feature = "csrf"))]
mod flask_wtf {
    pub(crate) const SETTINGS: [super::value::Setting; 0] = [];
}
