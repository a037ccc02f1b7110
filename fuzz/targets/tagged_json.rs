//! Takes any text as tagged JSON. All public ways to read it give the same value, or all of them an error, in
//! linear time. A value that is read is written and read alike.
#![no_main]

use hipflask_core::session::SessionDict;
use hipflask_core::steps::assert_linear;
use hipflask_core::tagged::{self, KeyOrder};
use hipflask_core::value::{Dict, Value, from_value};
use hipflask_fuzz::json::{Calls, from_events};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let length = text.len();
    let read = assert_linear("from_slice", length, || tagged::from_slice(text));
    let Ok(text) = str::from_utf8(text) else {
        assert!(read.is_err());
        return;
    };
    let _ = assert_linear("from_str_plain", length, || tagged::from_str_plain(text));
    assert_eq!(tagged::from_str(text), read);
    let events = assert_linear("events", length, || from_events(text));
    assert_eq!(events.ok().as_ref(), read.as_ref().ok(), "the events differ from the tree");
    // A text that is not a plain object is read as a tree.
    let session = assert_linear("from_json", 2 * length, || SessionDict::from_json(text));
    match (&read, &session) {
        (Ok(Value::Dict(dict)), Ok(session)) => compare(length, dict, session),
        (Ok(Value::Dict(_)), Err(error)) => panic!("the index refuses what the tree reads: {error}"),
        (Err(error), Ok(_)) => panic!("the index accepts what the tree refuses: {error}"),
        _ => {}
    }
    if let Ok(value) = read {
        let written = tagged::to_string(&value).expect("what was read can be written");
        let again = tagged::from_str(&written).expect("what was written can be read");
        assert_eq!(tagged::to_string(&again).as_ref(), Ok(&written));
    }
});

/// Compares a session that was indexed with the tree of the same text.
fn compare(length: usize, dict: &Dict, session: &SessionDict) {
    assert!(session.keys().eq(dict.keys()), "the order of keys");
    for (key, value) in dict.iter() {
        // A clone has not read any values, so each is read from the text.
        let get = || session.clone().get::<Calls>(key);
        let typed = assert_linear("get", 4 * length, get);
        assert_eq!(typed.ok().flatten(), from_value::<Calls>(value).ok(), "a type differs from its value");
        let get = || session.clone().get::<Vec<Option<String>>>(key);
        let typed = assert_linear("get", 4 * length, get);
        assert_eq!(typed.ok().flatten(), from_value::<Vec<Option<String>>>(value).ok(), "a list of texts");
    }
    assert_eq!(&assert_linear("to_dict", length, || session.to_dict()), dict);
    let written = session.to_json(KeyOrder::Sorted).expect("what was read can be written");
    let whole = tagged::to_string(&Value::Dict(dict.clone())).expect("as above");
    assert_eq!(written, whole.as_bytes(), "copied as text, or written again");
}
