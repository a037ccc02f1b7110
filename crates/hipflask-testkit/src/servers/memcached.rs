//! memcached.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, ServerError, Shared, free_port, is_root};

/// A memcached server on a port or a socket.
#[derive(Debug)]
pub struct Memcached {
    process: Option<Process>,
    directory: TempDir,
    port: u16,
    on_socket: bool,
    options: Vec<String>,
}

impl Memcached {
    /// Starts a separate server, which the test may kill.
    ///
    /// # Errors
    /// [`ServerError`] if it is not installed or does not start.
    pub fn start() -> Result<Self, ServerError> {
        Self::start_with(&[])
    }

    /// Starts it with further options.
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn start_with(options: &[&str]) -> Result<Self, ServerError> {
        Self::begin(options, false)
    }

    /// Starts it on a socket instead of a port.
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn start_on_socket() -> Result<Self, ServerError> {
        Self::begin(&[], true)
    }

    /// Returns the server that all running tests share. It stops with the last of them.
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn shared() -> Result<Arc<Self>, ServerError> {
        static SHARED: Shared<Memcached> = Shared::new();
        SHARED.get(Self::start)
    }

    fn begin(options: &[&str], on_socket: bool) -> Result<Self, ServerError> {
        let directory = TempDir::with_prefix("hipflask-memcached-")?;
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { process: None, directory, port: free_port()?, on_socket, options };
        server.restart()?;
        Ok(server)
    }

    /// Returns `host:port`, or the socket's path, as in the Python client.
    #[must_use]
    pub fn node(&self) -> String {
        if self.on_socket { self.socket().display().to_string() } else { format!("127.0.0.1:{}", self.port) }
    }

    /// Returns `memcached://127.0.0.1:port`, or `memcached+unix:///its/path`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("memcached{}://{}", if self.on_socket { "+unix" } else { "" }, self.node())
    }

    /// Sends lines and returns the first part of the reply. Only with a port.
    ///
    /// # Errors
    /// [`ServerError::Io`] if it is unreachable.
    pub fn ask(&self, lines: &str) -> Result<String, ServerError> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("{lines}\r\nquit\r\n").as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Kills it with `kill -9`. Keeps the port but not the data.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Restarts it after [`kill`](Self::kill).
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn restart(&mut self) -> Result<(), ServerError> {
        let mut command = Command::new("memcached");
        if is_root() {
            command.args(["-u", "root"]);
        }
        if self.on_socket {
            command.arg("-s").arg(self.socket());
        } else {
            command.args(["-l", "127.0.0.1", "-U", "0", "-p", &self.port.to_string()]);
        }
        command.args(&self.options);
        let mut process = Process::start(command, &self.directory.path().join("log"), "memcached")?;
        if self.on_socket {
            let socket = self.socket();
            process.wait(PATIENCE, || std::os::unix::net::UnixStream::connect(&socket).ok())?;
        } else {
            process
                .wait(PATIENCE, || self.ask("version").ok().filter(|answer| answer.starts_with("VERSION")))?;
        }
        self.process = Some(process);
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
