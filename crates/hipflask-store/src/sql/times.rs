//! Reads and writes DATETIME columns, as text, so that the databases behave alike.

use hipflask_core::time::{DateTime, UnixTime};

/// Formats a time as `2026-12-21 10:20:07.000000` in UTC, as SQLAlchemy does for SQLite; every
/// database reads it whatever its date style. A time after the year 9999 becomes its last second.
pub(super) fn to_text(time: UnixTime) -> String {
    let time = time.min(UnixTime::from_secs(LAST_SECOND));
    // Always succeeds after `min`.
    let iso = DateTime::from_unix_time(time).map_or_else(String::new, |time| time.to_string());
    match (iso.get(..10), iso.get(11..19)) {
        (Some(day), Some(second)) => format!("{day} {second}.000000"),
        _ => String::new(),
    }
}

/// Returns the first whole second at which a record with this expiry has expired; `None` if the
/// text is not a date, such as PostgreSQL's `infinity`.
///
/// Flask-Session writes microseconds and Hipflask counts whole seconds. Because of the rounding up,
/// `expires <= now` here equals `expiry <= now` in the database.
pub(super) fn from_text(text: &str) -> Option<UnixTime> {
    let micros = DateTime::parse_iso(&format!("{text}+00:00"))?.unix_micros();
    let micros = u64::try_from(micros).unwrap_or(0);
    Some(UnixTime::from_secs(micros.div_ceil(1_000_000)))
}

const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_as_by_sqlalchemy() {
        let time = UnixTime::from_secs(1_797_848_407);
        assert_eq!(to_text(time), "2026-12-21 10:20:07.000000");
        assert_eq!(from_text("2026-12-21 10:20:07.000000"), Some(time));
    }

    #[test]
    fn fraction_of_a_second_rounds_up() {
        let next = UnixTime::from_secs(1_797_848_408);
        assert_eq!(from_text("2026-12-21 10:20:07.459353"), Some(next));
        assert_eq!(from_text("2026-12-21 10:20:07"), Some(UnixTime::from_secs(1_797_848_407)));
    }

    #[test]
    fn extreme_times_are_clamped() {
        assert_eq!(to_text(UnixTime::from_secs(u64::MAX)), "9999-12-31 23:59:59.000000");
        assert_eq!(from_text("1969-12-31 23:59:59.000000"), Some(UnixTime::from_secs(0)));
        assert_eq!(from_text("infinity"), None);
        assert_eq!(from_text(""), None);
    }
}
