//! A real browser, so that tests use the demo as a visitor does.

use crate::python::{apt, can_install};
use crate::report::Failure;
use crate::workspace::{Workspace, read, run};

/// Sees that Chromium and its driver are there, and installs them where we may.
pub(crate) fn setup(workspace: &Workspace) -> Result<String, Failure> {
    if let Some(version) = found(workspace) {
        return Ok(version);
    }
    if !can_install(workspace) {
        return Err(Failure::new(MISSING).with_remedy(format!(
            "install the packages {} (Debian: `apt-get install {}`), then `cargo xtask setup`",
            PACKAGES.join(", "),
            PACKAGES.join(" ")
        )));
    }
    println!("{MISSING}; installing it");
    run(apt(workspace).arg("update"))?;
    run(apt(workspace).args(["install", "--yes", "--no-install-recommends"]).args(PACKAGES))?;
    found(workspace).ok_or_else(|| {
        Failure::new(format!("{MISSING}, not even after installing the packages {}", PACKAGES.join(", ")))
            .with_remedy("put `chromium` and `chromedriver` of one version on PATH, then `cargo xtask setup`")
    })
}

/// The browser's version, if it and the driver start.
fn found(workspace: &Workspace) -> Option<String> {
    let version = |program: &&str| read(workspace.command(program).arg("--version")).ok();
    version(&"chromedriver")?;
    Some(BROWSERS.iter().find_map(version)?.trim().to_owned())
}

const MISSING: &str = "no Chromium with its driver";

/// The font, too: without one a page is a page of boxes.
const PACKAGES: [&str; 3] = ["chromium", "chromium-driver", "fonts-dejavu-core"];

/// The names that the driver looks for.
const BROWSERS: &[&str] = &["chromium", "google-chrome", "chromium-browser"];
