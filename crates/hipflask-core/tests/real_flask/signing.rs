//! Keys, salts, derivations, digests and rotation, as itsdangerous has them.

use core::time::Duration;

use hipflask_core::codec::SessionCodec;
use hipflask_core::session::SessionDict;
use hipflask_core::signing::{
    Age, Compression, Derivation, Digest, KeyRing, SignatureError, Signer, TimestampSigner,
};
use hipflask_core::time::UnixTime;
use hipflask_testkit::oracle::serde_json::{Map, Value as Json, json};
use hipflask_testkit::oracle::{RealFlask, Settings, Verdict};
use hipflask_testkit::rng::TestRng;

use crate::common::{described, dict, opened};

const DERIVATIONS: [Derivation; 4] =
    [Derivation::Concat, Derivation::DjangoConcat, Derivation::Hmac, Derivation::None];
const DIGESTS: [Digest; 3] = [Digest::Sha1, Digest::Sha256, Digest::Sha512];
const SESSION: &str = "{s61:i1,s62:[s78]}";

fn ring(keys: &[Vec<u8>]) -> KeyRing {
    let (first, rest) = keys.split_first().unwrap();
    rest.iter().fold(KeyRing::new(first.clone()), |ring, key| ring.accept(key.clone()))
}

fn codec(settings: &Settings) -> SessionCodec {
    SessionCodec::builder(ring(&settings.keys))
        .salt(&settings.salt)
        .derivation(settings.derivation.parse().unwrap())
        .digest(settings.digest.parse().unwrap())
        .compression(Compression::Never)
        .leeway(Duration::ZERO)
        .build()
        .unwrap()
}

/// Short, long, not UTF-8, with NUL, as long as a block of each hash, and one byte longer.
fn keys() -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = [1, 63, 64, 65, 127, 128, 129, 300].map(|length| vec![b'k'; length]).into();
    keys.extend([b"\0".to_vec(), b"\xff\xfe".to_vec(), "ключ".into(), b"a.b".to_vec()]);
    keys
}

#[test]
fn every_signer_setting_works_as_in_real_flask() {
    let mut flask = RealFlask::start().unwrap();
    let session = SessionDict::from_dict(dict(SESSION));
    for derivation in DERIVATIONS {
        for digest in DIGESTS {
            for salt in ["cookie-session", "", "s\u{e9}l", "a.b"] {
                for key in keys() {
                    let settings = Settings {
                        keys: vec![key],
                        salt: salt.to_owned(),
                        digest: digest.to_string(),
                        derivation: derivation.to_string(),
                        ..Settings::default()
                    };
                    let ours = codec(&settings).sign(&session, UnixTime::from_secs(settings.at)).unwrap();
                    assert_eq!(
                        flask.sign(&settings, &[SESSION]).unwrap()[0].as_ref(),
                        Ok(&ours),
                        "{settings:?}"
                    );
                    let now = UnixTime::from_secs(settings.at);
                    assert_eq!(
                        described(&codec(&settings).open(ours.as_bytes(), now).unwrap().session),
                        SESSION
                    );
                }
            }
        }
    }
}

#[test]
fn keys_rotate_as_in_real_flask() {
    let mut flask = RealFlask::start().unwrap();
    let keys: Vec<Vec<u8>> = ["new", "old", "older", "oldest", "new"].map(Vec::from).into();
    let lists: Vec<Settings> = (0..keys.len())
        .flat_map(|from| (from + 1..=keys.len()).map(move |to| (from, to)))
        .map(|(from, to)| Settings { keys: keys[from..to].to_vec(), ..Settings::default() })
        .collect();
    let now = UnixTime::from_secs(1_700_000_000);
    for signing in &lists {
        let theirs = flask.sign(signing, &[SESSION]).unwrap().remove(0).unwrap();
        assert_eq!(codec(signing).sign(&SessionDict::from_dict(dict(SESSION)), now).unwrap(), theirs);
        for opening in &lists {
            let verdict = flask.open(opening, &[&theirs]).unwrap().remove(0);
            let ours = codec(opening).open(theirs.as_bytes(), now);
            match &verdict {
                Verdict::Opened { .. } => {
                    let ours = ours.unwrap();
                    assert_eq!(described(&ours.session), opened(&verdict));
                    assert_eq!(Some(ours.key), opening.keys.iter().position(|key| *key == signing.keys[0]));
                }
                _ => assert_eq!(ours.unwrap_err().reason(), "bad_signature"),
            }
        }
    }
}

#[test]
fn cookies_expire_as_in_real_flask() {
    let mut flask = RealFlask::start().unwrap();
    for at in [0, 1, 255, 256, 65_535, 1_700_000_000, u64::from(u32::MAX), 1 << 32, 253_402_300_798] {
        let signed = Settings { at, ..Settings::default() };
        let cookie = flask.sign(&signed, &["{}"]).unwrap().remove(0).unwrap();
        for lifetime in [0_u64, 1, 100, 2_678_400] {
            for shift in [-1, 0, 1, 99, 100, 101, 2_678_399, 2_678_400, 2_678_401] {
                let Some(now) = at.checked_add_signed(shift).filter(|now| *now <= 253_402_300_799) else {
                    continue;
                };
                let settings = Settings { at: now, ..Settings::default() };
                let max_age = Some(i64::try_from(lifetime).unwrap());
                let verdict = flask.open_within(&settings, max_age, &[&cookie]).unwrap().remove(0);
                let codec = SessionCodec::builder("k").lifetime(Some(Duration::from_secs(lifetime)));
                let ours = codec
                    .leeway(Duration::ZERO)
                    .build()
                    .unwrap()
                    .open(cookie.as_bytes(), UnixTime::from_secs(now));
                let reason = ours.as_ref().err().map(|error| error.reason());
                let expected = match &verdict {
                    Verdict::Opened { .. } => None,
                    Verdict::Empty { message, .. } if message.contains("age -") => Some("future"),
                    Verdict::Empty { message, .. } if message.starts_with("Signature age") => Some("expired"),
                    other => panic!("{other:?}"),
                };
                assert_eq!(reason, expected, "signed at {at}, {lifetime} s, now {now}: {verdict:?}");
            }
        }
    }
}

/// The signers of itsdangerous, for mail links and form tokens: good values, damaged ones, other
/// separators.
#[test]
fn signers_agree_with_itsdangerous_of_real_flask() {
    let mut rng = TestRng::fresh();
    let mut flask = RealFlask::start().unwrap();
    let all = keys();
    let (mut good, mut bad) = (0, 0);
    for _ in 0..300 {
        let ring_keys: Vec<Vec<u8>> = (0..=rng.below(3)).map(|_| rng.pick(&all).clone()).collect();
        let (derivation, digest) = (*rng.pick(&DERIVATIONS), *rng.pick(&DIGESTS));
        let separator = *rng.pick(b".:!|");
        let (salt, timed) = (*rng.pick(&[b"".as_slice(), b"activate", b"\xff\0"]), rng.once_in(2));
        let builder = Signer::builder(ring(&ring_keys)).salt(salt).separator(separator);
        let signer = builder.derivation(derivation).digest(digest).build().unwrap();
        let values: Vec<Vec<u8>> = (0..30).map(|_| value(&mut rng, separator)).collect();
        let question = json!({
            "keys": ring_keys.iter().map(|key| hex(key)).collect::<Vec<_>>(), "salt": hex(salt), "timed": timed, "max_age": 100,
            "sep": char::from(separator).to_string(), "derivation": derivation.to_string(), "digest": digest.to_string(),
        });
        let mut ask = |op: &str, values: &[Vec<u8>]| -> Vec<Json> {
            let mut question: Map<String, Json> = question.as_object().unwrap().clone();
            question.insert("values".into(), values.iter().map(|value| hex(value)).collect());
            flask.ask(op, question).unwrap()
        };
        let theirs = ask("signer_sign", &values);
        let ours: Vec<Vec<u8>> = values.iter().map(|value| signed(&signer, timed, value)).collect();
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(theirs, &Json::from(hex(ours)), "{question}");
        }
        let damaged: Vec<Vec<u8>> = ours.into_iter().map(|value| damaged(&mut rng, value)).collect();
        for (value, theirs) in damaged.iter().zip(ask("signer_unsign", &damaged)) {
            match unsigned(&signer, timed, value) {
                Ok((inner, at)) => {
                    assert_eq!(theirs, json!({ "value": hex(&inner), "signed_at": at }), "{question}");
                    good += 1;
                }
                Err(error) => {
                    let Some(class) = theirs["error"].as_str() else {
                        // COMPATIBILITY.md accepts one spelling. With that one, both sides read the
                        // same.
                        let at = value.iter().rposition(|byte| *byte == separator).unwrap();
                        let (inner, at) = unsigned(&signer, timed, &signer.sign(&value[..at])).unwrap();
                        assert_eq!(theirs, json!({ "value": hex(&inner), "signed_at": at }), "{question}");
                        continue;
                    };
                    let out_of_range = matches!(class, "OverflowError" | "ValueError" | "OSError");
                    let agree = class == error.itsdangerous_class()
                        || out_of_range && error == SignatureError::TimestampMalformed;
                    assert!(agree, "{} {class} {error:?} {question}", hex(value));
                    bad += 1;
                }
            }
        }
    }
    assert!(good > 1000 && bad > 1000, "{good} good, {bad} bad");
}

const AT: UnixTime = UnixTime::from_secs(1_700_000_000);

fn signed(signer: &Signer, timed: bool, value: &[u8]) -> Vec<u8> {
    match (timed, core::str::from_utf8(value)) {
        (true, Ok(text)) => TimestampSigner::new(signer.clone()).sign(text, AT).into_bytes(),
        (true, Err(_)) => {
            // Ours adds times to text only. Adding one here gives the same.
            signer.sign([value, &[signer.separator()], b"ZVPxAA"].concat())
        }
        (false, _) => signer.sign(value),
    }
}

fn unsigned(signer: &Signer, timed: bool, value: &[u8]) -> Result<(Vec<u8>, Option<u64>), SignatureError> {
    let unsigned = if timed {
        TimestampSigner::new(signer.clone())
            .unsign(value, AT, Age::at_most(Duration::from_secs(100)))?
            .value
            .to_vec()
    } else {
        signer.unsign(value)?.value.to_vec()
    };
    Ok((unsigned, timed.then_some(AT.as_secs())))
}

fn value(rng: &mut TestRng, separator: u8) -> Vec<u8> {
    (0..rng.below(20)).map(|_| if rng.once_in(8) { separator } else { rng.below(256) as u8 }).collect()
}

/// Unchanged, with a changed, missing or added byte, or cut short.
fn damaged(rng: &mut TestRng, mut value: Vec<u8>) -> Vec<u8> {
    let at = rng.below(value.len());
    match rng.below(5) {
        0 => value[at] ^= 1 << rng.below(8),
        1 => drop(value.remove(at)),
        2 => value.insert(at, rng.below(256) as u8),
        3 => value.truncate(at),
        _ => {}
    }
    value
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
