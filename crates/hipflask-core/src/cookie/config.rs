//! How the session cookie is written, checked where it is built.

use super::error::{CookieConfigError, CookieTooLarge};
use super::rules::{check_domain, check_name, check_path, check_prefix};
use super::same_site::SameSite;
use super::write::{Attributes, Template, quote_value};
use crate::time::UnixTime;

/// How the session cookie is written.
///
/// The default is Flask's: named `session`, `HttpOnly`, `Path=/`, a limit of 4093 octets, and none of `Domain`, `Secure`,
/// `SameSite` and `Partitioned`. Attributes come in Werkzeug's order. What never changes is rendered once, when it is built.
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
    /// A builder that holds Flask's defaults.
    pub fn builder() -> CookieConfigBuilder {
        CookieConfigBuilder::default()
    }

    /// The value of the `Set-Cookie` header that hands out `value`.
    ///
    /// `expires` is written as `Expires`, never as `Max-Age`, and `None` makes a cookie that ends with the browser; a time
    /// behind the year 9999 is written as its last second. A value that holds more than ASCII letters, digits and
    /// ``!#$%&'()*+-./:<=>?@[]^_`{|}~`` is quoted, with octal escapes; a session cookie never needs it.
    ///
    /// Same as Flask's `response.set_cookie`, but that 0x1A to 0x1F are escaped like the other control characters.
    #[must_use]
    pub fn set(&self, value: &str, expires: Option<UnixTime>) -> String {
        self.template.set(value, expires)
    }

    /// The value of the `Set-Cookie` header that makes the browser forget the cookie.
    ///
    /// It repeats every attribute, because browsers look for the same name, domain, path and partition, and accept a
    /// prefixed name only with what its prefix promises. Same as Flask's `response.delete_cookie`.
    #[doc(alias = "delete_cookie")]
    #[must_use]
    pub fn removal(&self) -> String {
        self.template.removal()
    }

    /// Checks that `header`, made by [`set`](Self::set) from `value`, is not longer than [`max_size`](Self::max_size).
    ///
    /// # Errors
    ///
    /// [`CookieTooLarge`] if it has more octets; exactly `max_size` passes, and a `max_size` of 0 lets everything pass.
    /// Flask warns with the same text and sends the header all the same; what to do is for the caller to say.
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

    /// The greatest length of a value whose header is not longer than [`max_size`](Self::max_size), without `Expires`.
    #[must_use]
    pub fn max_value_len(&self) -> usize {
        match self.max_size {
            0 => usize::MAX,
            limit => limit.saturating_sub(self.set("", None).len()),
        }
    }

    /// The cookie's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `Domain` attribute as written: without port and leading dots.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// The `Path` attribute as written: percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether `Secure` is written. Also true if only [`partitioned`](CookieConfigBuilder::partitioned) was asked for.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether `HttpOnly` is written.
    #[must_use]
    pub const fn is_http_only(&self) -> bool {
        self.http_only
    }

    /// The `SameSite` attribute.
    #[must_use]
    pub const fn same_site(&self) -> Option<SameSite> {
        self.same_site
    }

    /// Whether `Partitioned` is written.
    #[must_use]
    pub const fn is_partitioned(&self) -> bool {
        self.partitioned
    }

    /// The most octets that a whole header value may have; 0 if there is no limit.
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

/// Builds a [`CookieConfig`], starting from Flask's defaults.
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
    /// The cookie's name: an RFC 6265 token of at most 1024 octets.
    ///
    /// The prefixes `__Host-`, `__Secure-`, `__Http-` and `__Host-Http-` (in any case, as browsers see them) demand what
    /// they promise.
    #[doc(alias = "SESSION_COOKIE_NAME")]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The domain whose hosts get the cookie, or `None` for only the host that set it.
    ///
    /// A host name in ASCII; `:` and what follows is cut off, leading dots are dropped and case is kept.
    #[doc(alias = "SESSION_COOKIE_DOMAIN")]
    pub fn domain<'a>(mut self, domain: impl Into<Option<&'a str>>) -> Self {
        self.domain = domain.into().map(str::to_owned);
        self
    }

    /// The path under which the cookie is sent, beginning with a slash.
    ///
    /// Percent-encoded when written, but for letters, digits and ``%!$&'()*+,-./:=@_~``; what is encoded already stays.
    #[doc(alias = "SESSION_COOKIE_PATH")]
    #[doc(alias = "APPLICATION_ROOT")]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Whether browsers send the cookie over https only.
    #[doc(alias = "SESSION_COOKIE_SECURE")]
    pub const fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Whether scripts on the page cannot see the cookie.
    #[doc(alias = "SESSION_COOKIE_HTTPONLY")]
    pub const fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Which requests from other sites carry the cookie; `None` leaves it to the browser, while
    /// [`SameSite::None`] writes `SameSite=None`.
    #[doc(alias = "SESSION_COOKIE_SAMESITE")]
    pub fn same_site(mut self, same_site: impl Into<Option<SameSite>>) -> Self {
        self.same_site = same_site.into();
        self
    }

    /// Whether an embedded page gets a cookie of its own for each embedding site. Writes `Secure` too, as Flask does.
    #[doc(alias = "SESSION_COOKIE_PARTITIONED")]
    pub const fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// The most octets that [`CookieConfig::check_size`] lets a whole header value have; 0 turns the check off.
    #[doc(alias = "MAX_COOKIE_SIZE")]
    pub const fn max_size(mut self, octets: usize) -> Self {
        self.max_size = octets;
        self
    }

    /// Checks everything and renders what never changes.
    ///
    /// # Errors
    ///
    /// A [`CookieConfigError`] if a browser would drop or misread the cookie. Each says what to do.
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
