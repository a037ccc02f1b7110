//! One value as an argument, whose result is one JSON line, because standard output is not a terminal.

use std::os::unix::ffi::OsStrExt as _;

use crate::support::{COOKIE, run, sign, verify};

fn line(arguments: &[&str]) -> (Option<i32>, String) {
    let ran = run(arguments);
    (ran.code, ran.out)
}

#[test]
fn a_cookie_of_flask_is_verified() {
    let ran = verify(COOKIE);
    assert_eq!(ran.out, "{\"ok\":true,\"issued_at\":1700000000,\"session\":{\"a\":1}}\n");
    assert_eq!(ran.code, Some(0));
}

#[test]
fn every_refusal_has_a_reason() {
    let key = ["cookie", "verify", "--key-env", "FLASK_KEY"];
    let no_session = sign_payload_without_a_session();
    let table: [(&[&str], &str, &str); 7] = [
        (&["--now", "1700000000"], "eyJhIjoyfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74", "bad_signature"),
        (&["--now", "1702678401"], COOKIE, "expired"),
        (&["--now", "1700000011", "--max-age", "10"], COOKIE, "expired"),
        (&["--now", "1699999994"], COOKIE, "future"),
        (&["--now", "1699999999", "--leeway", "0"], COOKIE, "future"),
        (&[], "no-dot", "malformed"),
        (&["--now", "1700000000"], &no_session, "bad_payload"),
    ];
    for (options, value, reason) in table {
        let expected = format!("{{\"ok\":false,\"reason\":\"{reason}\"}}\n");
        assert_eq!(line(&[&key, options, &[value]].concat()), (Some(1), expected), "{reason}");
    }
}

/// Users paste whole lines from a browser's tools and from a server's log.
#[test]
fn a_whole_cookie_line_is_accepted() {
    let shown = "{\"ok\":true,\"verified\":false,\"issued_at\":1700000000,\"session\":{\"a\":1}}\n";
    let good = "{\"ok\":true,\"issued_at\":1700000000,\"session\":{\"a\":1}}\n";
    for text in [
        format!("session={COOKIE}; Path=/"),
        format!("Set-Cookie: session={COOKIE}; HttpOnly; Path=/"),
        format!("Cookie: theme=dark; session={COOKIE}"),
    ] {
        assert_eq!(line(&["cookie", "decode", &text]), (Some(0), shown.to_owned()), "{text}");
        assert_eq!(verify(&text).out, good, "{text}");
    }
}

#[test]
fn ages_are_durations() {
    for (age, code) in [("31d", 0), ("2678400", 0), ("30d", 1), ("none", 0), ("soon", 2)] {
        let key = ["cookie", "verify", "--key-env", "FLASK_KEY", "--now", "1702678400"];
        let ran = run(&[&key[..], &["--max-age", age, "--leeway", "5s", COOKIE]].concat());
        assert_eq!(ran.code, Some(code), "{age}: {}", ran.err);
    }
}

/// The text `1` under a good signature.
pub(crate) fn sign_payload_without_a_session() -> String {
    use hipflask_core::{signing::TimestampSigner, time::UnixTime};
    TimestampSigner::flask_cookie("k").unwrap().sign("MQ", UnixTime::from_secs(1_700_000_000))
}

#[test]
fn the_edges_of_age_and_leeway_pass() {
    for options in
        [["--now", "1702678400"], ["--now", "1699999995"], ["--max-age", "none"], ["--max-age", "9999999999"]]
    {
        let ran = run(&[&["cookie", "verify", "--key-env", "FLASK_KEY"], &options[..], &[COOKIE]].concat());
        assert_eq!(ran.code, Some(0), "{options:?}");
    }
}

#[test]
fn cookies_are_decoded_without_a_key() {
    let shown = "{\"ok\":true,\"verified\":false,\"issued_at\":1700000000,\"session\":{\"a\":1}}\n";
    for value in [COOKIE, "eyJhIjoxfQ.ZVPxAA.forged"] {
        assert_eq!(line(&["cookie", "decode", value]), (Some(0), shown.to_owned()));
    }
    let no_time = "{\"ok\":true,\"verified\":false,\"issued_at\":null,\"session\":{\"a\":1}}\n";
    assert_eq!(line(&["cookie", "decode", "eyJhIjoxfQ.A.x"]), (Some(0), no_time.to_owned()));
    for (value, reason) in [("a.b.c", "bad_payload"), ("abc", "malformed"), ("", "malformed")] {
        let refused = format!("{{\"ok\":false,\"reason\":\"{reason}\"}}\n");
        assert_eq!(line(&["cookie", "decode", value]), (Some(1), refused));
    }
}

#[test]
fn a_session_is_signed_as_flask_signs_it() {
    assert_eq!(sign(&["--key-env", "FLASK_KEY", "--at", "1700000000"], r#"{"a": 1}"#), COOKIE);
}

#[test]
fn json_without_a_session_is_refused() {
    for json in ["{", "{'a':1}", "[1]", "\"ab\"", "{\"a\":1} x", ""] {
        let ran = run(&["cookie", "sign", "--key-env", "GOOD_KEY", json]);
        let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(
            (ran.code, &answer["ok"], &answer["reason"]),
            (Some(1), &false.into(), &"bad_payload".into())
        );
        assert!(answer["detail"].as_str().unwrap().contains("(at byte "), "{json}");
    }
}

#[test]
fn signing_settings_apply_to_every_command() {
    let settings =
        ["--salt", "s", "--digest", "sha256", "--derivation", "django-concat", "--compress", "never"];
    let cookie = sign(&[&["--key-env", "GOOD_KEY"], &settings[..]].concat(), r#"{"a":1}"#);
    assert_eq!(cookie.rsplit('.').next().unwrap().len(), 43);
    let verify = ["cookie", "verify", "--key-env", "GOOD_KEY", &cookie];
    assert_eq!(run(&[&verify[..], &settings].concat()).code, Some(0));
    assert_eq!(run(&verify).out, "{\"ok\":false,\"reason\":\"bad_signature\"}\n");
    assert_eq!(run(&[&["cookie", "decode", &cookie], &settings[..]].concat()).code, Some(0));
}

#[test]
fn compression_can_be_chosen() {
    let json = format!("{{\"a\":\"{}\"}}", "x".repeat(500));
    let is_deflated =
        |compress| sign(&["--key-env", "GOOD_KEY", "--compress", compress], &json).starts_with('.');
    assert_eq!(
        ["when-it-pays", "flask", "never"].map(is_deflated),
        [false, true, false],
        "500 bytes are under the 1 KiB from which it pays"
    );
}

#[test]
fn what_only_python_can_hold_comes_through() {
    let json =
        r#"{"big":123456789012345678901234567890,"nan":NaN,"odd":"\ud800","t":{" t":[1,{" b":"AP8="}]}}"#;
    let cookie = sign(&["--key-env", "GOOD_KEY", "--at", "1700000000"], json);
    let ran = run(&["cookie", "verify", "--key-env", "GOOD_KEY", "--now", "1700000000", &cookie]);
    assert_eq!(ran.out, format!("{{\"ok\":true,\"issued_at\":1700000000,\"session\":{json}}}\n"));
}

#[test]
fn a_value_that_is_not_utf8_is_malformed() {
    let value = std::ffi::OsStr::from_bytes(b"eyJhIjoxfQ.ZVPxAA.\xff");
    for command in [&["cookie", "decode"][..], &["cookie", "verify", "--key-env", "GOOD_KEY"]] {
        let arguments: Vec<_> = command.iter().map(std::ffi::OsStr::new).chain([value]).collect();
        let ran = run(&arguments);
        assert_eq!((ran.code, &*ran.out), (Some(1), "{\"ok\":false,\"reason\":\"malformed\"}\n"));
    }
}

#[test]
fn a_full_disk_exits_with_2() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = crate::support::command(&["cookie", "decode", COOKIE]);
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot write standard output"));
}
