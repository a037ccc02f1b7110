//! The examples as programs: they say where they listen, answer there, and end when they are told to.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::client::{Jar, get, send};
use super::servers::started;

fn example(name: &str) -> Command {
    // Cargo puts examples beside the directory of the tests.
    let tests = std::env::current_exe().unwrap();
    let program: PathBuf = tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name);
    Command::new(program)
}

const REMEDY: &str =
    "the examples are built by `cargo test` without `--test`, or `cargo build --all-features --examples`";

#[test]
fn an_example_takes_a_free_port_and_ends_when_it_is_told_to() {
    for name in ["tutorial_1", "tutorial_2", "tutorial_4", "tutorial_5"] {
        let (mut child, address) = started(example(name).args(["--port", "0"]), REMEDY);
        assert_eq!(send(&address, &get("/nowhere"), &mut Jar::default()).status, 404, "{name}");
        let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(told.success());
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(5), "{name} does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(child.wait().unwrap().success(), "{name} ends well");
    }
}

#[test]
fn an_example_says_what_is_wrong_with_its_command_line() {
    for (arguments, expected) in [
        (["--port", "many"], "--port needs a number up to 65535; there are --host ADDRESS"),
        (["--prot", "0"], "--prot is unknown; there are"),
        (["--host", "nowhere.invalid"], "cannot listen on nowhere.invalid:5000"),
    ] {
        let output = example("tutorial_2").args(arguments).stdin(Stdio::null()).output().expect(REMEDY);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(expected), "{said}");
    }
}
