//! Takes any bytes as a session cookie: it is refused, or opened and then signed alike every time.
#![no_main]

use std::sync::LazyLock;

use hipflask_core::codec::SessionCodec;
use hipflask_core::session::SessionDict;
use hipflask_core::signing::{Compression, Signer, TimestampSigner};
use hipflask_core::steps::assert_linear;
use hipflask_core::tagged::JsonErrorKind;
use hipflask_core::time::UnixTime;
use libfuzzer_sys::fuzz_target;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

static CODEC: LazyLock<SessionCodec> = LazyLock::new(|| {
    SessionCodec::builder("k").compression(Compression::AsFlask).build().expect("Flask's settings")
});
static SIGNER: LazyLock<TimestampSigner> =
    LazyLock::new(|| TimestampSigner::flask_cookie("k").expect("a key"));

fuzz_target!(|value: &[u8]| {
    if let Ok(opened) = assert_linear("open", most(value), || CODEC.open(value, NOW)) {
        sign_again(&opened.session);
    }
    let _ = assert_linear("open_unverified", most(value), || SessionCodec::open_unverified(value));
    // The fuzzer cannot forge, so everything gets a good signature as well: as a payload, and as
    // payload and time.
    let signer: &Signer = SIGNER.signer();
    for signed in [signer.sign([value, b".ZVPxAA"].concat()), signer.sign(value)] {
        if let Ok(opened) = assert_linear("open", most(&signed), || CODEC.open(&signed, NOW)) {
            sign_again(&opened.session);
        }
    }
});

/// The most bytes of JSON that can be in it: one deflated byte inflates to 1,032 at most.
fn most(value: &[u8]) -> usize {
    if value.starts_with(b".") { 1032 * value.len() } else { 2 * value.len() }
}

fn sign_again(session: &SessionDict) {
    let cookie = match CODEC.sign(session, NOW) {
        Ok(cookie) => cookie,
        // Escapes make it longer.
        Err(error) if matches!(error.kind(), JsonErrorKind::SessionTooLong { .. }) => return,
        Err(error) => panic!("what was read can be written: {error}"),
    };
    let again = CODEC.open(cookie.as_bytes(), NOW).expect("what was written can be read").session;
    // Not the session itself: a date that came with an offset is written in GMT.
    assert_eq!(CODEC.sign(&again, NOW).as_ref(), Ok(&cookie));
    let built = CODEC.sign(&SessionDict::from_dict(session.to_dict()), NOW).expect("as above");
    assert_eq!(built, cookie, "copied as text, or written again");
}
