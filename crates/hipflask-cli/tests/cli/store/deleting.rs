//! `rm` and `purge`.

use hipflask_core::value::Value;

use super::{DAY, directory, id, key, lines, store};
use crate::support::run_with_input;

#[test]
fn sessions_are_deleted_by_hash_and_id() {
    let (_directory, filled) = directory(4);
    let ran = store(&filled, &["rm", &key(&id(0)).short_hash(), &id(1)]);
    assert_eq!(ran.code, Some(0));
    assert!(lines(&ran).iter().all(|line| line["deleted"] == true));
    assert_eq!((filled.data(&id(0)), filled.data(&id(1))), (None, None));
    let ran = run_with_input(&["store", "rm", "-", "--store", &filled.url], id(2).as_bytes());
    assert_eq!((ran.code, lines(&ran)[0]["hash"].clone()), (Some(0), key(&id(2)).short_hash().into()));
    assert_eq!(filled.data(&id(2)), None);
    let again = store(&filled, &["rm", &id(2)]);
    assert_eq!((again.code, &lines(&again)[0]["reason"]), (Some(1), &"not_found".into()));
    assert!(filled.data(&id(3)).is_some());
}

#[test]
fn only_matching_sessions_are_deleted() {
    let (_directory, filled) = directory(5);
    filled.put(&id(9), &[("user_id", Value::from("3"))], DAY);
    let dry = store(&filled, &["rm", "--where", "user_id=3", "--dry-run"]);
    assert_eq!((dry.code, lines(&dry).len()), (Some(0), 2));
    assert!(lines(&dry).iter().all(|line| line["deleted"] == false));
    assert_eq!(filled.all_hashes().len(), 6);
    let ran = store(&filled, &["rm", "--where", "user_id=3", "--yes"]);
    assert_eq!((ran.code, lines(&ran).len()), (Some(0), 2));
    assert_eq!(filled.all_hashes().len(), 4);
    let people = store(&filled, &["rm", "--all", "--yes", "--human"]);
    assert!(people.err.starts_with("4 sessions deleted in file:"), "{}", people.err);
    assert!(filled.all_hashes().is_empty());
}

#[test]
fn many_are_deleted_only_after_confirmation() {
    let (_directory, filled) = directory(2);
    for (arguments, complaint) in [
        (&["rm"][..], "no sessions are selected"),
        (&["rm", "1e00519e", "--all"], "remove one of the two"),
        (&["rm", "--all"], "without a terminal"),
    ] {
        let ran = store(&filled, arguments);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""));
        assert!(ran.err.contains(complaint), "{}", ran.err);
    }
    assert_eq!(filled.all_hashes().len(), 2);
}

#[test]
fn a_user_at_a_terminal_must_confirm() {
    let (_directory, filled) = directory(2);
    let shell = format!("hipflask store rm --all --store '{}'", filled.url);
    let no = crate::people::answering(&shell, "no\n");
    assert!(no.contains("Delete 2 sessions in file:") && no.contains("nothing was deleted"), "{no}");
    assert_eq!(filled.all_hashes().len(), 2);
    let yes = crate::people::answering(&shell, "yes\n");
    assert!(yes.contains("2 sessions deleted in file:"), "{yes}");
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

/// A directory or a pipe that is named like a session once stopped every purge and every listing.
#[test]
fn other_files_are_skipped_and_counted() {
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
