//! Any bytes are text with lone surrogates, or they are not: its code points make the same text again.
#![no_main]

use hipflask_core::tagged;
use hipflask_core::value::{Text, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(text) = Text::from_bytes(bytes) else {
        assert!(str::from_utf8(bytes).is_err());
        return;
    };
    assert_eq!((text.as_bytes(), text.as_str()), (bytes, str::from_utf8(bytes).ok()));
    let spelled: Option<String> = text.code_points().map(char::from_u32).collect();
    assert_eq!(spelled.as_deref(), text.as_str());
    // JSON joins two halves of a pair, as Python does; after that nothing changes any more.
    let once = written_and_read(Value::Str(text));
    assert_eq!(written_and_read(once.clone()), once);
});

fn written_and_read(value: Value) -> Value {
    let json = tagged::to_string(&value).expect("text can be written");
    tagged::from_str(&json).expect("what was written can be read")
}
