//! [`Session`], the handle of a handler, and the state behind it.

mod data;
#[cfg(feature = "store")]
mod finish;
mod handle;
mod lock;
#[cfg(feature = "inspector")]
mod record;
#[cfg(feature = "store")]
mod saves;
#[cfg(feature = "store")]
mod saving;
mod state;
#[cfg(feature = "store")]
mod stored;

pub use data::{SessionData, SessionKey};
pub use handle::Session;
pub(crate) use lock::Guard;
#[cfg(feature = "inspector")]
pub(crate) use record::RecordSeen;
pub use state::CookieLine;
pub(crate) use state::{CookieLines, Shared, State};
