//! Which store: URLs, variables, passwords, and stores that are not there.

use super::{directory, store};
use crate::support::{command, run};

fn ls(url: &str) -> crate::support::Ran {
    run(&["store", "ls", "--store", url])
}

#[test]
fn the_url_option_overrides_the_variable() {
    let (_directory, filled) = directory(2);
    let with = |arguments: &[&str], name: &str, url: &str| {
        let output = command(arguments).env(name, url).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap().lines().count())
    };
    assert_eq!(with(&["store", "ls"], "HIPFLASK_STORE", &filled.url), (Some(0), 2));
    assert_eq!(with(&["store", "ls", "--store", "env:MY_STORE"], "MY_STORE", &filled.url), (Some(0), 2));
    assert_eq!(with(&["store", "ls", "--store", &filled.url], "HIPFLASK_STORE", "nonsense"), (Some(0), 2));
    assert_eq!(with(&["store", "ls"], "HIPFLASK_STORE", ""), (Some(2), 0));
    let none = run(&["store", "ls"]);
    assert_eq!(none.code, Some(2));
    assert!(none.err.contains("missing store; use --store URL, or set HIPFLASK_STORE"), "{}", none.err);
    let unset = ls("env:NOT_SET");
    assert!(unset.err.contains("names a variable that is not set (NOT_SET)"), "{}", unset.err);
}

#[test]
fn missing_stores_are_reported_and_not_created() {
    let directory = tempfile::tempdir().unwrap();
    let at = |kind: &str| format!("{kind}:{}/not-there", directory.path().display());
    for (url, complaint) in [
        (at("file"), "the session directory does not exist"),
        (at("sqlite"), "does not exist"),
        (
            "redis://127.0.0.1:1/0".to_owned(),
            "redis store at redis://127.0.0.1:1/0: nothing listens at its address",
        ),
        ("memcached://127.0.0.1:1".to_owned(), "at memcached://127.0.0.1:1: nothing listens at its address"),
        ("memory:".to_owned(), "the memory of another process"),
        ("reddis://127.0.0.1".to_owned(), "unknown store scheme `reddis:`"),
        ("/srv/sessions".to_owned(), "not a store URL"),
    ] {
        let ran = ls(&url);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{url}");
        assert!(ran.err.contains(complaint), "{url}: {}", ran.err);
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[cfg(not(feature = "postgres"))]
#[test]
fn missing_stores_name_their_feature() {
    let ran = ls("postgres://127.0.0.1/db");
    assert_eq!(ran.code, Some(2));
    insta::assert_snapshot!("feature-missing", ran.err);
}

#[test]
fn passwords_in_arguments_are_never_shown() {
    for url in [
        "redis://:hush-hush@127.0.0.1:1/0",
        "redis+sentinel://127.0.0.1:1/main?sentinel_password=hush-hush&timeout=1",
    ] {
        let ran = ls(url);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""));
        assert!(ran.err.contains("warning: the URL's password is in the arguments"), "{}", ran.err);
        assert!(!ran.err.contains("hush"), "{}", ran.err);
        for name in ["HIPFLASK_STORE", "X"] {
            let arguments =
                if name == "X" { &["store", "ls", "--store", "env:X"][..] } else { &["store", "ls"] };
            let output = command(arguments).env(name, url).output().unwrap();
            let err = String::from_utf8(output.stderr).unwrap();
            assert!(!err.contains("warning") && !err.contains("hush"), "{err}");
        }
    }
    for arguments in [
        &["store", "ls", "redis://:hush-hush@127.0.0.1/0"][..],
        &["store", "redis://:hush-hush@127.0.0.1/0"],
        &["store", "ls", "--stroe=redis://:hush-hush@127.0.0.1/0"],
        &["store", "copy", "redis://:hush-hush@127.0.0.1/0"],
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""));
        assert!(ran.err.contains("they contain a password") && !ran.err.contains("hush"), "{}", ran.err);
    }
    let help =
        command(&["store", "ls", "--help"]).env("HIPFLASK_STORE", "redis://:hush-hush@h").output().unwrap();
    assert!(!String::from_utf8(help.stdout).unwrap().contains("hush"));
}

#[test]
fn the_prefix_is_an_option_and_a_variable() {
    let directory = tempfile::tempdir().unwrap();
    let filled = super::Filled::at(format!("sqlite:{}/app.db", directory.path().display()));
    filled.put(&super::id(1), &super::user(1), super::DAY);
    assert_eq!(super::lines(&store(&filled, &["ls", "--prefix", "shop:"])).len(), 0);
    let mut listing = command(&["store", "ls"]);
    let output =
        listing.env("HIPFLASK_STORE", &filled.url).env("SESSION_KEY_PREFIX", "sess").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
}
