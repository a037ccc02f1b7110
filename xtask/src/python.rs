//! The Python interpreters of this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::workspace::{Workspace, read, run};

/// The first usable Python, which apt installs if there is none.
pub(crate) fn find_or_install(workspace: &Workspace) -> Result<String, Failure> {
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

/// The interpreter of each version from 3.9 on: from `PATH`, and from pyenv where it is installed.
/// The system's own is listed in addition, because Debian changes its Python.
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
            let is_of_system = program.starts_with("/usr/bin/");
            let name = if is_of_system { format!("{version}-system") } else { version.to_owned() };
            found.entry(name).or_insert_with(|| PathBuf::from(program));
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

const MISSING: &str = "no Python from 3.9 on that can make virtual environments";

/// The system's Python is last: apt can repair it.
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
