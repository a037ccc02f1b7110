//! Errors of a cookie's configuration and size.

use core::fmt;

/// A word that is not a [`SameSite`](super::SameSite) mode. The text is Flask's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("SameSite must be 'Strict', 'Lax', or 'None'.")]
pub struct ParseSameSiteError;

/// A part of a cookie whose text is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookiePart {
    /// The name.
    Name,
    /// The `Domain` attribute.
    Domain,
    /// The `Path` attribute.
    Path,
}

impl fmt::Display for CookiePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Domain => "Domain",
            Self::Path => "Path",
        })
    }
}

/// A requirement of the prefix of a cookie's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrefixRequirement {
    /// The attribute `Secure`.
    Secure,
    /// The attribute `HttpOnly`.
    HttpOnly,
    /// The attribute `Path=/`.
    RootPath,
    /// A cookie without the attribute `Domain`.
    NoDomain,
}

impl PrefixRequirement {
    /// Returns the builder call that meets the requirement.
    #[must_use]
    pub const fn fix(self) -> &'static str {
        match self {
            Self::Secure => "secure(true)",
            Self::HttpOnly => "http_only(true)",
            Self::RootPath => "path(\"/\")",
            Self::NoDomain => "domain(None)",
        }
    }
}

impl fmt::Display for PrefixRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secure => "Secure",
            Self::HttpOnly => "HttpOnly",
            Self::RootPath => "Path=/",
            Self::NoDomain => "no Domain",
        })
    }
}

/// The reason why a configuration was refused: browsers would drop the cookie, or it would be
/// written with another meaning.
///
/// Flask sends nearly all of these cookies, which then vanish in the browser without an error. (It
/// refuses two dots in a row and labels that are too long, with a 500 on the first save.)
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CookieConfigError {
    /// The name is empty.
    #[error("the cookie name is empty; give it one, such as \"session\"")]
    NameEmpty,
    /// The name is not a token of RFC 6265.
    #[error(
        "the cookie name {name:?} holds {found:?}, which a cookie name must not; \
         use ASCII letters, digits and any of !#$%&'*+-.^_`|~"
    )]
    NameNotToken {
        /// The name as given.
        name: String,
        /// Its first character that is not allowed.
        found: char,
    },
    /// The name's prefix promises attributes that the configuration does not have, so browsers
    /// refuse the cookie.
    #[error(
        "browsers refuse a cookie named {name:?}, because the prefix {prefix} needs {needs}; \
         call `{}`, or choose a name without the prefix",
        .needs.fix()
    )]
    Prefix {
        /// The name as given.
        name: String,
        /// The prefix in its usual spelling; browsers compare it without regard to case.
        prefix: &'static str,
        /// The requirement that is not met.
        needs: PrefixRequirement,
    },
    /// `SameSite=None` without `Secure`.
    #[error(
        "browsers drop a cookie with SameSite=None that is not Secure; \
         call `secure(true)`, or use SameSite::Lax"
    )]
    SameSiteNoneWithoutSecure,
    /// The name or an attribute is longer than browsers accept.
    #[error(
        "the cookie's {part} has {octets} octets as written, and browsers ignore more than {limit}; \
         choose a shorter one"
    )]
    TooLong {
        /// The part that is too long.
        part: CookiePart,
        /// Its length in the header.
        octets: usize,
        /// The greatest accepted length.
        limit: usize,
    },
    /// A control character (U+0000 to U+001F, U+007F) in the domain or the path.
    #[error(
        "the cookie's {part} {value:?} holds the control character {found:?}, \
         probably by mistake; remove it"
    )]
    ControlCharacter {
        /// The part with the control character.
        part: CookiePart,
        /// The value as given.
        value: String,
        /// The first such character.
        found: char,
    },
    /// The domain is empty without its port and leading dots.
    #[error(
        "the cookie domain {domain:?} names no host, and browsers would ignore it; \
         use `None` to keep the cookie to the host that set it"
    )]
    DomainEmpty {
        /// The domain as given.
        domain: String,
    },
    /// A label of the domain is not ASCII.
    #[error(
        "the label {label:?} of the cookie domain {domain:?} is not ASCII; \
         write it in its xn-- form, as DNS has it"
    )]
    DomainNotAscii {
        /// The domain as given.
        domain: String,
        /// The first such label.
        label: String,
    },
    /// Two dots in a row, or a dot at the end.
    #[error(
        "the cookie domain {domain:?} has an empty label (two dots in a row, or one at the end), \
         and browsers ignore such a domain; remove the dot"
    )]
    DomainLabelEmpty {
        /// The domain as given.
        domain: String,
    },
    /// A label of more than 63 octets, which DNS does not have.
    #[error(
        "the label {label:?} of the cookie domain {domain:?} has more than 63 octets, \
         so no host is called that; shorten it"
    )]
    DomainLabelTooLong {
        /// The domain as given.
        domain: String,
        /// The first such label.
        label: String,
    },
    /// The domain is not a host name.
    #[error(
        "the cookie domain {domain:?} holds {found:?}, which a host name must not; \
         give the bare name, such as \"example.com\", without scheme, path or wildcard"
    )]
    DomainNotHost {
        /// The domain as given.
        domain: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// The path does not begin with a slash.
    #[error(
        "browsers ignore the cookie path {path:?}, because it does not begin with a slash; \
         use \"/\" for the whole site, or a path such as \"/app\""
    )]
    PathNotAbsolute {
        /// The path as given.
        path: String,
    },
}

/// A `Set-Cookie` header that exceeds the configured limit. The text is Flask's warning, word for
/// word.
///
/// It contains sizes and the cookie's name, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "The '{name}' cookie is too large: the value was {value_size} bytes but the header required {} extra bytes. \
     The final size was {size} bytes but the limit is {limit} bytes. Browsers may silently ignore cookies larger than this.",
    .size.saturating_sub(*.value_size)
)]
pub struct CookieTooLarge {
    pub(super) name: String,
    pub(super) value_size: usize,
    pub(super) size: usize,
    pub(super) limit: usize,
}

impl CookieTooLarge {
    /// The cookie's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the octets of the value in the header, including quotes and escapes.
    #[must_use]
    pub const fn value_size(&self) -> usize {
        self.value_size
    }

    /// Returns the octets of the whole header value.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Returns the most octets that the configuration allows.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }
}
