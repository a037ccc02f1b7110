//! The configuration of the session cookie, checked when it is built.

use super::error::{CookieConfigError, CookieTooLarge};
use super::rules::{check_domain, check_name, check_path, check_prefix};
use super::same_site::SameSite;
use super::write::{Attributes, Template, quote_value};
use crate::time::UnixTime;

/// The attributes of the session cookie.
///
/// The default is Flask's: the name `session`, `HttpOnly`, `Path=/`, a limit of 4093 octets, and no
/// `Domain`, `Secure`, `SameSite` or `Partitioned`. The attributes have Werkzeug's order. The
/// constant part is rendered once, when it is built.
///
/// ```
/// use hipflask_core::cookie::{CookieConfig, SameSite};
/// use hipflask_core::time::UnixTime;
///
/// let cookie = CookieConfig::builder().secure(true).same_site(SameSite::Lax).build()?;
/// assert_eq!(cookie.set("eyJ9.x.y", None), "session=eyJ9.x.y; Secure; HttpOnly; Path=/; SameSite=Lax");
/// assert_eq!(
///     cookie.set("eyJ9.x.y", Some(UnixTime::from_secs(1_700_000_000))),
///     "session=eyJ9.x.y; Expires=Tue, 14 Nov 2023 22:13:20 GMT; Secure; HttpOnly; Path=/; SameSite=Lax"
/// );
///
/// // What a browser would drop in silence fails here.
/// let refused = CookieConfig::builder().same_site(SameSite::None).build();
/// assert!(refused.unwrap_err().to_string().contains("secure(true)"));
/// # Ok::<(), hipflask_core::cookie::CookieConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieConfig {
    name: String,
    domain: Option<String>,
    path: String,
    secure: bool,
    http_only: bool,
    same_site: Option<SameSite>,
    partitioned: bool,
    max_size: usize,
    template: Template,
}

impl CookieConfig {
    /// Creates a builder with Flask's defaults.
    pub fn builder() -> CookieConfigBuilder {
        CookieConfigBuilder::default()
    }

    /// Returns the value of the `Set-Cookie` header that sets the cookie to `value`.
    ///
    /// `expires` is written as `Expires`, never as `Max-Age`. With `None` the cookie ends with the
    /// browser session. A time after the year 9999 is written as its last second. A value that
    /// contains more than ASCII letters, digits and ``!#$%&'()*+-./:<=>?@[]^_`{|}~`` is quoted,
    /// with octal escapes; a session cookie never needs that.
    ///
    /// The result is that of Flask's `response.set_cookie`, but 0x1A to 0x1F are escaped like the
    /// other control characters.
    #[must_use]
    pub fn set(&self, value: &str, expires: Option<UnixTime>) -> String {
        self.template.set(value, expires)
    }

    /// Returns the value of the `Set-Cookie` header that removes the cookie.
    ///
    /// It repeats every attribute, because browsers look for the same name, domain, path and
    /// partition, and accept a prefixed name only with the attributes that its prefix promises. The
    /// result is that of Flask's `response.delete_cookie`.
    #[doc(alias = "delete_cookie")]
    #[must_use]
    pub fn removal(&self) -> String {
        self.template.removal()
    }

    /// Checks that `header`, which [`set`](Self::set) made from `value`, is not longer than
    /// [`max_size`](Self::max_size).
    ///
    /// # Errors
    ///
    /// [`CookieTooLarge`] if it has more octets. A `max_size` of 0 accepts every length. Flask
    /// warns with the same text and sends the header anyway; here the caller decides.
    pub fn check_size(&self, value: &str, header: &str) -> Result<(), CookieTooLarge> {
        if self.max_size == 0 || header.len() <= self.max_size {
            return Ok(());
        }
        Err(CookieTooLarge {
            name: self.name.clone(),
            value_size: quote_value(value).len(),
            size: header.len(),
            limit: self.max_size,
        })
    }

    /// Returns the greatest length of a value whose header is not longer than
    /// [`max_size`](Self::max_size), without `Expires`.
    #[must_use]
    pub fn max_value_len(&self) -> usize {
        match self.max_size {
            0 => usize::MAX,
            limit => limit.saturating_sub(self.set("", None).len()),
        }
    }

    /// Returns the cookie's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the `Domain` attribute as written: without port and leading dots.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// Returns the `Path` attribute as written: percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns `true` if `Secure` is written, because of [`secure`](CookieConfigBuilder::secure) or
    /// [`partitioned`](CookieConfigBuilder::partitioned).
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Returns `true` if `HttpOnly` is written.
    #[must_use]
    pub const fn is_http_only(&self) -> bool {
        self.http_only
    }

    /// Returns the `SameSite` attribute.
    #[must_use]
    pub const fn same_site(&self) -> Option<SameSite> {
        self.same_site
    }

    /// Returns `true` if `Partitioned` is written.
    #[must_use]
    pub const fn is_partitioned(&self) -> bool {
        self.partitioned
    }

    /// Returns the most octets that a whole header value may have; 0 means any number.
    #[must_use]
    pub const fn max_size(&self) -> usize {
        self.max_size
    }
}

impl Default for CookieConfig {
    fn default() -> Self {
        Self::builder().build().expect("Flask's defaults break no rule")
    }
}

/// A builder of a [`CookieConfig`], with Flask's defaults.
#[derive(Debug, Clone)]
#[must_use = "nothing is checked before `build`"]
pub struct CookieConfigBuilder {
    name: String,
    domain: Option<String>,
    path: String,
    secure: bool,
    http_only: bool,
    same_site: Option<SameSite>,
    partitioned: bool,
    max_size: usize,
}

impl Default for CookieConfigBuilder {
    fn default() -> Self {
        Self {
            name: "session".into(),
            domain: None,
            path: "/".into(),
            secure: false,
            http_only: true,
            same_site: None,
            partitioned: false,
            max_size: 4093,
        }
    }
}

impl CookieConfigBuilder {
    /// Sets the cookie's name: an RFC 6265 token of at most 1024 octets.
    ///
    /// The prefixes `__Host-`, `__Secure-`, `__Http-` and `__Host-Http-` (in any case, as in
    /// browsers) require the attributes that they promise.
    #[doc(alias = "SESSION_COOKIE_NAME")]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the domain whose hosts get the cookie. With `None` only the host that set it gets it.
    ///
    /// It is a host name in ASCII. A `:` and everything after it are removed, and so are leading
    /// dots. Case is preserved.
    #[doc(alias = "SESSION_COOKIE_DOMAIN")]
    pub fn domain<'a>(mut self, domain: impl Into<Option<&'a str>>) -> Self {
        self.domain = domain.into().map(str::to_owned);
        self
    }

    /// Sets the path under which the cookie is sent, beginning with a slash.
    ///
    /// It is percent-encoded when written, except letters, digits and ``%!$&'()*+,-./:=@_~``.
    /// Encoded characters stay as they are.
    #[doc(alias = "SESSION_COOKIE_PATH")]
    #[doc(alias = "APPLICATION_ROOT")]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Restricts the cookie to https.
    #[doc(alias = "SESSION_COOKIE_SECURE")]
    pub const fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Hides the cookie from scripts on the page.
    #[doc(alias = "SESSION_COOKIE_HTTPONLY")]
    pub const fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Sets which requests from other sites carry the cookie. `None` leaves it to the browser,
    /// while [`SameSite::None`] writes `SameSite=None`.
    #[doc(alias = "SESSION_COOKIE_SAMESITE")]
    pub fn same_site(mut self, same_site: impl Into<Option<SameSite>>) -> Self {
        self.same_site = same_site.into();
        self
    }

    /// Gives an embedded page a separate cookie for each embedding site. Also writes `Secure`, as
    /// Flask does.
    #[doc(alias = "SESSION_COOKIE_PARTITIONED")]
    pub const fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Sets the most octets of a whole header value that [`CookieConfig::check_size`] accepts; 0
    /// turns the check off.
    #[doc(alias = "MAX_COOKIE_SIZE")]
    pub const fn max_size(mut self, octets: usize) -> Self {
        self.max_size = octets;
        self
    }

    /// Checks everything and renders the constant part.
    ///
    /// # Errors
    ///
    /// [`CookieConfigError`] if a browser would drop or misread the cookie. Each error says what to
    /// do.
    pub fn build(self) -> Result<CookieConfig, CookieConfigError> {
        let secure = self.secure || self.partitioned;
        check_name(&self.name)?;
        let domain = self.domain.as_deref().map(check_domain).transpose()?;
        let path = check_path(&self.path)?;
        let attributes = Attributes {
            domain,
            path: &path,
            secure,
            http_only: self.http_only,
            same_site: self.same_site,
            partitioned: self.partitioned,
        };
        check_prefix(&self.name, &attributes)?;
        if self.same_site == Some(SameSite::None) && !secure {
            return Err(CookieConfigError::SameSiteNoneWithoutSecure);
        }
        Ok(CookieConfig {
            template: Template::new(&self.name, &attributes),
            domain: domain.map(str::to_owned),
            path: path.into_owned(),
            name: self.name,
            secure,
            http_only: self.http_only,
            same_site: self.same_site,
            partitioned: self.partitioned,
            max_size: self.max_size,
        })
    }
}
