//! Dates as calendar fields.

use hipflask_core::time::DateTime;
use jiff::civil;

const MICROS: i64 = 1_000_000;
const EPOCH: civil::DateTime = civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// A local date and time, with its offset from UTC if known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) local: civil::DateTime,
    pub(super) offset: Option<i32>,
}

impl Fields {
    pub(super) fn of(date: DateTime) -> Self {
        let offset = date.offset_seconds();
        let local = date.unix_micros() + i64::from(offset) * MICROS;
        // The local time of a DateTime is always within the years 1 to 9999.
        let local = EPOCH.checked_add(jiff::SignedDuration::from_micros(local)).unwrap_or(EPOCH);
        Self { local, offset: Some(offset) }
    }

    /// Returns the date, if it has an offset.
    pub(super) fn aware(self) -> Option<DateTime> {
        let offset = self.offset?;
        let local = i64::try_from(self.local.duration_since(EPOCH).as_micros()).ok()?;
        DateTime::from_unix_micros(local - i64::from(offset) * MICROS)?.with_offset(offset)
    }

    /// Returns the ten bytes of Python's pickles.
    pub(super) fn to_bytes(self) -> [u8; 10] {
        let (date, time) = (self.local.date(), self.local.time());
        let [_, _, year_high, year_low] = i32::from(date.year()).to_be_bytes();
        let [_, micro_high, micro_mid, micro_low] = (time.subsec_nanosecond() / 1000).to_be_bytes();
        [
            year_high,
            year_low,
            date.month() as u8,
            date.day() as u8,
            time.hour() as u8,
            time.minute() as u8,
            time.second() as u8,
            micro_high,
            micro_mid,
            micro_low,
        ]
    }

    /// Reads the ten bytes of Python's pickles, without the flag of a repeated hour. Returns `None`
    /// if they are not a date.
    pub(super) fn from_bytes(bytes: [u8; 10], offset: Option<i32>) -> Option<Self> {
        let [high, low, month, day, hour, minute, second, micros @ ..] = bytes;
        let date = civil_date([high, low, month & 0x7F, day])?;
        let time = civil_time([hour, minute, second, micros[0], micros[1], micros[2]])?;
        Some(Self { local: date.to_datetime(time), offset })
    }

    /// Formats it in ISO 8601 as msgspec does.
    pub(super) fn iso(self) -> String {
        format!("{}T{}{}", iso_date(self.local.date()), iso_time(self.local.time()), iso_offset(self.offset))
    }
}

pub(super) fn civil_date([high, low, month, day]: [u8; 4]) -> Option<civil::Date> {
    let year = i16::from_be_bytes([high, low]);
    let date = civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    (1..=9999).contains(&year).then_some(date)
}

pub(super) fn civil_time([hour, minute, second, high, mid, low]: [u8; 6]) -> Option<civil::Time> {
    let micros = i32::from_be_bytes([0, high, mid, low]);
    let part = |byte| i8::try_from(byte).ok();
    // Python has no leap seconds.
    let second = part(second).filter(|second| *second < 60)?;
    civil::Time::new(part(hour & 0x7F)?, part(minute)?, second, micros.checked_mul(1000)?).ok()
}

pub(super) fn iso_date(date: civil::Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

pub(super) fn iso_time(time: civil::Time) -> String {
    let micros = match time.subsec_nanosecond() / 1000 {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    };
    format!("{:02}:{:02}:{:02}{micros}", time.hour(), time.minute(), time.second())
}

pub(super) fn iso_offset(offset: Option<i32>) -> String {
    match offset.map(|seconds| seconds / 60) {
        None => String::new(),
        Some(0) => "Z".into(),
        Some(minutes) => {
            let sign = if minutes < 0 { '-' } else { '+' };
            let minutes = minutes.unsigned_abs();
            format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        }
    }
}
