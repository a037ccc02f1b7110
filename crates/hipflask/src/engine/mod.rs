//! The engine: finds the session of a request and decides what its response must say. It knows no web framework.

mod clock;
#[cfg(feature = "store")]
mod failure;
#[cfg(feature = "store")]
mod find_stored;
mod headers;
mod permanent;
#[cfg(feature = "store")]
mod purge;
mod sessions;
#[cfg(feature = "store")]
mod stored;
mod timeouts;

pub use clock::{Clock, SystemClock};
#[cfg(feature = "store")]
pub(crate) use failure::FailureHook;
#[cfg(feature = "store")]
pub use failure::OnStoreFailure;
pub use headers::Commit;
pub(crate) use headers::Vary;
pub use sessions::{Sessions, Stats};
#[cfg(feature = "store")]
pub(crate) use stored::{Server, Spawner, not_saved};
pub(crate) use timeouts::Timeouts;
