//! Takes any bytes as a payload: it is refused or decoded within the limit, and every encoded
//! payload is decoded.
#![no_main]

use hipflask_core::signing::{Compression, PayloadCodec};
use hipflask_core::steps::assert_linear;
use libfuzzer_sys::fuzz_target;

const BOUND: usize = 1 << 16;
/// The most bytes that one deflated byte can inflate to.
const MOST_INFLATED: usize = 1032;

fuzz_target!(|payload: &[u8]| {
    let codec = PayloadCodec::new(Compression::AsFlask).max_inflated(BOUND);
    if let Ok(json) = assert_linear("decode", MOST_INFLATED * payload.len(), || codec.decode(payload)) {
        assert!(json.len() <= BOUND.max(payload.len()));
    }
    for rule in [Compression::AsFlask, Compression::Never, Compression::WhenItPays] {
        let mut text = String::new();
        let encoder = PayloadCodec::new(rule).pays_from(16);
        assert_linear("encode", payload.len(), || encoder.encode_into(payload, &mut text));
        let decoded = assert_linear("decode", text.len() + payload.len(), || codec.decode(text.as_bytes()));
        assert_eq!(decoded.as_deref(), Ok(payload));
    }
});
