//! Takes any bytes as text that may hold lone surrogates: it is refused, or its code points make
//! the same text again.
#![no_main]

use hipflask_core::steps::assert_linear;
use hipflask_core::tagged;
use hipflask_core::value::{Text, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(text) = assert_linear("from_bytes", bytes.len(), || Text::from_bytes(bytes)) else {
        assert!(str::from_utf8(bytes).is_err());
        return;
    };
    assert_eq!((text.as_bytes(), text.as_str()), (bytes, str::from_utf8(bytes).ok()));
    let points: Vec<u32> = assert_linear("code_points", bytes.len(), || text.code_points().collect());
    let spelled: Option<String> = points.into_iter().map(char::from_u32).collect();
    assert_eq!(spelled.as_deref(), text.as_str());
    // JSON joins the two halves of a surrogate pair, as Python does. After that nothing changes.
    let once = written_and_read(bytes.len(), Value::Str(text));
    assert_eq!(written_and_read(3 * bytes.len(), once.clone()), once);
});

/// The value after a trip through JSON; `length` is that of its text.
fn written_and_read(length: usize, value: Value) -> Value {
    let written = assert_linear("to_string", length, || tagged::to_string(&value));
    let json = written.expect("text can be written");
    assert_linear("from_str", json.len(), || tagged::from_str(&json)).expect("what was written can be read")
}
