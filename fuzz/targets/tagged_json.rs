//! Takes any text as tagged JSON: all readers agree on it in linear time, and a value that is read
//! is written and read alike.
#![no_main]

use hipflask_core::session::SessionDict;
use hipflask_core::steps::assert_linear;
use hipflask_core::tagged::{self, KeyOrder};
use hipflask_core::value::Value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let length = text.len();
    let read = assert_linear("the reader", length, || tagged::from_slice(text));
    let Ok(text) = str::from_utf8(text) else {
        assert!(read.is_err());
        return;
    };
    let _ = assert_linear("the plain reader", length, || tagged::from_str_plain(text));
    // What is no plain object is read whole.
    let scanned = assert_linear("the scan", 2 * length, || SessionDict::from_json(text));
    match (&read, &scanned) {
        (Ok(Value::Dict(dict)), Ok(session)) => {
            assert_eq!(&assert_linear("all members", length, || session.to_dict()), dict);
            for key in session.keys() {
                let _ =
                    assert_linear("a type", 2 * length, || session.clone().get::<Vec<Option<String>>>(key));
            }
            assert!(session.keys().eq(dict.keys()), "the order of keys");
            let written = session.to_json(KeyOrder::Sorted).expect("what was read can be written");
            let whole = tagged::to_string(&Value::Dict(dict.clone())).expect("as above");
            assert_eq!(written, whole.as_bytes(), "copied as text, or written anew");
        }
        (Ok(Value::Dict(_)), Err(error)) => panic!("the scan refuses what the reader reads: {error}"),
        (Err(error), Ok(_)) => panic!("the scan takes what the reader refuses: {error}"),
        _ => {}
    }
    if let Ok(value) = read {
        let written = tagged::to_string(&value).expect("what was read can be written");
        let again = tagged::from_str(&written).expect("what was written can be read");
        assert_eq!(tagged::to_string(&again).as_ref(), Ok(&written));
    }
});
