//! The session of one request, from its `Cookie` lines to the headers of its response.

mod current;
mod request_session;

pub(crate) use current::enter;
pub use current::{current, session};
pub use request_session::RequestSession;
