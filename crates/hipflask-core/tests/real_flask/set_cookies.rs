//! `Set-Cookie` and `Vary` as Flask and Werkzeug write them.

use hipflask_core::cookie::{CookieConfig, CookieConfigError, SameSite};
use hipflask_core::plan::{CookieOp, Profile, Rules, plan};
use hipflask_core::session::SessionDict;
use hipflask_core::signing::Compression;
use hipflask_testkit::oracle::serde_json::{Map, Value as Json, json};
use hipflask_testkit::oracle::{RealFlask, SaveCase};
use hipflask_testkit::rng::TestRng;

use crate::common::{BATCH, NOW, codec, dict};

const VALUES: usize = 10_000;
const LIFETIME: core::time::Duration = hipflask_core::codec::DEFAULT_LIFETIME;

/// Session and flags: set, set with `Expires`, removed.
const OUTCOMES: [(&str, CookieOp); 3] = [
    ("{s61:i1}", CookieOp::Set { expires: false }),
    ("{s5f7065726d616e656e74:T,s61:i1}", CookieOp::Set { expires: true }),
    ("{}", CookieOp::Remove),
];

#[test]
fn accepted_configurations_write_headers_of_real_flask() {
    let mut flask = RealFlask::start().unwrap();
    let mut expected = Vec::new();
    let mut cases = Vec::new();
    let (mut accepted, mut refused) = (0, 0);
    for fields in configurations() {
        let Ok(config) = build(&fields) else {
            refused += 1;
            continue;
        };
        accepted += 1;
        for (session, op) in OUTCOMES {
            expected.push(header(&config, session, op));
            let session = session.to_owned();
            cases.push(SaveCase { config: fields.clone(), session, modified: true, ..SaveCase::default() });
        }
    }
    for (cases, expected) in cases.chunks(BATCH).zip(expected.chunks(BATCH)) {
        for ((saved, case), expected) in flask.save(cases).unwrap().into_iter().zip(cases).zip(expected) {
            let headers = saved.unwrap().headers;
            let theirs = headers.iter().find(|(name, _)| name == "Set-Cookie").map(|(_, value)| value);
            assert_eq!(theirs, Some(expected), "{:?}", case.config);
        }
    }
    assert!(accepted > 500 && refused > 1000, "{accepted} accepted, {refused} refused");
}

/// All combinations of these settings.
fn configurations() -> Vec<Map<String, Json>> {
    let axes: [(&str, Vec<Json>); 7] = [
        (
            "SESSION_COOKIE_NAME",
            vec!["session".into(), "__Host-session".into(), "__Secure-s".into(), "__http-S".into()],
        ),
        (
            "SESSION_COOKIE_DOMAIN",
            vec![
                Json::Null,
                "example.com".into(),
                ".Example.com:8080".into(),
                "localhost".into(),
                "a..b".into(),
            ],
        ),
        ("SESSION_COOKIE_PATH", vec!["/".into(), "/app".into(), "/a b;é/%41?\"".into(), "app".into()]),
        ("SESSION_COOKIE_SECURE", vec![false.into(), true.into()]),
        ("SESSION_COOKIE_HTTPONLY", vec![false.into(), true.into()]),
        ("SESSION_COOKIE_SAMESITE", vec![Json::Null, "Lax".into(), "STRICT".into(), "none".into()]),
        ("SESSION_COOKIE_PARTITIONED", vec![false.into(), true.into()]),
    ];
    axes.iter().fold(vec![Map::new()], |made, (name, choices)| {
        let with = |fields: &Map<String, Json>, choice: &Json| {
            let mut fields = fields.clone();
            fields.insert((*name).to_owned(), choice.clone());
            fields
        };
        made.iter().flat_map(|fields| choices.iter().map(move |choice| with(fields, choice))).collect()
    })
}

fn build(fields: &Map<String, Json>) -> Result<CookieConfig, CookieConfigError> {
    let word = |name: &str| fields[name].as_str();
    let flag = |name: &str| fields[name].as_bool().unwrap();
    CookieConfig::builder()
        .name(word("SESSION_COOKIE_NAME").unwrap())
        .domain(word("SESSION_COOKIE_DOMAIN"))
        .path(word("SESSION_COOKIE_PATH").unwrap())
        .secure(flag("SESSION_COOKIE_SECURE"))
        .http_only(flag("SESSION_COOKIE_HTTPONLY"))
        .same_site(word("SESSION_COOKIE_SAMESITE").map(|mode| mode.parse::<SameSite>().unwrap()))
        .partitioned(flag("SESSION_COOKIE_PARTITIONED"))
        .build()
}

fn header(config: &CookieConfig, session: &str, op: CookieOp) -> String {
    match op {
        CookieOp::Remove => config.removal(),
        CookieOp::Set { expires } => {
            let session = SessionDict::from_dict(dict(session));
            let value = codec(Compression::Never).sign(&session, NOW).unwrap();
            config.set(&value, expires.then(|| NOW.saturating_add(LIFETIME)))
        }
        CookieOp::Leave => unreachable!("not among the outcomes"),
    }
}

#[test]
fn plan_agrees_with_real_flask_on_all_flags() {
    let mut flask = RealFlask::start().unwrap();
    let mut cases = Vec::new();
    for bits in 0..32 {
        let has = |bit: u8| bits >> bit & 1 == 1;
        // Not permanent in two ways, permanent in two; empty cannot be permanent.
        let session = match (has(0), has(1)) {
            (true, _) => "{}",
            (false, true) => "{s5f7065726d616e656e74:i5}",
            (false, false) => "{s5f7065726d616e656e74:f0000000000000000}",
        };
        let config = Map::from_iter([("SESSION_REFRESH_EACH_REQUEST".to_owned(), has(2).into())]);
        let (modified, accessed) = (has(3), has(4));
        cases.push(SaveCase {
            config,
            session: session.to_owned(),
            modified,
            accessed,
            ..SaveCase::default()
        });
    }
    for (saved, case) in flask.save(&cases).unwrap().into_iter().zip(&cases) {
        let mut session = SessionDict::from_dict(dict(&case.session));
        session.set_modified(case.modified);
        session.set_accessed(case.accessed);
        let refresh_each_request = case.config["SESSION_REFRESH_EACH_REQUEST"] == true;
        let plan = plan(session.flags(), Rules { refresh_each_request, profile: Profile::Flask });
        let headers = saved.unwrap().headers;
        let find =
            |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let ours = (plan.cookie != CookieOp::Leave)
            .then(|| header(&CookieConfig::default(), &case.session, plan.cookie));
        assert_eq!(find("Set-Cookie"), ours, "{case:?}");
        assert_eq!(find("Vary").is_some(), plan.vary_cookie, "{case:?}");
    }
}

#[test]
fn odd_values_are_quoted_as_by_real_flask() {
    let mut rng = TestRng::fresh();
    let mut flask = RealFlask::start().unwrap();
    let config = CookieConfig::default();
    for _ in 0..VALUES / BATCH {
        let values: Vec<String> = (0..BATCH).map(|_| odd_text(&mut rng)).collect();
        let call = |value: &String| {
            let json = json!({ "key": "session", "value": value, "httponly": true });
            json.as_object().unwrap().clone()
        };
        let calls: Vec<_> = values.iter().map(call).collect();
        let headers: Vec<String> = values.iter().map(|value| config.set(value, None)).collect();
        let dumped = flask.dump_cookie(NOW.as_secs(), &calls).unwrap();
        for ((value, ours), theirs) in values.iter().zip(&headers).zip(dumped) {
            // COMPATIBILITY.md, "The `Set-Cookie` header": we escape these.
            if !value.contains(|c| ('\x1a'..='\x1f').contains(&c)) {
                assert_eq!(theirs.as_ref(), Ok(ours), "{value:?}");
            }
        }
        let sent: Vec<&str> =
            headers.iter().map(|header| header.split("; HttpOnly").next().unwrap()).collect();
        for (value, pairs) in values.iter().zip(flask.parse_cookie(&sent).unwrap()) {
            assert_eq!(pairs, [("session".to_owned(), value.clone())]);
        }
    }
}

fn odd_text(rng: &mut TestRng) -> String {
    let any = |rng: &mut TestRng| match rng.below(4) {
        0 => char::from(rng.below(0x80) as u8),
        1 => *rng.pick(&[' ', ',', ';', '"', '\\', '\u{7f}', '\u{80}', '\u{ff}', 'é', '\u{1f600}', '=', '%']),
        2 => char::from_u32(rng.below(0x11_0000) as u32).unwrap_or('x'),
        _ => *rng.pick(&['a', 'Z', '0', '-', '_', '.']),
    };
    (0..rng.below(12)).map(|_| any(rng)).collect()
}

/// Our warnings have the words of Flask's.
#[test]
fn warning_about_size_equals_real_flask() {
    let mut flask = RealFlask::start().unwrap();
    let codec = codec(Compression::Never);
    // Random characters, which no zlib makes shorter.
    let mut rng = TestRng::from_seed(1);
    for length in 2990..3010 {
        let text: String = (0..length).map(|_| char::from(33 + rng.below(58) as u8)).collect();
        let text = text.replace(['"', '\\'], "x");
        let mut session = SessionDict::new();
        session.set("a", &text).unwrap();
        let value = codec.sign(&session, NOW).unwrap();
        for limit in [4093, 0, 4080] {
            let config = CookieConfig::builder().max_size(limit).build().unwrap();
            let header = config.set(&value, None);
            let ours: Vec<String> =
                config.check_size(&value, &header).err().iter().map(ToString::to_string).collect();
            let json = json!({ "key": "session", "value": value, "httponly": true, "max_size": limit });
            let asked = Map::from_iter([("calls".to_owned(), Json::from(vec![json]))]);
            let theirs: Vec<Json> = flask.ask("dump_cookie", asked).unwrap();
            assert_eq!(theirs[0]["header"], header);
            assert_eq!(theirs[0]["warnings"], json!(ours.iter().map(String::as_str).collect::<Vec<_>>()));
        }
    }
}
