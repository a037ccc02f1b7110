//! Real Flask as a judge: a Python process that signs, opens, parses and answers requests, in batches.
//!
//! It runs `wire/oracle.py` of the checkout with `target/flask-venv/bin/python`, or with the
//! interpreter that the environment variable `HIPFLASK_PYTHON` names.

mod answers;
mod operations;
mod questions;

pub use answers::{
    DamagedCookie, DumpedCookie, GeneratedSession, ParsedHeader, Refusal, ResponseHeaders, StepSeen, Verdict,
    Versions, Visited,
};
pub use questions::{SaveCase, Settings, Visit};
/// Steps, configurations and arguments are its values.
pub use serde_json;

use std::error::Error as _;
use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::checkout;

/// A process with real Flask in it. It starts in a fraction of a second and ends when this is dropped.
#[derive(Debug)]
pub struct RealFlask {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl RealFlask {
    /// Starts the process.
    ///
    /// # Errors
    /// [`OracleError::NoCheckout`] outside of a checkout, [`OracleError::NoFlask`] before
    /// `cargo xtask setup`.
    pub fn start() -> Result<Self, OracleError> {
        let checkout = checkout::checkout().ok_or(OracleError::NoCheckout)?;
        let python = match std::env::var_os("HIPFLASK_PYTHON") {
            Some(python) => PathBuf::from(python),
            None => checkout.join("target/flask-venv/bin/python"),
        };
        Self::start_with(&python, &checkout.join(checkout::JUDGE))
    }

    fn start_with(python: &Path, judge: &Path) -> Result<Self, OracleError> {
        let mut command = Command::new(python);
        // -B: no compiled files among the sources of the checkout.
        command.arg("-B").arg(judge).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().map_err(|source| OracleError::NoFlask { python: python.to_owned(), source })?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(questions), Some(answers)) => {
                Ok(Self { child, questions, answers: BufReader::new(answers) })
            }
            _ => Err(OracleError::Silent),
        }
    }

    /// Asks for the operation `op` of `wire/judge.py` or `wire/generate.py`, with the fields of `question`.
    ///
    /// The typed methods are thin covers of this one.
    ///
    /// # Errors
    /// [`OracleError`] if the process is gone, could not carry out the question, or gave an answer
    /// of another shape.
    pub fn ask<T: DeserializeOwned>(
        &mut self,
        op: &str,
        mut question: Map<String, Value>,
    ) -> Result<T, OracleError> {
        question.insert("op".to_owned(), op.into());
        let mut line = Value::Object(question).to_string();
        line.push('\n');
        self.questions.write_all(line.as_bytes()).map_err(OracleError::Gone)?;
        self.questions.flush().map_err(OracleError::Gone)?;
        line.clear();
        if self.answers.read_line(&mut line).map_err(OracleError::Gone)? == 0 {
            return Err(OracleError::Silent);
        }
        match serde_json::from_str(&line)
            .map_err(|source| OracleError::Strange { op: op.to_owned(), source })?
        {
            Reply::Ok(answer) => Ok(answer),
            Reply::Error(text) => Err(OracleError::Refused(text)),
        }
    }
}

impl Drop for RealFlask {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The error for a judge that does not answer. `{:?}` shows the same as `{}`, because tests unwrap it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OracleError {
    /// The running test is not inside a checkout.
    #[error(
        "no wire/oracle.py above the current directory: the judge is in Hipflask's checkout, run the test there"
    )]
    NoCheckout,
    /// The interpreter could not be started.
    #[error("no real Flask at {python}: run `cargo xtask setup`")]
    NoFlask {
        /// The interpreter that was tried.
        python: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The process ended; what it complained about is on standard error.
    #[error(
        "real Flask ended without an answer; its complaint is above (an old environment? `cargo xtask setup`)"
    )]
    Silent,
    /// The process cannot be written to or read from.
    #[error(
        "real Flask cannot be reached any more; its complaint is above (an old environment? `cargo xtask setup`)"
    )]
    Gone(#[source] std::io::Error),
    /// The question made no sense to it: a mistake in the test.
    #[error("the judge could not carry out the question: {0}")]
    Refused(String),
    /// The answer has another shape than the method expects.
    #[error("the judge's answer to `{op}` is not what was expected: wire/ and hipflask-testkit differ")]
    Strange {
        /// The operation.
        op: String,
        /// The parser's error.
        source: serde_json::Error,
    },
}

impl fmt::Debug for OracleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match self.source() {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reply<T> {
    Ok(T),
    Error(String),
}

#[cfg(test)]
mod tests {
    use super::{OracleError, RealFlask};
    use std::path::Path;

    #[test]
    fn missing_environment_names_its_command() {
        let missing = RealFlask::start_with(Path::new("target/nowhere/python"), Path::new("wire/oracle.py"));
        let error = missing.expect_err("there is no such interpreter");
        assert!(matches!(error, OracleError::NoFlask { .. }));
        assert_eq!(error.to_string(), "no real Flask at target/nowhere/python: run `cargo xtask setup`");
    }
}
