//! The items of the table.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use hipflask_core::time::UnixTime;

use crate::store::{Key, Stored};

pub(super) fn text(key: &Key) -> AttributeValue {
    AttributeValue::S(key.as_str().to_owned())
}

pub(super) fn binary(data: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(data))
}

pub(super) fn number(time: UnixTime) -> AttributeValue {
    AttributeValue::N(time.as_secs().to_string())
}

/// Returns the record in an item; `None` if it is not a readable one.
pub(super) fn stored(item: &HashMap<String, AttributeValue>) -> Option<Stored> {
    let data = item.get("val")?.as_b().ok()?.clone().into_inner();
    let expires = match item.get("expiration") {
        None => None,
        Some(expiration) => Some(first_second_after(expiration.as_n().ok()?)?),
    };
    Some(Stored::new(data, expires))
}

/// Returns the first whole second at which a record with this expiry has expired. Flask-Session writes
/// `1700003600.000001907348632812`.
fn first_second_after(number: &str) -> Option<UnixTime> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if let Ok(whole) = whole.parse::<u64>()
        && fraction.bytes().all(|digit| digit.is_ascii_digit())
    {
        let has_fraction = fraction.bytes().any(|digit| digit != b'0');
        return Some(UnixTime::from_secs(whole.saturating_add(u64::from(has_fraction))));
    }
    let number: f64 = number.parse().ok()?;
    // The cast saturates.
    Some(UnixTime::from_secs(number.ceil() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractional_expiration_rounds_up() {
        let seconds = |number| first_second_after(number).map(UnixTime::as_secs);
        assert_eq!(seconds("1700003600"), Some(1_700_003_600));
        assert_eq!(seconds("1700003600.000001907348632812"), Some(1_700_003_601));
        assert_eq!(seconds("1700003600.000"), Some(1_700_003_600));
        assert_eq!(seconds("1.7E9"), Some(1_700_000_000));
        assert_eq!(seconds("-1"), Some(0));
        assert_eq!(seconds("never"), None);
    }
}
