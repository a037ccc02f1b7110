//! Damaged cookies: both sides refuse them, both open the same session, or the difference is a row
//! of COMPATIBILITY.md.

use std::collections::BTreeMap;
use std::time::Duration;

use hipflask_core::codec::{DEFAULT_LEEWAY, OpenError, SessionCodec};
use hipflask_core::signing::{Compression, PayloadCodec, PayloadError, SignatureError, split_unverified};
use hipflask_core::tagged::JsonErrorKind;
use hipflask_core::time::UnixTime;
use hipflask_testkit::oracle::{RealFlask, Settings, Verdict};
use hipflask_testkit::rng::TestRng;

use crate::common::{BATCH, NOW, codec, described, json_of};

const DAMAGED: usize = 10_000;

/// The rows, by their first cells. A difference that is in none of them fails, and so does a row
/// without any differences.
const ROWS: &[&str] = &[ONE_SPELLING, UNREADABLE, LEEWAY, TOO_LARGE, TOO_DEEP, ODD_TAG, ODD_PAIRS];
const ONE_SPELLING: &str = "one canonical spelling of a signature is accepted";
const UNREADABLE: &str = "a good signature on an unreadable payload or time is a typed error";
const LEEWAY: &str = "a timestamp up to 5 s ahead is accepted (configurable; 0 behaves like Flask)";
const TOO_LARGE: &str = "a payload that inflates beyond 1 MiB is refused (configurable)";
const TOO_DEEP: &str = "lists and dicts nested deeper than 50 levels are refused";
const ODD_TAG: &str = "a tag may contain only what Flask writes into it";
const ODD_PAIRS: &str = "a session is an object or a list of pairs";

/// The number of differences in each row.
#[derive(Default)]
struct Met(BTreeMap<&'static str, usize>);

impl Met {
    fn count(&mut self, row: &'static str) {
        assert!(ROWS.contains(&row));
        *self.0.entry(row).or_default() += 1;
    }

    #[track_caller]
    fn at_least_one_of(&self, rows: &[&str]) {
        for row in rows {
            assert!(self.0.contains_key(row), "nothing fell into the row {row:?}");
        }
    }
}

/// The row of a difference, or none if both sides agree.
fn compare(codec: &SessionCodec, cookie: &str, flask: &Verdict) -> Option<&'static str> {
    let ours =
        codec.open(cookie.as_bytes(), NOW).map(|opened| (described(&opened.session), opened.issued_at));
    let row = match (flask, &ours) {
        // Both open it. The empty cookie is not a session for Flask either.
        (Verdict::Opened { session, signed_at }, Ok((same, at)))
            if session == same && *signed_at == Some(at.as_secs()) =>
        {
            return None;
        }
        (Verdict::Opened { signed_at: None, .. }, Err(error)) if cookie.is_empty() => {
            assert_eq!(error.reason(), "malformed");
            return None;
        }
        // Both continue with an empty session, for the same reason.
        (Verdict::Empty { class, message }, Err(OpenError::Signature(error))) => {
            assert_eq!(error.itsdangerous_class(), class, "{cookie}");
            assert_eq!(error_of(message, error), *error, "{cookie}");
            return None;
        }
        (Verdict::Empty { message, .. }, Ok((_, at))) if codec_is_lenient(message, *at) => Some(LEEWAY),
        (Verdict::Opened { session, .. }, Err(OpenError::Signature(SignatureError::BadSignature { .. }))) => {
            (opened_by_canonical_signature(codec, cookie) == Some(session.clone())).then_some(ONE_SPELLING)
        }
        (Verdict::Opened { .. }, Err(OpenError::Payload(PayloadError::TooLarge { .. }))) => Some(TOO_LARGE),
        (Verdict::Opened { .. }, Err(OpenError::Json(error))) => match error.kind() {
            JsonErrorKind::BadTag { .. } => Some(ODD_TAG),
            JsonErrorKind::NotASession { .. } => Some(ODD_PAIRS),
            JsonErrorKind::TooDeep => Some(TOO_DEEP),
            _ => None,
        },
        // Flask answers 500.
        (Verdict::Fails { .. }, Err(OpenError::Json(error))) if *error.kind() == JsonErrorKind::TooDeep => {
            Some(TOO_DEEP)
        }
        (Verdict::Fails { .. }, Err(OpenError::Json(_) | OpenError::Payload(_))) => Some(UNREADABLE),
        (Verdict::Fails { .. }, Err(OpenError::Signature(SignatureError::TimestampMalformed))) => {
            Some(UNREADABLE)
        }
        (Verdict::Fails { .. }, Ok(_)) => opened_beyond_flask(&json_of(cookie)),
        _ => None,
    };
    assert!(row.is_some(), "{cookie}\nFlask: {flask:?}\n ours: {ours:?}");
    row
}

/// The error that we should report, as far as it follows from Flask's words.
fn error_of(message: &str, ours: &SignatureError) -> SignatureError {
    let numbers: Vec<i64> = message.split(' ').filter_map(|word| word.parse().ok()).collect();
    let age = |age: i64| Duration::from_secs(age.unsigned_abs());
    match (message, ours, numbers.as_slice()) {
        ("No b'.' found in value", ..) => SignatureError::NoSeparator,
        ("timestamp missing", ..) => SignatureError::TimestampMissing,
        ("Malformed timestamp", SignatureError::BadSignature { .. }, _) => *ours,
        ("Malformed timestamp", ..) => SignatureError::TimestampMalformed,
        (_, SignatureError::Expired { issued_at, .. }, [given, most]) => {
            SignatureError::Expired { age: age(*given), max_age: age(*most), issued_at: *issued_at }
        }
        (_, SignatureError::Future { issued_at, .. }, [given, 0]) if *given < 0 => {
            SignatureError::Future { ahead: age(*given), issued_at: *issued_at }
        }
        (text, SignatureError::BadSignature { .. }, _) if text.ends_with("does not match") => *ours,
        _ => panic!("{message} and {ours:?}"),
    }
}

fn codec_is_lenient(message: &str, at: UnixTime) -> bool {
    let ahead = at.as_secs().saturating_sub(NOW.as_secs());
    message == format!("Signature age -{ahead} < 0 seconds")
        && (1..=DEFAULT_LEEWAY.as_secs()).contains(&ahead)
}

/// The session in `cookie`, with its signature in Flask's spelling.
fn opened_by_canonical_signature(codec: &SessionCodec, cookie: &str) -> Option<String> {
    let parts = split_unverified(cookie.as_bytes(), b'.')?;
    let head = &cookie[..cookie.len() - parts.signature.len()];
    let signer = hipflask_core::signing::TimestampSigner::flask_cookie("k").unwrap();
    let signature = signer.signer().signature(head.strip_suffix('.')?.as_bytes());
    let canonical = codec.open(format!("{head}{signature}").as_bytes(), NOW).ok()?;
    Some(described(&canonical.session))
}

/// Cookies that we read and Flask does not.
fn opened_beyond_flask(json: &str) -> Option<&'static str> {
    // A number in a date that is too large for a C int.
    json.contains(r#"{" d":"#).then_some(ODD_TAG)
}

#[test]
fn damaged_cookies_are_handled_as_in_real_flask() {
    let mut rng = TestRng::fresh();
    let mut flask = RealFlask::start().unwrap();
    let strict = codec(Compression::default());
    let lenient = SessionCodec::builder("k").build().unwrap();
    let (mut met, mut whole) = (Met::default(), 0);
    for _ in 0..DAMAGED / BATCH {
        for damaged in flask.damage(&Settings::default(), rng.seed(), BATCH).unwrap() {
            match compare(&strict, &damaged.cookie, &damaged.verdict) {
                Some(row) => met.count(row),
                None => whole += usize::from(matches!(damaged.verdict, Verdict::Opened { .. })),
            }
            if let Some(LEEWAY) = compare(&lenient, &damaged.cookie, &damaged.verdict) {
                met.count(LEEWAY);
            }
        }
    }
    met.at_least_one_of(&[ONE_SPELLING, UNREADABLE, LEEWAY, ODD_TAG, ODD_PAIRS]);
    assert!(whole > DAMAGED / 50, "only {whole} cookies came out whole");
}

#[test]
fn damaged_json_is_handled_as_in_real_flask() {
    let mut rng = TestRng::fresh();
    let mut flask = RealFlask::start().unwrap();
    let codec = codec(Compression::default());
    let (mut met, mut readable) = (Met::default(), 0);
    for _ in 0..DAMAGED / BATCH {
        let sessions = flask.generate(&Settings::default(), rng.seed(), BATCH).unwrap();
        let texts = sessions.iter().map(|session| mutated(&mut rng, &json_of(&session.cookie)));
        let texts: Vec<Vec<u8>> = texts.filter(|text| text.len() < 4000).collect();
        for (cookie, verdict) in signed(&mut flask, &texts) {
            match compare(&codec, &cookie, &verdict) {
                Some(row) => met.count(row),
                None => readable += 1,
            }
        }
    }
    met.at_least_one_of(&[UNREADABLE]);
    assert!(readable > DAMAGED / 20, "only {readable} texts were still JSON");
}

#[test]
fn signed_oddities_are_handled_as_in_real_flask() {
    let mut flask = RealFlask::start().unwrap();
    let codec = codec(Compression::default());
    let mut met = Met::default();
    let nested = |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
    let mut texts: Vec<String> = (45..55).chain(490..500).chain([1000, 3000]).map(nested).collect();
    texts.extend(ODD.iter().map(ToString::to_string));
    texts.push(format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20)));
    texts.push(format!(r#"{{"a":"{}"}}"#, "x".repeat((1 << 20) - 8)));
    let counts = |met: &Met| met.0.values().sum::<usize>();
    for (cookie, verdict) in signed(&mut flask, &texts) {
        let before = counts(&met);
        if let Some(row) = compare(&codec, &cookie, &verdict) {
            met.count(row);
        }
        assert!(counts(&met) <= before + 1);
    }
    met.at_least_one_of(&[TOO_LARGE, TOO_DEEP, ODD_TAG, ODD_PAIRS, UNREADABLE]);
}

#[test]
fn tags_with_further_keys_agree_with_real_flask() {
    let mut flask = RealFlask::start().unwrap();
    let codec = codec(Compression::default());
    for (cookie, verdict) in signed(&mut flask, TAGS_WITH_FURTHER_KEYS) {
        assert_eq!(compare(&codec, &cookie, &verdict), None, "{cookie}");
    }
}

#[test]
fn real_flask_differences_are_in_compatibility_md() {
    let rows: Vec<&str> = include_str!("../../../../COMPATIBILITY.md").lines().collect();
    for row in ROWS {
        let found = rows.iter().find(|line| line.starts_with(&format!("| {row}")));
        assert!(found.is_some_and(|line| line.contains('`')), "no row {row:?} with a test");
    }
}

/// The texts as payloads with a good signature, deflated if they are long, and Flask's answer to
/// each.
fn signed(flask: &mut RealFlask, texts: &[impl AsRef<[u8]>]) -> Vec<(String, Verdict)> {
    let codec = PayloadCodec::new(Compression::WhenItPays).pays_from(5000);
    let payloads = texts.iter().map(|text| {
        let mut payload = String::new();
        codec.encode_into(text.as_ref(), &mut payload);
        payload
    });
    let cookies = flask.sign_payload(&Settings::default(), &payloads.collect::<Vec<_>>()).unwrap();
    let verdicts = flask.open(&Settings::default(), &cookies).unwrap();
    cookies.into_iter().zip(verdicts).collect()
}

/// The text with one to three changes.
fn mutated(rng: &mut TestRng, json: &str) -> Vec<u8> {
    let mut bytes = json.as_bytes().to_vec();
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len() + 1);
        let some = |rng: &mut TestRng, most| at..(at + rng.below(most)).min(bytes.len());
        match rng.below(6) {
            0 => drop(bytes.drain(some(rng, 2))),
            1 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            2 => drop(bytes.drain(some(rng, 12))),
            3 => {
                let copy = bytes[some(rng, 30)].to_vec();
                let to = rng.below(bytes.len() + 1);
                drop(bytes.splice(to..to, copy));
            }
            _ => drop(bytes.splice(at..at, rng.pick(PIECES).bytes())),
        }
    }
    bytes
}

#[rustfmt::skip]
const PIECES: &[&str] = &[
    "{", "}", "[", "]", ",", ":", "\"", "\\", " ", "\n", "0", "1", "-", ".", "e", "E5", "+", "null", "true", "NaN", "Infinity",
    "-Infinity", "\"a\":1,", "{\" t\":", "{\" b\":", "{\" m\":", "{\" u\":", "{\" d\":", "{\" di\":", "\" t\"", "\" di\"", "__",
    "\\u0020", "\\ud800", "\\udc00", "\\u00E9", "\\/", "\u{e9}", "\u{7f}", "\u{0}", "\u{feff}", "\u{a0}", "[]", "{}", "\"\"", "1e400",
    "-0", "0.10", "Tue, 02 Jan 2024 03:04:05 GMT", "GMT", "AA==", "=", "_", "\u{1F600}",
];

/// Objects whose first key is a tag and that have other or equal keys.
#[rustfmt::skip]
const TAGS_WITH_FURTHER_KEYS: &[&str] = &[
    r#"{"a":{" t":[1],"x":2}}"#, r#"{"a":{" t":[0]," t":[1]}}"#, r#"{"a":{" t":[0],"x":1," t":[1]}}"#, r#"{"a":{"\u0020t":[1]}}"#,
    r#"{"a":{"\u0020t":[1],"x":2}}"#, r#"{"a":{" t":[0],"\u0020t":"ab"}}"#, r#"{"a":{" b":1,"x":2}}"#, r#"{"a":{" b":1," b":"YQ=="}}"#,
    r#"{"a":{" di":{},"x":2}}"#, r#"{"a":[{" t":[{" t":[1],"x":2}]}]}"#, r#"{"a":{" t":[{" t":[1]," t":[2]}],"x":[{" d":"no"," d":null}]}}"#,
    r#"{" t":[1],"x":2}"#, r#"{" t":[]," t":[["x",2]]}"#, r#"{"a":{"x":2," t":[1]}}"#,
];

/// JSON beyond `ODD_JSON` and `ODD_TAGS` of `wire/generate.py`: findings of random tests, and
/// similar texts.
#[rustfmt::skip]
const ODD: &[&str] = &[
    r#""""#, "{}", "[[]]", r#"["ab",["c",1]]"#, r#"[[1,2]]"#, r#"[{"a":1,"b":2}]"#, r#"{" b":""}"#, r#"{" b":"YQ=="}"#, r#"{" m":""}"#, r#"{" m":"ab"}"#,
    r#"{" t":""}"#, r#"{" t":"ab"}"#, r#"{" u":"00000000000000000000000000000000"}"#, r#"{" d":null}"#, r#"{" d":"nope"}"#, r#"{" di":{" t__":1}}"#,
    r#"{"a":{" d":"Thu, 22 Dec 2016 13:23:18171909808 GMT"}}"#, r#"{"a":{" d":"Thu, 22 Dec 99999999999 13:23:18 GMT"}}"#,
    r#"{"a":{" d":"22 Dec 2016 13:23:18 +99999999999999999999"}}"#, r#"{"a":{" d":"22 Dec 2016 13:23:18 +9999999999999999"}}"#,
    r#"{"a":{" d":"99999999999 Dec 2016 13:23:18 GMT"}}"#, r#"{"a":{" d":"22 Dec 2016 13:23:18 +999999999999"}}"#, r#"{"a":{" m":{"b":1}}}"#,
    r#"{"a":{" m":{" m":"x"}}}"#, r#"{"a":{" m":{" b":"AA=="}}}"#, r#"{"a":{" u":"+2345678123456781234567812345678"}}"#, r#"{"a":{" t":{" b":"AAE="}}}"#,
];
