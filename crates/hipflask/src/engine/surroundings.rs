//! Settings for what is built on sessions: keys, proxies, forms and logins.

use std::time::Duration;

use hipflask_core::signing::KeyRing;

#[cfg(feature = "csrf")]
use super::csrf::CsrfSettings;
#[cfg(feature = "login")]
use super::login::LoginSettings;
use super::proxies::Proxies;

#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// The secret keys, if there are any. Sessions in a store need none.
    #[cfg_attr(not(feature = "login"), allow(dead_code, reason = "forms and logins sign with them"))]
    pub(crate) keys: Option<KeyRing>,
    /// The accepted difference to the clock of another server.
    #[cfg_attr(not(feature = "csrf"), allow(dead_code, reason = "form tokens have a time"))]
    pub(crate) leeway: Duration,
    pub(crate) proxies: Proxies,
    #[cfg(feature = "csrf")]
    pub(crate) csrf: CsrfSettings,
    #[cfg(feature = "login")]
    pub(crate) login: LoginSettings,
}
