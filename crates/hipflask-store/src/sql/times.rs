//! How a DATETIME column is written and read: as text, so that the three databases differ in nothing.

use hipflask_core::time::{DateTime, UnixTime};

/// `2026-12-21 10:20:07.000000` in UTC, as SQLAlchemy writes it to SQLite; every database reads it whatever its date style.
/// A time after the year 9999 is the last second of it.
pub(super) fn to_text(time: UnixTime) -> String {
    let time = time.min(UnixTime::from_secs(LAST_SECOND));
    // The clamp leaves only years that it can hold.
    let iso = DateTime::from_unix_time(time).map_or_else(String::new, |time| time.to_string());
    match (iso.get(..10), iso.get(11..19)) {
        (Some(day), Some(second)) => format!("{day} {second}.000000"),
        _ => String::new(),
    }
}

/// The first whole second at which a record with this expiry has ended; `None` for what is no date, such as PostgreSQL's
/// `infinity`.
///
/// Flask-Session writes microseconds and we count whole seconds: rounding up makes `expires <= now` say here what
/// `expiry <= now` says in the database.
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
    fn a_time_is_written_as_sqlalchemy_writes_it_and_read_back() {
        let time = UnixTime::from_secs(1_797_848_407);
        assert_eq!(to_text(time), "2026-12-21 10:20:07.000000");
        assert_eq!(from_text("2026-12-21 10:20:07.000000"), Some(time));
    }

    #[test]
    fn a_fraction_of_a_second_counts_as_the_second_it_ends_in() {
        let next = UnixTime::from_secs(1_797_848_408);
        assert_eq!(from_text("2026-12-21 10:20:07.459353"), Some(next));
        assert_eq!(from_text("2026-12-21 10:20:07"), Some(UnixTime::from_secs(1_797_848_407)));
    }

    #[test]
    fn odd_times_have_an_answer_too() {
        assert_eq!(to_text(UnixTime::from_secs(u64::MAX)), "9999-12-31 23:59:59.000000");
        assert_eq!(from_text("1969-12-31 23:59:59.000000"), Some(UnixTime::from_secs(0)));
        assert_eq!(from_text("infinity"), None);
        assert_eq!(from_text(""), None);
    }
}
