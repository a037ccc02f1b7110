//! The fronts: tower and axum, actix-web.

#[cfg(feature = "actix")]
pub mod actix;
#[cfg(feature = "axum")]
mod axum;
mod error_page;
mod response;
mod tower;

pub use error_page::{BarePage, ErrorPage};
pub use tower::{ResponseFuture, SessionLayer, SessionService};
