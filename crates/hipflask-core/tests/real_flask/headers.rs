//! `Cookie` headers, as Werkzeug's parser reads them.

use hipflask_core::cookie::{parse, values};
use hipflask_testkit::oracle::{ParsedHeader, RealFlask};
use hipflask_testkit::rng::TestRng;

use crate::common::BATCH;

const HEADERS: usize = 30_000;

#[test]
fn headers_are_read_as_by_real_flask() {
    let mut rng = TestRng::fresh();
    let mut flask = RealFlask::start().unwrap();
    let (mut cookies, mut odd) = (0, 0);
    for _ in 0..HEADERS / BATCH / 2 {
        let mut headers = flask.generate_headers(rng.seed(), BATCH).unwrap();
        let texts: Vec<String> = (0..BATCH).map(|_| header(&mut rng)).collect();
        let pairs = flask.parse_cookie(&texts).unwrap();
        let ours = texts.into_iter().zip(pairs);
        headers.extend(ours.map(|(header, pairs)| parsed(header, pairs)));
        for parsed in headers {
            compare(&parsed);
            cookies += parsed.pairs.len();
            odd += usize::from(parsed.pairs.is_empty());
        }
    }
    assert!(cookies > HEADERS / 2 && odd > HEADERS / 50, "{cookies} cookies, {odd} headers without one");
}

fn compare(parsed: &ParsedHeader) {
    // Each character stands for one byte of the wire.
    let line: Vec<u8> = parsed.header.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let ours: Vec<(String, String)> = parse(&line).map(|(name, value)| (name.into(), value.into())).collect();
    assert_eq!(side_by_side(ours), parsed.pairs, "{:?}", parsed.header);
    for (name, _) in &parsed.pairs {
        let theirs: Vec<&str> =
            parsed.pairs.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect();
        // A name is compared as the bytes of the wire; only ASCII is the same text on both sides.
        if name.is_ascii() {
            let ours: Vec<_> = values([line.as_slice()], name).collect();
            assert_eq!(ours, theirs, "{name:?} in {:?}", parsed.header);
            assert_eq!(ours.first().map(AsRef::as_ref), theirs.first().copied(), "the one that Flask takes");
        }
    }
}

/// Groups the values by name, in the order in which the names first came: Werkzeug's `MultiDict`.
fn side_by_side(pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in &pairs {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let of = |wanted: &str| pairs.iter().filter(move |(name, _)| name == wanted).cloned().collect::<Vec<_>>();
    names.iter().flat_map(|name| of(name)).collect()
}

/// Any bytes, except those that no server accepts.
fn header(rng: &mut TestRng) -> String {
    let length = rng.below(24);
    let any = |rng: &mut TestRng| loop {
        let byte = rng.below(256) as u8;
        if !matches!(byte, b'\r' | b'\n' | 0) {
            return char::from(byte);
        }
    };
    (0..length).map(|_| if rng.once_in(6) { any(rng) } else { *rng.pick(&LETTERS) }).collect()
}

const LETTERS: [char; 14] = ['a', 'b', '=', '=', ';', ';', ' ', '\t', '"', '"', '\\', '0', '3', '7'];

fn parsed(header: String, pairs: Vec<(String, String)>) -> ParsedHeader {
    let json = hipflask_testkit::oracle::serde_json::json!({ "header": header, "pairs": pairs });
    hipflask_testkit::oracle::serde_json::from_value(json).unwrap()
}
