//! Converts records to another format.

use core::fmt;

use hipflask_core::value::{Kind, Text, Value};

use super::{EncodeError, Format, Record, RecordError};

/// A record in another format.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Converted {
    /// Its bytes. They are unchanged if it is in that format already.
    pub data: Vec<u8>,
    /// The values that change their types.
    pub changed: Vec<Change>,
}

/// Shows the size, never the data.
impl fmt::Debug for Converted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Converted").field("bytes", &self.data.len()).field("changed", &self.changed).finish()
    }
}

/// A value that changes its type in another format. Has the key, never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The key of the value in the session.
    pub key: Text,
    /// The old kind, which is that of the first part that changes; [`Kind::Other`] for a type of
    /// Python alone.
    pub from: Kind,
    /// The new kind.
    pub to: Kind,
}

/// `cart (tuple to list)`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from =
            if self.from == Kind::Other { "a type of Python".to_owned() } else { self.from.to_string() };
        write!(f, "{:?} ({from} to {})", self.key, self.to)
    }
}

/// A record cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The record is unreadable.
    #[error(transparent)]
    Unreadable(#[from] RecordError),
    /// The other format does not support one of its values.
    #[error(transparent)]
    CannotHold(#[from] EncodeError),
}

impl Format {
    /// Converts a record of any format to this one.
    ///
    /// A tuple that becomes a list does not count as a change in flash messages, because Flask reads both.
    ///
    /// ```
    /// use hipflask_core::value::{Dict, Kind, Value};
    /// use hipflask_store::record::Format;
    /// let pickle = Format::Pickle.write(&Dict::from([("point", Value::Tuple(vec![1.into(), 2.into()]))]))?;
    /// let msgpack = Format::Msgpack.convert(&pickle)?;
    /// assert_eq!(msgpack.data, b"\x81\xa5point\x92\x01\x02");
    /// assert_eq!((msgpack.changed[0].from, msgpack.changed[0].to), (Kind::Tuple, Kind::List));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConvertError::Unreadable`] if the record is unreadable, [`ConvertError::CannotHold`] if
    /// this format does not support a value.
    pub fn convert(self, data: &[u8]) -> Result<Converted, ConvertError> {
        let record = Self::read(data)?;
        if Self::of(data) == self {
            return Ok(Converted { data: data.to_vec(), changed: Vec::new() });
        }
        let data = self.write(&record.dict)?;
        let changed = changes(&record, &Self::read(&data)?);
        Ok(Converted { data, changed })
    }
}

/// Returns the values with other types in `after`.
fn changes(before: &Record, after: &Record) -> Vec<Change> {
    let nothing = Value::None;
    let entries = before.dict.iter();
    entries
        .filter_map(|(key, was)| {
            let is = after.dict.get(key).unwrap_or(&nothing);
            let (from, to) = match difference(was, is, *key == *FLASHES) {
                Some(kinds) => kinds,
                None if before.opaque.differs(&after.opaque, key) => (Kind::Other, is.kind()),
                None => return None,
            };
            Some(Change { key: key.clone(), from, to })
        })
        .collect()
}

/// The kinds of the first parts that are not alike.
fn difference(was: &Value, is: &Value, tuples_are_lists: bool) -> Option<(Kind, Kind)> {
    match (was, is) {
        (Value::List(was), Value::List(is)) | (Value::Tuple(was), Value::Tuple(is))
            if was.len() == is.len() =>
        {
            was.iter().zip(is).find_map(|(was, is)| difference(was, is, tuples_are_lists))
        }
        (Value::Tuple(was), Value::List(is)) if tuples_are_lists && was.len() == is.len() => {
            was.iter().zip(is).find_map(|(was, is)| difference(was, is, true))
        }
        (Value::Dict(was), Value::Dict(is)) if was.len() == is.len() => was.iter().find_map(|(key, was)| {
            let missing = Some((was.kind(), Kind::None));
            is.get(key).map_or(missing, |is| difference(was, is, tuples_are_lists))
        }),
        (was, is) if was == is => None,
        (was, is) => Some((was.kind(), is.kind())),
    }
}

/// Where Flask keeps what it flashes: `(category, message)`.
const FLASHES: &str = "_flashes";

#[cfg(test)]
mod tests {
    use hipflask_core::time::{DateTime, UnixTime};
    use hipflask_core::value::Dict;

    use super::super::Problem;
    use super::*;

    fn pickle(entries: &[(&str, Value)]) -> Vec<u8> {
        let dict: Dict = entries.iter().map(|(key, value)| (*key, value.clone())).collect();
        Format::Pickle.write(&dict).unwrap()
    }

    fn kinds(converted: &Converted) -> Vec<(&str, Kind, Kind)> {
        let change = |change: &'_ Change| (change.from, change.to);
        let keys = converted.changed.iter().map(|change| change.key.as_str().unwrap_or_default());
        keys.zip(converted.changed.iter().map(change)).map(|(key, (from, to))| (key, from, to)).collect()
    }

    #[test]
    fn record_in_the_right_format_keeps_its_bytes() {
        // A set, which no value can hold, and a spelling that we would not choose.
        let set = b"\x80\x04}(X\x01\x00\x00\x00a\x8f(K\x01\x90u.";
        for (format, data) in [
            (Format::Pickle, &set[..]),
            (Format::Msgpack, b"\xde\x00\x01\xa1a\xd1\x00\x01"),
            (Format::Json, b"{ \"a\" : 1 }"),
        ] {
            let converted = format.convert(data).unwrap();
            assert_eq!((&*converted.data, &*converted.changed), (data, &[][..]));
        }
    }

    #[test]
    fn common_values_survive_every_format() {
        let values = [
            ("_permanent", Value::Bool(true)),
            ("user", Value::from("Zoë")),
            ("n", Value::from(-7)),
            ("f", Value::Float(1.5)),
            ("none", Value::None),
            ("list", Value::List(vec![Value::Dict(Dict::from([("deep", 1)]))])),
        ];
        let first = pickle(&values);
        let mut data = first.clone();
        for format in [Format::Msgpack, Format::Json, Format::Pickle] {
            let converted = format.convert(&data).unwrap();
            assert_eq!(kinds(&converted), [], "{format}");
            data = converted.data;
        }
        assert_eq!(data, first);
    }

    #[test]
    fn changed_type_is_reported_with_both_kinds() {
        let date = Value::DateTime(DateTime::from_unix_time(UnixTime::from_secs(0)).unwrap());
        let pair = Value::Tuple(vec![Value::from("message"), Value::from("hello")]);
        let data = pickle(&[
            ("pair", Value::List(vec![pair.clone()])),
            ("date", date),
            ("bytes", Value::Bytes(vec![0xff])),
            ("nan", Value::Float(f64::NAN)),
            ("plain", Value::from(1)),
            ("_flashes", Value::List(vec![pair])),
        ]);
        let msgpack = Format::Msgpack.convert(&data).unwrap();
        assert_eq!(kinds(&msgpack), [("pair", Kind::Tuple, Kind::List)]);
        let json = Format::Json.convert(&data).unwrap();
        let expected = [
            ("pair", Kind::Tuple, Kind::List),
            ("date", Kind::DateTime, Kind::Str),
            ("bytes", Kind::Bytes, Kind::Str),
            ("nan", Kind::Float, Kind::None),
        ];
        assert_eq!(kinds(&json), expected);
    }

    #[test]
    fn lost_python_type_is_a_change() {
        let set = b"\x80\x04}(X\x01\x00\x00\x00a\x8f(K\x01\x90u.";
        assert_eq!(kinds(&Format::Msgpack.convert(set).unwrap()), [("a", Kind::Other, Kind::List)]);
        // A dict with a number for a key.
        let number = b"\x81\x01\xa1x";
        assert_eq!(kinds(&Format::Pickle.convert(number).unwrap()), [("1", Kind::Other, Kind::Str)]);
    }

    #[test]
    fn unsupported_value_and_garbage_are_errors() {
        let markup = pickle(&[("bio", Value::Markup("<b>".into()))]);
        match Format::Msgpack.convert(&markup) {
            Err(ConvertError::CannotHold(error)) => {
                assert_eq!((error.problem, error.key), (Problem::Markup, "bio".into()));
            }
            other => panic!("{other:?}"),
        }
        for garbage in [&b""[..], b"\xc0", b"garbage", b"cos\nsystem\n(S'true'\ntR."] {
            assert!(
                matches!(Format::Msgpack.convert(garbage), Err(ConvertError::Unreadable(_))),
                "{garbage:?}"
            );
        }
    }
}
