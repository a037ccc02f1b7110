//! Checks what the documents say about the tree: linked files and named tests exist.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::workspace::Workspace;

/// Fails if a document links to a missing file.
///
/// Fails as well if `COMPATIBILITY.md` names a missing test; counts the rows that say "not yet".
pub(crate) fn check(workspace: &Workspace) -> Result<String, Failure> {
    let root = workspace.path("");
    let documents = files(&root, "md");
    let broken: Vec<String> = documents.iter().flat_map(|document| broken_links(&root, document)).collect();
    if !broken.is_empty() {
        return Err(Failure::new(format!("links that lead nowhere: {}", broken.join(", "))));
    }
    let compatibility = read(&workspace.path(COMPATIBILITY));
    let rows = compatibility_rows(&compatibility);
    let sources: String =
        [files(&root, "rs"), files(&root, "py")].concat().iter().map(|file| read(file)).collect();
    let lost: Vec<&str> = named_tests(&rows).filter(|test| !defines(&sources, test)).collect();
    if !lost.is_empty() {
        return Err(Failure::new(format!(
            "{COMPATIBILITY} names tests that do not exist: {}",
            lost.join(", ")
        )));
    }
    let troubleshooting = read(&workspace.path(TROUBLESHOOTING));
    let unknown = unknown_messages(&troubleshooting, &sources);
    if !unknown.is_empty() {
        return Err(Failure::new(format!(
            "{TROUBLESHOOTING} explains messages that no source has: {unknown:?}"
        )));
    }
    let untested = rows.iter().filter(|row| !row.contains('`')).count();
    let note = format!("{} documents, {} differences", documents.len(), rows.len());
    Ok(if untested == 0 { note } else { format!("{note}, {untested} of them without a test yet") })
}

/// The last column of every row of a table whose last heading is "test".
fn compatibility_rows(text: &str) -> Vec<&str> {
    let mut rows = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let last = line.strip_suffix('|').and_then(|line| line.rsplit_once('|')).map(|(_, cell)| cell.trim());
        match last {
            None => inside = false,
            Some("test") => inside = true,
            Some(cell) if inside && !cell.starts_with("---") => rows.push(cell),
            Some(_) => {}
        }
    }
    rows
}

/// The parts of a text between backticks.
fn named_tests<'t>(rows: &'t [&str]) -> impl Iterator<Item = &'t str> {
    rows.iter().flat_map(|row| row.split('`').skip(1).step_by(2))
}

/// Returns `true` if a test of this name exists, in Rust or, with pytest's prefix, in Python.
fn defines(sources: &str, test: &str) -> bool {
    sources.contains(&format!("fn {test}(")) || sources.contains(&format!("def test_{test}("))
}

/// The messages in the headings of `page` that are not in `sources`.
fn unknown_messages<'p>(page: &'p str, sources: &str) -> Vec<&'p str> {
    // A text over several lines of Rust is joined as the compiler does.
    let joined: String = sources
        .split("\\\n")
        .enumerate()
        .map(|(number, part)| if number == 0 { part } else { part.trim_start() })
        .collect();
    let headings = page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    headings.filter(|message| !joined.contains(message)).collect()
}

fn broken_links(root: &Path, document: &Path) -> Vec<String> {
    let text = read(document);
    let folder = document.parent().unwrap_or(root);
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link));
    links
        .filter(|link| !link.contains("://") && !link.starts_with('#'))
        .map(|link| link.split('#').next().unwrap_or(link))
        .filter(|link| !folder.join(link).exists())
        .map(|link| format!("{link} in {}", document.strip_prefix(root).unwrap_or(document).display()))
        .collect()
}

/// The files under `root` that end in `.extension`, without what Git or Cargo keep for themselves.
fn files(root: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            // A link leads to a file that is found in its own place.
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// An unreadable file is read as empty, so that what it should contain is reported as missing.
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

const TROUBLESHOOTING: &str = "docs/troubleshooting.md";
const COMPATIBILITY: &str = "COMPATIBILITY.md";

#[cfg(test)]
mod tests {
    use super::{compatibility_rows, named_tests, unknown_messages};

    #[test]
    fn tests_are_backticked_in_the_last_column() {
        let rows = compatibility_rows(
            "| a | test |\n| --- | --- |\n| `x` | `one`, `two` |\n| y | not yet |\n\n| b | c |\n",
        );
        assert_eq!(rows, ["`one`, `two`", "not yet"]);
        assert_eq!(named_tests(&rows).collect::<Vec<_>>(), ["one", "two"]);
    }

    #[test]
    fn messages_of_several_lines_are_found() {
        let sources = "warn!(\n    \"the first half \\\n     and the second\"\n)";
        assert!(unknown_messages("### `half and the`\n", sources).is_empty());
        assert_eq!(unknown_messages("### `half and no`\n", sources), ["half and no"]);
    }
}
