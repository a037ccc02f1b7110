//! MariaDB, which is also tested in place of MySQL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, ServerError, Shared, free_port, is_root, run};

/// A MariaDB server with the user `root`, which needs no password, and the database `test`.
#[derive(Debug)]
pub struct MariaDb {
    process: Option<Process>,
    directory: TempDir,
    port: u16,
}

impl MariaDb {
    /// Starts a separate server, which the test may kill.
    ///
    /// # Errors
    /// [`ServerError`] if it is not installed or does not start.
    pub fn start() -> Result<Self, ServerError> {
        let directory = TempDir::with_prefix("hipflask-mariadb-")?;
        std::fs::create_dir(directory.path().join("data"))?;
        let mut init = Command::new(program("mariadb-install-db"));
        init.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        init.arg("--datadir").arg(directory.path().join("data"));
        // In a shared directory, a starting server deletes the temporary tables of others as leftovers.
        init.env("TMPDIR", directory.path());
        run(as_whoever(&mut init), SERVER)?;
        let mut server = Self { process: None, directory, port: free_port()? };
        server.restart()?;
        server.sql("create database if not exists test")?;
        Ok(server)
    }

    /// Returns the server that all running tests share. It stops with the last of them.
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn shared() -> Result<Arc<Self>, ServerError> {
        static SHARED: Shared<MariaDb> = Shared::new();
        SHARED.get(Self::start)
    }

    /// Returns `mysql://user@127.0.0.1:port/database`; append a password to `user`, after a colon.
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("mysql://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs statements as the administrator, and returns their output: only values, with tabs
    /// between columns.
    ///
    /// # Errors
    /// [`ServerError::Failed`] with the server's message.
    pub fn sql(&self, statement: &str) -> Result<String, ServerError> {
        ask(&self.socket(), statement)
    }

    /// Kills it with `kill -9`. Keeps data and port.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Restarts it after [`kill`](Self::kill).
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn restart(&mut self) -> Result<(), ServerError> {
        let mut command = Command::new(program("mariadbd"));
        command.arg("--no-defaults").arg("--datadir").arg(self.directory.path().join("data"));
        command
            .arg("--socket")
            .arg(self.socket())
            .args(["--bind-address=127.0.0.1", "--max-connections=300"]);
        command.arg("--pid-file").arg(self.directory.path().join("pid"));
        command.args(["--port", &self.port.to_string()]);
        command.env("TMPDIR", self.directory.path());
        let log = self.directory.path().join("log");
        as_whoever(&mut command);
        let mut process = Process::start(command, &log, SERVER)?;
        let socket = self.socket();
        process.wait(Duration::from_secs(30), || ask(&socket, "select 1").ok())?;
        self.process = Some(process);
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }
}

fn ask(socket: &Path, statement: &str) -> Result<String, ServerError> {
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "--user=root", "--batch", "--skip-column-names", "--socket"]).arg(socket);
    Ok(run(client.args(["-e", statement]), CLIENT)?.trim().to_owned())
}

/// On Debian the server is only in root's PATH.
fn program(name: &str) -> PathBuf {
    let place = Path::new("/usr/sbin").join(name);
    if place.is_file() { place } else { PathBuf::from(name) }
}

/// As root MariaDB runs only with an explicit option.
fn as_whoever(command: &mut Command) -> &mut Command {
    if is_root() { command.arg("--user=root") } else { command }
}

const SERVER: &str = "mariadb-server-core";
const CLIENT: &str = "mariadb-client-core";
