//! `rm` and `purge`.

use hipflask_core::value::Value;

use super::{DAY, directory, id, key, lines, store};
use crate::support::run_with_input;

#[test]
fn sessions_end_by_hash_id_and_from_standard_input() {
    let (_directory, filled) = directory(4);
    let ran = store(&filled, &["rm", &key(&id(0)).short_hash(), &id(1)]);
    assert_eq!(ran.code, Some(0));
    assert!(lines(&ran).iter().all(|line| line["ended"] == true));
    assert_eq!((filled.data(&id(0)), filled.data(&id(1))), (None, None));
    let ran = run_with_input(&["store", "rm", "-", "--store", &filled.url], id(2).as_bytes());
    assert_eq!((ran.code, lines(&ran)[0]["hash"].clone()), (Some(0), key(&id(2)).short_hash().into()));
    assert_eq!(filled.data(&id(2)), None);
    let again = store(&filled, &["rm", &id(2)]);
    assert_eq!((again.code, &lines(&again)[0]["reason"]), (Some(1), &"not_found".into()));
    assert!(filled.data(&id(3)).is_some());
}

#[test]
fn a_filter_ends_what_it_means_and_a_dry_run_nothing() {
    let (_directory, filled) = directory(5);
    filled.put(&id(9), &[("user_id", Value::from("3"))], DAY);
    let dry = store(&filled, &["rm", "--where", "user_id=3", "--dry-run"]);
    assert_eq!((dry.code, lines(&dry).len()), (Some(0), 2));
    assert!(lines(&dry).iter().all(|line| line["ended"] == false));
    assert_eq!(filled.all_hashes().len(), 6);
    let ran = store(&filled, &["rm", "--where", "user_id=3", "--yes"]);
    assert_eq!((ran.code, lines(&ran).len()), (Some(0), 2));
    assert_eq!(filled.all_hashes().len(), 4);
    let people = store(&filled, &["rm", "--all", "--yes", "--human"]);
    assert!(people.err.starts_with("4 sessions ended in file:"), "{}", people.err);
    assert!(filled.all_hashes().is_empty());
}

#[test]
fn many_end_only_if_somebody_says_so() {
    let (_directory, filled) = directory(2);
    for (arguments, complaint) in [
        (&["rm"][..], "which sessions?"),
        (&["rm", "1e00519e", "--all"], "leave one of the two out"),
        (&["rm", "--all"], "nobody is at a terminal to be asked"),
    ] {
        let ran = store(&filled, arguments);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""));
        assert!(ran.err.contains(complaint), "{}", ran.err);
    }
    assert_eq!(filled.all_hashes().len(), 2);
}

#[test]
fn somebody_at_a_terminal_is_asked() {
    let (_directory, filled) = directory(2);
    let shell = format!("hipflask store rm --all --store '{}'", filled.url);
    let no = crate::people::answering(&shell, "no\n");
    assert!(no.contains("End 2 sessions in file:") && no.contains("nothing was ended"), "{no}");
    assert_eq!(filled.all_hashes().len(), 2);
    let yes = crate::people::answering(&shell, "yes\n");
    assert!(yes.contains("2 sessions ended in file:"), "{yes}");
    assert!(filled.all_hashes().is_empty());
}

#[test]
fn expired_sessions_are_purged_and_others_are_not() {
    let (_directory, filled) = directory(2);
    filled.put(&id(8), &[], 1);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let ran = store(&filled, &["purge"]);
    assert_eq!(ran.out, "{\"ok\":true,\"purged\":1,\"skipped\":0,\"expires_by_itself\":false}\n");
    assert_eq!(filled.all_hashes().len(), 2);
}

/// Issue 11, point 4: a directory or a pipe named like a session stopped every purge and every listing.
#[test]
fn what_is_not_a_session_file_is_skipped_and_counted() {
    let (directory, filled) = directory(2);
    std::fs::create_dir(directory.path().join("sessions").join("a".repeat(64))).unwrap();
    let pipe = directory.path().join("sessions").join("b".repeat(64));
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let purged = store(&filled, &["purge"]);
    assert_eq!(purged.out, "{\"ok\":true,\"purged\":0,\"skipped\":2,\"expires_by_itself\":false}\n");
    let page = store(&filled, &["purge", "--human"]);
    assert!(page.out.contains("skipped    2: not readable as sessions of this user"), "{}", page.out);
    let listed = store(&filled, &["ls"]);
    assert_eq!((listed.code, lines(&listed).len()), (Some(0), 2));
    let other = format!("file:{}/copy", directory.path().display());
    let copied = crate::support::run(&["store", "copy", &filled.url, &other]);
    for ran in [listed, store(&filled, &["count"]), copied] {
        assert!(ran.code == Some(0) && ran.err.contains("warning: 2 skipped"), "{ran:?}");
    }
}

impl super::Filled {
    /// The short hashes of what the command lists.
    pub(super) fn all_hashes(&self) -> Vec<String> {
        let ran = store(self, &["ls"]);
        lines(&ran).iter().map(|line| line["hash"].as_str().unwrap().to_owned()).collect()
    }
}
