//! Steps, run one after another, each with a heading and its time.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::workspace::Workspace;

/// One step of a command.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// The fix to try if this step fails and its failure names none.
    pub(crate) remedy: &'static str,
    pub(crate) run: fn(&Workspace) -> Result<String, Failure>,
}

/// After a step that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    Stop,
    Continue,
}

/// Runs `steps` in order; a table of the steps that ran closes the output.
pub(crate) fn run_steps(
    command: &str,
    steps: &[Step],
    after_failure: AfterFailure,
    workspace: &Workspace,
) -> ExitCode {
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for (number, step) in steps.iter().enumerate() {
        println!("\n=== {}/{} {} ===", number + 1, steps.len(), step.name);
        let start = Instant::now();
        let outcome = (step.run)(workspace);
        let took = start.elapsed();
        // A child's output may be a pipe away from ours; keep the order in which things happened.
        let _ = std::io::stdout().flush();
        match outcome {
            Ok(note) => rows.push(row(step.name, "ok", took, &note)),
            Err(failure) => {
                rows.push(row(step.name, "FAILED", took, ""));
                failures.push(failure.in_step(step.name, step.remedy));
                if after_failure == AfterFailure::Stop {
                    break;
                }
            }
        }
    }
    println!("{}", table(command, &rows, steps.len()));
    for failure in &failures {
        eprintln!("\n{failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn row(name: &str, state: &str, took: Duration, note: &str) -> String {
    format!("  {name:<26} {state:<6} {:>7.1} s  {note}", took.as_secs_f64()).trim_end().to_owned()
}

fn table(command: &str, rows: &[String], of: usize) -> String {
    let mut text = format!("\n=== cargo xtask {command}: {} of {of} steps ran ===\n", rows.len());
    text.push_str(&rows.join("\n"));
    text
}
