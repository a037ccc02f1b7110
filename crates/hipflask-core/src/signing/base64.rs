//! URL-safe base64 without padding: encoded in one way, and decoded strictly or as leniently as in
//! Python.

use base64_simd::{AsOut, URL_SAFE_NO_PAD};

use crate::base64::Alphabet;
use crate::steps;

/// Appends the text of `bytes`.
pub(super) fn encode_append(bytes: &[u8], out: &mut String) {
    steps::count(bytes.len());
    out.reserve(encoded_len(bytes.len()));
    URL_SAFE_NO_PAD.encode_append(bytes, out);
}

/// Decodes the one spelling that [`encode_append`] writes to the beginning of `out`, and returns
/// that part.
///
/// Returns `None` for every other spelling, and if `out` is too short.
pub(super) fn decode_strict<'o>(text: &[u8], out: &'o mut [u8]) -> Option<&'o [u8]> {
    if URL_SAFE_NO_PAD.decoded_length(text).ok()? > out.len() {
        return None;
    }
    steps::count(text.len());
    URL_SAFE_NO_PAD.decode(text, out.as_out()).ok().map(|part| &*part)
}

/// Returns the length of the text of `bytes` bytes.
pub(super) const fn encoded_len(bytes: usize) -> usize {
    bytes / 3 * 4 + (bytes % 3 * 4).div_ceil(3)
}

/// Decodes strictly if possible and otherwise as Python does. Returns `None` where Python raises.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    steps::count(text.len());
    URL_SAFE_NO_PAD.decode_to_vec(text).ok().or_else(|| decode_lenient(text))
}

/// Decodes as itsdangerous' `base64_decode`: pads with `=` by the raw length and then uses
/// CPython's non-strict decoder.
///
/// That decoder skips every byte outside the alphabet, stops at the first complete padding, and
/// ignores the spare bits and everything after them. It reads both alphabets.
fn decode_lenient(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.len().wrapping_neg() % 4;
    let padded = text.iter().copied().chain(core::iter::repeat_n(b'=', padding));
    crate::base64::decode_lenient(padded, Alphabet::UrlSafe)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The results of itsdangerous 2.2.0 `base64_decode` on Python 3.11.
    #[test]
    fn text_is_decoded_as_leniently_as_in_python() {
        let json = Some(br#"{"a":1}"#.as_slice());
        let table: [(&[u8], Option<&[u8]>); 22] = [
            (b"", Some(b"")),
            (b"eyJhIjoxfQ", json),
            (b"eyJhIjoxfQ=", json),
            (b"eyJhIjoxfQ==", json),
            (b"eyJhIjoxfR", json),
            (b"eyJh****IjoxfQ", json),
            (b"eyJhIjoxfQ==zzz", json),
            (b"eyJhIjoxfQ==zzzz", json),
            (b"eyJh=Ijo=xfQ=", Some(b"{\"a\":")),
            (b"-__-", Some(b"\xfb\xff\xfe")),
            (b"+//+", Some(b"\xfb\xff\xfe")),
            (b"=", Some(b"")),
            (b"====", Some(b"")),
            (b"AA==", Some(b"\0")),
            (b"AA=A==", Some(b"\0\0")),
            (b"AAA=AAAA", Some(b"\0\0")),
            (b"e", None),
            (b"eyJhI", None),
            (b"ey=JhIjoxfQ", None),
            (b"eyJh*IjoxfQ", None),
            (b"A===", None),
            (b"AA=A", None),
        ];
        for (text, bytes) in table {
            assert_eq!(decode(text).as_deref(), bytes, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn the_strict_decoder_accepts_one_spelling() {
        let mut out = [0; 64];
        assert_eq!(decode_strict(b"eyJhIjoxfQ", &mut out), Some(br#"{"a":1}"#.as_slice()));
        for other in ["eyJhIjoxfR", "eyJhIjoxfQ=", "eyJhIjoxfQ==", "eyJhIjoxfQ\n", " eyJhIjoxfQ", "+//+", "e"]
        {
            assert_eq!(decode_strict(other.as_bytes(), &mut out), None, "{other:?}");
        }
        assert_eq!(decode_strict(b"eyJhIjoxfQ", &mut [0; 6]), None, "no room");
    }

    proptest! {
        #[test]
        fn bytes_survive_both_decoders(bytes: Vec<u8>) {
            let mut text = String::new();
            encode_append(&bytes, &mut text);
            prop_assert_eq!(text.len(), encoded_len(bytes.len()));
            prop_assert_eq!(decode_lenient(text.as_bytes()), Some(bytes.clone()));
            let mut room = vec![0; bytes.len()];
            prop_assert_eq!(decode_strict(text.as_bytes(), &mut room), Some(bytes.as_slice()));
        }

        #[test]
        fn both_decoders_agree_on_strict_text(text in "[A-Za-z0-9+/=_-]{0,40}") {
            let mut room = [0; 64];
            if let Some(bytes) = decode_strict(text.as_bytes(), &mut room) {
                let mut again = String::new();
                encode_append(bytes, &mut again);
                prop_assert_eq!(&again, &text);
                prop_assert_eq!(decode_lenient(text.as_bytes()), Some(bytes.to_vec()));
            }
        }

        #[test]
        fn no_bytes_make_the_decoders_panic(text: Vec<u8>) {
            let _ = (decode(&text), decode_lenient(&text), decode_strict(&text, &mut [0; 8]));
        }
    }
}
