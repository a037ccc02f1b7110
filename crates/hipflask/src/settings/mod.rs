//! Settings: everything that builds an engine, checked where it is built.

mod builder;
mod error;
mod flask;
#[cfg(feature = "store")]
mod flask_session;
#[cfg(feature = "store")]
mod store_url;
mod value;

pub use builder::SessionsBuilder;
pub use error::ConfigError;
