//! The settings of logins: Flask-Login's `SESSION_PROTECTION` and `REMEMBER_COOKIE_*`.

use std::time::Duration;

use hipflask_core::cookie::{CookieConfig, CookieConfigBuilder};

/// The reaction to a session whose client has another address or `User-Agent` than the one that
/// logged in: Flask-Login's `SESSION_PROTECTION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "SESSION_PROTECTION")]
#[non_exhaustive]
pub enum Protection {
    /// None.
    Off,
    /// The login is no longer fresh.
    #[default]
    Basic,
    /// The login ends. A permanent session is treated as with [`Basic`](Self::Basic), as in
    /// Flask-Login; Flask-Session makes sessions permanent unless told otherwise.
    Strong,
}

#[derive(Debug, Clone)]
pub(crate) struct LoginSettings {
    pub(crate) protection: Protection,
    pub(crate) cookie: CookieConfigBuilder,
    /// The lifetime of the remember cookie.
    pub(crate) duration: Duration,
    pub(crate) refresh_each_request: bool,
    /// `true` if the page to return to is in the session, not in the URL of the login page.
    pub(crate) next_in_session: bool,
}

impl Default for LoginSettings {
    fn default() -> Self {
        Self {
            protection: Protection::default(),
            cookie: CookieConfig::builder().name("remember_token"),
            duration: Duration::from_secs(365 * 24 * 60 * 60),
            refresh_each_request: false,
            next_in_session: false,
        }
    }
}
