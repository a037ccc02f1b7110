//! Removes each check from the verify path, one at a time, and expects a unit test of hipflask-core to fail.
//!
//! The table is in `mutants/table.rs`. The checkout is left alone: the changes are made to copies
//! under `target/mutants`.

pub(crate) mod store;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::workspace::Workspace;
use table::{MUTANTS, Mutant};

/// Fails with the names of the changes that no test noticed, or whose text is missing from the sources.
pub(crate) fn all_are_noticed(workspace: &Workspace) -> Result<String, Failure> {
    let lost: Vec<&str> =
        MUTANTS.iter().filter(|mutant| !mutant.fits(workspace)).map(|m| m.removes).collect();
    if !lost.is_empty() {
        let what = format!("the text to change was not found for: {}", lost.join("; "));
        return Err(Failure::new(what)
            .with_remedy("find where the check moved and correct xtask/src/mutants/table.rs"));
    }
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    let (next, outcomes_of_all) = (&next, &outcomes);
    let failed = thread::scope(|scope| {
        // Two: as many as the smallest machine has cores.
        let workers: Vec<_> = (0..2)
            .map(|number| scope.spawn(move || work(workspace, number, next, outcomes_of_all)))
            .collect();
        let ends = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(Failure::new("a worker ended"))));
        ends.filter_map(Result::err).next()
    });
    if let Some(failure) = failed {
        return Err(failure);
    }
    let outcomes = outcomes.into_inner().unwrap_or_default();
    let unnoticed: Vec<&str> =
        outcomes.iter().filter(|(_, noticed)| !noticed).map(|(mutant, _)| *mutant).collect();
    if unnoticed.is_empty() {
        return Ok(format!("{} changes, all noticed", outcomes.len()));
    }
    Err(Failure::new(format!("no test noticed: {}", unnoticed.join("; ")))
        .with_remedy("add a unit test to hipflask-core that fails without the check"))
}

impl Mutant {
    fn fits(&self, workspace: &Workspace) -> bool {
        fs::read_to_string(workspace.path(CORE).join(self.file))
            .is_ok_and(|source| source.contains(self.from))
    }
}

/// The checks that were removed, each with `true` if a test failed.
type Outcomes = Mutex<Vec<(&'static str, bool)>>;

fn work(
    workspace: &Workspace,
    number: usize,
    next: &AtomicUsize,
    outcomes: &Outcomes,
) -> Result<(), Failure> {
    let copy = Copy::new(workspace, number)?;
    if !copy.tests_pass(&[])? {
        return Err(Failure::new("the unit tests of hipflask-core fail without a change"));
    }
    while let Some(mutant) = MUTANTS.get(next.fetch_add(1, Ordering::Relaxed)) {
        let noticed = copy.notices(mutant)?;
        println!("{} {}", if noticed { "noticed  " } else { "UNNOTICED" }, mutant.removes);
        outcomes.lock().map_err(|_| Failure::new("a worker ended"))?.push((mutant.removes, noticed));
    }
    Ok(())
}

/// hipflask-core in a workspace of its own, to be changed.
struct Copy<'w> {
    workspace: &'w Workspace,
    root: PathBuf,
}

impl<'w> Copy<'w> {
    fn new(workspace: &'w Workspace, number: usize) -> Result<Self, Failure> {
        let root = workspace.path("target/mutants").join(number.to_string());
        let copy = Self { workspace, root };
        copy.fill()
            .map_err(|error| Failure::new(format!("{} cannot be written: {error}", copy.root.display())))?;
        Ok(copy)
    }

    fn fill(&self) -> std::io::Result<()> {
        let _ = fs::remove_dir_all(self.root.join("crates"));
        copy_all(&self.workspace.path(CORE), &self.root.join(CORE))?;
        copy_all(&self.workspace.path("xtask"), &self.root.join("xtask"))?;
        for file in ["Cargo.toml", "Cargo.lock"] {
            fs::copy(self.workspace.path(file), self.root.join(file))?;
        }
        // Of the workspace only these two are copied.
        edit(&self.root.join("Cargo.toml"), |line| match line.starts_with("members = ") {
            true => Some("members = [\"crates/*\", \"xtask\"]"),
            false => Some(line),
        })?;
        // The unit tests do not need the testkit; with it core would be built twice for each change.
        edit(&self.root.join(CORE).join("Cargo.toml"), |line| {
            Some(line).filter(|line| !line.starts_with("hipflask-testkit"))
        })?;
        fs::remove_dir_all(self.root.join(CORE).join("tests")).or(Ok(()))
    }

    fn notices(&self, mutant: &Mutant) -> Result<bool, Failure> {
        let file = self.root.join(CORE).join(mutant.file);
        let broken = |error| Failure::new(format!("{}: {error}", file.display()));
        let source = fs::read_to_string(&file).map_err(broken)?;
        fs::write(&file, source.replace(mutant.from, mutant.to)).map_err(broken)?;
        let passed = self.tests_pass(mutant.tests);
        fs::write(&file, source).map_err(broken)?;
        passed.map(|passed| !passed).map_err(|failure| Failure::new(format!("{}: {failure}", mutant.removes)))
    }

    /// Builds, and runs the unit tests whose names contain one of `filters`. A run that takes too
    /// long has failed.
    fn tests_pass(&self, filters: &[&str]) -> Result<bool, Failure> {
        let mut command = self.workspace.command(self.build()?);
        command.current_dir(self.root.join(CORE)).args(filters).arg("--quiet").env("PROPTEST_CASES", "32");
        command.env("RUST_BACKTRACE", "0").stdout(Stdio::null()).stderr(Stdio::null());
        let broken = |error| Failure::new(format!("the unit tests could not be run: {error}"));
        let mut child = command.spawn().map_err(broken)?;
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(broken)? {
                return Ok(status.success());
            }
            if start.elapsed() > LONGEST {
                child.kill().and_then(|()| child.wait()).map_err(broken)?;
                return Ok(false);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Builds the program with the unit tests and returns its path.
    fn build(&self) -> Result<PathBuf, Failure> {
        let mut cargo = self.workspace.cargo("test -p hipflask-core --lib --no-run");
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", self.root.join("target"));
        // One file changes at a time, so incremental builds are worth their disk space, even in CI.
        cargo.env("CARGO_INCREMENTAL", "1").env("CARGO_BUILD_JOBS", "1").env("CARGO_TERM_COLOR", "never");
        cargo.env("CARGO_PROFILE_TEST_DEBUG", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
        let output =
            cargo.output().map_err(|error| Failure::new(format!("cargo could not be started: {error}")))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let program = said.lines().rev().find_map(|line| line.rsplit_once('(')?.1.strip_suffix(')'));
        match program {
            Some(program) if output.status.success() => Ok(self.root.join(program)),
            _ => Err(Failure::new(format!("hipflask-core does not build: {said}"))),
        }
    }
}

/// Rewrites a file line by line; `None` drops the line.
fn edit(file: &Path, change: impl Fn(&str) -> Option<&str>) -> std::io::Result<()> {
    let text = fs::read_to_string(file)?;
    let lines: Vec<&str> = text.lines().filter_map(change).collect();
    fs::write(file, lines.join("\n"))
}

fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

const CORE: &str = "crates/hipflask-core";

/// The tests take a few seconds; without a check one of them may run forever.
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::{MUTANTS, Workspace};

    #[test]
    fn changes_fit_the_sources_and_have_names() {
        let workspace = Workspace::find();
        for (number, mutant) in MUTANTS.iter().enumerate() {
            assert!(mutant.fits(&workspace), "{} is gone from {}", mutant.from, mutant.file);
            assert!(
                MUTANTS[..number].iter().all(|other| other.removes != mutant.removes),
                "{}",
                mutant.removes
            );
        }
        assert!(MUTANTS.len() >= 20);
    }
}
