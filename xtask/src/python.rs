//! Real Flask in a virtual environment of our own, so that tests can ask it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::workspace::{Workspace, read, run};

/// Where the tests find the interpreter, from the root of the workspace.
pub(crate) const INTERPRETER: &str = "target/flask-venv/bin/python";

/// Makes `target/flask-venv` what `xtask/python/requirements.txt` says, unless it is already.
pub(crate) fn setup(workspace: &Workspace) -> Result<String, Failure> {
    let wanted = fs::read_to_string(workspace.path(REQUIREMENTS))
        .map_err(|error| Failure::new(format!("{REQUIREMENTS} cannot be read: {error}")))?;
    if is_ready(workspace, &wanted) {
        return Ok("real Flask is ready in target/flask-venv".to_owned());
    }
    // Without its stamp an environment that was left half made is made again.
    let _ = fs::remove_file(workspace.path(STAMP));
    make_environment(workspace, "target/flask-venv")?;
    pip_install(workspace, "target/flask-venv", &["--requirement", REQUIREMENTS])?;
    fs::write(workspace.path(STAMP), &wanted)
        .map_err(|error| Failure::new(format!("{STAMP} cannot be written: {error}")))?;
    Ok("made target/flask-venv with real Flask".to_owned())
}

/// An empty virtual environment at `place`, whatever was there.
pub(crate) fn make_environment(workspace: &Workspace, place: &str) -> Result<(), Failure> {
    let python = find_or_install(workspace)?;
    run(workspace.command(&python).args(["-m", "venv", "--clear"]).arg(workspace.path(place))).map_err(
        |failure| {
            failure.with_remedy(
                "see that target/ can be written to and the disk has room, then `cargo xtask setup`",
            )
        },
    )
}

/// `pip install` in the environment at `place`.
pub(crate) fn pip_install(workspace: &Workspace, place: &str, what: &[&str]) -> Result<(), Failure> {
    let mut pip = workspace.command(interpreter(workspace, place));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    // As root in a container pip warns of a danger that an environment of our own does not have.
    pip.env("PIP_ROOT_USER_ACTION", "ignore");
    run(pip.args(what)).map_err(|failure| {
        failure.with_remedy(
            "pip needs the Python package index (or PIP_INDEX_URL for a mirror); check the network, then `cargo xtask setup`",
        )
    })
}

/// The Python of the environment at `place`.
pub(crate) fn interpreter(workspace: &Workspace, place: &str) -> PathBuf {
    workspace.path(place).join("bin/python")
}

/// The stamp is the list that was installed; the interpreter may be gone although the stamp is there.
fn is_ready(workspace: &Workspace, wanted: &str) -> bool {
    let installed = fs::read_to_string(workspace.path(STAMP)).is_ok_and(|installed| installed == wanted);
    installed && read(workspace.command(workspace.path(INTERPRETER)).arg("--version")).is_ok()
}

fn find_or_install(workspace: &Workspace) -> Result<String, Failure> {
    if let Some(python) = find(workspace) {
        return Ok(python);
    }
    if !can_install(workspace) {
        return Err(Failure::new(MISSING).with_remedy(
            "install the packages python3 and python3-venv (Debian, Ubuntu: `apt-get install python3 python3-venv`) \
             or any Python from 3.9 on with its `venv` module, then `cargo xtask setup`",
        ));
    }
    println!("{MISSING}; installing it");
    run(apt(workspace).arg("update"))?;
    run(apt(workspace).args(["install", "--yes", "--no-install-recommends", "python3", "python3-venv"]))?;
    find(workspace).ok_or_else(|| {
        Failure::new(format!("{MISSING}, not even after installing the packages python3 and python3-venv"))
            .with_remedy("put a Python from 3.9 on with its `venv` module on PATH, then `cargo xtask setup`")
    })
}

/// The first interpreter that is new enough and can make environments; Debian ships one that cannot.
fn find(workspace: &Workspace) -> Option<String> {
    const PROBE: &str =
        "import sys, venv; from ensurepip import version; sys.exit(sys.version_info < (3, 9))";
    CANDIDATES
        .iter()
        .find(|python| read(workspace.command(python).args(["-c", PROBE])).is_ok())
        .map(|python| (*python).to_owned())
}

/// The interpreters that this machine has, one for each version from 3.9 on, with their programs: those on `PATH`, and those
/// of pyenv where it is installed.
pub(crate) fn all(workspace: &Workspace) -> BTreeMap<String, PathBuf> {
    const PRINT: &str = "import sys, venv; from ensurepip import version
if sys.version_info >= (3, 9): print('%d.%d' % sys.version_info[:2], sys.executable)";
    let mut commands: Vec<Command> = CANDIDATES.iter().map(|python| workspace.command(python)).collect();
    let of_pyenv = read(workspace.command("pyenv").args(["versions", "--bare"])).unwrap_or_default();
    for version in of_pyenv.lines() {
        let mut python = workspace.command("python");
        python.env("PYENV_VERSION", version.trim());
        commands.push(python);
    }
    let mut found = BTreeMap::new();
    for mut command in commands {
        let said = read(command.args(["-c", PRINT])).unwrap_or_default();
        if let Some((version, program)) = said.trim().split_once(' ') {
            found.entry(version.to_owned()).or_insert_with(|| PathBuf::from(program));
        }
    }
    found
}

pub(crate) fn can_install(workspace: &Workspace) -> bool {
    let is_root = read(workspace.command("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    is_root && Path::new("/usr/bin/apt-get").exists()
}

pub(crate) fn apt(workspace: &Workspace) -> Command {
    let mut command = workspace.command("apt-get");
    command.arg("--quiet").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// What is installed there, each with its version.
pub(crate) const REQUIREMENTS: &str = "xtask/python/requirements.txt";
const STAMP: &str = "target/flask-venv/installed.txt";
const MISSING: &str = "no Python from 3.9 on that can make virtual environments";

/// The system's own last: it is the one that apt mends.
const CANDIDATES: &[&str] = &[
    "python3",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python3.9",
    "/usr/bin/python3",
];
