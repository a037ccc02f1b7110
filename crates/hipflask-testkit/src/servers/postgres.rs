//! PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use tempfile::TempDir;

use super::process::{Process, ServerError, Shared, free_port, is_root, run};

/// A PostgreSQL server with the user `postgres`, which needs no password, and the database
/// `postgres`. Everybody else needs one.
#[derive(Debug)]
pub struct Postgres {
    process: Option<Process>,
    directory: TempDir,
    programs: PathBuf,
    port: u16,
}

impl Postgres {
    /// Starts a separate server, which the test may kill.
    ///
    /// # Errors
    /// [`ServerError`] if it is not installed or does not start.
    pub fn start() -> Result<Self, ServerError> {
        let programs = programs()?;
        let directory = TempDir::with_prefix("hipflask-postgres-")?;
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(directory.path()), PACKAGE)?;
        }
        let data = directory.path().join("data");
        let mut init = as_postgres(&programs.join("initdb"));
        init.args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-sync",
            "--no-locale",
        ]);
        // No user has a password yet; the line below allows the administrator without one.
        init.args(["--auth-local=trust", "--auth-host=trust", "-D"]).arg(&data);
        run(init.current_dir(directory.path()), PACKAGE)?;
        fs::write(
            data.join("pg_hba.conf"),
            "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n",
        )?;
        let mut server = Self { process: None, directory, programs, port: free_port()? };
        server.restart()?;
        Ok(server)
    }

    /// Returns the server that all running tests share. It stops with the last of them.
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn shared() -> Result<Arc<Self>, ServerError> {
        static SHARED: Shared<Postgres> = Shared::new();
        SHARED.get(Self::start)
    }

    /// Returns `postgres://user@127.0.0.1:port/database`; append a password to `user`, after a colon.
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a statement as the administrator, and returns its output: only values, with `|` between columns.
    ///
    /// # Errors
    /// [`ServerError::Failed`] with the server's message.
    pub fn sql(&self, statement: &str) -> Result<String, ServerError> {
        ask(&self.programs, self.port, statement)
    }

    /// Returns the server's log. Each line begins with the user's name and a colon.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Kills the server and its client processes with `kill -9`. Keeps data and port.
    pub fn kill(&mut self) {
        let children = self.process.as_ref().map(Process::children).unwrap_or_default();
        self.process = None;
        for child in children {
            let _ = Command::new("kill").args(["-9", &child.to_string()]).status();
        }
    }

    /// Restarts it after [`kill`](Self::kill).
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn restart(&mut self) -> Result<(), ServerError> {
        // The processes of a killed server need a moment to exit.
        for _ in 0..50 {
            if let Ok(process) = self.try_restart() {
                self.process = Some(process);
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.process = Some(self.try_restart()?);
        Ok(())
    }

    fn try_restart(&self) -> Result<Process, ServerError> {
        let mut command = as_postgres(&self.programs.join("postgres"));
        command.arg("-D").arg(self.directory.path().join("data")).args(["-c", "listen_addresses=127.0.0.1"]);
        command.args(["-p", &self.port.to_string(), "-c", "unix_socket_directories="]);
        command
            .args(["-c", "log_line_prefix=%u:", "-c", "max_connections=300"])
            .current_dir(self.directory.path());
        let mut process = Process::start(command, &self.directory.path().join("log"), PACKAGE)?;
        let (programs, port) = (&self.programs, self.port);
        process.wait(Duration::from_secs(20), || ask(programs, port, "select 1").ok())?;
        Ok(process)
    }
}

fn ask(programs: &Path, port: u16, statement: &str) -> Result<String, ServerError> {
    let mut psql = Command::new(programs.join("psql"));
    psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres"]);
    Ok(run(psql.args(["-p", &port.to_string(), "-c", statement, "postgres"]), PACKAGE)?.trim().to_owned())
}

/// On Debian the programs of each version are not in PATH.
fn programs() -> Result<PathBuf, ServerError> {
    let missing = || ServerError::Missing { program: "postgres".to_owned(), package: PACKAGE };
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    versions.reverse();
    versions.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    let has_all =
        |place: &PathBuf| ["postgres", "initdb", "psql"].iter().all(|name| place.join(name).is_file());
    versions.into_iter().find(has_all).ok_or_else(missing)
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

const PACKAGE: &str = "postgresql";
