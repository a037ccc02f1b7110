//! The session of one request, from its `Cookie` lines to the headers of its response.

mod current;
pub(crate) mod host;
mod info;
mod request_session;

pub(crate) use current::enter;
pub use current::{current, session};
pub use info::RequestInfo;
#[cfg(feature = "actix")]
pub(crate) use info::join;
pub use request_session::RequestSession;
