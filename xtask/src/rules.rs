//! Rules about dependencies, read from `cargo tree` and `cargo metadata`.

use std::collections::BTreeSet;

use crate::failure::Failure;
use crate::workspace::{Workspace, read};

/// Fails if hipflask-core depends on an async runtime or a web framework.
pub(crate) fn core_is_free_of_io(workspace: &Workspace) -> Result<String, Failure> {
    let tree = read(
        &mut workspace.cargo("tree -p hipflask-core -e normal --all-features --prefix none --format {p}"),
    )?;
    let names = names(&tree);
    let found: Vec<&str> = NOT_IN_CORE.iter().copied().filter(|name| names.contains(name)).collect();
    if found.is_empty() {
        return Ok(format!("{} crates, none of them async or web", names.len() - 1));
    }
    Err(Failure::new(format!("hipflask-core depends on {}", found.join(", "))))
}

/// Fails if a package needs a newer Rust than its `rust-version` says, by those of its dependencies.
///
/// Only the default features count: the docs name the features that need a newer one. Clippy checks
/// our own code.
pub(crate) fn rust_versions_are_true(workspace: &Workspace) -> Result<String, Failure> {
    let metadata = read(&mut workspace.cargo("metadata --format-version 1 --all-features"))?;
    let metadata: Metadata = serde_json::from_str(&metadata)
        .map_err(|error| Failure::new(format!("cargo metadata cannot be read: {error}")))?;
    let mut wrong = Vec::new();
    let mut packages = 0;
    for ours in metadata.packages.iter().filter(|package| package.source.is_none()) {
        packages += 1;
        let tree = format!("tree -p {} -e normal,build --prefix none --format {{p}}", ours.name);
        let tree = read(&mut workspace.cargo(&tree))?;
        let needed = metadata.newest_needed(&tree);
        if needed > ours.minimum() {
            wrong.push(format!("{} needs Rust 1.{} and says 1.{}", ours.name, needed.1, ours.minimum().1));
        }
    }
    if wrong.is_empty() {
        return Ok(format!("{packages} packages"));
    }
    Err(Failure::new(wrong.join(", ")))
}

#[derive(serde::Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(serde::Deserialize)]
struct Package {
    name: String,
    version: String,
    /// Where it comes from; `None` for the packages of this workspace.
    source: Option<String>,
    rust_version: Option<String>,
}

impl Metadata {
    /// The newest Rust that a crate in the output of `cargo tree --prefix none` asks for.
    fn newest_needed(&self, tree: &str) -> (u32, u32) {
        let in_tree = |package: &&Package| {
            let line = format!("{} v{}", package.name, package.version);
            tree.lines().any(|crate_| crate_ == line || crate_.starts_with(&format!("{line} ")))
        };
        self.packages
            .iter()
            .filter(|package| package.source.is_some())
            .filter(in_tree)
            .map(Package::minimum)
            .max()
            .unwrap_or_default()
    }
}

impl Package {
    /// Major and minor version; `(0, 0)` if the manifest names none.
    fn minimum(&self) -> (u32, u32) {
        let mut numbers =
            self.rust_version.as_deref().unwrap_or_default().split('.').map_while(|n| n.parse().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }
}

/// The names of the crates in the output of `cargo tree --prefix none`: the first word of each line.
fn names(tree: &str) -> BTreeSet<&str> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

const NOT_IN_CORE: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "hyper",
    "http",
    "axum",
    "axum-core",
    "actix-web",
    "tower",
    "tower-service",
];

#[cfg(test)]
mod tests {
    use super::{Metadata, names};

    #[test]
    fn newest_rust_of_the_tree_counts() {
        let metadata: Metadata = serde_json::from_str(
            r#"{"packages": [{"name": "a", "version": "1.0.0", "source": "s", "rust_version": "1.60"},
                {"name": "b", "version": "2.0.0", "source": "s", "rust_version": "1.94.1"},
                {"name": "c", "version": "2.0.0", "source": "s", "rust_version": null}]}"#,
        )
        .expect("this is JSON");
        assert_eq!(metadata.newest_needed("a v1.0.0 (*)\nc v2.0.0\n"), (1, 60));
        assert_eq!(metadata.newest_needed("a v1.0.0\nb v2.0.0 (proc-macro)\n"), (1, 94));
        assert_eq!(metadata.newest_needed("b v2.0.0-rc\n"), (0, 0));
    }

    #[test]
    fn names_are_the_first_words_of_the_tree() {
        let names = names("hipflask-core v0.1.0 (/here)\nsha1 v0.11.0\nsha1 v0.11.0 (*)\n");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["hipflask-core", "sha1"]);
    }
}
