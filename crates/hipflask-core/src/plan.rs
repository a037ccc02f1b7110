//! What a response must do about its session, as plain data.

/// What a request has done to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "these are Flask's four flags")]
pub struct Seen {
    /// Nothing is in it.
    pub empty: bool,
    /// It was changed.
    pub modified: bool,
    /// It was looked at.
    pub accessed: bool,
    /// It outlives the browser.
    pub permanent: bool,
}

/// How strict the rules are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// The cookies and headers of Flask, so that both sides of a migration agree.
    #[default]
    Flask,
    /// For services that share nothing with Flask: what carries a cookie is not kept by any cache.
    Strict,
}

/// What the configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether a permanent session's cookie is sent anew with every response: Flask's `SESSION_REFRESH_EACH_REQUEST`.
    pub refresh_each_request: bool,
    /// Which rules hold.
    pub profile: Profile,
}

impl Default for Rules {
    fn default() -> Self {
        Self { refresh_each_request: true, profile: Profile::Flask }
    }
}

/// What is done with the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieOp {
    /// No `Set-Cookie`.
    Leave,
    /// `Set-Cookie` with the session.
    Set {
        /// With `Expires`: the session is permanent.
        expires: bool,
    },
    /// `Set-Cookie` that removes it.
    Remove,
}

/// What the response must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// What is done with the cookie.
    pub cookie: CookieOp,
    /// Whether `Cookie` is added to `Vary`.
    pub vary_cookie: bool,
    /// Whether `Cache-Control: no-store` is set.
    pub no_store: bool,
}

/// Decides what the response must do: Flask's `save_session`, without doing it.
///
/// ```
/// use hipflask_core::plan::{CookieOp, Rules, Seen, plan};
/// let cleared = Seen { empty: true, modified: true, accessed: true, permanent: false };
/// assert_eq!(plan(cleared, Rules::default()).cookie, CookieOp::Remove);
/// ```
#[must_use]
pub const fn plan(seen: Seen, rules: Rules) -> Plan {
    let cookie = match seen {
        Seen { empty: true, modified: true, .. } => CookieOp::Remove,
        Seen { empty: true, .. } => CookieOp::Leave,
        Seen { modified: true, permanent, .. } => CookieOp::Set { expires: permanent },
        Seen { permanent: true, .. } if rules.refresh_each_request => CookieOp::Set { expires: true },
        _ => CookieOp::Leave,
    };
    let sends = !matches!(cookie, CookieOp::Leave);
    Plan {
        cookie,
        vary_cookie: seen.accessed || sends,
        no_store: sends && matches!(rules.profile, Profile::Strict),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flask(text: &str) -> Plan {
        let has = |flag: char| text.contains(flag);
        let seen = Seen { empty: has('e'), modified: has('m'), accessed: has('a'), permanent: has('p') };
        plan(seen, Rules { refresh_each_request: has('r'), profile: Profile::Flask })
    }

    #[test]
    fn the_table_of_flask() {
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
    fn the_strict_profile_keeps_what_carries_a_cookie_out_of_caches() {
        let rules = Rules { profile: Profile::Strict, ..Rules::default() };
        let seen = Seen { empty: false, modified: true, accessed: true, permanent: false };
        assert!(plan(seen, rules).no_store);
        assert!(!plan(Seen { modified: false, ..seen }, rules).no_store);
    }
}
