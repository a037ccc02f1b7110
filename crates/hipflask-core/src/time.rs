//! Time: whole seconds for signatures, aware datetimes for values, and the date format of HTTP in
//! both directions.
//!
//! Nothing here reads a clock. The caller passes the current time.

use core::fmt;
use core::time::Duration;

use jiff::{SignedDuration, civil};

use crate::steps;

const MICROS: i64 = 1_000_000;
const EPOCH: civil::DateTime = civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970-01-01T00:00:00Z without fractions, as itsdangerous signs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// Creates the time `secs` seconds after the epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    /// Returns the seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// Returns the time `duration` later. Stops at the greatest representable time instead of
    /// wrapping.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// Formats this second as HTTP does: `Tue, 14 Nov 2023 22:13:20 GMT`.
    ///
    /// A time after the year 9999 is written as the last second of 9999, because the format has
    /// four digits.
    ///
    /// ```
    /// use hipflask_core::time::UnixTime;
    /// assert_eq!(UnixTime::from_secs(1_700_000_000).to_http_date(), "Tue, 14 Nov 2023 22:13:20 GMT");
    /// ```
    #[must_use]
    pub fn to_http_date(self) -> String {
        let mut out = String::with_capacity(29);
        write_http_date(&mut out, i64::try_from(self.0).unwrap_or(i64::MAX));
        out
    }
}

/// A point in time with the UTC offset in which it was written: Python's aware `datetime`.
///
/// It has microseconds since the epoch in the years 1 to 9999, and an offset of less than a day.
/// Two values are equal only if their offsets are equal. A session cookie stores whole seconds in
/// UTC; a server-side record stores microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    micros: i64,
    offset: i32,
}

impl DateTime {
    /// Creates the UTC time `micros` microseconds after the epoch. Returns `None` outside the years
    /// 1 to 9999.
    #[must_use]
    pub fn from_unix_micros(micros: i64) -> Option<Self> {
        Self::new(micros, 0)
    }

    /// Creates the UTC time of a whole second. Returns `None` after the year 9999.
    #[must_use]
    pub fn from_unix_time(time: UnixTime) -> Option<Self> {
        Self::new(i64::try_from(time.as_secs()).ok()?.checked_mul(MICROS)?, 0)
    }

    /// Returns the same instant with an offset of `offset` seconds east of UTC. Returns `None` if
    /// the offset is a day or more, or if the local year is outside 1 to 9999.
    #[must_use]
    pub fn with_offset(self, offset: i32) -> Option<Self> {
        Self::new(self.micros, offset)
    }

    fn new(micros: i64, offset: i32) -> Option<Self> {
        const DAY: i32 = 86_400;
        let local = micros.checked_add(i64::from(offset) * MICROS)?;
        let year = civil_at(local.div_euclid(MICROS))?.year();
        (offset.abs() < DAY && (1..=9999).contains(&year)).then_some(Self { micros, offset })
    }

    fn from_civil(local: civil::DateTime, offset: i32) -> Option<Self> {
        let local = i64::try_from(local.duration_since(EPOCH).as_micros()).ok()?;
        Self::new(local.checked_sub(i64::from(offset) * MICROS)?, offset)
    }

    /// Returns the microseconds since the epoch, which are negative before 1970.
    #[must_use]
    pub const fn unix_micros(self) -> i64 {
        self.micros
    }

    /// Returns the offset in seconds east of UTC.
    #[must_use]
    pub const fn offset_seconds(self) -> i32 {
        self.offset
    }

    /// Parses a date as Werkzeug's `parse_date` does: every form of RFC 2822, and the older ones of
    /// HTTP. A date without a zone is in UTC. A year below 100 is between 1969 and 2068. The
    /// weekday is not checked.
    ///
    /// ```
    /// use hipflask_core::time::DateTime;
    /// let date = DateTime::parse_http_date("Tue, 14 Nov 2023 22:13:20 GMT").unwrap();
    /// assert_eq!(date.unix_micros(), 1_700_000_000_000_000);
    /// assert_eq!(DateTime::parse_http_date("tomorrow"), None);
    /// ```
    #[must_use]
    pub fn parse_http_date(text: &str) -> Option<Self> {
        parse_fixdate(text.as_bytes()).or_else(|| parse_rfc2822(text))
    }

    /// Parses ISO 8601 with an offset, the form that [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse_iso(text: &str) -> Option<Self> {
        steps::count(text.len());
        let split = text.len().checked_sub(6)?;
        let (local, zone) = (text.get(..split)?, text.get(split..)?);
        let (sign, hours, minutes) = (zone.get(..1)?, zone.get(1..3)?, zone.get(4..6)?);
        let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
        let offset = if sign == "-" { -seconds } else { seconds };
        Self::from_civil(local.parse().ok()?, offset)
    }

    /// Appends the date as a session cookie stores it: in GMT, without microseconds.
    pub fn write_http_date(self, out: &mut String) {
        write_http_date(out, self.micros.div_euclid(MICROS));
    }
}

/// Writes ISO 8601 with the offset, and with microseconds unless they are zero:
/// `2024-01-02T03:04:05+00:00`.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.micros + i64::from(self.offset) * MICROS;
        let Some(at) = civil_at(local.div_euclid(MICROS)) else {
            return Err(fmt::Error);
        };
        let date = at.date();
        write!(f, "{:04}-{:02}-{:02}T", date.year(), date.month(), date.day())?;
        write!(f, "{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())?;
        match local.rem_euclid(MICROS) {
            0 => {}
            micros => write!(f, ".{micros:06}")?,
        }
        let (sign, offset) = (if self.offset < 0 { '-' } else { '+' }, self.offset.unsigned_abs());
        write!(f, "{sign}{:02}:{:02}", offset / 3600, offset / 60 % 60)
    }
}

impl fmt::Debug for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DateTime({self})")
    }
}

/// Appends `Tue, 14 Nov 2023 22:13:20 GMT` for a second since the epoch. Years outside 1 to 9999
/// are clamped.
pub(crate) fn write_http_date(out: &mut String, unix_secs: i64) {
    const FIRST: i64 = -62_135_596_800;
    const LAST: i64 = 253_402_300_799;
    let Some(at) = civil_at(unix_secs.clamp(FIRST, LAST)) else {
        return;
    };
    let (weekday, month) = (at.weekday().to_monday_zero_offset(), at.month() - 1);
    out.push_str(WEEKDAYS[weekday.unsigned_abs() as usize % 7]);
    out.push_str(", ");
    push_two(out, at.day());
    out.push(' ');
    out.push_str(MONTHS[month.unsigned_abs() as usize % 12]);
    out.push(' ');
    push_two(out, (at.year() / 100) as i8);
    push_two(out, (at.year() % 100) as i8);
    for (before, part) in [(' ', at.hour()), (':', at.minute()), (':', at.second())] {
        out.push(before);
        push_two(out, part);
    }
    out.push_str(" GMT");
}

fn push_two(out: &mut String, number: i8) {
    out.push(char::from(b'0' + number.unsigned_abs() / 10));
    out.push(char::from(b'0' + number.unsigned_abs() % 10));
}

fn civil_at(unix_secs: i64) -> Option<civil::DateTime> {
    EPOCH.checked_add(SignedDuration::from_secs(unix_secs)).ok()
}

/// Parses the one form that Flask writes, with the right weekday. Allocates nothing.
pub(crate) fn parse_fixdate(text: &[u8]) -> Option<DateTime> {
    let text: &[u8; 29] = text.try_into().ok()?;
    let number = |from: usize, to: usize| {
        text[from..to]
            .iter()
            .try_fold(0i16, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i16::from(digit - b'0')))
    };
    let separators = [(3, b','), (4, b' '), (7, b' '), (11, b' '), (16, b' '), (19, b':'), (22, b':')];
    if !text.ends_with(b" GMT") || separators.iter().any(|&(at, byte)| text[at] != byte) {
        return None;
    }
    let month = MONTHS.iter().position(|name| name.as_bytes() == &text[8..11])?;
    let year = number(12, 16).filter(|&year| year >= 100)?;
    let date = civil::Date::new(year, month as i8 + 1, number(5, 7)? as i8).ok()?;
    let time =
        civil::Time::new(number(17, 19)? as i8, number(20, 22)? as i8, number(23, 25)? as i8, 0).ok()?;
    let weekday = WEEKDAYS[date.weekday().to_monday_zero_offset().unsigned_abs() as usize % 7];
    let micros = i64::try_from(date.to_datetime(time).duration_since(EPOCH).as_micros()).ok()?;
    // // The year has four digits, so it is within the range of the type.
    (weekday.as_bytes() == &text[..3]).then_some(DateTime { micros, offset: 0 })
}

/// Parses a date as Python's `email.utils` does: parts in several orders, named zones, two-digit
/// years.
fn parse_rfc2822(text: &str) -> Option<DateTime> {
    steps::count(text.len());
    let fields = date_fields(text)?;
    let (day, month, year, time, zone) = sort_fields(fields)?;
    let (hour, minute, second) = clock(time)?;
    let (year, day) = (full_year(python_int(year)?), python_int(day)?);
    let small = |number: i64| i8::try_from(number).ok();
    let date = civil::Date::new(i16::try_from(year).ok()?, month, small(day)?).ok()?;
    let time = civil::Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
    DateTime::from_civil(date.to_datetime(time), zone_offset(zone)?)
}

/// The five parts of a date in the order of the text.
fn date_fields(text: &str) -> Option<[&str; 5]> {
    let mut parts: Vec<&str> = text.split_whitespace().collect();
    let first = *parts.first()?;
    if first.ends_with(',') || WEEKDAYS.iter().any(|day| day.eq_ignore_ascii_case(first)) {
        parts.remove(0);
    } else if let Some(comma) = first.rfind(',') {
        parts[0] = &first[comma + 1..];
    }
    if parts.len() == 3 {
        let dashed: Vec<&str> = parts[0].split('-').collect();
        if dashed.len() == 3 {
            parts.splice(0..1, dashed);
        }
    }
    if parts.len() == 4 {
        let last = parts[3];
        match last.find('+').or_else(|| last.find('-')) {
            Some(sign) if sign > 0 => {
                parts[3] = &last[..sign];
                parts.push(&last[sign..]);
            }
            _ => parts.push(""),
        }
    }
    parts.truncate(5);
    parts.try_into().ok()
}

/// Returns day, month, year, time and zone, in whichever of the accepted orders they were.
fn sort_fields([day, month, year, time, zone]: [&str; 5]) -> Option<(&str, i8, &str, &str, &str)> {
    if [day, month, year].iter().any(|part| part.is_empty()) {
        return None;
    }
    let (day, month) = match month_number(month) {
        Some(number) => (day, number),
        None => (month, month_number(day)?),
    };
    let day = day.strip_suffix(',').unwrap_or(day);
    let (year, time) = if year.find(':').is_some_and(|at| at > 0) { (time, year) } else { (year, time) };
    let year = year.strip_suffix(',').unwrap_or(year);
    let starts_with_digit = year.chars().next()?.is_numeric();
    let (year, zone) = if starts_with_digit { (year, zone) } else { (zone, year) };
    Some((day, month, year, time.strip_suffix(',').unwrap_or(time), zone))
}

fn month_number(name: &str) -> Option<i8> {
    const LONG: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let named = |month: &&str| month.eq_ignore_ascii_case(name);
    let at = MONTHS.iter().position(&named).or_else(|| LONG.iter().position(named))?;
    i8::try_from(at + 1).ok()
}

fn clock(time: &str) -> Option<(i64, i64, i64)> {
    let separator = if time.contains(':') { ':' } else { '.' };
    let parts: Vec<&str> = time.split(separator).collect();
    match parts[..] {
        [hour, minute] => Some((python_int(hour)?, python_int(minute)?, 0)),
        [hour, minute, second] => Some((python_int(hour)?, python_int(minute)?, python_int(second)?)),
        _ => None,
    }
}

fn full_year(year: i64) -> i64 {
    match year {
        69..=99 => year + 1900,
        ..=68 => year + 2000,
        _ => year,
    }
}

/// Returns the seconds east of UTC. A text that is not a zone means UTC.
fn zone_offset(zone: &str) -> Option<i32> {
    let zone = zone.to_uppercase();
    let number = match zone.as_str() {
        "UT" | "UTC" | "GMT" | "Z" => 0,
        "ADT" => -300,
        "AST" | "EDT" => -400,
        "EST" | "CDT" => -500,
        "CST" | "MDT" => -600,
        "MST" | "PDT" => -700,
        "PST" => -800,
        other => python_int(other).unwrap_or(0),
    };
    let (hours, minutes) = (number.abs() / 100, number.abs() % 100);
    let seconds = hours.checked_mul(3600)?.checked_add(minutes * 60)?;
    i32::try_from(seconds * number.signum()).ok()
}

/// Parses `int(text)` in its ASCII spellings: a sign, digits, single underscores between digits. A
/// number of more than 64 bits becomes the greatest one, which no date contains.
fn python_int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let well_formed =
        digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let number: i64 = well_formed.then(|| digits.replace('_', "").parse().unwrap_or(i64::MAX))?;
    Some(if text.starts_with('-') { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These values were printed by Werkzeug 3.1.9 `parse_date` on Python 3.11.7.
    #[test]
    fn dates_are_read_as_werkzeug_reads_them() {
        let cases = [
            ("Tue, 14 Nov 2023 22:13:20 GMT", Some((1_700_000_000, 0))),
            ("14 Nov 2023 22:13:20", Some((1_700_000_000, 0))),
            ("Wed, 14 Nov 2023 22:13:20 GMT", Some((1_700_000_000, 0))),
            ("Tue, 14-Nov-2023 22:13:20 GMT", Some((1_700_000_000, 0))),
            ("Tue Nov 14 22:13:20 2023", Some((1_700_000_000, 0))),
            ("Tue, 14 Nov 2023 22:13:20 +0530", Some((1_699_980_200, 19_800))),
            ("Tue, 14 Nov 2023 22:13:20 EST", Some((1_700_018_000, -18_000))),
            ("Tue, 14 Nov 23 22:13 GMT", Some((1_699_999_980, 0))),
            ("Sat, 01 Jan 0050 00:00:00 GMT", Some((2_524_608_000, 0))),
            ("Mon, 01 Jan 1900 00:00:00 GMT", Some((-2_208_988_800, 0))),
            ("Tue, 14 Nov 2023 25:13:20 GMT", None),
            ("Tue, 30 Feb 2023 22:13:20 GMT", None),
            ("nope", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let read = DateTime::parse_http_date(text);
            let read = read.map(|date| (date.unix_micros() / MICROS, date.offset_seconds()));
            assert_eq!(read, expected, "{text}");
        }
    }

    /// Python fails with an OverflowError, which Flask answers with a 500.
    #[test]
    fn impossible_numbers_in_a_date_make_it_none() {
        for number in ["9999", "99999999999", "9223372036854775807", "99999999999999999999"] {
            for text in [
                format!("Tue, 14 Nov 2023 22:13:20 +{number}"),
                format!("Tue, 14 Nov 2023 22:13:20 -{number}"),
                format!("Tue, 14 Nov 2023 22:13:{number} GMT"),
                format!("Tue, 14 Nov 2023 {number}:13:20 GMT"),
                format!("Tue, {number} Nov 2023 22:13:20 GMT"),
                format!("Tue, 14 Nov {number}1 22:13:20 GMT"),
            ] {
                assert_eq!(DateTime::parse_http_date(&text), None, "{text}");
            }
        }
    }

    #[test]
    fn microseconds_before_1970_are_rounded_down() {
        let date = DateTime::from_unix_micros(-2_208_988_800_000_000 + 999_999).unwrap();
        let mut out = String::new();
        date.write_http_date(&mut out);
        assert_eq!(out, "Mon, 01 Jan 1900 00:00:00 GMT");
    }

    #[test]
    fn iso_text_is_read_back() {
        for text in
            ["2024-01-02T03:04:05.000006+05:30", "0001-01-01T00:00:00+00:00", "1969-12-31T23:59:59-08:00"]
        {
            assert_eq!(DateTime::parse_iso(text).map(|date| date.to_string()).as_deref(), Some(text));
        }
        assert_eq!(DateTime::parse_iso("2024"), None);
        assert_eq!(DateTime::parse_iso("é2024-01-02T03:04:05+00:00"), None);
    }

    #[test]
    fn times_after_the_year_9999_stop_there() {
        assert_eq!(UnixTime::from_secs(u64::MAX).to_http_date(), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(DateTime::from_unix_micros(i64::MAX), None);
    }
}
