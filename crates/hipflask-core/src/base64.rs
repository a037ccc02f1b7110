//! Base64 as Python decodes it. Our own text is encoded by base64-simd.

use crate::steps;

/// The alphabets, named by their last two characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// `+` and `/`.
    Standard,
    /// `-` and `_`. `+` and `/` are accepted as well, as in Python's `urlsafe_b64decode`.
    UrlSafe,
}

/// Decodes as CPython does in its non-strict mode: skips every byte outside the alphabet, stops at
/// the first complete padding, and ignores the spare bits and everything after them. Returns `None`
/// where Python raises.
#[cold]
pub(crate) fn decode_lenient(text: impl IntoIterator<Item = u8>, alphabet: Alphabet) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut quad, mut held, mut pads) = (0_u8, 0_u8, 0_u8);
    for byte in text {
        steps::count(1);
        if byte == b'=' {
            if quad >= 2 {
                pads += 1;
                if quad + pads >= 4 {
                    return Some(out);
                }
            }
            continue;
        }
        let Some(six) = sextet(byte, alphabet) else { continue };
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

/// Returns the six bits of a character.
#[inline]
pub(crate) fn sextet(byte: u8, alphabet: Alphabet) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        b'-' if alphabet == Alphabet::UrlSafe => 62,
        b'_' if alphabet == Alphabet::UrlSafe => 63,
        _ => return None,
    })
}
