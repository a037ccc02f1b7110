//! The help of the command.

use crate::support::run;

#[test]
fn help_teaches_on_every_level() {
    for (name, arguments) in [
        ("hipflask", &["--help"][..]),
        ("hipflask-cookie", &["cookie", "--help"]),
        ("hipflask-cookie-decode", &["cookie", "decode", "--help"]),
        ("hipflask-cookie-verify", &["cookie", "verify", "--help"]),
        ("hipflask-cookie-sign", &["cookie", "sign", "--help"]),
        ("hipflask-completions", &["completions", "--help"]),
        ("hipflask-play", &["play", "--help"]),
        ("hipflask-key", &["key", "--help"]),
        ("hipflask-key-new", &["key", "new", "--help"]),
        ("hipflask-store", &["store", "--help"]),
        ("hipflask-store-ls", &["store", "ls", "--help"]),
        ("hipflask-store-show", &["store", "show", "--help"]),
        ("hipflask-store-rm", &["store", "rm", "--help"]),
        ("hipflask-store-purge", &["store", "purge", "--help"]),
        ("hipflask-store-count", &["store", "count", "--help"]),
        ("hipflask-store-copy", &["store", "copy", "--help"]),
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{name}");
        insta::assert_snapshot!(name, ran.out);
    }
}

#[test]
fn a_missing_subcommand_shows_help() {
    for arguments in [&[][..], &["cookie"], &["key"], &["store"]] {
        let ran = run(arguments);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""));
        assert!(ran.err.contains("Usage: hipflask") && ran.err.contains("Example"), "{}", ran.err);
    }
}

#[test]
fn mistyped_words_get_the_nearest_one() {
    for (arguments, nearest) in [
        (&["cokie"][..], "'cookie'"),
        (&["cookie", "verfy"], "'verify'"),
        (&["cookie", "verify", "--kye-env", "X"], "'--key-env'"),
        (&["store", "list"], "'ls'"),
        (&["store", "ls", "--stroe", "x"], "'--store'"),
        (&["store", "rm", "--were", "x"], "'--where'"),
        (&["cookie", "sign", "--key-env", "GOOD_KEY", "--digest", "sha-256", "{}"], "'sha256'"),
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""));
        assert!(ran.err.contains(nearest), "{}", ran.err);
    }
}

#[test]
fn the_version_is_shown() {
    let ran = run(&["--version"]);
    assert_eq!(ran.out, format!("hipflask {}\n", env!("CARGO_PKG_VERSION")));
}

/// Every command line in the documents has only options that are in its help.
#[test]
fn documents_name_only_existing_options() {
    let mut found = 0;
    for document in ["README.md", "docs/operating.md"] {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../").to_owned() + document;
        let text = std::fs::read_to_string(path).unwrap();
        for line in text.lines().filter(|line| line.trim_start().starts_with("hipflask store ")) {
            let line = line.split(" #").next().unwrap_or(line);
            let words: Vec<&str> = line.split_whitespace().skip(1).collect();
            let help = run(&[words[0], words[1], "--help"]);
            assert_eq!(help.code, Some(0), "{line}");
            for option in words.iter().filter(|word| word.starts_with("--")) {
                assert!(help.out.split_whitespace().any(|word| word == *option), "{option} of {line}");
            }
            found += 1;
        }
    }
    assert!(found > 10, "{found}");
}
