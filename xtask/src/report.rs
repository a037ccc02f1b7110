//! Steps, run one after another, each with a heading and its time.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::workspace::Workspace;

/// One thing that is run and can fail.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// What a person does who sees this step fail.
    pub(crate) remedy: &'static str,
    pub(crate) run: fn(&Workspace) -> Result<String, Failure>,
}

/// What happened, and where a step's own remedy is not enough, what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    remedy: Option<String>,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: None }
    }

    pub(crate) fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failed: {}", self.what)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\nTo do:  {remedy}"),
            None => Ok(()),
        }
    }
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
                let remedy = failure.remedy.clone().unwrap_or_else(|| step.remedy.to_owned());
                eprintln!(
                    "\n{}",
                    Failure { remedy: Some(remedy), what: format!("{}: {}", step.name, failure.what) }
                );
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

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn a_failure_says_what_happened_and_what_to_do() {
        let failure = Failure::new("no python3").with_remedy("apt-get install python3");
        assert_eq!(failure.to_string(), "Failed: no python3\nTo do:  apt-get install python3");
    }
}
