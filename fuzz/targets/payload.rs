//! Any bytes are a payload: decoded within the bound or refused, and what is encoded is decoded.
#![no_main]

use hipflask_core::signing::{Compression, PayloadCodec};
use hipflask_core::steps::assert_linear;
use libfuzzer_sys::fuzz_target;

const BOUND: usize = 1 << 16;
/// How many bytes a deflated one stands for at most.
const MOST_INFLATED: usize = 1032;

fuzz_target!(|payload: &[u8]| {
    let codec = PayloadCodec::new(Compression::AsFlask).max_inflated(BOUND);
    if let Ok(json) = assert_linear("decode", MOST_INFLATED * payload.len(), || codec.decode(payload)) {
        assert!(json.len() <= BOUND.max(payload.len()));
    }
    for rule in [Compression::AsFlask, Compression::Never, Compression::WhenItPays] {
        let mut text = String::new();
        PayloadCodec::new(rule).pays_from(16).encode_into(payload, &mut text);
        assert_eq!(codec.decode(text.as_bytes()).as_deref(), Ok(payload));
    }
});
