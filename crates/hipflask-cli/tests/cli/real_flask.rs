//! Real Flask opens what the command signs, and the command opens what real Flask signs.

use hipflask_testkit::describe::{describe, parse};
use hipflask_testkit::oracle::{RealFlask, Settings, Verdict};

use crate::support::{GOOD_KEY, run_with_input};

fn settings() -> Vec<(Settings, Vec<&'static str>)> {
    let flask = Settings::with_keys([GOOD_KEY]);
    let other = Settings {
        salt: "other".to_owned(),
        digest: "sha512".to_owned(),
        derivation: "django-concat".to_owned(),
        ..flask.clone()
    };
    let options = vec!["--salt", "other", "--digest", "sha512", "--derivation", "django-concat"];
    vec![(flask, vec![]), (other, options)]
}

/// The answers of the command to lines of input.
fn ask(arguments: &[&str], options: &[&str], lines: &[impl AsRef<str>]) -> Vec<String> {
    let input: String = lines.iter().map(|line| format!("{}\n", line.as_ref())).collect();
    let ran =
        run_with_input(&[arguments, options, &["--key-env", "GOOD_KEY", "-"]].concat(), input.as_bytes());
    assert_eq!((ran.code, &*ran.err), (Some(0), ""));
    ran.out.lines().map(str::to_owned).collect()
}

/// The text between `{"ok":true,...:` and the closing brace. Not every session is JSON to serde:
/// NaN, big numbers.
fn session_in(answer: &str) -> &str {
    let start = "{\"ok\":true,\"issued_at\":1700000000,\"session\":";
    answer.strip_prefix(start).and_then(|rest| rest.strip_suffix('}')).unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn real_flask_and_the_command_share_cookies() {
    let mut flask = RealFlask::start().unwrap();
    for (settings, options) in settings() {
        let theirs = flask.generate(&settings, 7, 1_000).unwrap();
        let cookies: Vec<&str> = theirs.iter().map(|session| session.cookie.as_str()).collect();
        let opened = ask(&["cookie", "verify", "--now", "1700000000"], &options, &cookies);
        assert_eq!(opened.len(), cookies.len());
        let sessions: Vec<&str> = opened.iter().map(|answer| session_in(answer)).collect();
        for (session, their) in sessions.iter().zip(&theirs) {
            let ours = hipflask_core::tagged::from_str(session).unwrap();
            assert_eq!(describe(&ours), their.opened);
        }

        let signed = ask(&["cookie", "sign", "--at", "1700000000"], &options, &sessions);
        let ours: Vec<String> = signed
            .iter()
            .map(|answer| {
                serde_json::from_str::<serde_json::Value>(answer).unwrap()["cookie"].as_str().unwrap().into()
            })
            .collect();
        for (verdict, their) in flask.open(&settings, &ours).unwrap().into_iter().zip(theirs) {
            let Verdict::Opened { session, signed_at } = verdict else { panic!("{verdict:?}") };
            // As values, in any order: two surrogates that Python sorted apart are one letter once
            // they have been read.
            assert_eq!(parse(&session).unwrap(), parse(&their.opened).unwrap());
            assert_eq!(signed_at, Some(settings.at));
        }
    }
}

#[test]
fn real_flask_signs_with_a_new_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.key");
    let key = crate::support::run(&["key", "new"]).out;
    std::fs::write(&path, &key).unwrap();
    let mut flask = RealFlask::start().unwrap();
    let settings = Settings::with_keys([key.trim_end()]);
    let cookie = flask.sign(&settings, &["{s61:i1}"]).unwrap().remove(0).unwrap();
    let path = path.to_str().unwrap();
    let ran = crate::support::run(&["cookie", "verify", "--key-file", path, "--now", "1700000000", &cookie]);
    assert_eq!(ran.out, "{\"ok\":true,\"issued_at\":1700000000,\"session\":{\"a\":1}}\n");
}
