//! Where keys come from, and that none gets out.

use std::fs;

use crate::support::{COOKIE, Ran, VERIFY, run, run_with_input, sign};

/// Verifies Flask's cookie with the keys that `options` name.
fn verify_with(options: &[&str]) -> Ran {
    run(&[&["cookie", "verify", "--now", "1700000000"], options, &[COOKIE]].concat())
}

#[test]
fn key_files_may_contain_any_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.key");
    let path = path.to_str().unwrap();
    for (content, code) in [("k", 0), ("k\n", 0), ("k\r\n", 0), ("k\n\n", 1), (" k", 1)] {
        fs::write(path, content).unwrap();
        assert_eq!(verify_with(&["--key-file", path]).code, Some(code), "{content:?}");
    }
    fs::write(path, b"\xff\x00 not text, but a key all the same").unwrap();
    let cookie = sign(&["--key-file", path], "{}");
    assert_eq!(run(&["cookie", "verify", "--key-file", path, &cookie]).code, Some(0));
}

#[test]
fn large_key_files_are_refused_early() {
    let ran = verify_with(&["--key-file", "/dev/zero"]);
    assert_eq!(ran.code, Some(2));
    assert_eq!(ran.err, "error: /dev/zero is not a key file: it has more than 65536 bytes\n");
    assert_eq!(verify_with(&["--key-file", "/"]).code, Some(2));
    let empty = verify_with(&["--key-file", "/dev/null"]);
    assert!(empty.err.contains("/dev/null is empty, so anybody could sign"), "{}", empty.err);
}

#[test]
fn empty_and_missing_variables_are_refused() {
    let ran = verify_with(&["--key-env", "EMPTY"]);
    assert_eq!((ran.code, &*ran.out), (Some(2), ""));
    assert!(ran.err.contains("the variable EMPTY is empty"), "{}", ran.err);
    let ran = verify_with(&["--key-env", "NOT_SET"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("--key-env names a variable that is not set (NOT_SET)"), "{}", ran.err);
}

#[test]
fn many_fallbacks_verify_from_both_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.key");
    fs::write(&path, "k").unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(verify_with(&["--key-env", "GOOD_KEY"]).code, Some(1));
    assert_eq!(verify_with(&["--key-env", "GOOD_KEY", "--fallback-env", "FLASK_KEY"]).code, Some(0));
    let twice = ["--key-env", "GOOD_KEY", "--fallback-env", "GOOD_KEY", "--fallback-file", path];
    assert_eq!(verify_with(&twice).code, Some(0));
}

#[test]
fn keys_as_arguments_are_refused_and_not_shown() {
    for options in [
        &["--key", "hush-hush"][..],
        &["--key=hush-hush"],
        &["--secret-key", "hush-hush"],
        &["--secret_key=hush-hush"],
        &["--key-env", "hush-hush"],
        &["--key-env", "hushhush"],
        &["--key-file", "hush-hush"],
        &["--key-env", "GOOD_KEY", "--fallback-env", "hush-hush"],
        &["--key-env", "GOOD_KEY", "--fallback-file", "hush-hush"],
    ] {
        let ran = verify_with(options);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{options:?}");
        assert!(!ran.err.contains("hush"), "{}", ran.err);
    }
    insta::assert_snapshot!(verify_with(&["--key", "hush-hush"]).err);
}

#[test]
fn weak_keys_cause_a_warning_and_are_hidden() {
    let ran = verify_with(&["--key-env", "FLASK_KEY"]);
    assert_eq!(ran.code, Some(0));
    insta::assert_snapshot!(ran.err);
    assert_eq!(verify_with(&["--key-env", "GOOD_KEY"]).err, "");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.key");
    fs::write(&path, "you-will-never-guess\n").unwrap();
    let ran = run(&["cookie", "sign", "--key-file", path.to_str().unwrap(), "{}"]);
    assert!(ran.err.contains("holds a key from a public example"), "{}", ran.err);
    assert!(!ran.err.contains("never-guess"));
}

#[test]
fn no_key_is_in_any_output() {
    let key = crate::support::GOOD_KEY;
    for arguments in [
        &["cookie", "verify", "--key-env", "GOOD_KEY", COOKIE][..],
        &["cookie", "verify", "--key-env", "GOOD_KEY", "--human", COOKIE],
        &["cookie", "sign", "--key-env", "GOOD_KEY", "--human", "{}"],
        &["cookie", "sign", "--key-env", "GOOD_KEY", "-"],
        &["cookie", "sign", "--key-env", "GOOD_KEY", "--at", "x", "{}"],
    ] {
        let ran = run_with_input(arguments, b"{\n{}\n");
        assert!(!ran.out.contains(key) && !ran.err.contains(key), "{ran:?}");
    }
}

#[test]
fn exactly_one_key_signs() {
    let none = run(&[&VERIFY[..2], &[COOKIE]].concat());
    assert_eq!(none.code, Some(2));
    assert!(none.err.contains("--key-env <NAME>|--key-file <FILE>"), "{}", none.err);
    assert_eq!(verify_with(&["--key-env", "GOOD_KEY", "--key-file", "x"]).code, Some(2));
}

#[test]
fn new_keys_look_like_token_hex() {
    let new = || run(&["key", "new"]);
    let (one, other) = (new(), new());
    assert_eq!((one.code, one.out.len(), &*one.err), (Some(0), 65, ""));
    assert!(one.out.trim_end().bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    assert_ne!(one.out, other.out);
    assert_eq!(run(&["key", "new", "--bytes", "16"]).out.len(), 33);
}

#[test]
fn short_keys_are_not_generated() {
    let ran = run(&["key", "new", "--bytes", "15"]);
    assert_eq!((ran.code, &*ran.out), (Some(2), ""));
    insta::assert_snapshot!(ran.err);
    assert_eq!(run(&["key", "new", "--bytes", "1025"]).code, Some(2));
}
