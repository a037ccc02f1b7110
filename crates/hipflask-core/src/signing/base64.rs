//! URL-safe base64 without padding: written one way, read strictly, or as Python's decoder reads it.

use base64_simd::{AsOut, URL_SAFE_NO_PAD};

use crate::base64::Alphabet;
use crate::steps;

/// Appends the text of `bytes`.
pub(super) fn encode_append(bytes: &[u8], out: &mut String) {
    steps::count(bytes.len());
    out.reserve(encoded_len(bytes.len()));
    URL_SAFE_NO_PAD.encode_append(bytes, out);
}

/// Decodes the one spelling that [`encode_append`] writes to the front of `out`, and returns that part.
///
/// `None` for every other spelling, and if `out` is too short.
pub(super) fn decode_strict<'o>(text: &[u8], out: &'o mut [u8]) -> Option<&'o [u8]> {
    if URL_SAFE_NO_PAD.decoded_length(text).ok()? > out.len() {
        return None;
    }
    steps::count(text.len());
    URL_SAFE_NO_PAD.decode(text, out.as_out()).ok().map(|part| &*part)
}

/// The length of the text of `bytes` bytes.
pub(super) const fn encoded_len(bytes: usize) -> usize {
    bytes / 3 * 4 + (bytes % 3 * 4).div_ceil(3)
}

/// Decodes strictly if that is possible and as Python does otherwise; `None` if Python gives up as well.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    steps::count(text.len());
    URL_SAFE_NO_PAD.decode_to_vec(text).ok().or_else(|| decode_lenient(text))
}

/// itsdangerous' `base64_decode`: pads with `=` by the raw length, then lets CPython's non-strict decoder read.
///
/// That decoder skips every byte outside the alphabet, stops at the first complete padding, and looks at neither the
/// spare bits nor what follows. Both alphabets are read.
fn decode_lenient(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.len().wrapping_neg() % 4;
    let padded = text.iter().copied().chain(core::iter::repeat_n(b'=', padding));
    crate::base64::decode_lenient(padded, Alphabet::UrlSafe)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What itsdangerous 2.2.0 `base64_decode` makes of each text (Python 3.11).
    #[test]
    fn text_is_read_as_leniently_as_python_reads_it() {
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
    fn one_spelling_is_accepted_where_it_must_be_canonical() {
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
        fn what_is_read_strictly_is_written_so_and_read_leniently_alike(text in "[A-Za-z0-9+/=_-]{0,40}") {
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
