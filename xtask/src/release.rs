//! `cargo xtask release --dry-run`: everything that a release needs, short of publishing.

use crate::failure::Failure;
use crate::workspace::{Workspace, read};
use crate::{packages, wheel};

/// Checks the version, the changelog and the tag, builds all packages and wheels, and prints the
/// commands that publish them.
pub(crate) fn dry_run(workspace: &Workspace) -> Result<String, Failure> {
    let version = packages::version(workspace);
    check_changelog(workspace, &version)?;
    check_repository(workspace, &version)?;
    packages::are_complete(workspace)?;
    packages::work_alone(workspace)?;
    let wheels = wheel::for_release(workspace)?;
    Ok(format!(
        "\nReady to publish {version}:\n  git tag v{version} && git push --tags\n  cargo publish --workspace\n  \
         maturin upload {}",
        wheels.join(" ")
    ))
}

fn check_changelog(workspace: &Workspace, version: &str) -> Result<(), Failure> {
    let changelog = std::fs::read_to_string(workspace.path("CHANGELOG.md")).unwrap_or_default();
    if is_described(&changelog, version) {
        return Ok(());
    }
    Err(Failure::new(format!("CHANGELOG.md has no section with entries for {version}"))
        .with_remedy(format!("add `## {version}` and the changes under it")))
}

fn is_described(changelog: &str, version: &str) -> bool {
    let heading = format!("## {version}");
    let mut lines = changelog.lines().skip_while(|line| !is_heading_of(line, &heading)).skip(1);
    lines.by_ref().take_while(|line| !line.starts_with("## ")).any(|line| line.starts_with("- "))
}

/// `## 0.1.0` or `## 0.1.0, not yet released`, but not `## 0.1.01`.
fn is_heading_of(line: &str, heading: &str) -> bool {
    line.strip_prefix(heading)
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit() || next == '.'))
}

fn check_repository(workspace: &Workspace, version: &str) -> Result<(), Failure> {
    let changed = read(workspace.command("git").args(["status", "--porcelain"]))?;
    if !changed.trim().is_empty() {
        return Err(Failure::new(format!("files differ from the last commit:\n{}", changed.trim_end()))
            .with_remedy("commit or discard the changes"));
    }
    let tag = format!("v{version}");
    let tags = read(workspace.command("git").args(["tag", "--list", &tag]))?;
    if tags.trim().is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("the tag {tag} exists, so {version} was released before"))
        .with_remedy("raise `version` in Cargo.toml"))
}

#[cfg(test)]
mod tests {
    use super::is_described;

    #[test]
    fn changelog_must_describe_the_version() {
        let changelog =
            "# Changelog\n\n## 0.2.0, not yet released\n\n- new\n\n## 0.1.0\n\n## 0.0.9\n\n- old\n";
        assert!(is_described(changelog, "0.2.0"));
        assert!(!is_described(changelog, "0.1.0"), "no entries");
        assert!(!is_described(changelog, "0.2"), "another version");
        assert!(!is_described(changelog, "0.3.0"));
    }
}
