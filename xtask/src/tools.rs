//! The programs that tests need in addition to Rust and Python: a browser, servers, a compiler, valgrind.

use std::path::Path;

use crate::failure::Failure;
use crate::python::{apt, can_install};
use crate::workspace::{Workspace, read, run};

/// A program and the Debian packages that contain it.
struct Tool {
    name: &'static str,
    /// Candidates for the executable: the first that answers to `--version`, `version` or `-v` is used.
    programs: &'static [&'static str],
    packages: &'static [&'static str],
}

const TOOLS: &[Tool] = &[
    // Without a font every letter on a page is a box.
    Tool {
        name: "Chromium's driver",
        programs: &["chromedriver"],
        packages: &["chromium", "chromium-driver", "fonts-dejavu-core"],
    },
    Tool {
        name: "Chromium",
        programs: &["chromium", "google-chrome", "chromium-browser"],
        packages: &["chromium", "chromium-driver", "fonts-dejavu-core"],
    },
    Tool { name: "Redis", programs: &["redis-server"], packages: &["redis-server"] },
    Tool { name: "openssl, which makes certificates", programs: &["openssl"], packages: &["openssl"] },
    Tool { name: "memcached", programs: &["memcached"], packages: &["memcached"] },
    Tool {
        name: "PostgreSQL",
        programs: &["postgres", "/usr/lib/postgresql/*/bin/postgres"],
        packages: &["postgresql"],
    },
    Tool {
        name: "MariaDB",
        programs: &["mariadbd", "/usr/sbin/mariadbd"],
        packages: &["mariadb-server-core", "mariadb-client-core"],
    },
    Tool { name: "nginx", programs: &["nginx"], packages: &["nginx-light"] },
    Tool { name: "a C++ compiler, which libFuzzer is built with", programs: &["c++"], packages: &["g++"] },
    Tool { name: "valgrind, which counts instructions", programs: &["valgrind"], packages: &["valgrind"] },
];

/// Checks that all programs are installed, and installs the missing ones where apt may be used.
pub(crate) fn setup(workspace: &Workspace) -> Result<String, Failure> {
    ensure(workspace, |_| true)
}

/// [`setup`] for one program.
pub(crate) fn need(workspace: &Workspace, program: &str) -> Result<String, Failure> {
    ensure(workspace, |tool| tool.programs.contains(&program))
}

fn ensure(workspace: &Workspace, wanted: impl Fn(&Tool) -> bool) -> Result<String, Failure> {
    let missing: Vec<&Tool> =
        TOOLS.iter().filter(|tool| wanted(tool) && !is_there(workspace, tool)).collect();
    if missing.is_empty() {
        return Ok(String::new());
    }
    let names = missing.iter().map(|tool| tool.name).collect::<Vec<_>>().join(", ");
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.packages).copied().collect();
    if !can_install(workspace) {
        return Err(Failure::new(format!("not found: {names}")).with_remedy(format!(
            "install the packages (Debian, Ubuntu: `apt-get install {}`), then `cargo xtask setup`",
            packages.join(" ")
        )));
    }
    println!("not found: {names}; installing {}", packages.join(" "));
    run(apt(workspace).arg("update"))?;
    run(apt(workspace).args(["install", "--yes", "--no-install-recommends"]).args(&packages))?;
    match missing.into_iter().find(|tool| !is_there(workspace, tool)) {
        None => Ok(format!("installed {}", packages.join(" "))),
        Some(tool) => Err(Failure::new(format!(
            "not found, not even after installing {}: {}",
            tool.packages.join(" "),
            tool.name
        ))
        .with_remedy(format!("put one of {} on PATH, then `cargo xtask setup`", tool.programs.join(", ")))),
    }
}

fn is_there(workspace: &Workspace, tool: &Tool) -> bool {
    tool.programs.iter().any(|program| match program.split_once("/*/") {
        Some((above, below)) => has_version_below(Path::new(above), below),
        None => {
            let answers = |question| read(workspace.command(program).arg(question)).is_ok();
            answers("--version") || answers("version") || answers("-v")
        }
    })
}

/// Resolves a `*`: Debian keeps each version of PostgreSQL in its own directory.
fn has_version_below(directory: &Path, program: &str) -> bool {
    let versions = std::fs::read_dir(directory).into_iter().flatten().flatten();
    versions.into_iter().any(|version| version.path().join(program).exists())
}
