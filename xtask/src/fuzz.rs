//! The fuzz targets under `fuzz/`: built with libFuzzer on the stable compiler, seeded from
//! `wire/`, run for a while.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::failure::Failure;
use crate::workspace::{Workspace, read, run};
use crate::{flask, tools};

/// Builds, seeds and runs every target for 20 seconds, or for `HIPFLASK_FUZZ_SECONDS`.
pub(crate) fn every_parser(workspace: &Workspace) -> Result<String, Failure> {
    every_parser_for(workspace, "20")
}

/// [`every_parser`] for two minutes a target: a step of `full`.
pub(crate) fn every_parser_at_length(workspace: &Workspace) -> Result<String, Failure> {
    every_parser_for(workspace, "120")
}

fn every_parser_for(workspace: &Workspace, seconds: &str) -> Result<String, Failure> {
    let seconds = std::env::var("HIPFLASK_FUZZ_SECONDS").unwrap_or_else(|_| seconds.to_owned());
    flask::setup(workspace)?;
    tools::need(workspace, "c++")?;
    let mut seeds = flask::FLASK.python(workspace);
    run(seeds.args(["-B", "wire/seeds.py", CORPUS]))?;
    let programs = build(workspace)?;
    let targets = targets(workspace);
    let mut runs = 0;
    // Two at a time: as many as the smallest machine has cores.
    for pair in targets.chunks(2) {
        let started: Vec<(&String, Result<Child, Failure>)> =
            pair.iter().map(|target| (target, start(workspace, &programs, target, &seconds))).collect();
        for (target, child) in started {
            runs += finish(workspace, target, child?)?;
        }
    }
    let targets = targets.len();
    Ok(format!("{targets} targets, {seconds} s each, {:.1} million runs", runs as f64 / 1e6))
}

/// Builds the targets and returns their directory.
fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let host = read(workspace.command("rustc").arg("-vV"))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    let mut cargo =
        workspace.cargo("build --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target");
    // With an explicit target the flags are for it alone, and build scripts are built as ever.
    run(cargo.arg(&host).env("RUSTFLAGS", COVERAGE).env("CARGO_INCREMENTAL", "0"))?;
    Ok(workspace.path("target/fuzz").join(host).join("release"))
}

/// The names of the files in `fuzz/targets/`.
fn targets(workspace: &Workspace) -> Vec<String> {
    let files = fs::read_dir(workspace.path("fuzz/targets")).into_iter().flatten().flatten();
    let mut names: Vec<String> = files
        .map(|entry| entry.path())
        .filter(|path| path.extension() == Some(OsStr::new("rs")))
        .filter_map(|path| path.file_stem().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names
}

fn start(workspace: &Workspace, programs: &Path, target: &str, seconds: &str) -> Result<Child, Failure> {
    let artifacts = workspace.path(ARTIFACTS).join(target);
    let made = fs::create_dir_all(&artifacts).and_then(|()| fs::File::create(log(workspace, target)));
    let log = made.map_err(|error| Failure::new(format!("{ARTIFACTS} cannot be written: {error}")))?;
    let mut command: Command = workspace.command(programs.join(target));
    command.args(["-timeout=10", "-rss_limit_mb=1024", "-max_len=4096", "-print_final_stats=1"]);
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg(workspace.path(CORPUS).join(target));
    command.stdout(Stdio::null()).stderr(log);
    command
        .spawn()
        .map_err(|error| Failure::new(format!("the target {target} could not be started: {error}")))
}

/// Waits for a target and returns the number of inputs that it ran.
fn finish(workspace: &Workspace, target: &str, mut child: Child) -> Result<u64, Failure> {
    let status = child.wait().map_err(|error| Failure::new(format!("{target}: {error}")))?;
    // A panic may quote bytes that are not UTF-8.
    let said = fs::read(log(workspace, target)).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    if !status.success() {
        println!("{}", complaint(&said));
        let artifact = said.lines().find_map(|line| line.split("Test unit written to ").nth(1));
        let artifact = artifact.unwrap_or(ARTIFACTS);
        return Err(Failure::new(format!("the parser of `{target}` broke on {artifact}")).with_remedy(
            format!(
                "run `target/fuzz/*/release/{target} {artifact}` to see it again; leave a test with its bytes"
            ),
        ));
    }
    let runs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let runs = runs.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
    println!("{target}: {runs} runs");
    if runs == 0 {
        return Err(Failure::new(format!("the target {target} ran nothing")));
    }
    Ok(runs)
}

/// The part of the output from the panic on, without libFuzzer's tables.
fn complaint(said: &str) -> &str {
    let from = said.find("panicked at").or_else(|| said.find("ERROR")).unwrap_or(0);
    let to = said[from..].find("stack backtrace").map_or(said.len(), |length| from + length);
    said[from..to].trim_end()
}

fn log(workspace: &Workspace, target: &str) -> PathBuf {
    workspace.path(ARTIFACTS).join(format!("{target}.log"))
}

const CORPUS: &str = "fuzz/corpus";
const ARTIFACTS: &str = "fuzz/artifacts";

const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

#[cfg(test)]
mod tests {
    use super::complaint;

    #[test]
    fn crash_shows_the_panic_without_the_tables() {
        let said = "#1 INITED\n#2 NEW\nthread panicked at a.rs:1:\nleft: 1\nstack backtrace:\n 0: main\n";
        assert_eq!(complaint(said), "panicked at a.rs:1:\nleft: 1");
        assert_eq!(complaint("ERROR: libFuzzer: timeout\n"), "ERROR: libFuzzer: timeout");
    }
}
