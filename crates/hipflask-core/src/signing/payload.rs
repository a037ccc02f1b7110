//! The payload of itsdangerous' URL-safe serializers: JSON in base64, deflated if that saves space.

use core::{fmt, str::FromStr};
use std::sync::Mutex;

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

use super::{
    base64,
    error::{PayloadError, SignerConfigError, SignerSetting},
};
use crate::steps;

/// The most bytes that a payload may inflate to by default: 1 MiB. A longer session is not written.
pub const MAX_INFLATED: usize = 1 << 20;

/// The rule that decides when a payload is deflated. itsdangerous and Flask read all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Deflates JSON of more than [`PayloadCodec::pays_from`] bytes (1 KiB), or whose payload is
    /// longer than [`PayloadCodec::limit`], if that saves two bytes or more. Deflating costs many
    /// times as much as the rest of writing a cookie.
    #[default]
    WhenItPays,
    /// Always deflates if that saves two bytes or more: the rule of itsdangerous 2.2.0, with zlib
    /// at level 6.
    ///
    /// With the feature `stock-zlib` the bytes equal CPython's. Without it they differ but inflate
    /// to the same JSON.
    AsFlask,
    /// Never deflates.
    Never,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WhenItPays => "when-it-pays",
            Self::AsFlask => "flask",
            Self::Never => "never",
        })
    }
}

impl FromStr for Compression {
    type Err = SignerConfigError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "when-it-pays" => Self::WhenItPays,
            "flask" => Self::AsFlask,
            "never" => Self::Never,
            _ => {
                return Err(SignerConfigError::unknown(
                    SignerSetting::Compression,
                    name,
                    "when-it-pays, flask, never",
                ));
            }
        })
    }
}

/// A codec between JSON and the payload of a cookie or link.
///
/// A payload is base64 (URL-safe, no padding) of the JSON, or `.` and base64 of the deflated JSON.
/// The codec does not parse the JSON. Decode a payload only after its signature has been verified.
///
/// ```
/// use hipflask_core::signing::PayloadCodec;
///
/// let codec = PayloadCodec::default();
/// let mut cookie = String::new();
/// codec.encode_into(br#"{"a":1}"#, &mut cookie);
/// assert_eq!(cookie, "eyJhIjoxfQ");
/// assert_eq!(codec.decode(cookie.as_bytes())?, br#"{"a":1}"#);
/// # Ok::<(), hipflask_core::signing::PayloadError>(())
/// ```
///
/// The rules are those of itsdangerous 2.2.0 `URLSafeSerializerMixin`, with a limit on the inflated
/// size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadCodec {
    compression: Compression,
    pays_from: usize,
    limit: usize,
    max_inflated: usize,
}

impl PayloadCodec {
    /// Creates a codec that deflates by this rule.
    #[must_use]
    pub const fn new(compression: Compression) -> Self {
        Self { compression, pays_from: 1024, limit: usize::MAX, max_inflated: MAX_INFLATED }
    }

    /// Sets the greatest length of JSON in bytes that stays undeflated with
    /// [`Compression::WhenItPays`]. The default is 1024.
    #[must_use]
    pub const fn pays_from(mut self, bytes: usize) -> Self {
        self.pays_from = bytes;
        self
    }

    /// Sets the greatest length of a payload in bytes that fits with [`Compression::WhenItPays`]. A
    /// longer one is deflated even if its JSON is short, and written even if it still does not fit.
    /// By default every length fits.
    #[must_use]
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Sets the most bytes that a payload may inflate to. The default is [`MAX_INFLATED`].
    #[must_use]
    pub const fn max_inflated(mut self, bytes: usize) -> Self {
        self.max_inflated = bytes;
        self
    }

    /// Appends the payload of `json` to `out`.
    pub fn encode_into(&self, json: &[u8], out: &mut String) {
        match self.deflates(json.len()).then(|| deflate(json)).flatten() {
            Some(deflated) => append_deflated(&deflated, out),
            None => base64::encode_append(json, out),
        }
    }

    /// Appends the payload of `json`, or of its zlib stream `deflated` if that saves two bytes or
    /// more: the rule of itsdangerous for callers with their own zlib.
    pub fn encode_shorter(json: &[u8], deflated: &[u8], out: &mut String) {
        if is_shorter(deflated, json) {
            append_deflated(deflated, out);
        } else {
            base64::encode_append(json, out);
        }
    }

    /// Returns the JSON of a `payload` whose signature has been verified.
    ///
    /// Decodes as leniently as Python: either base64 alphabet, with or without padding, other bytes
    /// in between, anything after the zlib stream.
    ///
    /// # Errors
    /// [`PayloadError`] if it is not base64, not zlib, or inflates to more than
    /// [`max_inflated`](Self::max_inflated).
    pub fn decode(&self, payload: &[u8]) -> Result<Vec<u8>, PayloadError> {
        steps::count(payload.len());
        match payload {
            [b'.', deflated @ ..] => {
                inflate(&base64::decode(deflated).ok_or(PayloadError::NotBase64)?, self.max_inflated)
            }
            plain => base64::decode(plain).ok_or(PayloadError::NotBase64),
        }
    }

    const fn deflates(&self, json: usize) -> bool {
        match self.compression {
            Compression::WhenItPays => json > self.pays_from || base64::encoded_len(json) > self.limit,
            Compression::AsFlask => true,
            Compression::Never => false,
        }
    }
}

impl Default for PayloadCodec {
    fn default() -> Self {
        Self::new(Compression::default())
    }
}

fn append_deflated(deflated: &[u8], out: &mut String) {
    out.reserve(1 + base64::encoded_len(deflated.len()));
    out.push(DEFLATED);
    base64::encode_append(deflated, out);
}

/// Returns `true` if a zlib stream saves two bytes; one of them is needed for the marker.
const fn is_shorter(deflated: &[u8], json: &[u8]) -> bool {
    deflated.len() + 1 < json.len()
}

/// Deflates `json`. Returns `None` if that does not save two bytes.
fn deflate(json: &[u8]) -> Option<Vec<u8>> {
    steps::count(json.len());
    static KEPT: Kept<Compress> = Kept::none();
    let mut deflated = Vec::with_capacity(json.len());
    let mut state = KEPT.take().unwrap_or_else(|| Compress::new(flate2::Compression::new(6), true));
    let status = state.compress_vec(json, &mut deflated, FlushCompress::Finish).ok()?;
    state.reset();
    KEPT.put_back(state);
    // The output has room for the length of the JSON, so an incomplete stream does not save space
    // either.
    (status == Status::StreamEnd && is_shorter(&deflated, json)).then_some(deflated)
}

/// Inflates the zlib stream at the beginning of `deflated`, up to `limit` bytes.
fn inflate(deflated: &[u8], limit: usize) -> Result<Vec<u8>, PayloadError> {
    static KEPT: Kept<Decompress> = Kept::none();
    let mut state = KEPT.take().unwrap_or_else(|| Decompress::new(true));
    let json = inflate_with(&mut state, deflated, limit);
    state.reset(true);
    KEPT.put_back(state);
    json
}

fn inflate_with(state: &mut Decompress, deflated: &[u8], limit: usize) -> Result<Vec<u8>, PayloadError> {
    // One byte more than the limit distinguishes "full" from "too large".
    let most = limit.saturating_add(1);
    let mut json = Vec::with_capacity(deflated.len().saturating_mul(USUAL_RATIO).min(most));
    let mut rest = deflated;
    loop {
        let (before, written) = (state.total_in(), json.len());
        let status = state
            .decompress_vec(rest, &mut json, FlushDecompress::Finish)
            .map_err(|_| PayloadError::NotZlib)?;
        steps::count(json.len() - written);
        if json.len() > limit {
            return Err(PayloadError::TooLarge { limit });
        }
        if status == Status::StreamEnd {
            return Ok(json);
        }
        if json.len() < json.capacity() {
            // The output was not full, so the stream is incomplete.
            return Err(PayloadError::NotZlib);
        }
        let taken = usize::try_from(state.total_in() - before).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        let more = json.len().max(SMALLEST_GROWTH).min(most - json.len());
        json.reserve_exact(more);
    }
}

/// A zlib state between two uses. Creating one takes longer than inflating a small session. All
/// threads share one, because a state for deflating takes 256 KiB. A thread that finds it in use
/// creates another one and does not wait.
struct Kept<S>(Mutex<Option<S>>);

impl<S> Kept<S> {
    const fn none() -> Self {
        Self(Mutex::new(None))
    }

    fn take(&self) -> Option<S> {
        self.0.try_lock().ok()?.take()
    }

    fn put_back(&self, state: S) {
        if let Ok(mut kept) = self.0.try_lock() {
            *kept = Some(state);
        }
    }
}

/// Sessions of 400 bytes to 3 kB deflate to a half or a third, so that this much room needs no
/// growth.
const USUAL_RATIO: usize = 4;

const SMALLEST_GROWTH: usize = 256;

/// The marker of a deflated payload.
const DEFLATED: char = '.';

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `{"a":"xxx…"}` with 60 x, deflated by Flask 3.1.3 on a CPython with the stock zlib.
    const DEFLATED_BY_FLASK: &str = ".eJyrVkpUslKqoAAo1QIA9VYePA";

    fn sixty() -> Vec<u8> {
        format!(r#"{{"a":"{}"}}"#, "x".repeat(60)).into_bytes()
    }

    fn encode(codec: PayloadCodec, json: &[u8]) -> String {
        let mut text = String::new();
        codec.encode_into(json, &mut text);
        text
    }

    fn decode(payload: &str) -> Result<Vec<u8>, PayloadError> {
        PayloadCodec::default().decode(payload.as_bytes())
    }

    /// JSON that deflates to about a half, as sessions do.
    fn session(len: usize) -> Vec<u8> {
        let mut json: Vec<u8> = b"[".to_vec();
        for n in (0_u32..).map(|n| n.wrapping_mul(2_654_435_761)) {
            if json.len() + 12 > len {
                break;
            }
            json.extend_from_slice(format!("{n},").as_bytes());
        }
        json.resize(len - 1, b' ');
        json.push(b']');
        json
    }

    /// itsdangerous 2.2.0: `URLSafeSerializer('k').dumps({'a': 'é'})`, the part before the
    /// signature.
    #[test]
    fn short_json_is_plain_base64() {
        for compression in [Compression::WhenItPays, Compression::AsFlask, Compression::Never] {
            assert_eq!(encode(PayloadCodec::new(compression), r#"{"a":"é"}"#.as_bytes()), "eyJhIjoiw6kifQ");
        }
        assert_eq!(decode("eyJhIjoiw6kifQ").unwrap(), r#"{"a":"é"}"#.as_bytes());
    }

    /// The results of itsdangerous 2.2.0 `URLSafeSerializer.load_payload`. All deflated payloads
    /// were made with Python's zlib from `{"a":1}`.
    #[test]
    fn payloads_are_read_as_itsdangerous_reads_them() {
        let json = Ok(br#"{"a":1}"#.to_vec());
        let table = [
            ("level 1", ".eAGrVkpUsjKsBQAIKgIJ", json.clone()),
            ("level 9", ".eNqrVkpUsjKsBQAIKgIJ", json.clone()),
            ("level 0", ".eAEBBwD4_3siYSI6MX0IKgIJ", json.clone()),
            ("a window of 512 bytes", ".GJWrVkpUsjKsBQAIKgIJ", json.clone()),
            ("garbage after the stream", ".eAGrVkpUsjKsBQAIKgIJZ2FyYmFnZQ", json.clone()),
            ("two streams", ".eAGrVkpUsjKsBQAIKgIJeAGrVkpUsjKsBQAIKgIJ", json.clone()),
            ("a second dot", "..eAGrVkpUsjKsBQAIKgIJ", json.clone()),
            ("padding", ".eAGrVkpUsjKsBQAIKgIJ==", json.clone()),
            ("plain with padding", "eyJhIjoxfQ==", json.clone()),
            ("plain with junk", "eyJh****IjoxfQ", json),
            ("nothing", "", Ok(Vec::new())),
            ("raw deflate", ".q1ZKVLIyrAUA", Err(PayloadError::NotZlib)),
            ("gzip", ".H4sIAAAAAAAAA6tWSlSyMqwFAK-sG1YHAAAA", Err(PayloadError::NotZlib)),
            ("cut by a byte", ".eAGrVkpUsjKsBQAIKgI", Err(PayloadError::NotZlib)),
            ("without checksum", ".eAGrVkpUsjKsBQA", Err(PayloadError::NotZlib)),
            ("wrong checksum", ".eAGrVkpUsjKsBQAIKgII", Err(PayloadError::NotZlib)),
            ("with a dictionary", ".eLsElQFbqwYRhrUACCoCCQ", Err(PayloadError::NotZlib)),
            ("a dot alone", ".", Err(PayloadError::NotZlib)),
            ("not base64", "e", Err(PayloadError::NotBase64)),
            ("not base64 after the dot", ".e", Err(PayloadError::NotBase64)),
        ];
        for (what, payload, expected) in table {
            assert_eq!(decode(payload), expected, "{what}");
        }
    }

    #[test]
    fn a_payload_deflated_by_flask_is_read() {
        assert_eq!(decode(DEFLATED_BY_FLASK).unwrap(), sixty());
    }

    #[test]
    fn as_flask_deflates_if_two_bytes_are_saved() {
        let text = encode(PayloadCodec::new(Compression::AsFlask), &sixty());
        assert!(text.starts_with('.') && text.len() < 40, "{text}");
        assert_eq!(decode(&text).unwrap(), sixty());
    }

    #[cfg(feature = "stock-zlib")]
    #[test]
    fn stock_zlib_writes_the_bytes_of_cpython() {
        let codec = PayloadCodec::new(Compression::AsFlask);
        assert_eq!(encode(codec, &sixty()), DEFLATED_BY_FLASK);
        // The last of Flask's cookies in `timestamp`, with every type that a session can contain.
        let payload = ".eJyrVkpSsqpWUgCSSo4BFrZKtTpKKWARIKkUUpqqo2BgpOCVmKdgZGBkomBgbGVgYmVgquDuGwJSmglRWwpUa4AfGIKU\
                       54JVA0klmyQ7kEAJWABIRhvqGMUCBUAmxZQaGKRaKtUCAC9oJM4";
        assert_eq!(encode(codec, &decode(payload).unwrap()), payload);
    }

    #[test]
    fn deflating_that_saves_one_byte_is_not_used() {
        let mut savings = Vec::new();
        for len in 0..40 {
            let json = vec![b'x'; len];
            let saved = len.saturating_sub(deflated_len(&json));
            assert_eq!(deflate(&json).is_some(), saved >= 2, "{len} bytes, {saved} saved");
            savings.push(saved);
        }
        assert!([0, 1, 2].iter().all(|saved| savings.contains(saved)), "both sides of the edge were met");
    }

    fn deflated_len(json: &[u8]) -> usize {
        let mut room = Vec::with_capacity(json.len() + 64);
        Compress::new(flate2::Compression::new(6), true)
            .compress_vec(json, &mut room, FlushCompress::Finish)
            .unwrap();
        room.len()
    }

    #[test]
    fn when_it_pays_deflates_from_one_kibibyte() {
        let deflates = |len| encode(PayloadCodec::default(), &session(len)).starts_with('.');
        assert!(!deflates(1024));
        assert!(deflates(1025));
        let from = |bytes| encode(PayloadCodec::default().pays_from(bytes), &session(500)).starts_with('.');
        assert_eq!((from(499), from(500)), (true, false));
    }

    #[test]
    fn when_it_pays_deflates_payloads_over_the_limit() {
        let json = session(600);
        let deflates = |limit| encode(PayloadCodec::default().limit(limit), &json).starts_with('.');
        assert_eq!((deflates(799), deflates(800)), (true, false), "600 bytes are 800 characters");
    }

    #[test]
    fn never_deflates_nothing() {
        let codec = PayloadCodec::new(Compression::Never).limit(10).pays_from(0);
        assert!(!encode(codec, &session(5000)).starts_with('.'));
    }

    #[test]
    fn json_that_deflating_would_lengthen_stays_plain() {
        let mut state = 1_u32;
        let noise: Vec<u8> = core::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(3000)
        .collect();
        let text = encode(PayloadCodec::new(Compression::AsFlask), &noise);
        assert!(!text.starts_with('.'));
        assert_eq!(decode(&text).unwrap(), noise);
    }

    #[test]
    fn encoding_appends() {
        let mut text = String::from("session=");
        PayloadCodec::default().encode_into(b"{}", &mut text);
        assert_eq!(text, "session=e30");
    }

    /// States are reused: one cookie must not influence the next.
    #[test]
    fn reused_states_read_and_write_alike() {
        let codec = PayloadCodec::new(Compression::AsFlask);
        let (good, bomb) = (encode(codec, &sixty()), encode(codec, &vec![b' '; 2 << 20]));
        for before in [".", ".eAGrVkpUsjKsBQA", ".eAGrVkpUsjKsBQAIKgII", ".q1ZKVLIyrAUA", &bomb, &good] {
            let _ = decode(before);
            assert_eq!(decode(&good).unwrap(), sixty(), "after {before:.20}");
            assert_eq!(encode(codec, &session(3000)), encode(codec, &session(3000)));
            assert_eq!(encode(codec, &sixty()), good);
        }
    }

    #[test]
    fn an_inflate_bomb_stops_at_the_limit() {
        let bomb = encode(PayloadCodec::new(Compression::AsFlask), &vec![b' '; 50 << 20]);
        assert!(bomb.len() < 80_000);
        assert_eq!(decode(&bomb), Err(PayloadError::TooLarge { limit: 1 << 20 }));
    }

    #[test]
    fn the_limit_itself_is_accepted() {
        for len in [1, 63, 64, 1000, 4096, 100_000] {
            let json = vec![b' '; len];
            let mut stream = Vec::with_capacity(len + 64);
            Compress::new(flate2::Compression::new(6), true)
                .compress_vec(&json, &mut stream, FlushCompress::Finish)
                .unwrap();
            assert_eq!(inflate(&stream, len), Ok(json));
            assert_eq!(inflate(&stream, len - 1), Err(PayloadError::TooLarge { limit: len - 1 }));
            assert_eq!(inflate(&stream, 0), Err(PayloadError::TooLarge { limit: 0 }));
            assert!(inflate(&stream, usize::MAX).is_ok());
        }
    }

    #[test]
    fn names_are_read_back() {
        for compression in [Compression::WhenItPays, Compression::AsFlask, Compression::Never] {
            assert_eq!(compression.to_string().parse(), Ok(compression));
        }
        assert!("gzip".parse::<Compression>().is_err());
    }

    #[test]
    fn errors_are_bad_payloads_to_itsdangerous() {
        let error = decode("e").unwrap_err();
        assert_eq!(error.itsdangerous_class(), "BadPayload");
        assert!(error.to_string().starts_with("the payload is not base64"));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            json in prop::collection::vec(prop::sample::select(b"{}\":,abc01".to_vec()), 0..4000),
            compression in prop::sample::select(vec![Compression::WhenItPays, Compression::AsFlask, Compression::Never]),
        ) {
            let text = encode(PayloadCodec::new(compression), &json);
            prop_assert_eq!(decode(&text), Ok(json));
        }

        #[test]
        fn no_bytes_make_the_codec_panic(payload: Vec<u8>, stream: Vec<u8>, limit in 0_usize..100) {
            let codec = PayloadCodec::default().max_inflated(limit);
            let _ = (codec.decode(&payload), inflate(&stream, limit), inflate(&[b"\x78\x9c", stream.as_slice()].concat(), limit));
        }
    }
}
