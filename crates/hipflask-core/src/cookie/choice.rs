//! Choosing the session's cookie, if a request has several of the name.

use std::borrow::Cow;

use super::grammar::trim_blanks;
use super::values::octets;
use crate::plan::Profile;
use crate::steps;

/// The number of cookies of the session's name that the flask profile tries. A browser can have a
/// stale one next to the current one, but not more.
const FLASK_LIMIT: usize = 4;

/// The number of cookies of the session's name that the strict profile tries. A browser sends one
/// for each parent domain and each prefix of the path, so that a real request has far fewer.
const STRICT_LIMIT: usize = 64;

/// Returns the values of the cookies called `name` that can be the session, in order. Empty values
/// are skipped.
///
/// [`Profile::Flask`] reads the header as Werkzeug does and returns at most 4 values.
/// [`Profile::Strict`] splits every line at each `;` first, as RFC 6265 does, so that a quote in a
/// cookie of another host cannot swallow the next one. It returns at most 65 values: one more than
/// [`Choice`] accepts.
///
/// ```
/// use hipflask_core::cookie::candidates;
/// use hipflask_core::plan::Profile;
///
/// let sandwich: &[u8] = br#"a="; session=eyJ9; b=""#;
/// assert_eq!(candidates([sandwich], "session", Profile::Flask).count(), 0);
/// assert_eq!(candidates([sandwich], "session", Profile::Strict).collect::<Vec<_>>(), [&b"eyJ9"[..]]);
/// ```
pub fn candidates<'h>(
    lines: impl IntoIterator<Item = &'h [u8]>,
    name: &str,
    profile: Profile,
) -> impl Iterator<Item = Cow<'h, [u8]>> {
    let (flask, strict) = match profile {
        Profile::Flask => (Some(octets(lines, name)), None),
        Profile::Strict => (None, Some(split(lines, name))),
    };
    let flask = flask.into_iter().flatten().filter(|value| !value.is_empty()).take(FLASK_LIMIT);
    let strict = strict.into_iter().flatten().filter(|value| !value.is_empty()).take(STRICT_LIMIT + 1);
    flask.chain(strict.map(Cow::Borrowed))
}

/// Returns the values of `name` in lines that are split at each `;`. Quotes are ordinary octets.
fn split<'h>(lines: impl IntoIterator<Item = &'h [u8]>, name: &str) -> impl Iterator<Item = &'h [u8]> {
    let parts = lines.into_iter().flat_map(|line| line.split(|&octet| octet == b';'));
    let parts = parts.inspect(|part| steps::count(2 * part.len() + 1));
    parts.filter_map(move |part| {
        let (found, value) = part.split_at(memchr::memchr(b'=', part)?);
        (trim_blanks(found) == name.as_bytes()).then(|| trim_blanks(&value[1..]))
    })
}

/// A decision about the [`candidates`], which the caller verifies one by one.
///
/// [`Profile::Flask`] takes the first valid one. [`Profile::Strict`] checks all of them and refuses
/// two different valid ones, because a sibling subdomain can plant its own session, and the header
/// does not show which one it planted.
///
/// ```
/// use hipflask_core::cookie::{Ambiguous, Choice};
/// use hipflask_core::plan::Profile;
///
/// let mut choice = Choice::new(Profile::Strict);
/// for value in [b"good", b"bad ", b"good"] {
///     if choice.is_needed(value) && value == b"good" {
///         choice.accept(value, "the session");
///     }
/// }
/// assert_eq!(choice.finish(), Ok(Some("the session")));
///
/// let mut choice = Choice::new(Profile::Strict);
/// choice.accept(b"one", 1);
/// choice.accept(b"two", 2);
/// assert_eq!(choice.finish(), Err(Ambiguous::Different));
/// ```
#[derive(Debug)]
pub struct Choice<T> {
    profile: Profile,
    tried: usize,
    accepted: Option<(Vec<u8>, T)>,
    ambiguous: Option<Ambiguous>,
}

/// The reason why the strict profile accepts no cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ambiguous {
    /// Two different values are both valid.
    #[error("two different session cookies are both valid; another host of the domain may have set one")]
    Different,
    /// There are more than any browser sends.
    #[error("more than {STRICT_LIMIT} cookies have the session's name")]
    TooMany,
}

impl<T> Choice<T> {
    /// No candidate has been seen.
    #[must_use]
    pub const fn new(profile: Profile) -> Self {
        Self { profile, tried: 0, accepted: None, ambiguous: None }
    }

    /// Returns `true` if further candidates cannot change the decision.
    #[must_use]
    pub const fn is_decided(&self) -> bool {
        match self.profile {
            Profile::Flask => self.accepted.is_some(),
            Profile::Strict => self.ambiguous.is_some(),
        }
    }

    /// Returns `true` if the next candidate, `value`, has to be verified.
    #[must_use]
    pub fn is_needed(&mut self, value: &[u8]) -> bool {
        if self.profile == Profile::Flask {
            return self.accepted.is_none();
        }
        self.tried += 1;
        if self.tried > STRICT_LIMIT {
            self.ambiguous = Some(Ambiguous::TooMany);
        }
        self.ambiguous.is_none() && self.accepted.as_ref().is_none_or(|(accepted, _)| accepted != value)
    }

    /// Takes the session of a valid candidate.
    pub fn accept(&mut self, value: &[u8], session: T) {
        match self.accepted {
            None => {
                // Only the strict profile compares it with others.
                let value = if self.profile == Profile::Strict { value.to_vec() } else { Vec::new() };
                self.accepted = Some((value, session));
            }
            Some(_) => self.ambiguous = Some(Ambiguous::Different),
        }
    }

    /// Returns the session, or `None` if no candidate was valid.
    ///
    /// # Errors
    /// [`Ambiguous`] in the strict profile only.
    pub fn finish(self) -> Result<Option<T>, Ambiguous> {
        match self.ambiguous {
            Some(why) => Err(why),
            None => Ok(self.accepted.map(|(_, session)| session)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(lines: &[&str]) -> Vec<String> {
        let lines = lines.iter().map(|line| line.as_bytes());
        let values = candidates(lines, "session", Profile::Strict);
        values.map(|value| String::from_utf8_lossy(&value).into_owned()).collect()
    }

    #[test]
    fn strict_splits_the_header_before_reading_quotes() {
        for line in [
            r#"a="; session=eyJ9; b=""#,
            r#"a="x\"; session=eyJ9"#,
            "a=\"\t;session = eyJ9 ;",
            "session=;session=eyJ9",
            "=session=no; session=eyJ9; sessio=no; Session=no; session",
        ] {
            assert_eq!(strict(&[line]), ["eyJ9"], "{line}");
        }
        assert_eq!(strict(&["session=\"a", "b\"; session=c=d"]), ["\"a", "c=d"]);
    }

    #[test]
    fn both_profiles_limit_the_cookies_tried() {
        let line = "session=x; ".repeat(100_000);
        assert_eq!(candidates([line.as_bytes()], "session", Profile::Flask).count(), 4);
        assert_eq!(strict(&[&line]).len(), STRICT_LIMIT + 1);
    }

    fn chosen(profile: Profile, values: &[&str]) -> Result<Option<String>, Ambiguous> {
        let mut choice = Choice::new(profile);
        for value in values {
            if choice.is_needed(value.as_bytes()) && value.starts_with("good") {
                choice.accept(value.as_bytes(), (*value).to_owned());
            }
        }
        choice.finish()
    }

    #[test]
    fn flask_takes_the_first_valid_cookie() {
        assert_eq!(chosen(Profile::Flask, &["bad", "good 1", "good 2"]), Ok(Some("good 1".into())));
        assert_eq!(chosen(Profile::Flask, &["bad"]), Ok(None));
    }

    #[test]
    fn strict_refuses_two_different_valid_cookies() {
        assert_eq!(chosen(Profile::Strict, &["good 1", "bad", "good 2"]), Err(Ambiguous::Different));
        assert_eq!(chosen(Profile::Strict, &["good 1", "bad", "good 1"]), Ok(Some("good 1".into())));
        assert_eq!(chosen(Profile::Strict, &[]), Ok(None));
    }

    #[test]
    fn strict_finds_the_session_behind_many_bad_cookies() {
        let mut values = vec!["bad"; STRICT_LIMIT - 1];
        values.push("good");
        assert_eq!(chosen(Profile::Strict, &values), Ok(Some("good".into())));
        values.push("bad");
        assert_eq!(chosen(Profile::Strict, &values), Err(Ambiguous::TooMany));
    }
}
