//! The documents of the collection.

use hipflask_core::time::UnixTime;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document};

use crate::store::Stored;

/// Subtype 0, as pymongo writes Python's `bytes`.
pub(super) fn binary(data: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: data.to_vec() }
}

pub(super) fn date(time: UnixTime) -> DateTime {
    let seconds = time.as_secs().min(LAST_SECOND);
    DateTime::from_millis(i64::try_from(seconds * 1000).unwrap_or(i64::MAX))
}

/// Returns the record in a document; `None` if it is not a readable one.
pub(super) fn stored(mut document: Document) -> Option<Stored> {
    let Some(Bson::Binary(Binary { bytes, .. })) = document.remove("val") else { return None };
    let expires = match document.get("expiration") {
        None | Some(Bson::Null) => None,
        // Flask-Session writes milliseconds and Hipflask counts whole seconds: rounding up gives
        // both the same last second.
        Some(Bson::DateTime(at)) => {
            let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
            Some(UnixTime::from_secs(millis.div_ceil(1000)))
        }
        Some(_) => return None,
    };
    Some(Stored::new(bytes, expires))
}

/// The last second of the year 9999, which is also the last one of Python's dates.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    #[test]
    fn milliseconds_round_up_to_seconds() {
        let at = |millis| {
            let document = doc! { "val": binary(b"x"), "expiration": DateTime::from_millis(millis) };
            stored(document).unwrap().expires.map(UnixTime::as_secs)
        };
        assert_eq!(at(1_700_000_000_000), Some(1_700_000_000));
        assert_eq!(at(1_700_000_000_001), Some(1_700_000_001));
        assert_eq!(at(-1), Some(0));
        assert_eq!(stored(doc! { "val": binary(b"x") }).unwrap().expires, None);
        assert_eq!(stored(doc! { "val": "text" }), None);
        assert_eq!(date(UnixTime::from_secs(u64::MAX)).timestamp_millis(), 253_402_300_799_000);
    }
}
