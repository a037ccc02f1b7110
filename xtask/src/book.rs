//! `cargo xtask book`: the pages under `docs/` as a book, in `target/book`.
//!
//! mdBook reads a copy, in which links that leave `docs/` lead to the repository. A page of the root,
//! such as `SECURITY.md`, becomes a chapter if `docs/SUMMARY.md` lists it.

mod wasm;

use std::fs;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::workspace::{Workspace, run};

/// Builds the book and checks its links.
pub(crate) fn build(workspace: &Workspace) -> Result<String, Failure> {
    TOOLS.ensure(workspace)?;
    let unwritable = |error| Failure::new(format!("{COPY} cannot be written: {error}"));
    fill_copy(workspace).map_err(unwritable)?;
    let page = add_page_of_command(workspace);
    let mut mdbook = workspace.command(TOOLS.program(workspace, "mdbook"));
    run(mdbook.args(["build", COPY, "--dest-dir"]).arg(workspace.path(BOOK)))?;
    let pages = html_pages(&workspace.path(BOOK));
    let broken: Vec<String> = pages.iter().flat_map(|page| broken_links(page)).collect();
    if broken.is_empty() {
        return Ok(format!("{} pages in {BOOK}/index.html; {page}", pages.len()));
    }
    Err(Failure::new(format!("links that lead nowhere:\n{}", broken.join("\n"))))
}

/// A page of the book.
#[derive(Debug, PartialEq, Eq)]
struct Chapter {
    /// From the root of the repository.
    source: String,
    /// From the root of the book.
    page: String,
}

fn fill_copy(workspace: &Workspace) -> std::io::Result<()> {
    let copy = workspace.path(COPY);
    let _ = fs::remove_dir_all(&copy);
    fs::create_dir_all(copy.join("src"))?;
    fs::copy(workspace.path("docs/book.toml"), copy.join("book.toml"))?;
    let summary = fs::read_to_string(workspace.path("docs/SUMMARY.md"))?;
    let chapters = chapters(&summary);
    for chapter in &chapters {
        let text = fs::read_to_string(workspace.path(&chapter.source))?;
        let file = copy.join("src").join(&chapter.page);
        file.parent().map(fs::create_dir_all).transpose()?;
        fs::write(file, in_book(&text, chapter, &chapters, &workspace.path("")))?;
    }
    fs::write(copy.join("src/SUMMARY.md"), summary.replace("](../", "]("))
}

/// Adds the page of `hipflask play`, which needs WebAssembly here, and says what came of it.
fn add_page_of_command(workspace: &Workspace) -> String {
    let folder = workspace.path(COPY).join("src/play");
    let add = |from: PathBuf, name: &str| -> Result<u64, Failure> {
        let to = folder.join(name);
        fs::create_dir_all(&folder)
            .and_then(|()| fs::copy(from, &to))
            .map_err(|error| Failure::new(format!("{} cannot be written: {error}", to.display())))
    };
    let page = ["play.js", "play.css"].into_iter().try_for_each(|name| {
        add(workspace.path(&format!("crates/hipflask-cli/src/commands/play/{name}")), name).map(drop)
    });
    match page.and_then(|()| add(wasm::build(workspace)?, "hipflask.wasm")) {
        Ok(size) => format!("its WebAssembly has {} kB", size / 1000),
        Err(failure) => format!("WebAssembly SKIPPED ({failure})"),
    }
}

fn chapters(summary: &str) -> Vec<Chapter> {
    let links = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    links
        .map(|link| {
            let source = resolved("docs", link);
            let page = source.strip_prefix("docs/").unwrap_or(&source).to_owned();
            Chapter { source, page }
        })
        .collect()
}

/// The text of a chapter with its links changed: to other chapters, or to the repository. Includes get the
/// full path.
fn in_book(text: &str, chapter: &Chapter, chapters: &[Chapter], root: &Path) -> String {
    let folder = chapter.source.rsplit_once('/').map_or("", |(folder, _)| folder);
    let up = "../".repeat(chapter.page.matches('/').count());
    let text = text.replace("{{#include ../", &format!("{{{{#include {}/", root.display()));
    let mut parts = text.split("](");
    let mut changed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let link = part.split([')', '#']).next().unwrap_or_default();
        let rest = &part[link.len()..];
        let source = resolved(folder, link);
        let target = match chapters.iter().find(|other| other.source == source) {
            _ if link.is_empty() || link.contains(':') => link.to_owned(),
            Some(other) => format!("{up}{}", other.page),
            None => format!("{REPOSITORY}/{source}"),
        };
        changed.push_str(&format!("]({target}{rest}"));
    }
    changed
}

/// The path `link` as seen from `folder`, without `.` and `..`.
fn resolved(folder: &str, link: &str) -> String {
    let mut path: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
    for name in link.split('/') {
        match name {
            "." | "" => {}
            ".." => drop(path.pop()),
            name => path.push(name),
        }
    }
    path.join("/")
}

fn html_pages(folder: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            pages.extend(html_pages(&path));
        } else if path.extension().is_some_and(|ending| ending == "html") {
            pages.push(path);
        }
    }
    pages
}

/// The links of a page to files that do not exist.
fn broken_links(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap_or_default();
    let folder = page.parent().unwrap_or(page);
    links(&text)
        .filter(|link| !folder.join(link).exists())
        .map(|link| format!("{link} in {}", page.display()))
        .collect()
}

/// The relative links of an HTML page, without their fragments. Templates in code samples are not links.
fn links(html: &str) -> impl Iterator<Item = &str> {
    let targets = html.split("href=\"").skip(1).filter_map(|rest| rest.split(['"', '#']).next());
    targets.filter(|link| !link.is_empty() && !link.contains([':', '{']) && !link.starts_with("//"))
}

const TOOLS: Environment<'static> =
    Environment { folder: "target/book-venv", lists: &["xtask/python/book-tools.txt"] };
const COPY: &str = "target/book-copy";
const BOOK: &str = "target/book";
const REPOSITORY: &str = "https://github.com/hipflask/hipflask/blob/main";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Chapter, REPOSITORY, chapters, in_book, links};

    #[test]
    fn outer_links_lead_to_the_repository() {
        let chapters =
            chapters("- [Security](../SECURITY.md)\n- [Operating](operating.md)\n- [1](decisions/1.md)\n");
        let page = |source: &str, page: &str| Chapter { source: source.into(), page: page.into() };
        assert_eq!(chapters[0], page("SECURITY.md", "SECURITY.md"));
        assert_eq!(chapters[2], page("docs/decisions/1.md", "decisions/1.md"));
        let change = |text: &str, chapter: &Chapter| in_book(text, chapter, &chapters, Path::new("/here"));
        for (text, chapter, changed) in [
            ("[a](../README.md)", &chapters[1], format!("[a]({REPOSITORY}/README.md)")),
            ("[a](../SECURITY.md#b)", &chapters[1], "[a](SECURITY.md#b)".to_owned()),
            ("[a](docs/operating.md)", &chapters[0], "[a](operating.md)".to_owned()),
            ("[a](../../SECURITY.md)", &chapters[2], "[a](../SECURITY.md)".to_owned()),
            ("[a](#b) [c](https://d/)", &chapters[1], "[a](#b) [c](https://d/)".to_owned()),
            ("{{#include ../a.rs}}", &chapters[1], "{{#include /here/a.rs}}".to_owned()),
        ] {
            assert_eq!(change(text, chapter), changed);
        }
    }

    #[test]
    fn only_relative_links_are_checked() {
        let html = r##"<a href="a.html#b"><a href="#c"><a href="https://x/"><a href="mailto:x"><a href="d/e.html">"##;
        assert_eq!(links(html).collect::<Vec<_>>(), ["a.html", "d/e.html"]);
    }
}
