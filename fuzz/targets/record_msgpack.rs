//! Takes any bytes as a record in MessagePack: it is refused, or read within its bounds and then
//! written and read alike.
#![no_main]

use hipflask_store::record::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if Format::of(data) != Format::Msgpack {
        return;
    }
    if let Some(record) = hipflask_fuzz::read(data) {
        let _ = hipflask_fuzz::write(Format::Msgpack, &record, data.len());
    }
});
