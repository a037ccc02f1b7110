//! Times and durations in words.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use hipflask_core::time::{DateTime, UnixTime};

/// The last second of the year 9999, the latest time in Python.
pub const LAST_SECOND: u64 = 253_402_300_799;

/// Returns a time as `2023-11-14 22:13:20 UTC`.
#[must_use]
pub fn date(at: UnixTime) -> String {
    let Some(date) = DateTime::from_unix_time(at) else { return "after the year 9999".to_owned() };
    date.to_string().replace('T', " ").replace("+00:00", " UTC")
}

/// Returns the distance between two times: `3 days ago`, `3 days ahead of the clock`.
#[must_use]
pub fn distance(at: UnixTime, now: UnixTime) -> String {
    match (now.as_secs().checked_sub(at.as_secs()), at.as_secs().checked_sub(now.as_secs())) {
        (Some(0), _) => "now".to_owned(),
        (Some(ago), _) => format!("{} ago", span(ago)),
        (None, ahead) => format!("{} ahead of the clock", span(ahead.unwrap_or(0))),
    }
}

/// Returns the time left until `at`: `in 3 days`, `never`.
#[must_use]
pub fn until(at: Option<UnixTime>, now: UnixTime) -> String {
    match at.map(|at| at.as_secs().saturating_sub(now.as_secs())) {
        None => "never".to_owned(),
        Some(0) => "now".to_owned(),
        Some(ahead) => format!("in {}", span(ahead)),
    }
}

/// Returns the two largest units of a number of seconds: `31 days`, `2 h 5 min`.
#[must_use]
pub fn span(secs: u64) -> String {
    let day = |n: u64| format!("{n} {}", if n == 1 { "day" } else { "days" });
    let (days, hours, minutes, seconds) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60, secs % 60);
    match (days, hours, minutes, seconds) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, 0) => format!("{m} min"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, 0, _) => format!("{h} h"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) if d > 3 || h == 0 => day(d),
        (d, h, ..) => format!("{} {h} h", day(d)),
    }
}

/// A duration as people type it, in seconds: `31d`, `12h`, `30m`, `90s`, or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub u64);

impl Span {
    /// Returns the duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = UNITS
            .iter()
            .find_map(|(letter, unit)| Some((text.strip_suffix(*letter)?, *unit)))
            .unwrap_or((text, 1));
        let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        seconds.map(Self).ok_or_else(|| "write `31d`, `12h`, `30m`, `90s` or a number of seconds".to_owned())
    }
}

/// Writes the largest unit that fits: `31d`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: u64| self.0 >= unit && self.0.is_multiple_of(unit);
        match UNITS.iter().find(|(_, unit)| fits(*unit)) {
            Some((letter, unit)) => write!(f, "{}{letter}", self.0 / unit),
            None => write!(f, "{}s", self.0),
        }
    }
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_same_form_in_every_option() {
        let seconds = |text: &str| text.parse::<Span>().map(|Span(seconds)| seconds);
        assert_eq!(seconds("31d"), Ok(2_678_400));
        assert_eq!(seconds("12h"), Ok(43_200));
        assert_eq!(seconds("30m"), Ok(1800));
        assert_eq!(seconds("90s"), seconds("90"));
        for bad in ["", "d", "-1d", "1.5h", "1 d", "1w", "99999999999999999999d", "18446744073709551615d"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        for text in ["31d", "25h", "90m", "61s", "0s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn durations_are_shown_in_at_most_two_units() {
        let table = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3600, "1 h"),
            (7500, "2 h 5 min"),
            (86_400, "1 day"),
            (90_000, "1 day 1 h"),
            (2_678_400, "31 days"),
        ];
        for (secs, words) in table {
            assert_eq!(span(secs), words);
        }
        assert!(span(u64::MAX).ends_with(" days"));
    }

    #[test]
    fn times_are_shown_with_their_distance() {
        let at = UnixTime::from_secs;
        assert_eq!(date(at(1_700_000_000)), "2023-11-14 22:13:20 UTC");
        assert_eq!(date(at(u64::MAX)), "after the year 9999");
        assert_eq!(distance(at(5), at(5)), "now");
        assert_eq!(distance(at(5), at(65)), "1 min ago");
        assert_eq!(distance(at(65), at(5)), "1 min ahead of the clock");
    }
}
