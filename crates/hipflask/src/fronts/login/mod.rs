//! Logins for the frameworks.

#[cfg(feature = "actix")]
pub(crate) mod actix;
#[cfg(feature = "axum")]
mod axum;
mod layer;

pub use layer::{LoginFuture, LoginLayer, LoginService};
