//! Real Flask-Session on one of the stores.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::process::{Process, ServerError};
use crate::checkout;

/// An application with Flask-Session 0.8 in a Python process, which sends requests as users do. Its
/// sessions expire after an hour.
#[derive(Debug)]
pub struct FlaskSession {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl FlaskSession {
    /// Starts it on SQLAlchemy's `url`, with the table's name and schema if they differ from
    /// Flask-Session's defaults.
    ///
    /// # Errors
    /// [`ServerError`] if real Flask is not installed, or Flask-Session does not start.
    pub fn on_sql(url: &str, names: &[&str]) -> Result<Self, ServerError> {
        Self::start("sqlalchemy", url, names)
    }

    /// Starts it on MongoDB.
    ///
    /// # Errors
    /// Same as [`on_sql`](Self::on_sql).
    pub fn on_mongodb(url: &str) -> Result<Self, ServerError> {
        Self::start("mongodb", url, &[])
    }

    /// Starts it on DynamoDB.
    ///
    /// # Errors
    /// Same as [`on_sql`](Self::on_sql).
    pub fn on_dynamodb(url: &str) -> Result<Self, ServerError> {
        Self::start("dynamodb", url, &[])
    }

    /// Starts it on Redis.
    ///
    /// # Errors
    /// Same as [`on_sql`](Self::on_sql).
    pub fn on_redis(url: &str) -> Result<Self, ServerError> {
        Self::start("redis", url, &[])
    }

    /// Starts it on Redis with this `SESSION_SERIALIZATION_FORMAT`.
    ///
    /// # Errors
    /// Same as [`on_sql`](Self::on_sql).
    pub fn on_redis_as(url: &str, format: &str) -> Result<Self, ServerError> {
        Self::start("redis", url, &[format])
    }

    /// Starts it on memcached with pymemcache, with a `HashClient` if there are several nodes.
    ///
    /// # Errors
    /// Same as [`on_sql`](Self::on_sql).
    pub fn on_memcached(nodes: &[String]) -> Result<Self, ServerError> {
        Self::start("memcached", &nodes.join(","), &[])
    }

    fn start(kind: &str, url: &str, more: &[&str]) -> Result<Self, ServerError> {
        let mut command = python("wire/real_flask_session.py")?;
        command.args([kind, url]).args(more).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|_| no_flask())?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(no_flask());
        };
        let mut flask = Self { child, questions, answers: BufReader::new(answers) };
        let _: String = flask.read()?;
        Ok(flask)
    }

    /// Sends a user's first request, which puts `values` into the session, and returns the session's id.
    ///
    /// # Errors
    /// [`ServerError::Failed`] if the application failed; its message is on standard error.
    pub fn login(&mut self, values: &Value) -> Result<String, ServerError> {
        self.ask(&json!(["login", values]))
    }

    /// Returns the session with this id; `None` if Flask-Session does not know it.
    ///
    /// # Errors
    /// Same as [`login`](Self::login).
    pub fn show(&mut self, id: &str) -> Result<Option<Value>, ServerError> {
        self.ask(&json!(["show", id]))
    }

    /// Sends a request that changes the session.
    ///
    /// # Errors
    /// Same as [`login`](Self::login).
    pub fn update(&mut self, id: &str, values: &Value) -> Result<Option<Value>, ServerError> {
        self.ask(&json!(["update", id, values]))
    }

    /// Sends a request that clears the session.
    ///
    /// # Errors
    /// Same as [`login`](Self::login).
    pub fn logout(&mut self, id: &str) -> Result<(), ServerError> {
        self.ask::<u16>(&json!(["logout", id])).map(drop)
    }

    /// Returns the bytes that Flask-Session stores for `values`.
    ///
    /// # Errors
    /// Same as [`login`](Self::login).
    pub fn record(&mut self, values: &Value) -> Result<Vec<u8>, ServerError> {
        let hex: String = self.ask(&json!(["record", values]))?;
        let digits = |at: usize| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
        (0..hex.len()).step_by(2).map(|at| digits(at).ok_or_else(failed)).collect()
    }

    /// Runs `flask session_cleanup`.
    ///
    /// # Errors
    /// Same as [`login`](Self::login).
    pub fn cleanup(&mut self) -> Result<(), ServerError> {
        self.ask::<u8>(&json!(["cleanup"])).map(drop)
    }

    fn ask<T: DeserializeOwned>(&mut self, question: &Value) -> Result<T, ServerError> {
        writeln!(self.questions, "{question}")?;
        self.questions.flush()?;
        self.read()
    }

    fn read<T: DeserializeOwned>(&mut self) -> Result<T, ServerError> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|_| failed())
    }
}

impl Drop for FlaskSession {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program of the checkout that serves on `port` and writes its log to `directory`.
pub(crate) fn serve(program: &str, port: u16, directory: &Path) -> Result<Process, ServerError> {
    let mut command = python(program)?;
    command.arg(port.to_string());
    let mut process = Process::start(command, &directory.join("log"), "python3-venv")?;
    process.wait(Duration::from_secs(60), || TcpStream::connect(("127.0.0.1", port)).ok())?;
    Ok(process)
}

/// Returns a program of the checkout, with the Python that has real Flask.
pub(crate) fn python(program: &str) -> Result<Command, ServerError> {
    let checkout = checkout::checkout().ok_or_else(no_flask)?;
    let python = std::env::var_os("HIPFLASK_PYTHON").map_or_else(
        || checkout.join("target/flask-venv/bin/python"),
        |python: OsString| PathBuf::from(python),
    );
    let mut command = Command::new(python);
    command.arg("-B").arg(checkout.join(program));
    Ok(command)
}

fn no_flask() -> ServerError {
    ServerError::Missing { program: "real Flask".to_owned(), package: "python3-venv" }
}

fn failed() -> ServerError {
    ServerError::Failed { program: "Flask-Session".to_owned(), said: "see standard error".to_owned() }
}
