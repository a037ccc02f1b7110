//! Takes any bytes as a signed value: only the one spelling that we write is accepted, in linear
//! time.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use hipflask_core::signing::{Age, KeyRing, TimestampSigner, split_unverified};
use hipflask_core::steps::assert_linear;
use hipflask_core::time::UnixTime;
use libfuzzer_sys::fuzz_target;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

static SIGNER: LazyLock<TimestampSigner> =
    LazyLock::new(|| TimestampSigner::flask_cookie(KeyRing::new("k").accept("old")).expect("keys"));

fuzz_target!(|value: &[u8]| {
    let parts = assert_linear("split_unverified", value.len(), || split_unverified(value, b'.'));
    let month = Age::at_most(Duration::from_secs(2_678_400));
    if let Ok(unsigned) = assert_linear("unsign", value.len(), || SIGNER.unsign(value, NOW, month)) {
        let parts = parts.expect("what is signed has parts");
        assert_eq!((parts.value, parts.timestamp), (unsigned.value, unsigned.issued_at));
        let signed = &value[..value.len() - parts.signature.len() - 1];
        assert!(unsigned.key != 0 || SIGNER.signer().signature(signed).as_bytes() == parts.signature);
    }
    // The time, which the fuzzer cannot sign by itself.
    let signed = assert_linear("sign", value.len(), || SIGNER.signer().sign(value));
    assert_eq!(
        SIGNER.signer().unsign(&signed).map(|unsigned| (unsigned.value, unsigned.key)),
        Ok((value, 0))
    );
    let unsigned = assert_linear("unsign", signed.len(), || SIGNER.unsign(&signed, NOW, Age::any()));
    if let Ok(unsigned) = unsigned
        && let Ok(text) = str::from_utf8(unsigned.value)
    {
        let at = unsigned.issued_at.expect("it is a signer with time");
        let again = SIGNER.sign(text, at);
        assert_eq!(
            SIGNER.unsign(again.as_bytes(), at, Age::at_most(Duration::ZERO)).map(|u| u.issued_at),
            Ok(Some(at))
        );
    }
});
