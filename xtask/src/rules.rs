//! Rules about what we depend on, read from `cargo tree`.

use std::collections::BTreeSet;

use crate::failure::Failure;
use crate::workspace::{Workspace, read};

/// Fails if hipflask-core would bring an async runtime or a web framework to those who use it.
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

/// Fails if any dependency, of whatever kind, has no licence that [`ALLOWED`] names.
pub(crate) fn licences_are_permissive(workspace: &Workspace) -> Result<String, Failure> {
    let mut tree = workspace.cargo("tree --workspace --all-features -e normal,build,dev --prefix none");
    let tree = read(tree.args(["--format", "{p}\t{l}"]))?;
    let crates: BTreeSet<(&str, &str)> = tree.lines().filter_map(|line| line.split_once('\t')).collect();
    let refused: Vec<String> = crates
        .iter()
        .filter(|(name, licence)| !is_allowed(licence) && !is_excepted(name, licence))
        .map(|(name, licence)| format!("{} ({licence})", name.trim()))
        .collect();
    if refused.is_empty() {
        return Ok(format!("{} crates", crates.len()));
    }
    Err(Failure::new(format!("licence not on the list: {}", refused.join(", "))))
}

/// The first word of each line of a `cargo tree` without indentation is a crate's name.
fn names(tree: &str) -> BTreeSet<&str> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

/// `A OR B` needs one of them, `A AND B` all; a `/` is how old manifests write OR.
fn is_allowed(expression: &str) -> bool {
    // A repeated crate is marked with ` (*)`, its licence is the same.
    let expression = expression.trim_end_matches("(*)").replace('/', " OR ").replace(['(', ')'], " ");
    expression.split(" AND ").all(|part| part.split(" OR ").any(|licence| ALLOWED.contains(&licence.trim())))
}

/// Whether a crate may have this licence although others may not: see [`EXCEPTIONS`].
fn is_excepted(name: &str, licence: &str) -> bool {
    EXCEPTIONS
        .iter()
        .any(|exception| (name.split(' ').next(), licence.trim()) == (Some(exception.0), exception.1))
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

const ALLOWED: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unlicense",
    "CC0-1.0",
    "BSL-1.0",
    "Unicode-3.0",
    // Data: the list of root certificates.
    "CDLA-Permissive-2.0",
];

/// Crates that only our own tests are built with; nothing that we publish contains them.
const EXCEPTIONS: &[(&str, &str)] = &[("webdriver", "MPL-2.0")];

#[cfg(test)]
mod tests {
    use super::{is_allowed, names};

    #[test]
    fn a_licence_counts_when_one_of_the_choices_is_allowed() {
        assert!(is_allowed("MIT OR GPL-3.0"));
        assert!(is_allowed("MIT/Apache-2.0"));
        assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0 (*)"));
        assert!(!is_allowed("GPL-3.0"));
        assert!(!is_allowed("MIT AND GPL-3.0"));
        assert!(!is_allowed(""));
    }

    #[test]
    fn names_are_the_first_words_of_the_tree() {
        let names = names("hipflask-core v0.1.0 (/here)\nsha1 v0.11.0\nsha1 v0.11.0 (*)\n");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["hipflask-core", "sha1"]);
    }
}
