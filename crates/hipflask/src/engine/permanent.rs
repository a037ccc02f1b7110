//! Rules out a permanent session in a `Cookie` line, without decoding or verifying anything.

use memchr::memmem;

/// Returns `true` if the line may hold a permanent session in a cookie of this name. Quotes are ignored, so
/// quoted text counts as cookies; the answer then errs on the side of `true`.
pub(crate) fn may_be_in(line: &[u8], name: &[u8]) -> bool {
    let mut part = line;
    loop {
        let value = trimmed(part).strip_prefix(name).map(trimmed).and_then(|rest| rest.strip_prefix(b"="));
        if let Some(value) = value.map(trimmed) {
            // Quotes and a deflated payload, which begins with a point, can hide the flag.
            if matches!(value.first(), Some(b'.' | b'"')) {
                return true;
            }
            let (payload, rest) = value.split_at(memchr::memchr2(b'.', b';', value).unwrap_or(value.len()));
            if is_in(payload) {
                return true;
            }
            part = rest;
        }
        match memchr::memchr(b';', part) {
            Some(end) => part = &part[end + 1..],
            None => return false,
        }
    }
}

fn trimmed(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|&&octet| octet == b' ' || octet == b'\t').count();
    &text[blanks..]
}

/// Base64 encodes three octets as four letters, so `"_permanent"` always contains one of three fours.
fn is_in(payload: &[u8]) -> bool {
    let [first, second, third] = FOURS.map(u32::from_ne_bytes);
    let (fours, _) = payload.as_chunks();
    // Without an early exit, compilers compare several at once.
    let suspected = fours.iter().fold(0, |suspected, &four| {
        let four = u32::from_ne_bytes(four);
        suspected | u32::from(four == first) | u32::from(four == second) | u32::from(four == third)
    });
    suspected != 0 && SPELLINGS.iter().any(|spelling| memmem::find(payload, spelling).is_some())
}

/// The letters that depend on nothing but `"_permanent"`, after 0, 1 and 2 octets more than a
/// multiple of three.
const SPELLINGS: [&[u8]; 3] = [b"Il9wZXJtYW5lbnQi", b"JfcGVybWFuZW50I", b"iX3Blcm1hbmVudC"];
/// The first four letters of each spelling at a multiple of four.
const FOURS: [[u8; 4]; 3] = [*b"Il9w", *b"cGVy", *b"X3Bl"];

#[cfg(test)]
mod tests {
    use hipflask_core::signing::{Compression, PayloadCodec};

    use super::*;

    fn value(json: &str, compression: Compression) -> String {
        let mut value = String::new();
        PayloadCodec::new(compression).encode_into(json.as_bytes(), &mut value);
        value + ".ZVPxAA.abc"
    }

    #[test]
    fn permanent_flag_is_found_at_every_position() {
        let suspected = |line: &str| may_be_in(line.as_bytes(), b"session");
        for before in 0..12 {
            let key = "A".repeat(before);
            let permanent = value(&format!(r#"{{"{key}":1,"_permanent":true}}"#), Compression::Never);
            let other = value(&format!(r#"{{"{key}":1,"permanent":"_permanen"}}"#), Compression::Never);
            for around in
                ["session=VALUE", "a=b; session=VALUE; c=d", " session =\tVALUE", "session=x; session=VALUE"]
            {
                assert!(suspected(&around.replace("VALUE", &permanent)), "{before} {around}");
                assert!(!suspected(&around.replace("VALUE", &other)), "{before} {around}");
            }
            assert!(!suspected(&format!("other={permanent}; session")));
        }
    }

    #[test]
    fn what_is_deflated_or_quoted_is_suspected_always() {
        let suspected = |line: &str| may_be_in(line.as_bytes(), b"s");
        let deflated = value(&format!(r#"{{"a":"{}"}}"#, "x".repeat(90)), Compression::AsFlask);
        assert!(deflated.starts_with('.') && suspected(&format!("s={deflated}")));
        assert!(suspected("a=b;s=\"eyJhIjoxfQ\"") && !suspected("s=") && !suspected("s") && !suspected(""));
    }
}
