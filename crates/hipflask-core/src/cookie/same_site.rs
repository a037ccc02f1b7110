//! The `SameSite` attribute.

use std::fmt;
use std::str::FromStr;

use super::error::ParseSameSiteError;

/// The requests from other sites with which a browser sends the cookie.
///
/// It is parsed without regard to ASCII case and written as `Strict`, `Lax` or `None`, as in Flask.
///
/// ```
/// use hipflask_core::cookie::SameSite;
///
/// assert_eq!("lax".parse(), Ok(SameSite::Lax));
/// assert_eq!(SameSite::Lax.to_string(), "Lax");
/// ```
#[doc(alias = "SESSION_COOKIE_SAMESITE")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// None of them: a visitor who follows a link to the site arrives without the session.
    Strict,
    /// Only safe requests that navigate to the site: a link, but not a form that is posted.
    Lax,
    /// All of them. Browsers accept this only together with `Secure`.
    None,
}

impl SameSite {
    /// Returns the spelling in the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

impl fmt::Display for SameSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SameSite {
    type Err = ParseSameSiteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Strict, Self::Lax, Self::None]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(text))
            .ok_or(ParseSameSiteError)
    }
}
