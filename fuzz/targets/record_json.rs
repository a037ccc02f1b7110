//! Any bytes are a record in JSON: read within its bounds or refused, and what is read is written and read alike.
#![no_main]

use hipflask_store::record::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if Format::of(data) != Format::Json {
        return;
    }
    if let Some(record) = hipflask_fuzz::read(data) {
        let _ = hipflask_fuzz::write(Format::Json, &record, data.len());
    }
});
