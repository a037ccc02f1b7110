//! The engine: its settings, and what every kind of session needs. Independent of web frameworks.

mod clock;
mod headers;
#[cfg(feature = "store")]
mod operate;
mod permanent;
mod sessions;
#[cfg_attr(not(feature = "store"), path = "no_store.rs")]
mod stored;
mod timeouts;

pub use clock::{Clock, SystemClock};
pub use headers::SessionHeaders;
pub(crate) use headers::Vary;
pub(crate) use sessions::Kind;
pub use sessions::{Sessions, Stats};
#[cfg(feature = "store")]
pub use stored::OnStoreFailure;
pub(crate) use stored::Stored;
#[cfg(feature = "store")]
pub(crate) use stored::{FailureHook, Spawner};
pub(crate) use timeouts::Timeouts;
