//! Takes any text as a date: a date that is read is written in GMT and read back as the same
//! second.
#![no_main]

use hipflask_core::steps::assert_linear;
use hipflask_core::time::DateTime;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(date) = assert_linear("parse_http_date", text.len(), || DateTime::parse_http_date(text)) {
        let mut written = String::new();
        date.write_http_date(&mut written);
        assert_eq!(written.len(), 29, "{written}");
        // Two-digit years are read into our time, as in Python.
        if &written[12..14] != "00" {
            let again = DateTime::parse_http_date(&written).expect("what was written can be read");
            assert_eq!((again.unix_micros(), again.offset_seconds()), (date.unix_micros(), 0));
        }
    }
    if let Some(date) = assert_linear("parse_iso", text.len(), || DateTime::parse_iso(text)) {
        assert_eq!(DateTime::parse_iso(&date.to_string()), Some(date));
    }
});
