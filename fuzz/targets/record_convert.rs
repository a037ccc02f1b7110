//! Takes any bytes as a record: its content is the same in every format that can hold it.
#![no_main]

use hipflask_core::value::Value;
use hipflask_store::record::{Format, OpaqueValues, Record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(record) = hipflask_fuzz::read(data) else { return };
    // Without the values that only one format can represent.
    let plain = Record { dict: record.dict.clone(), opaque: OpaqueValues::default() };
    if let Some(pickle) = hipflask_fuzz::write(Format::Pickle, &plain, data.len()) {
        let again = Format::read(&pickle).expect("it was written here");
        assert_eq!(again.dict, record.dict, "a pickle holds everything");
        assert!(again.opaque.is_empty());
    }
    let msgpack = hipflask_fuzz::write(Format::Msgpack, &plain, data.len());
    let json = hipflask_fuzz::write(Format::Json, &plain, data.len());
    if let (Some(msgpack), Some(json)) = (msgpack, json)
        && record.dict.values().all(is_in_utc)
    {
        let from_msgpack = hipflask_fuzz::convert(Format::Json, &msgpack).expect("JSON can hold it").data;
        assert_eq!(from_msgpack, json, "directly, or by way of MessagePack");
    }
    for format in [Format::Msgpack, Format::Json, Format::Pickle] {
        let _ = hipflask_fuzz::convert(format, data);
    }
});

/// Returns `true` if all dates in it are in UTC, as MessagePack stores them.
fn is_in_utc(value: &Value) -> bool {
    match value {
        Value::DateTime(date) => date.offset_seconds() == 0,
        Value::List(items) | Value::Tuple(items) => items.iter().all(is_in_utc),
        Value::Dict(dict) => dict.values().all(is_in_utc),
        _ => true,
    }
}
