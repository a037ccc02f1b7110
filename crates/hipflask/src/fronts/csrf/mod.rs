//! The check of form tokens for the frameworks.

#[cfg(feature = "actix")]
pub(crate) mod actix;
#[cfg(feature = "axum")]
mod axum;
mod layer;

pub use layer::{CsrfFuture, CsrfLayer, CsrfService};
