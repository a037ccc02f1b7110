//! The fronts: tower and axum, actix-web.

#[cfg(feature = "actix")]
pub mod actix;
#[cfg(feature = "actix")]
mod actix_info;
#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "csrf")]
pub(crate) mod csrf;
mod error_page;
#[cfg(any(feature = "axum", feature = "csrf", feature = "login"))]
mod info;
#[cfg(feature = "login")]
pub(crate) mod login;
#[cfg(any(feature = "csrf", feature = "login"))]
#[cfg_attr(not(feature = "axum"), allow(dead_code, reason = "extractors need a framework"))]
mod page;
mod response;
mod tower;

pub use error_page::{BarePage, ErrorPage};
#[cfg(feature = "app")]
pub(crate) use info::request_info;
#[cfg(feature = "app")]
pub(crate) use page::page;
pub use tower::{ResponseFuture, SessionLayer, SessionService};
