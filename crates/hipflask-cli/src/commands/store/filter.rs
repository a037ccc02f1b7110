//! Selects sessions by their data and their expiry.

use std::str::FromStr;

use clap::Args;
use hipflask_core::tagged;
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Value};

use hipflask_explain::times::Span;

/// Conditions that all must match.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which sessions")]
pub(super) struct Filter {
    /// Only sessions with this value under this key, or with this key; if repeated, all conditions
    /// must match. `user_id=7` matches the number and the text, `user_id="7"` only the text
    #[arg(long = "where", value_name = "KEY[=VALUE]")]
    conditions: Vec<Condition>,
    /// Only sessions that expire before: `3d`, `12h`, `30m`, `90s` from now, or seconds since 1970
    #[arg(long, value_name = "WHEN")]
    expires_before: Option<When>,
    /// Only sessions that expire after, or never
    #[arg(long, value_name = "WHEN")]
    expires_after: Option<When>,
}

impl Filter {
    /// Returns `true` if every session matches.
    pub(super) const fn is_empty(&self) -> bool {
        self.conditions.is_empty() && self.expires_before.is_none() && self.expires_after.is_none()
    }

    /// Returns `true` if the data of sessions is needed.
    pub(super) const fn needs_data(&self) -> bool {
        !self.conditions.is_empty()
    }

    pub(super) fn matches_expiry(&self, expires: Option<UnixTime>, now: UnixTime) -> bool {
        let before = self.expires_before.is_none_or(|when| expires.is_some_and(|ends| ends < when.at(now)));
        let after = self.expires_after.is_none_or(|when| expires.is_none_or(|ends| ends > when.at(now)));
        before && after
    }

    pub(super) fn matches_data(&self, session: &Dict) -> bool {
        self.conditions.iter().all(|condition| condition.holds(session))
    }
}

/// A key, and the value that it must have.
#[derive(Debug, Clone)]
struct Condition {
    key: String,
    wanted: Option<String>,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, wanted) = match text.split_once('=') {
            Some((key, wanted)) => (key, Some(wanted.to_owned())),
            None => (text, None),
        };
        if key.is_empty() {
            return Err("write KEY=VALUE, or KEY alone".to_owned());
        }
        Ok(Self { key: key.to_owned(), wanted })
    }
}

impl Condition {
    fn holds(&self, session: &Dict) -> bool {
        let Some(value) = session.get(&*self.key) else { return false };
        self.wanted.as_ref().is_none_or(|wanted| matches(value, wanted))
    }
}

/// Returns `true` if `wanted` is the text or the JSON of `value`.
fn matches(value: &Value, wanted: &str) -> bool {
    value.as_str() == Some(wanted) || tagged::from_str(wanted).is_ok_and(|wanted| wanted == *value)
}

/// A time, counted from now or from 1970.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    FromNow(u64),
    Since1970(u64),
}

impl When {
    fn at(self, now: UnixTime) -> UnixTime {
        match self {
            Self::FromNow(seconds) => UnixTime::from_secs(now.as_secs().saturating_add(seconds)),
            Self::Since1970(seconds) => UnixTime::from_secs(seconds),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(seconds) = text.parse() {
            return Ok(Self::Since1970(seconds));
        }
        text.parse().map(|Span(seconds)| Self::FromNow(seconds)).map_err(|_| {
            "write `3d`, `12h`, `30m` or `90s`, counted from now, or seconds since 1970".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str) -> bool {
        let session: Dict = [
            ("n", Value::from(7)),
            ("s", Value::from("7")),
            ("t", Value::Bool(true)),
            ("none", Value::None),
            ("text", Value::from("a=b")),
            ("list", Value::List(vec![1.into()])),
        ]
        .into_iter()
        .collect();
        condition.parse::<Condition>().unwrap().holds(&session)
    }

    #[test]
    fn values_match_by_text_or_json() {
        for good in ["n=7", "s=7", "s=\"7\"", "t=true", "none=null", "text=a=b", "list=[1]", "n", "none"] {
            assert!(holds(good), "{good}");
        }
        for bad in ["n=8", "n=\"7\"", "t=True", "s=", "missing", "missing=null", "text=a"] {
            assert!(!holds(bad), "{bad}");
        }
        assert!("=7".parse::<Condition>().is_err() && "".parse::<Condition>().is_err());
    }

    #[test]
    fn times_with_a_unit_count_from_now() {
        let now = UnixTime::from_secs(1000);
        let at = |text: &str| text.parse::<When>().map(|when| when.at(now).as_secs());
        assert_eq!(at("2h"), Ok(8200));
        assert_eq!(at("1700000000"), Ok(1_700_000_000));
        assert_eq!(at("18446744073709551615s"), Ok(u64::MAX));
        for bad in ["", "d", "-1d", "1.5h", "tomorrow", "99999999999999999999d"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sessions_that_never_expire_are_after_everything() {
        let filter = |before: Option<&str>, after: Option<&str>| Filter {
            expires_before: before.map(|text| text.parse().unwrap()),
            expires_after: after.map(|text| text.parse().unwrap()),
            ..Filter::default()
        };
        let now = UnixTime::from_secs(0);
        let ends = |seconds| Some(UnixTime::from_secs(seconds));
        assert!(filter(Some("1m"), None).matches_expiry(ends(59), now));
        assert!(!filter(Some("1m"), None).matches_expiry(ends(60), now));
        assert!(!filter(Some("1m"), None).matches_expiry(None, now));
        assert!(filter(None, Some("1m")).matches_expiry(None, now));
        assert!(filter(Some("2m"), Some("1m")).matches_expiry(ends(90), now));
    }
}
