//! The headers that a response gets from its session, as plain data for any framework.

use std::fmt;

/// The headers that a session adds to its response. A front appends the cookie and merges the others.
#[derive(Clone, Default, PartialEq, Eq)]
#[must_use = "add these headers to the response"]
#[non_exhaustive]
pub struct SessionHeaders {
    /// A complete `Set-Cookie` value. **Append** it, because the response may set other cookies.
    pub set_cookie: Option<String>,
    /// `true` if `Vary` must name `Cookie`; see [`merged_vary`](Self::merged_vary).
    pub vary_cookie: bool,
    /// `true` if `Cache-Control: no-store` must be set.
    pub no_store: bool,
}

/// Hides the cookie's value, which is all that a login needs.
impl fmt::Debug for SessionHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHeaders")
            .field("set_cookie", &self.set_cookie.as_deref().map(Hidden))
            .field("vary_cookie", &self.vary_cookie)
            .field("no_store", &self.no_store)
            .finish()
    }
}

/// A `Set-Cookie` line that shows only its name and attributes.
struct Hidden<'c>(&'c str);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, rest) = self.0.split_once('=').unwrap_or(("", self.0));
        let attributes = rest.split_once(';').map_or("", |(_, attributes)| attributes);
        write!(f, "{name}=..;{attributes}")
    }
}

/// The change that a response's `Vary` lines need.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Vary {
    /// None: they name `Cookie` already.
    Leave,
    /// Replace all of them by this line.
    Set(String),
    /// Add a line with `Cookie`, because one of them is not text.
    Append,
}

impl Vary {
    /// Decides for the `existing` lines, which are `None` if not text.
    pub(crate) fn with_cookie<'h>(existing: impl IntoIterator<Item = Option<&'h str>>) -> Self {
        match existing.into_iter().collect::<Option<Vec<_>>>().map(SessionHeaders::merged_vary) {
            Some(Some(merged)) => Self::Set(merged),
            Some(None) => Self::Leave,
            None => Self::Append,
        }
    }
}

impl SessionHeaders {
    /// Returns `true` if the session adds no header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.set_cookie.is_none() && !self.vary_cookie && !self.no_store
    }

    /// The `Vary` value to replace the `existing` lines by, or `None` if they can stay.
    ///
    /// As in Werkzeug, `Cookie` goes at the end unless a line names it in any case; `*` is kept.
    ///
    /// ```
    /// use hipflask::SessionHeaders;
    /// assert_eq!(SessionHeaders::merged_vary(["Accept"]).as_deref(), Some("Accept, Cookie"));
    /// assert_eq!(SessionHeaders::merged_vary(["accept, cookie"]), None);
    /// assert_eq!(SessionHeaders::merged_vary([]).as_deref(), Some("Cookie"));
    /// ```
    #[must_use]
    pub fn merged_vary<'h>(existing: impl IntoIterator<Item = &'h str>) -> Option<String> {
        let mut names = String::new();
        let found = existing.into_iter().flat_map(|line| line.split(',')).map(str::trim);
        for name in found.filter(|name| !name.is_empty()) {
            if name.eq_ignore_ascii_case("cookie") {
                return None;
            }
            names.push_str(name);
            names.push_str(", ");
        }
        names.push_str("Cookie");
        Some(names)
    }
}
