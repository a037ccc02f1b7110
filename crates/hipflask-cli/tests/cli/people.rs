//! Pages for people.

use std::io::Write as _;
use std::process::Stdio;

use crate::support::{COOKIE, command, run, sign};

/// The page without colours, as a pipe gets it.
fn page(arguments: &[&str]) -> String {
    let ran = run(&[arguments, &["--human"]].concat());
    assert_eq!(ran.code, Some(i32::from(ran.out.starts_with("Refused"))), "{}", ran.out);
    assert!(ran.out.lines().all(|line| line.chars().count() <= 60), "{}", ran.out);
    ran.out
}

const KEY: [&str; 4] = ["cookie", "verify", "--key-env", "GOOD_KEY"];
const SESSION: &str = r#"{"_permanent":true,"_flashes":[{" t":["message","Welcome back, Ada Lovelace"]}],"evil":"\u001b[2J\u202e","id":{" u":"00000000000000000000000000000001"},"user":"Zo\u00eb"}"#;

#[test]
fn a_good_cookie_is_shown_with_its_session() {
    let cookie = sign(&["--key-env", "GOOD_KEY", "--at", "1700000000"], SESSION);
    insta::assert_snapshot!("verify-good", page(&[&KEY[..], &["--now", "1700003600", &cookie]].concat()));
    let older = ["cookie", "verify", "--key-env", "FLASK_KEY", "--fallback-env", "GOOD_KEY"];
    let older = page(&[&older[..], &["--now", "1700003600", "--max-age", "none", &cookie]].concat());
    assert!(older.contains("signed with the key in the variable GOOD_KEY"), "{older}");
    assert!(older.contains("never (--max-age none)"), "{older}");
}

#[test]
fn refusals_say_what_to_do() {
    let flask = ["cookie", "verify", "--key-env", "FLASK_KEY"];
    insta::assert_snapshot!("verify-expired", page(&[&flask[..], &["--now", "1705356800", COOKIE]].concat()));
    insta::assert_snapshot!("verify-future", page(&[&flask[..], &["--now", "1699999940", COOKIE]].concat()));
    insta::assert_snapshot!("verify-bad-signature", page(&[&KEY[..], &[COOKIE]].concat()));
    insta::assert_snapshot!("verify-malformed", page(&[&KEY[..], &["VE5rPIvv2sw"]].concat()));
    insta::assert_snapshot!("decode-bad-payload", page(&["cookie", "decode", "a.b.c"]));
    let payload = crate::values::sign_payload_without_a_session();
    let now = ["--now", "1700000000", &payload];
    insta::assert_snapshot!("verify-bad-payload", page(&[&flask[..], &now].concat()));
    insta::assert_snapshot!("sign-refused", page(&["cookie", "sign", "--key-env", "GOOD_KEY", "{'a':1}"]));
}

#[test]
fn visible_causes_of_a_refusal_are_named() {
    let quoted = format!("\"{COOKIE}\"");
    let header = format!("sid={COOKIE}");
    let cut = &COOKIE[..40];
    let sha256 = "eyJhIjoxfQ.ZVPxAA.uMX9NDK1iUEXE0X4_F0AhuXWsL9OlV_0ak7239ihzpg";
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.uMX9NDK1iUEXE0X4_F0AhuXWsL9OlV_0ak7239ihzpg";
    for (value, clue) in [
        (quoted.as_str(), "in quotes"),
        (&header, "between `session=` and the next `;`"),
        (cut, "the value is cut off"),
        (sha256, "try --digest sha256"),
        (token, "JSON Web Token"),
        ("eyJhIjoxfQ%3D.ZVPxAA.x", "URL-encoded"),
    ] {
        let text = page(&[&KEY[..], &[value]].concat()).replace("\n    ", " ");
        assert!(text.contains(clue), "{clue}: {text}");
    }
}

#[test]
fn a_claim_is_marked_as_not_verified() {
    let text = page(&["cookie", "decode", COOKIE]);
    assert!(text.starts_with("Not verified: anybody can write such a cookie\n"), "{text}");
    assert!(text.contains("45 bytes: payload 10, timestamp 6, signature 27"), "{text}");
}

#[test]
fn a_signed_cookie_has_its_own_line() {
    let ran =
        run(&["cookie", "sign", "--key-env", "FLASK_KEY", "--at", "1700000000", "--human", r#"{"a":1}"#]);
    insta::assert_snapshot!("sign-good", ran.out);
}

/// The output of a command on a terminal, which `script` (of Debian's essential package bsdutils) provides.
fn on_a_terminal(shell: &str, variables: &[(&str, &str)]) -> String {
    with_input(shell, variables, b"")
}

/// The output of a command on a terminal at which a user types `answer`.
pub(crate) fn answering(shell: &str, answer: &str) -> String {
    with_input(shell, &[("NO_COLOR", "1")], answer.as_bytes()).replace("\r\n", " ").replace("  ", " ")
}

fn with_input(shell: &str, variables: &[(&str, &str)], input: &[u8]) -> String {
    let hipflask = env!("CARGO_BIN_EXE_hipflask");
    let mut script = std::process::Command::new("script");
    let shell = shell.replace("hipflask", &format!("'{hipflask}'"));
    script.args(["-qec", &shell, "/dev/null"]).env("GOOD_KEY", crate::support::GOOD_KEY).env("TERM", "xterm");
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        script.env_remove(name);
    }
    script.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut script = script.spawn().expect("`script` of the package bsdutils makes a terminal for this test");
    script.stdin.take().unwrap().write_all(input).unwrap();
    String::from_utf8(script.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn pages_on_terminals_escape_control_characters() {
    let cookie = sign(&["--key-env", "GOOD_KEY"], SESSION);
    let shell = format!("hipflask cookie verify --key-env GOOD_KEY '{cookie}'");
    let colourful = on_a_terminal(&shell, &[]);
    assert!(colourful.contains("\u{1b}[32;1mValid:"), "{colourful:?}");
    assert!(colourful.contains(r"\u001b[2J\u202e") && !colourful.contains("\u{1b}[2J"), "{colourful:?}");
    let plain = on_a_terminal(&shell, &[("NO_COLOR", "1")]);
    assert!(plain.starts_with("Valid:") && !plain.contains('\u{1b}'), "{plain:?}");
    let json = on_a_terminal(&format!("{shell} --json"), &[]);
    assert!(json.starts_with("{\"ok\":true,"), "{json:?}");
}

#[test]
fn a_pipe_gets_json_even_with_forced_colour() {
    let output = command(&["cookie", "decode", COOKIE]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(output.stdout.starts_with(b"{\"ok\":true"));
}
