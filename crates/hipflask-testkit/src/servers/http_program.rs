//! A web server that takes `--port N`: a program in Python, an example of Hipflask, nginx.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::flask_session::python;
use super::process::{Process, ServerError, free_port};

/// A web server in a process of its own, on a free port of this machine. It stops on drop.
#[derive(Debug)]
pub struct HttpProgram {
    process: Process,
    port: u16,
    _directory: TempDir,
}

impl HttpProgram {
    /// Starts a Python program of the checkout with real Flask, and `environment` added to this one.
    ///
    /// # Errors
    /// [`ServerError`] if real Flask is not installed, or the program does not start.
    pub fn python(script: &str, environment: &[(&str, &str)]) -> Result<Self, ServerError> {
        Self::start(python(script)?, environment)
    }

    /// Starts an example of the checkout, which Cargo has built, and `environment` added to this one.
    ///
    /// # Errors
    /// [`ServerError`] if it is not built (`cargo build --examples` does), or does not start.
    pub fn example(name: &str, environment: &[(&str, &str)]) -> Result<Self, ServerError> {
        let program = examples()?.join(name);
        if !program.is_file() {
            let said = "it is not built; `cargo build --all-features --examples` builds it".to_owned();
            return Err(ServerError::Failed { program: name.to_owned(), said });
        }
        Self::start(Command::new(program), environment)
    }

    /// Starts nginx with a configuration in which `{port}` is to be replaced by its port.
    ///
    /// # Errors
    /// [`ServerError`] if it is not installed or does not start.
    pub fn nginx(configuration: &str) -> Result<Self, ServerError> {
        let directory = TempDir::with_prefix("hipflask-nginx-")?;
        let port = free_port()?;
        let file = directory.path().join("nginx.conf");
        fs::write(&file, configuration.replace("{port}", &port.to_string()))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(directory.path()).arg("-c").arg(file);
        // Without workers of its own, nothing is left when it is killed.
        command.args(["-e", "stderr", "-g", "daemon off; master_process off; pid nginx.pid;"]);
        Self::listening(command, port, directory, "nginx-light")
    }

    fn start(mut command: Command, environment: &[(&str, &str)]) -> Result<Self, ServerError> {
        let port = free_port()?;
        command.args(["--port", &port.to_string()]).envs(environment.iter().copied());
        Self::listening(command, port, TempDir::with_prefix("hipflask-program-")?, "python3-venv")
    }

    fn listening(
        command: Command,
        port: u16,
        directory: TempDir,
        package: &'static str,
    ) -> Result<Self, ServerError> {
        let mut process = Process::start(command, &log_in(directory.path()), package)?;
        process.wait(PATIENCE, || TcpStream::connect(("127.0.0.1", port)).ok())?;
        Ok(Self { process, port, _directory: directory })
    }

    /// Returns its address: `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns what it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}

fn log_in(directory: &Path) -> PathBuf {
    directory.join("log")
}

/// The directory of examples next to the one of the running test.
fn examples() -> Result<PathBuf, ServerError> {
    let test = std::env::current_exe()?;
    let profile = test.ancestors().find(|place| place.join("examples").is_dir());
    Ok(profile.unwrap_or(&test).join("examples"))
}

/// The longest time to wait for a server.
const PATIENCE: Duration = Duration::from_secs(60);
