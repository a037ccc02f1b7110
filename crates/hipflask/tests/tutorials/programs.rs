//! The examples as programs: they print their address, answer there, and stop on a signal.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::client::{Jar, get, send};
use super::servers::started;

const NAMES: [&str; 5] = ["tutorial_1", "tutorial_2", "tutorial_3", "tutorial_4", "tutorial_5"];

/// The current program. `cargo test` builds examples only if no target is named.
fn example(name: &str) -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let directory = BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--features", "app,file"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let built = cargo.args(NAMES.map(|name| format!("--example={name}"))).status().unwrap();
        assert!(built.success(), "cargo cannot build the examples; it says why above");
        // Cargo puts examples next to the directory of the tests.
        let tests = std::env::current_exe().unwrap();
        tests.ancestors().nth(2).unwrap().join("examples")
    });
    Command::new(directory.join(name))
}

const REMEDY: &str = "`cargo build --features app,file --examples` makes it";

#[test]
fn example_listens_and_stops_on_a_signal() {
    for name in NAMES {
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
fn example_explains_a_bad_command_line() {
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
