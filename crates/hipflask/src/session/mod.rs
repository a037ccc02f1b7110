//! [`Session`], the handle of a handler, and the state behind it. Each kind of session opens and finishes in
//! its own file.

pub(crate) mod cookie;
mod cookie_lines;
mod data;
mod handle;
pub(crate) mod keyless;
mod lock;
#[cfg(feature = "inspector")]
mod record;
mod state;
#[cfg_attr(not(feature = "store"), path = "no_store.rs")]
pub(crate) mod stored;

pub use cookie_lines::CookieLine;
pub(crate) use cookie_lines::CookieLines;
pub use data::{SessionData, SessionKey};
pub use handle::Session;
pub(crate) use lock::Guard;
#[cfg(feature = "inspector")]
pub(crate) use record::RecordSeen;
pub(crate) use state::{Finish, Saving, Shared, State};
