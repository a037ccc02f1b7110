//! Tests of the judge itself; other crates use it to check sessions.

use hipflask_testkit::describe::{describe, parse};
use hipflask_testkit::oracle::{RealFlask, SaveCase, Settings, Verdict, Visit};
use hipflask_testkit::recordings;
use serde_json::json;

#[test]
fn real_flask_signs_descriptions_like_sessions() {
    let mut flask = RealFlask::start().unwrap();
    let settings = Settings::default();
    let sessions = flask.generate(&settings, 1, 2_000).unwrap();
    let values: Vec<&str> = sessions.iter().map(|session| session.value.as_str()).collect();
    let cookies = flask.sign(&settings, &values).unwrap();
    for (session, cookie) in sessions.iter().zip(cookies) {
        assert_eq!(cookie.as_ref(), Ok(&session.cookie), "{}", session.value);
        assert_eq!(parse(&session.value).map(|value| describe(&value)).as_ref(), Ok(&session.value));
        assert_eq!(parse(&session.opened).map(|value| describe(&value)).as_ref(), Ok(&session.opened));
    }
}

#[test]
fn real_flask_still_writes_the_recorded_cookies() {
    let mut flask = RealFlask::start().unwrap();
    for recorded in recordings::flask_cookies().unwrap() {
        let signed = flask.sign(&recorded.settings, &[&recorded.value]).unwrap().remove(0);
        // Compressed payloads depend on the zlib of the Python at hand; what they open to does not.
        if !recorded.cookie.starts_with('.') {
            assert_eq!(signed.as_ref(), Ok(&recorded.cookie));
        }
        let verdict = flask.open(&recorded.settings, &[&recorded.cookie]).unwrap().remove(0);
        let Verdict::Opened { session, signed_at } = verdict else { panic!("{verdict:?}") };
        assert_eq!((session, signed_at), (recorded.opened, Some(recorded.settings.at)));
    }
}

#[test]
fn real_flask_opens_with_every_key() {
    let mut flask = RealFlask::start().unwrap();
    let (old, both) = (Settings::with_keys(["old"]), Settings::with_keys(["new", "old"]));
    let written = flask.sign(&old, &["{s61:i1}"]).unwrap().remove(0).unwrap();
    assert!(matches!(flask.open(&both, &[&written]).unwrap()[0], Verdict::Opened { .. }));
    let rewritten = flask.sign(&both, &["{s61:i1}"]).unwrap().remove(0).unwrap();
    assert!(matches!(flask.open(&old, &[&rewritten]).unwrap()[0], Verdict::Empty { .. }));
}

#[test]
fn real_flask_reads_the_clock_that_is_set() {
    let mut flask = RealFlask::start().unwrap();
    let now = Settings::default();
    let cookie = flask.sign(&now, &["{}"]).unwrap().remove(0).unwrap();
    let later = Settings { at: now.at + 101, ..now };
    let verdicts = flask.open_within(&later, Some(100), &[&cookie]).unwrap();
    let expired = Verdict::Empty {
        class: "SignatureExpired".into(),
        message: "Signature age 101 > 100 seconds".into(),
    };
    assert_eq!(verdicts, [expired]);
    assert!(matches!(flask.open_within(&later, Some(101), &[&cookie]).unwrap()[0], Verdict::Opened { .. }));
    assert!(matches!(flask.open_within(&later, None, &[&cookie]).unwrap()[0], Verdict::Opened { .. }));
}

#[test]
fn real_flask_saves_permanent_session_with_set_clock() {
    let mut flask = RealFlask::start().unwrap();
    let session = "{s5f7065726d616e656e74:T}".to_owned(); // {"_permanent": True}
    let saved = flask.save(&[SaveCase { session, ..SaveCase::default() }]).unwrap().remove(0).unwrap();
    assert!(
        saved.headers[0].1.contains("; Expires=Fri, 15 Dec 2023 22:13:20 GMT; HttpOnly; Path=/"),
        "{saved:?}"
    );
}

#[test]
fn real_flask_shows_flags_after_each_step() {
    let mut flask = RealFlask::start().unwrap();
    let steps = vec![json!(["get", "a"]), json!(["set", "a", "i1"]), json!(["delete", "zz"])];
    let visited = flask.visit(&[Visit { steps, ..Visit::default() }]).unwrap().remove(0);
    let modified: Vec<bool> = visited.steps.iter().map(|step| step.modified).collect();
    assert_eq!(modified, [false, true, true]);
    assert_eq!(visited.steps[2].error.as_deref(), Some("KeyError"));
    assert_eq!(visited.headers.len(), 2);
}

#[test]
fn real_flask_damages_headers_and_cookies_in_batches() {
    let mut flask = RealFlask::start().unwrap();
    let damaged = flask.damage(&Settings::default(), 3, 500).unwrap();
    assert!(damaged.iter().any(|cookie| matches!(cookie.verdict, Verdict::Fails { .. })));
    assert!(damaged.iter().any(|cookie| matches!(cookie.verdict, Verdict::Empty { .. })));
    let headers = flask.generate_headers(3, 100).unwrap();
    assert_eq!(flask.parse_cookie(&[&headers[0].header]).unwrap()[0], headers[0].pairs);
    assert!(flask.generate_set_cookies(3, 100).unwrap().iter().any(|made| made.header.is_some()));
}

#[test]
fn real_flask_versions_match_the_recordings() {
    let versions = RealFlask::start().unwrap().versions().unwrap();
    let recorded = std::fs::read_to_string("../../wire/flask-cookies.jsonl").unwrap();
    let first = recorded.lines().next().unwrap_or_default();
    for version in [versions.flask, versions.werkzeug, versions.itsdangerous] {
        assert!(
            first.contains(&version),
            "{version} did not make wire/: run `cargo xtask wire` and read what changed"
        );
    }
}
