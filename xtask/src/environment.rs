//! Virtual environments of Python, each filled from lists of packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::python;
use crate::workspace::{Workspace, read, run};

/// A virtual environment and the lists of the packages in it, as paths from the root of the workspace.
///
/// A stamp in the environment repeats the lists that were installed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Environment<'a> {
    pub(crate) folder: &'a str,
    pub(crate) lists: &'a [&'a str],
}

impl Environment<'_> {
    /// Installs the lists into a new environment. Returns `false` if they were installed before.
    pub(crate) fn ensure(&self, workspace: &Workspace) -> Result<bool, Failure> {
        if self.is_ready(workspace) {
            return Ok(false);
        }
        self.create(workspace)?;
        self.install_lists(workspace)?;
        Ok(true)
    }

    /// Returns `true` if the lists have not changed since they were installed and the interpreter still runs.
    pub(crate) fn is_ready(&self, workspace: &Workspace) -> bool {
        let installed = fs::read_to_string(self.stamp(workspace)).ok();
        installed.is_some_and(|installed| installed == self.text_of_lists(workspace))
            && read(self.python(workspace).arg("--version")).is_ok()
    }

    /// Creates the environment without packages. An older one in the same folder is deleted with its stamp.
    pub(crate) fn create(&self, workspace: &Workspace) -> Result<(), Failure> {
        self.create_with(workspace, python::find_or_install(workspace)?.as_ref())
    }

    /// [`Self::create`] with the Python `program`.
    pub(crate) fn create_with(&self, workspace: &Workspace, program: &Path) -> Result<(), Failure> {
        let mut venv = workspace.command(program);
        run(venv.args(["-m", "venv", "--clear"]).arg(workspace.path(self.folder))).map_err(|failure| {
            failure.with_remedy(
                "check that target/ is writable and the disk has free space, then `cargo xtask setup`",
            )
        })
    }

    /// Installs the lists and writes the stamp.
    pub(crate) fn install_lists(&self, workspace: &Workspace) -> Result<(), Failure> {
        let options: Vec<&str> = self.lists.iter().flat_map(|list| ["--requirement", list]).collect();
        self.pip_install(workspace, &options)?;
        fs::write(self.stamp(workspace), self.text_of_lists(workspace))
            .map_err(|error| Failure::new(format!("the stamp in {} cannot be written: {error}", self.folder)))
    }

    /// Runs `pip install` with `arguments`.
    pub(crate) fn pip_install(&self, workspace: &Workspace, arguments: &[&str]) -> Result<(), Failure> {
        let mut pip = self.python(workspace);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
        // As root in a container pip warns of a danger that an environment of our own does not have.
        pip.env("PIP_ROOT_USER_ACTION", "ignore");
        run(pip.args(arguments)).map_err(|failure| {
            failure.with_remedy(
                "pip needs the Python package index (or PIP_INDEX_URL for a mirror); check the network, then `cargo xtask setup`",
            )
        })
    }

    /// The interpreter of the environment.
    pub(crate) fn python(&self, workspace: &Workspace) -> Command {
        workspace.command(self.program(workspace, "python"))
    }

    /// The path of a program that a package brought.
    pub(crate) fn program(&self, workspace: &Workspace, name: &str) -> PathBuf {
        workspace.path(self.folder).join("bin").join(name)
    }

    fn stamp(&self, workspace: &Workspace) -> PathBuf {
        workspace.path(self.folder).join("installed.txt")
    }

    /// A missing list is read as empty; pip then reports it.
    fn text_of_lists(&self, workspace: &Workspace) -> String {
        self.lists.iter().map(|list| fs::read_to_string(workspace.path(list)).unwrap_or_default()).collect()
    }
}
