//! The gate that counts instructions, so that Hipflask does not get slower.
//!
//! Times differ from machine to machine and from minute to minute. Instructions under valgrind do
//! not, because it shows every program the same processor. That processor has no SHA instructions,
//! so the hash runs in software there. That takes ten times the instructions and would hide
//! everything else. Callgrind counts each function, so the gate can separate the hash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::ours::{self, Operation};
use crate::payload::ALL;

/// The largest growth of an operation that passes the gate, in percent.
const TOLERANCE: f64 = 5.0;

/// The number of times that an operation runs under the counter.
const TIMES: u64 = 16;

/// The counts of the baseline or of this run.
#[derive(Serialize, Deserialize)]
pub struct Baseline {
    /// The tools that the counts depend on.
    made_with: MadeWith,
    /// The instructions of one run of each `operation/payload`.
    operations: BTreeMap<String, Count>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct MadeWith {
    rustc: String,
    libc: String,
    valgrind: String,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
struct Count {
    /// Without the block function of the hash, which real processors have in hardware.
    ours: u64,
    /// The block function of the hash, in software.
    hash: u64,
}

fn operations() -> Vec<Operation> {
    ALL.into_iter().flat_map(ours::operations).collect()
}

fn name(operation: &Operation) -> String {
    format!("{}/{}", operation.name, operation.payload)
}

/// Runs one operation so that callgrind can count it. The gate calls this.
pub fn run_counted(wanted: &str) -> Result<(), String> {
    let mut operation = operations()
        .into_iter()
        .find(|operation| name(operation) == wanted)
        .ok_or_else(|| format!("unknown operation `{wanted}`"))?;
    // Work that a process does once (CPU features, reused buffers) does not count.
    for _ in 0..4 {
        (operation.run)();
    }
    counted_runs(&mut *operation.run);
    Ok(())
}

/// Callgrind counts the instructions in this function, which it finds by its name.
#[inline(never)]
fn counted_runs(run: &mut dyn FnMut()) {
    for _ in 0..TIMES {
        run();
    }
}

/// Compares with the baseline. Returns `Ok(false)` if an operation grew too much.
pub fn gate() -> Result<bool, String> {
    let text = std::fs::read_to_string(baseline_path())
        .map_err(|error| format!("cannot read bench/instructions.json: {error}; `accept` creates it"))?;
    let baseline: Baseline = serde_json::from_str(&text)
        .map_err(|error| format!("bench/instructions.json: {error}; `accept` creates it again"))?;
    let now = count_all()?;
    let mut grown = Vec::new();
    println!("instructions of one run            ours      change            hash      change");
    for (name, count) in &now.operations {
        let before = baseline.operations.get(name).copied();
        let change = |now: u64, before: Option<u64>| match before {
            Some(before) => (now as f64 / before.max(1) as f64 - 1.0) * 100.0,
            None => f64::INFINITY,
        };
        let (ours, hash) =
            (change(count.ours, before.map(|b| b.ours)), change(count.hash, before.map(|b| b.hash)));
        let mark = if ours > TOLERANCE || hash > TOLERANCE { "  GREW" } else { "" };
        println!("{name:<30} {:>8} {ours:>+9.1} %  {:>12} {hash:>+9.1} %{mark}", count.ours, count.hash);
        if !mark.is_empty() {
            grown.push(name.as_str());
        }
    }
    let gone: Vec<_> =
        baseline.operations.keys().filter(|name| !now.operations.contains_key(*name)).collect();
    if !gone.is_empty() {
        println!("in the baseline, but no longer counted: {gone:?}");
    }
    if grown.is_empty() {
        println!("nothing grew by more than {TOLERANCE} %");
        return Ok(true);
    }
    println!(
        "\n{} grew by more than {TOLERANCE} % against bench/instructions.json (or is new).\n\
         Not intended? Look at the change that caused it; `valgrind --tool=callgrind` shows where.\n\
         Worth it? Accept the new counts, and say in the commit why:\n    \
         cargo run --release --no-default-features -- accept      (in bench/)",
        grown.join(", ")
    );
    if now.made_with != baseline.made_with {
        println!(
            "The counts depend on the tools as well. Baseline: {}. Here: {}.\n\
             If nothing else has changed, that is why: accept the new counts.",
            baseline.made_with.to_text(),
            now.made_with.to_text()
        );
    }
    Ok(false)
}

/// Makes the current counts the baseline.
pub fn accept() -> Result<(), String> {
    let mut text = serde_json::to_string_pretty(&count_all()?).map_err(|error| error.to_string())?;
    text.push('\n');
    std::fs::write(baseline_path(), text).map_err(|error| format!("bench/instructions.json: {error}"))?;
    println!("bench/instructions.json now contains these counts; commit it and say why they changed");
    Ok(())
}

impl MadeWith {
    fn to_text(&self) -> String {
        format!("{}, {}, {}", self.rustc, self.libc, self.valgrind)
    }
}

fn baseline_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json")
}

fn count_all() -> Result<Baseline, String> {
    let made_with = MadeWith {
        rustc: first_line("rustc", &["--version"])?,
        libc: first_line("getconf", &["GNU_LIBC_VERSION"])?,
        valgrind: first_line("valgrind", &["--version"]).map_err(|error| {
            format!("{error}\nThe gate counts with valgrind: install the package valgrind (Debian, Ubuntu: `apt-get install valgrind`).")
        })?,
    };
    let names: Vec<String> = operations().iter().map(name).collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(names.len());
    let counts: Result<Vec<Vec<(String, Count)>>, String> = std::thread::scope(|scope| {
        let share = |worker: usize| names.iter().skip(worker).step_by(workers);
        let counters: Vec<_> = (0..workers)
            .map(|worker| {
                let names = share(worker);
                scope.spawn(move || names.map(|name| Ok((name.clone(), count(name)?))).collect())
            })
            .collect();
        counters.into_iter().map(|counter| counter.join().expect("counting does not panic")).collect()
    });
    Ok(Baseline { made_with, operations: counts?.into_iter().flatten().collect() })
}

fn count(name: &str) -> Result<Count, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let out =
        std::env::temp_dir().join(format!("hipflask-{}-{}", std::process::id(), name.replace('/', "-")));
    let status = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*counted_runs*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["count", name])
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    let profile = std::fs::read_to_string(&out);
    let _ = std::fs::remove_file(&out);
    if !status.success() {
        return Err(format!("valgrind exited with {status} at {name}"));
    }
    let costs = costs(&profile.map_err(|error| format!("{}: {error}", out.display()))?);
    let all: u64 = costs.values().sum();
    let hash: u64 = costs.iter().filter(|(function, _)| is_hash(function)).map(|(_, cost)| cost).sum();
    if hash == 0 {
        return Err(format!("{name}: no function of sha1 was counted, so the hash cannot be separated"));
    }
    Ok(Count { ours: (all - hash) / TIMES, hash: hash / TIMES })
}

fn is_hash(function: &str) -> bool {
    function.contains("sha1") && !function.contains("hipflask")
}

/// The instructions of each function, without its callees, from a callgrind profile.
fn costs(profile: &str) -> BTreeMap<String, u64> {
    let (mut names, mut costs) = (BTreeMap::new(), BTreeMap::new());
    let (mut function, mut is_call) = (String::new(), false);
    for line in profile.lines() {
        if let Some(named) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            // `(7) name` the first time, then `(7)`.
            let (number, name) = named.split_once(' ').unwrap_or((named, ""));
            if !name.is_empty() {
                names.insert(number.to_owned(), name.to_owned());
            }
            if line.starts_with("fn=") {
                function = names.get(number).cloned().unwrap_or_else(|| number.to_owned());
            }
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost: u64 = line.split_whitespace().nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0);
            // The line after a call repeats the callee's instructions, which are counted there
            // already.
            if !core::mem::take(&mut is_call) {
                *costs.entry(function.clone()).or_insert(0) += cost;
            }
        }
    }
    costs
}

fn first_line(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("cannot start `{program}`: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::costs;

    #[test]
    fn a_call_does_not_count_for_the_caller() {
        let costs = costs("fn=(1) outer\n10 5\ncfn=(2) inner\ncalls=3 1\n+1 70\n* 2\n\nfn=(2)\n1 70\n");
        assert_eq!(
            costs.into_iter().collect::<Vec<_>>(),
            [("inner".to_owned(), 70), ("outer".to_owned(), 7)]
        );
    }
}
