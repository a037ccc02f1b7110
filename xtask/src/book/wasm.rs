//! Builds the page of the book for WebAssembly, with Debian's compiler for it and Debian's sources
//! of the standard library, which are unpacked into a folder. Nothing is installed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::workspace::{Workspace, read, run};

/// Builds the file and returns its path.
///
/// # Errors
/// [`Failure`] if Debian's packages cannot be had, or the code does not compile.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let root = workspace.path(ROOT);
    if !root.join("usr/bin/rustc").exists() {
        unpack_compiler(workspace, &root)?;
    }
    let linker = file_in(&root.join("usr/bin"), "wasm-ld-")?;
    let target = workspace.path(TARGET);
    let mut cargo = workspace.cargo("build --quiet --release --locked --manifest-path wasm/Cargo.toml");
    cargo.args(["-Zbuild-std=std,panic_abort", "--target", "wasm32-unknown-unknown"]);
    cargo.env("RUSTC", root.join("usr/bin/rustc")).env("RUSTC_BOOTSTRAP", "1");
    cargo.env("LD_LIBRARY_PATH", root.join("usr/lib/x86_64-linux-gnu"));
    cargo.env("CARGO_TARGET_DIR", &target).env("CARGO_INCREMENTAL", "0");
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    // Messages of panics name sources: no folder of this machine in them.
    let here = format!("--remap-path-prefix={}=/src", workspace.path("").display());
    let crates = format!("--remap-path-prefix={}=/cargo", cargo_home());
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", format!("{here} {crates}"));
    for variable in ["RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(variable);
    }
    run(&mut cargo)?;
    Ok(target.join("wasm32-unknown-unknown/release/hipflask_wasm.wasm"))
}

fn unpack_compiler(workspace: &Workspace, root: &Path) -> Result<(), Failure> {
    let library = dependency(workspace, "libstd-rust-web-dev", "libstd-rust-web-")?;
    let llvm = dependency(workspace, &library, "libllvm")?;
    let linker = llvm.replace("libllvm", "lld-");
    let mut packages = vec!["rustc-web", "rust-web-src", "libstd-rust-web-dev", &library, &llvm, &linker];
    packages.extend(LIBRARIES.iter().filter(|package| !is_installed(workspace, package)));
    let folder = workspace.path("target/wasm/packages");
    fs::create_dir_all(&folder).map_err(|error| Failure::new(format!("target/wasm: {error}")))?;
    run(workspace.command("apt-get").current_dir(&folder).args(["--quiet=2", "download"]).args(packages))?;
    for archive in fs::read_dir(&folder).into_iter().flatten().flatten() {
        run(workspace.command("dpkg").arg("-x").args([archive.path(), root.to_path_buf()]))?;
    }
    Ok(())
}

/// The dependency of a package whose name begins with `start`: it contains a version.
fn dependency(workspace: &Workspace, package: &str, start: &str) -> Result<String, Failure> {
    let depends = read(workspace.command("apt-cache").args(["depends", package]))?;
    let mut names = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let found =
        names.find(|name| name.starts_with(start) && name.ends_with(|last: char| last.is_ascii_digit()));
    found.map(str::to_owned).ok_or_else(|| Failure::new("this apt does not know Debian's rustc-web"))
}

fn is_installed(workspace: &Workspace, package: &str) -> bool {
    let status = read(workspace.command("dpkg-query").args(["-W", "-f", "${Status}", package]));
    status.is_ok_and(|status| status.contains("ok installed"))
}

fn file_in(folder: &Path, start: &str) -> Result<PathBuf, Failure> {
    let mut files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let found =
        files.find(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)));
    found.ok_or_else(|| Failure::new(format!("{} has no {start}", folder.display())))
}

fn cargo_home() -> String {
    std::env::var("CARGO_HOME")
        .unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap_or_default()))
}

const ROOT: &str = "target/wasm/root";
const TARGET: &str = "target/wasm/target";
/// Libraries of LLVM that a small Debian lacks.
const LIBRARIES: [&str; 7] = ["libedit2", "libz3-4", "libxml2", "libicu72", "libbsd0", "libmd0", "libffi8"];
