//! The packages that `cargo publish` would upload.

use crate::failure::Failure;
use crate::workspace::{Workspace, read, run};

/// Assembles every package, and checks that it contains its README and the licences but none of the tests.
pub(crate) fn are_complete(workspace: &Workspace) -> Result<String, Failure> {
    assemble(workspace, &["--no-verify"])?;
    for name in PUBLISHED {
        let listed = read(workspace.command("tar").args(["tzf", &archive(workspace, name)?]))?;
        if let Some(complaint) = complaint(&listed) {
            return Err(Failure::new(format!("the package {name} {complaint}")));
        }
    }
    Ok(PUBLISHED.join(", "))
}

/// Builds every package from its archive, and runs the examples in its docs there.
pub(crate) fn work_alone(workspace: &Workspace) -> Result<String, Failure> {
    assemble(workspace, &[])?;
    let siblings = PUBLISHED.map(|name| {
        format!("patch.crates-io.{name}.path='{}'", workspace.path(&folder(workspace, name)).display())
    });
    for name in PUBLISHED.iter().filter(|name| **name != COMMAND) {
        let mut cargo = workspace.cargo("test --doc --quiet --all-features");
        cargo.current_dir(workspace.path(&folder(workspace, name)));
        cargo.env("CARGO_TARGET_DIR", workspace.path("target/package/target"));
        run(cargo.args(siblings.iter().flat_map(|sibling| ["--config", sibling])))?;
    }
    Ok(PUBLISHED.join(", "))
}

/// The version of every package.
pub(crate) fn version(workspace: &Workspace) -> String {
    let manifest = std::fs::read_to_string(workspace.path("Cargo.toml")).unwrap_or_default();
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = "));
    line.unwrap_or_default().trim_matches('"').to_owned()
}

fn assemble(workspace: &Workspace, options: &[&str]) -> Result<(), Failure> {
    let mut cargo = workspace.cargo("package --quiet --allow-dirty");
    run(cargo.args(PUBLISHED.iter().flat_map(|name| ["--package", name])).args(options))
}

fn folder(workspace: &Workspace, name: &str) -> String {
    format!("target/package/{name}-{}", version(workspace))
}

fn archive(workspace: &Workspace, name: &str) -> Result<String, Failure> {
    let file = workspace.path(&format!("{}.crate", folder(workspace, name)));
    file.to_str().map(str::to_owned).ok_or_else(|| Failure::new("the path of the checkout is not UTF-8"))
}

fn complaint(listed: &str) -> Option<String> {
    let files: Vec<&str> =
        listed.lines().filter_map(|line| line.split_once('/')).map(|(_, file)| file).collect();
    let missing = REQUIRED.iter().find(|file| !files.contains(file));
    let foreign = files.iter().find(|file| file.starts_with("tests/"));
    match (missing, foreign) {
        (Some(file), _) => Some(format!("lacks {file}")),
        (None, Some(file)) => Some(format!("contains {file}, which needs the workspace")),
        (None, None) => None,
    }
}

const PUBLISHED: [&str; 6] =
    ["hipflask-core", "hipflask-explain", "hipflask-store", "hipflask-testkit", "hipflask", COMMAND];
/// It has no library, so it has no examples in its docs.
const COMMAND: &str = "hipflask-cli";
const REQUIRED: [&str; 4] = ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "Cargo.toml"];

#[cfg(test)]
mod tests {
    use super::complaint;

    const COMPLETE: &str =
        "a-1/README.md\na-1/LICENSE-MIT\na-1/LICENSE-APACHE\na-1/Cargo.toml\na-1/src/lib.rs\n";

    #[test]
    fn incomplete_packages_are_refused() {
        assert_eq!(complaint(COMPLETE), None);
        assert_eq!(complaint(&COMPLETE.replace("LICENSE-MIT", "x")).as_deref(), Some("lacks LICENSE-MIT"));
        let with_tests = format!("{COMPLETE}a-1/tests/web.rs\n");
        assert!(complaint(&with_tests).is_some_and(|complaint| complaint.contains("tests/web.rs")));
    }
}
