//! URL-safe base64 without padding: written one way, read strictly, or as Python's decoder reads it.

use base64_simd::{AsOut, URL_SAFE_NO_PAD};

/// Appends the text of `bytes`.
pub(super) fn encode_append(bytes: &[u8], out: &mut String) {
    out.reserve(encoded_len(bytes.len()));
    URL_SAFE_NO_PAD.encode_append(bytes, out);
}

/// Writes the text of `bytes` to the front of `out`, which must be long enough, and returns that part.
pub(super) fn encode_to<'o>(bytes: &[u8], out: &'o mut [u8]) -> &'o str {
    URL_SAFE_NO_PAD.encode_as_str(bytes, out.as_out())
}

/// The length of the text of `bytes` bytes.
pub(super) const fn encoded_len(bytes: usize) -> usize {
    bytes / 3 * 4 + (bytes % 3 * 4).div_ceil(3)
}

/// Decodes strictly if that is possible and as Python does otherwise; `None` if Python gives up as well.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok().or_else(|| decode_lenient(text))
}

/// itsdangerous' `base64_decode`: pads with `=` by the raw length, then lets CPython's non-strict decoder read.
///
/// That decoder skips every byte outside the alphabet, stops at the first complete padding, and looks at neither the
/// spare bits nor what follows. Both alphabets are read.
#[cold]
fn decode_lenient(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.len().wrapping_neg() % 4;
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut quad, mut held, mut pads) = (0_u8, 0_u8, 0_u8);
    for &byte in text.iter().chain(core::iter::repeat_n(&b'=', padding)) {
        if byte == b'=' {
            if quad >= 2 {
                pads += 1;
                if quad + pads >= 4 {
                    return Some(out);
                }
            }
            continue;
        }
        let Some(six) = sextet(byte) else { continue };
        pads = 0;
        match quad {
            0 => held = six,
            1 => {
                out.push(held << 2 | six >> 4);
                held = six & 0x0f;
            }
            2 => {
                out.push(held << 4 | six >> 2);
                held = six & 0x03;
            }
            _ => out.push(held << 6 | six),
        }
        quad = (quad + 1) % 4;
    }
    (quad == 0).then_some(out)
}

fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' | b'+' => 62,
        b'_' | b'/' => 63,
        _ => return None,
    })
}
