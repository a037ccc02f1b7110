//! The engine: its settings, and what every kind of session needs. Independent of web frameworks.

mod clock;
#[cfg(feature = "csrf")]
mod csrf;
mod headers;
#[cfg(feature = "login")]
mod login;
#[cfg(feature = "store")]
mod operate;
mod permanent;
mod proxies;
mod sessions;
#[cfg_attr(not(feature = "store"), path = "no_store.rs")]
mod stored;
mod surroundings;
mod timeouts;

pub use clock::{Clock, SystemClock};
#[cfg(feature = "csrf")]
pub(crate) use csrf::CsrfSettings;
pub use headers::SessionHeaders;
pub(crate) use headers::Vary;
#[cfg(feature = "login")]
pub(crate) use login::LoginSettings;
#[cfg(feature = "login")]
pub use login::Protection;
pub(crate) use proxies::Proxies;
pub(crate) use sessions::Kind;
pub use sessions::{Sessions, Stats};
#[cfg(feature = "store")]
pub use stored::OnStoreFailure;
pub(crate) use stored::Stored;
#[cfg(feature = "store")]
pub(crate) use stored::{FailureHook, Spawner};
pub(crate) use surroundings::Surroundings;
pub(crate) use timeouts::Timeouts;
