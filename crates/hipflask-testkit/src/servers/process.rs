//! A server as a child process.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use std::{fs, io};

/// A server cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It is not installed.
    #[error(
        "{program} is not installed; install the package {package} (`cargo xtask setup` does on Debian and Ubuntu)"
    )]
    Missing {
        /// The missing program.
        program: String,
        /// The package that contains it.
        package: &'static str,
    },
    /// It was started but did not answer correctly.
    #[error("{program} did not start within {waited:?}; the end of its log:\n{log}")]
    NotUp {
        /// The program.
        program: String,
        /// The timeout.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
    /// A command for it failed.
    #[error("{program} failed: {said}")]
    Failed {
        /// The command.
        program: String,
        /// Its standard error.
        said: String,
    },
    /// The operating system reported an error.
    #[error("a server cannot be prepared; check that the temporary directory has space")]
    Io(#[from] io::Error),
}

/// A running server with its log.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    program: String,
    log: PathBuf,
}

impl Process {
    /// Starts a command whose output goes to `log`.
    pub(crate) fn start(
        mut command: Command,
        log: &Path,
        package: &'static str,
    ) -> Result<Self, ServerError> {
        let out = File::options().create(true).append(true).open(log)?;
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().map_err(|error| missing(error, &program, package))?;
        Ok(Self { child, program, log: log.to_owned() })
    }

    /// Polls until `ask` returns something, the process has exited, or the time is over.
    pub(crate) fn wait<T>(
        &mut self,
        patience: Duration,
        mut ask: impl FnMut() -> Option<T>,
    ) -> Result<T, ServerError> {
        let begin = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return Ok(answer);
            }
            let has_ended = !matches!(self.child.try_wait(), Ok(None));
            if has_ended || begin.elapsed() > patience {
                let (program, waited) = (self.program.clone(), begin.elapsed());
                return Err(ServerError::NotUp { program, waited, log: self.last_words() });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the running processes that it has started.
    pub(crate) fn children(&self) -> Vec<u32> {
        let parent = format!("PPid:\t{}", self.child.id());
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_child = |id: &u32| {
            let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            status.lines().any(|line| line == parent)
        };
        ids.filter(is_child).collect()
    }

    /// Kills it with `kill -9`, without a chance to clean up.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command and returns its output.
pub(crate) fn run(command: &mut Command, package: &'static str) -> Result<String, ServerError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| missing(error, &program, package))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    // Some, such as redis-cli, report errors on standard output.
    let said = [output.stderr, output.stdout].concat();
    Err(ServerError::Failed { program, said: String::from_utf8_lossy(&said).into_owned() })
}

fn missing(error: io::Error, program: &str, package: &'static str) -> ServerError {
    match error.kind() {
        io::ErrorKind::NotFound => ServerError::Missing { program: program.to_owned(), package },
        _ => ServerError::Io(error),
    }
}

/// Returns a free port below those of outgoing connections: with many parallel tests one of these
/// would take it before the server listens.
pub(crate) fn free_port() -> Result<u16, ServerError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Parallel test programs start at different ports.
    let begin = std::process::id().wrapping_mul(7919);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + u16::try_from(begin.wrapping_add(step) % PORTS).unwrap_or_default();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
        if step > PORTS * 10 {
            return Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port());
        }
    }
}

const FIRST_PORT: u16 = 12_000;
/// A node of a Redis cluster also listens 10 000 ports higher: above all of these, and below those
/// of outgoing connections.
const PORTS: u32 = 10_000;

/// A server that all running tests share. It stops with the last of them.
pub(crate) struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// Returns the server, and starts it if it does not run.
    pub(crate) fn get(&self, start: impl FnOnce() -> Result<T, ServerError>) -> Result<Arc<T>, ServerError> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(start()?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }
}

/// Returns `true` for root, which some servers refuse to run as.
pub(crate) fn is_root() -> bool {
    run(Command::new("id").arg("-u"), "coreutils").is_ok_and(|id| id.trim() == "0")
}
