//! Completions and man pages, which packages install next to the command.

use std::process::Command;

use crate::support::run;

fn script(shell: &str) -> String {
    let ran = run(&["completions", shell]);
    assert_eq!((ran.code, &*ran.err), (Some(0), ""));
    ran.out
}

fn in_bash(arguments: &[&str]) -> String {
    let output = Command::new("bash").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hipflask.bash");
    std::fs::write(&file, script("bash")).unwrap();
    // The shell finds the function that `complete` registered, and calls it as it does for a Tab.
    let complete = "source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
         registered=$(complete -p hipflask); function=${registered#*-F }; \
         \"${function%% *}\" hipflask \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; \
         printf '%s\\n' \"${COMPREPLY[@]}\"";
    for (words, found) in [
        (&["hipflask", "co"][..], "completions\ncookie\n"),
        (&["hipflask", "store", "l"], "ls\n"),
        (&["hipflask", "cookie", "verify", "--key"], "--key-env\n--key-file\n"),
        (&["hipflask", "cookie", "sign", "--digest", "sha2"], "sha256\n"),
    ] {
        let arguments = [&["-c", complete, "bash", file.to_str().unwrap()], words].concat();
        assert_eq!(in_bash(&arguments), found, "{words:?}");
    }
}

#[test]
fn only_tested_shells_have_a_script() {
    for shell in ["bash", "fish", "zsh"] {
        assert!(script(shell).contains("hipflask"), "{shell}");
    }
    let ran = run(&["completions", "powershell"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("[possible values: bash, fish, zsh]"), "{}", ran.err);
}

#[test]
fn every_command_has_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(&["man", folder.path().to_str().unwrap()]);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(0), "", ""));
    let pages = ["", "-cookie", "-cookie-sign", "-key-new", "-store", "-store-copy", "-completions"];
    for page in pages {
        let text = std::fs::read_to_string(folder.path().join(format!("hipflask{page}.1"))).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}");
    }
    let page = std::fs::read_to_string(folder.path().join("hipflask-store-rm.1")).unwrap();
    assert!(page.contains("Examples:") && page.contains("\\-\\-where"), "{page}");
    assert!(!folder.path().join("hipflask-man.1").exists(), "a command for packages only");
}

#[test]
fn a_missing_folder_for_man_pages_is_reported() {
    let ran = run(&["man", "/missing/folder"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("cannot write the man pages to /missing/folder: No such file"), "{}", ran.err);
}
