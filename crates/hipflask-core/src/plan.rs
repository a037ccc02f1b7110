//! The decision about the cookie and the headers of a response, as plain data.

use core::fmt;
use core::time::Duration;

/// The state of the session at the end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "these are Flask's four flags")]
pub struct SessionFlags {
    /// The session is empty.
    pub empty: bool,
    /// The session was changed.
    pub modified: bool,
    /// The session was read or changed.
    pub accessed: bool,
    /// The session outlives the browser.
    pub permanent: bool,
}

/// The strictness of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// The cookies and headers of Flask, so that both sides of a migration agree.
    #[default]
    Flask,
    /// For services that share nothing with Flask: caches must not store responses with a session
    /// cookie.
    Strict,
}

/// The configured rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// `true` if a permanent session's cookie is sent with every response: Flask's
    /// `SESSION_REFRESH_EACH_REQUEST`.
    pub refresh_each_request: bool,
    /// The strictness.
    pub profile: Profile,
}

impl Default for Rules {
    fn default() -> Self {
        Self { refresh_each_request: true, profile: Profile::Flask }
    }
}

/// The change of the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieOp {
    /// Without `Set-Cookie`.
    Leave,
    /// `Set-Cookie` with the session.
    Set {
        /// `true` for a permanent session, whose cookie has `Expires`.
        expires: bool,
    },
    /// `Set-Cookie` that removes the cookie.
    Remove,
}

/// The changes to a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The change of the cookie.
    pub cookie: CookieOp,
    /// `true` if `Cookie` is added to `Vary`.
    pub vary_cookie: bool,
    /// `true` if `Cache-Control: no-store` is set.
    pub no_store: bool,
}

/// Decides the changes to a response, as Flask's `save_session` does, without making them.
///
/// ```
/// use hipflask_core::plan::{CookieOp, Rules, SessionFlags, plan};
/// let cleared = SessionFlags { empty: true, modified: true, accessed: true, permanent: false };
/// assert_eq!(plan(cleared, Rules::default()).cookie, CookieOp::Remove);
/// ```
#[must_use]
pub const fn plan(flags: SessionFlags, rules: Rules) -> Plan {
    let cookie = reason(flags, rules).cookie();
    let sends = !matches!(cookie, CookieOp::Leave);
    Plan {
        cookie,
        vary_cookie: flags.accessed || sends,
        no_store: sends && matches!(rules.profile, Profile::Strict),
    }
}

/// The reason why a `Set-Cookie` is sent or not: the rows of the table that [`plan`] follows. It
/// prints as a sentence.
///
/// ```
/// use hipflask_core::plan::{Rules, SessionFlags, reason};
/// let read = SessionFlags { empty: false, modified: false, accessed: true, permanent: false };
/// assert_eq!(
///     reason(read, Rules::default()).to_string(),
///     "The session was only read: no Set-Cookie, but Vary: Cookie."
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The session was not used.
    Untouched,
    /// The session was read and not changed.
    Read,
    /// The session was changed and is not empty.
    Changed {
        /// `true` if the session outlives the browser.
        permanent: bool,
    },
    /// The session was not changed but is permanent, so its cookie is sent with every response.
    Refreshed,
    /// The session was changed and is empty.
    Emptied,
}

/// Returns the [`Reason`] for a change of the cookie.
#[must_use]
pub const fn reason(flags: SessionFlags, rules: Rules) -> Reason {
    match flags {
        SessionFlags { empty: true, modified: true, .. } => Reason::Emptied,
        SessionFlags { empty: false, modified: true, permanent, .. } => Reason::Changed { permanent },
        SessionFlags { empty: false, permanent: true, .. } if rules.refresh_each_request => Reason::Refreshed,
        SessionFlags { accessed: true, .. } => Reason::Read,
        _ => Reason::Untouched,
    }
}

impl Reason {
    /// Returns the change of the cookie.
    #[must_use]
    pub const fn cookie(self) -> CookieOp {
        match self {
            Self::Untouched | Self::Read => CookieOp::Leave,
            Self::Changed { permanent } => CookieOp::Set { expires: permanent },
            Self::Refreshed => CookieOp::Set { expires: true },
            Self::Emptied => CookieOp::Remove,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untouched => "Nobody looked at the session: no Set-Cookie and no Vary.",
            Self::Read => "The session was only read: no Set-Cookie, but Vary: Cookie.",
            Self::Changed { permanent: false } => {
                "The session was modified and is not empty: saved in a cookie that ends with the browser."
            }
            Self::Changed { permanent: true } => {
                "The session was modified and is not empty: saved. It is permanent, so the cookie has a date of expiry."
            }
            Self::Refreshed => {
                "The session was not modified, but it is permanent, and the cookie of such a session is refreshed with every \
                 response."
            }
            Self::Emptied => "The session was modified and nothing is left in it: its cookie is removed.",
        })
    }
}

/// Returns the interval after which the expiry of a session that is used and not changed is
/// extended: a twentieth of its lifetime, at least a minute, at most half of the lifetime.
#[must_use]
pub fn touch_interval(lifetime: Duration) -> Duration {
    (lifetime / 20).max(Duration::from_secs(60)).min(lifetime / 2)
}

/// Checks that a session can live until the next request, and unused not longer than in all.
///
/// Both lifetimes count whole seconds. `idle` is Flask's `PERMANENT_SESSION_LIFETIME`.
///
/// ```
/// use core::time::Duration;
/// use hipflask_core::plan::{LifetimeError, check_lifetimes};
///
/// assert_eq!(check_lifetimes(Duration::from_millis(999), None), Err(LifetimeError::Short));
/// let (idle, absolute) = (Duration::from_secs(2), Duration::from_secs(1));
/// assert_eq!(check_lifetimes(idle, Some(absolute)), Err(LifetimeError::AbsoluteBelowIdle));
/// ```
///
/// # Errors
/// [`LifetimeError`] says which rule is broken.
pub fn check_lifetimes(idle: Duration, absolute: Option<Duration>) -> Result<(), LifetimeError> {
    if idle.as_secs() == 0 {
        return Err(LifetimeError::Short);
    }
    match absolute {
        Some(absolute) if absolute < idle => Err(LifetimeError::AbsoluteBelowIdle),
        _ => Ok(()),
    }
}

/// A lifetime with which sessions do not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LifetimeError {
    /// Sessions would expire before the next request.
    #[error("the lifetime is under a second, so every request would start with an empty session")]
    Short,
    /// Sessions would expire while they are used before they expire unused.
    #[error("the absolute lifetime is shorter than the lifetime of an unused session")]
    AbsoluteBelowIdle,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flask(text: &str) -> Plan {
        let has = |flag: char| text.contains(flag);
        let flags =
            SessionFlags { empty: has('e'), modified: has('m'), accessed: has('a'), permanent: has('p') };
        plan(flags, Rules { refresh_each_request: has('r'), profile: Profile::Flask })
    }

    #[test]
    fn plan_follows_the_table_of_flask() {
        let set = |expires| CookieOp::Set { expires };
        // e empty, m modified, a accessed, p permanent, r refresh each request: cookie, Vary
        let table = [
            ("", CookieOp::Leave, false),
            ("a", CookieOp::Leave, true),
            ("ae", CookieOp::Leave, true),
            ("e", CookieOp::Leave, false),
            ("em", CookieOp::Remove, true),
            ("aem", CookieOp::Remove, true),
            ("m", set(false), true),
            ("ampr", set(true), true),
            ("mp", set(true), true),
            ("p", CookieOp::Leave, false),
            ("pr", set(true), true),
            ("apr", set(true), true),
            ("ap", CookieOp::Leave, true),
            ("epr", CookieOp::Leave, false),
            ("r", CookieOp::Leave, false),
        ];
        for (flags, cookie, vary_cookie) in table {
            assert_eq!(flask(flags), Plan { cookie, vary_cookie, no_store: false }, "{flags}");
        }
    }

    #[test]
    fn reason_matches_the_plan() {
        for (letters, start) in [
            ("r", "Nobody looked"),
            ("ae", "The session was only read"),
            ("am", "The session was modified and is not empty: saved"),
            ("apr", "The session was not modified, but it is permanent"),
            ("ap", "The session was only read"),
            ("aem", "The session was modified and nothing is left"),
        ] {
            let has = |flag: char| letters.contains(flag);
            let flags =
                SessionFlags { empty: has('e'), modified: has('m'), accessed: has('a'), permanent: has('p') };
            let rules = Rules { refresh_each_request: has('r'), profile: Profile::Flask };
            let reason = reason(flags, rules);
            assert!(reason.to_string().starts_with(start), "{letters}: {reason}");
            assert_eq!(reason.cookie(), plan(flags, rules).cookie, "{letters}");
        }
    }

    #[test]
    fn strict_responses_with_cookies_are_not_cached() {
        let rules = Rules { profile: Profile::Strict, ..Rules::default() };
        let flags = SessionFlags { empty: false, modified: true, accessed: true, permanent: false };
        assert!(plan(flags, rules).no_store);
        assert!(!plan(SessionFlags { modified: false, ..flags }, rules).no_store);
    }
}
