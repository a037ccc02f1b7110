//! The Pythons of newer Debian suites, each unpacked with its libraries into a folder. The system
//! stays as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::workspace::{Workspace, read, run};

/// The suites whose default Python is tested.
pub(crate) const SUITES: &[&str] = &["trixie", "sid"];

/// A Python that runs from a folder, with the C library of its suite.
#[derive(Debug)]
pub(crate) struct UnpackedPython {
    /// `3.14`.
    pub(crate) version: String,
    root: PathBuf,
    /// The folder of the libraries, the loader among them.
    libraries: PathBuf,
    loader: PathBuf,
}

impl UnpackedPython {
    /// Unpacks the default Python of `suite`.
    ///
    /// # Errors
    /// [`Failure`] says why the suite cannot be had.
    pub(crate) fn of_suite(workspace: &Workspace, suite: &str) -> Result<Self, Failure> {
        let folder = workspace.path(&format!("target/debian/{suite}"));
        let apt = Apt::new(workspace, &folder, suite)?;
        run(apt.command("apt-get").args(["--quiet=2", "update"]))
            .map_err(|_| Failure::new("its package lists cannot be fetched"))?;
        let depends = read(apt.command("apt-cache").args(["depends", "python3"]))?;
        let version = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: python"));
        let version = version.ok_or_else(|| Failure::new(format!("{suite} does not have a Python")))?;
        let package = format!("python{version}");
        run(apt.command("apt-get").args(["--quiet=2", "--yes", "--no-install-recommends"]).args([
            "--download-only",
            "install",
            &package,
        ]))?;
        let root = folder.join("root");
        let _ = fs::remove_dir_all(&root);
        for archive in files(&folder.join("cache/archives")).filter(|file| has_extension(file, "deb")) {
            run(workspace.command("dpkg").arg("-x").args([&archive, &root]))?;
        }
        let folders = files(&root.join("usr/lib"));
        let mut loaders = folders.flat_map(|folder| files(&folder)).filter(|file| is_loader(file));
        let loader = loaders.next().ok_or_else(|| Failure::new(format!("{suite} does not have a loader")))?;
        let libraries = loader.parent().map_or_else(|| root.clone(), Path::to_path_buf);
        Ok(Self { version: version.to_owned(), root, libraries, loader })
    }

    /// The interpreter with the packages in `site`.
    pub(crate) fn command(&self, workspace: &Workspace, site: &Path) -> Command {
        let usr = self.root.join("usr");
        let mut python = workspace.command(&self.loader);
        python.arg("--library-path").arg(&self.libraries);
        python.arg(usr.join(format!("bin/python{}", self.version)));
        python.env("PYTHONHOME", usr).env("PYTHONPATH", site);
        python
    }
}

/// apt with its own lists, and without installed packages, so that it fetches everything that a
/// package needs.
struct Apt<'a> {
    workspace: &'a Workspace,
    options: Vec<String>,
}

impl<'a> Apt<'a> {
    fn new(workspace: &'a Workspace, folder: &Path, suite: &str) -> Result<Self, Failure> {
        let targets = ["indextargets", "--format", "$(REPO_URI)", "Origin: Debian"];
        let mirrors = read(workspace.command("apt-get").args(targets)).unwrap_or_default();
        let mirror = mirrors.lines().find(|mirror| !mirror.contains("security"));
        let mirror = mirror.ok_or_else(|| Failure::new("apt does not know a mirror of Debian"))?;
        let write = |name: &str, text: &str| {
            fs::write(folder.join(name), text)
                .map_err(|error| Failure::new(format!("{} cannot be written: {error}", folder.display())))
        };
        for folders in ["lists/partial", "cache/archives/partial"] {
            let _ = fs::create_dir_all(folder.join(folders));
        }
        write("sources.list", &format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"))?;
        write("status", "")?;
        let mut options = Vec::new();
        for (name, value) in [
            ("Dir::Etc::sourcelist", folder.join("sources.list").display().to_string()),
            ("Dir::Etc::sourceparts", "-".to_owned()),
            ("Dir::State::lists", folder.join("lists").display().to_string()),
            ("Dir::State::status", folder.join("status").display().to_string()),
            ("Dir::Cache", folder.join("cache").display().to_string()),
            ("APT::Sandbox::User", "root".to_owned()),
            ("Acquire::Languages", "none".to_owned()),
        ] {
            options.extend(["-o".to_owned(), format!("{name}={value}")]);
        }
        Ok(Self { workspace, options })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.workspace.command(program);
        command.args(&self.options).env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn has_extension(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|found| found == extension)
}

fn is_loader(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux"))
}

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
