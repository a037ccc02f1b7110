//! Other Debians in folders: the Pythons of newer suites, and a bare system for a chroot. The
//! machine stays as it is.

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

/// Creates a minimal Debian of this machine's suite with `packages`, or returns the one from an
/// earlier run, and returns its folder.
///
/// # Errors
/// [`Failure`] if this machine is not a Debian, or debootstrap fails, which needs root.
pub(crate) fn bare_system(workspace: &Workspace, packages: &str) -> Result<PathBuf, Failure> {
    let root = workspace.path("target/debian/bare");
    let is_complete = workspace.path("target/debian/bare.txt");
    if fs::read_to_string(&is_complete).is_ok_and(|installed| installed == packages) {
        return Ok(root);
    }
    let _ = fs::remove_dir_all(&root);
    let tool = workspace.path("target/debian/debootstrap");
    fs::create_dir_all(&tool).map_err(|error| Failure::new(format!("target/debian: {error}")))?;
    run(workspace.command("apt-get").current_dir(&tool).args(["--quiet=2", "download", "debootstrap"]))?;
    for archive in files(&tool).filter(|file| has_extension(file, "deb")) {
        run(workspace.command("dpkg").arg("-x").args([&archive, &tool]))?;
    }
    let mut debootstrap = workspace.command("sh");
    debootstrap.env("DEBOOTSTRAP_DIR", tool.join("usr/share/debootstrap"));
    debootstrap.arg(tool.join("usr/sbin/debootstrap")).arg("--variant=minbase");
    debootstrap.arg(format!("--include={packages}")).arg(suite()?).arg(&root).arg(mirror(workspace)?);
    run(&mut debootstrap)?;
    fs::write(is_complete, packages).map_err(|error| Failure::new(format!("target/debian: {error}")))?;
    Ok(root)
}

/// This machine's suite.
fn suite() -> Result<String, Failure> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    match codename {
        Some(codename) if release.lines().any(|line| line == "ID=debian") => Ok(codename.to_owned()),
        _ => Err(Failure::new("this machine is not a Debian")),
    }
}

fn mirror(workspace: &Workspace) -> Result<String, Failure> {
    let targets = ["indextargets", "--format", "$(REPO_URI)", "Origin: Debian"];
    let mirrors = read(workspace.command("apt-get").args(targets)).unwrap_or_default();
    let mirror = mirrors.lines().find(|mirror| !mirror.contains("security"));
    mirror.map(str::to_owned).ok_or_else(|| Failure::new("apt does not know a mirror of Debian"))
}

/// apt with its own lists, and without installed packages, so that it fetches everything that a
/// package needs.
struct Apt<'a> {
    workspace: &'a Workspace,
    options: Vec<String>,
}

impl<'a> Apt<'a> {
    fn new(workspace: &'a Workspace, folder: &Path, suite: &str) -> Result<Self, Failure> {
        let mirror = mirror(workspace)?;
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
