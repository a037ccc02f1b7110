//! What a response gets from its session, as plain data for any framework.

use std::fmt;

/// What the response must carry. A front appends the cookie and merges the headers; nothing else is left to decide.
#[derive(Clone, Default, PartialEq, Eq)]
#[must_use = "the response has to carry it"]
#[non_exhaustive]
pub struct Commit {
    /// A whole `Set-Cookie` value, to be **appended**: other cookies of the response stay.
    pub set_cookie: Option<String>,
    /// Whether `Vary` must name `Cookie`; see [`merged_vary`](Self::merged_vary).
    pub vary_cookie: bool,
    /// Whether `Cache-Control: no-store` must be set.
    pub no_store: bool,
}

/// Without the cookie's value, with which anybody is logged in.
impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit")
            .field("set_cookie", &self.set_cookie.as_deref().map(Hidden))
            .field("vary_cookie", &self.vary_cookie)
            .field("no_store", &self.no_store)
            .finish()
    }
}

/// A `Set-Cookie` line of which only the name and the attributes are shown.
struct Hidden<'c>(&'c str);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, rest) = self.0.split_once('=').unwrap_or(("", self.0));
        let attributes = rest.split_once(';').map_or("", |(_, attributes)| attributes);
        write!(f, "{name}=..;{attributes}")
    }
}

/// What becomes of the `Vary` lines of a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Vary {
    /// They name `Cookie`.
    Leave,
    /// This takes the place of all of them.
    Set(String),
    /// One of them is no text, so `Cookie` comes as another line beside them.
    Append,
}

impl Vary {
    /// `existing` has `None` for a line that is no text.
    pub(crate) fn with_cookie<'h>(existing: impl IntoIterator<Item = Option<&'h str>>) -> Self {
        match existing.into_iter().collect::<Option<Vec<_>>>().map(Commit::merged_vary) {
            Some(Some(merged)) => Self::Set(merged),
            Some(None) => Self::Leave,
            None => Self::Append,
        }
    }
}

impl Commit {
    /// Whether the response stays as it is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.set_cookie.is_none() && !self.vary_cookie && !self.no_store
    }

    /// The `Vary` value that takes the place of the `existing` lines, or `None` if they can stay.
    ///
    /// As Werkzeug's header set does it: `Cookie` at the end, unless it is there in any case; `*` is kept.
    ///
    /// ```
    /// use hipflask::Commit;
    /// assert_eq!(Commit::merged_vary(["Accept"]).as_deref(), Some("Accept, Cookie"));
    /// assert_eq!(Commit::merged_vary(["accept, cookie"]), None);
    /// assert_eq!(Commit::merged_vary([]).as_deref(), Some("Cookie"));
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
