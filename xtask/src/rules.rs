//! The rule about the dependencies of hipflask-core, read from `cargo tree`.

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
    use super::names;

    #[test]
    fn names_are_the_first_words_of_the_tree() {
        let names = names("hipflask-core v0.1.0 (/here)\nsha1 v0.11.0\nsha1 v0.11.0 (*)\n");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["hipflask-core", "sha1"]);
    }
}
