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

/// Runs `steps` in order and stops at the first that fails; a table of what ran closes the output.
pub(crate) fn run_steps(command: &str, steps: &[Step], workspace: &Workspace) -> ExitCode {
    let mut rows = Vec::new();
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
                println!("{}", table(command, &rows, steps.len()));
                eprintln!("\n{}", failure.in_step(step.name, step.remedy));
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{}", table(command, &rows, steps.len()));
    ExitCode::SUCCESS
}

fn row(name: &str, state: &str, took: Duration, note: &str) -> String {
    format!("  {name:<26} {state:<6} {:>7.1} s  {note}", took.as_secs_f64()).trim_end().to_owned()
}

fn table(command: &str, rows: &[String], of: usize) -> String {
    let mut text = format!("\n=== cargo xtask {command}: {} of {of} steps ran ===\n", rows.len());
    text.push_str(&rows.join("\n"));
    text
}
