//! `cargo xtask deb`: the Debian package of the command, in `target/deb`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::failure::Failure;
use crate::workspace::{Workspace, read, run};
use crate::{debian, packages};

/// Builds the package and returns its path and size.
pub(crate) fn build(workspace: &Workspace) -> Result<String, Failure> {
    let package = assemble(workspace)?;
    let size = fs::metadata(&package).map_or(0, |file| file.len());
    Ok(format!("{}: {:.1} MB", package.display(), size as f64 / 1e6))
}

/// The step of `full`: installs the package into a new Debian, uses it there and removes it.
pub(crate) fn works_where_it_is_installed(workspace: &Workspace) -> Result<String, Failure> {
    let package = assemble(workspace)?;
    let root = debian::bare_system(workspace, SHELLS)?;
    copy(&package, &root.join("hipflask.deb"))?;
    copy(&workspace.path("xtask/debian/installed.sh"), &root.join("installed.sh"))?;
    run(workspace.command("chroot").arg(&root).args(["/bin/sh", "/installed.sh"]))?;
    Ok("installed, used and removed in a new Debian".to_owned())
}

fn assemble(workspace: &Workspace) -> Result<PathBuf, Failure> {
    run(&mut workspace.cargo("build --quiet --release --package hipflask-cli"))?;
    let root = workspace.path("target/deb/root");
    let _ = fs::remove_dir_all(&root);
    let command = root.join("usr/bin/hipflask");
    copy(&workspace.path("target/release/hipflask"), &command)?;
    run(workspace.command("strip").arg(&command))?;
    for (shell, file) in COMPLETIONS {
        let script = read(workspace.command(&command).args(["completions", shell]))?;
        write(&root.join(file), script.as_bytes())?;
    }
    write_man_pages(workspace, &command, &root.join("usr/share/man/man1"))?;
    let documents = root.join("usr/share/doc/hipflask");
    write(&documents.join("copyright"), copyright(workspace)?.as_bytes())?;
    write_compressed(workspace, &documents.join("licences.gz"), &licences(workspace)?)?;
    write(&root.join("DEBIAN/control"), control(workspace, &root)?.as_bytes())?;
    let package = workspace.path(&format!("target/deb/hipflask_{}.deb", packages::version(workspace)));
    let mut dpkg = workspace.command("dpkg-deb");
    run(dpkg.args(["--root-owner-group", "--build"]).args([&root, &package]))?;
    Ok(package)
}

fn write_man_pages(workspace: &Workspace, command: &Path, folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    run(workspace.command(command).arg("man").arg(folder))?;
    let pages = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    run(workspace.command("gzip").args(["-9", "--no-name"]).args(pages))
}

fn control(workspace: &Workspace, root: &Path) -> Result<String, Failure> {
    let architecture = read(workspace.command("dpkg").arg("--print-architecture"))?;
    // The C library of this machine: the command may use any of its functions.
    let library = read(workspace.command("dpkg-query").args(["--show", "--showformat=${Version}", "libc6"]))?;
    let library = library.split('-').next().unwrap_or_default().to_owned();
    let size = read(workspace.command("du").args(["--apparent-size", "-ks"]).arg(root))?;
    let size = size.split_whitespace().next().unwrap_or_default().to_owned();
    Ok(format!(
        "Package: hipflask\nVersion: {}\nArchitecture: {}\nMaintainer: The Hipflask contributors <{REPOSITORY}>\n\
         Installed-Size: {size}\nDepends: libc6 (>= {library}), libgcc-s1\nSection: web\nPriority: optional\n\
         Homepage: {REPOSITORY}\nDescription: inspect Flask's sessions, in cookies and in stores\n \
         Reads, checks and signs Flask's session cookies. Lists, shows, deletes and copies\n \
         the sessions that Flask-Session keeps in Redis, SQLite, memcached and directories.\n",
        packages::version(workspace),
        architecture.trim(),
    ))
}

fn copyright(workspace: &Workspace) -> Result<String, Failure> {
    let text = |file: &str| {
        fs::read_to_string(workspace.path(file)).map_err(|error| unwritable(Path::new(file), &error))
    };
    let mit = text("LICENSE-MIT")?;
    let folded: String =
        mit.lines().map(|line| format!(" {}\n", if line.is_empty() { "." } else { line })).collect();
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: hipflask\nSource: {REPOSITORY}\n\
         Comment: The licences of the crates that the command contains are in licences.gz.\n\n\
         Files: *\nCopyright: The Hipflask contributors\nLicense: Expat or Apache-2.0\n\n\
         License: Expat\n{folded}\n\
         License: Apache-2.0\n On Debian systems, see /usr/share/common-licenses/Apache-2.0.\n"
    ))
}

/// The licence files of every crate in the command.
fn licences(workspace: &Workspace) -> Result<String, Failure> {
    let names =
        read(&mut workspace.cargo("tree --package hipflask-cli --edges normal --prefix none --format {p}"))?;
    let json = read(&mut workspace.cargo("metadata --format-version 1 --locked"))?;
    let metadata: Metadata = serde_json::from_str(&json)
        .map_err(|error| Failure::new(format!("cargo metadata cannot be read: {error}")))?;
    let mut text = String::new();
    for package in metadata.packages {
        let id = format!("{} v{}", package.name, package.version);
        if !names.lines().any(|line| line == id || line.starts_with(&format!("{id} "))) {
            continue;
        }
        let licence = package.license.as_deref().unwrap_or("see below");
        text.push_str(&format!("== {} {}: {licence}\n\n", package.name, package.version));
        for file in licence_files(&package.manifest_path) {
            text.push_str(&fs::read_to_string(file).unwrap_or_default());
            text.push('\n');
        }
    }
    Ok(text)
}

fn licence_files(manifest: &Path) -> Vec<PathBuf> {
    let folder = manifest.parent().unwrap_or(manifest);
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = files
        .filter(|file| is_licence(&file.file_name().to_string_lossy()))
        .map(|file| file.path())
        .collect();
    files.sort();
    files
}

fn is_licence(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT"].iter().any(|start| name.starts_with(start))
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    manifest_path: PathBuf,
}

fn write_compressed(workspace: &Workspace, file: &Path, text: &str) -> Result<(), Failure> {
    let plain = file.with_extension("");
    write(&plain, text.as_bytes())?;
    run(workspace.command("gzip").args(["-9", "--no-name"]).arg(plain))
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    create_folder_of(file)?;
    fs::write(file, bytes).map_err(|error| unwritable(file, &error))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    create_folder_of(to)?;
    fs::copy(from, to).map(drop).map_err(|error| unwritable(to, &error))
}

fn create_folder_of(file: &Path) -> Result<(), Failure> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{} cannot be written: {error}", path.display()))
}

const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/hipflask"),
    ("fish", "usr/share/fish/vendor_completions.d/hipflask.fish"),
    ("zsh", "usr/share/zsh/vendor-completions/_hipflask"),
];
const SHELLS: &str = "bash-completion,fish,man-db,zsh";
const REPOSITORY: &str = "https://github.com/hipflask/hipflask";

#[cfg(test)]
mod tests {
    use super::is_licence;

    #[test]
    fn licence_files_are_recognized() {
        for name in ["LICENSE-MIT", "License.txt", "COPYING", "NOTICE", "LICENCE"] {
            assert!(is_licence(name), "{name}");
        }
        assert!(!is_licence("README.md") && !is_licence("src"));
    }
}
