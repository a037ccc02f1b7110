//! Runs the command without the environment of the tests.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Flask 3.1.3, SECRET_KEY "k", clock 1700000000, session {"a": 1}.
pub(crate) const COOKIE: &str = "eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74";

/// A key of good length, for tests that are not about warnings.
pub(crate) const GOOD_KEY: &str = "a key that is long enough";

/// The result of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The command with `FLASK_KEY`, `GOOD_KEY` and `EMPTY` in its environment and little else.
pub(crate) fn command(arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hipflask"));
    command.args(arguments).env_clear().env("FLASK_KEY", "k").env("GOOD_KEY", GOOD_KEY).env("EMPTY", "");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn run(arguments: &[impl AsRef<OsStr>]) -> Ran {
    run_with_input(arguments, b"")
}

pub(crate) fn run_with_input(arguments: &[impl AsRef<OsStr>], input: &[u8]) -> Ran {
    let mut child = command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // The command may end before it has read everything, and has the right to.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    });
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The arguments in front of a value that verify it with Flask's key at the second it was signed.
pub(crate) const VERIFY: [&str; 6] = ["cookie", "verify", "--key-env", "FLASK_KEY", "--now", "1700000000"];

pub(crate) fn verify(value: &str) -> Ran {
    run(&[&VERIFY[..], &[value]].concat())
}

/// The cookie that the command makes of `json` with these arguments behind `cookie sign`.
pub(crate) fn sign(arguments: &[&str], json: &str) -> String {
    let ran = run(&[&["cookie", "sign"], arguments, &[json]].concat());
    let line: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    line["cookie"].as_str().unwrap_or_else(|| panic!("{ran:?}")).to_owned()
}
