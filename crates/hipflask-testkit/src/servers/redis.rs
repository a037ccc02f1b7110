//! Redis, and Valkey, which is started in the same way: one server, a cluster, or a master with its
//! Sentinels.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, ServerError, Shared, free_port, run};

/// One server on a port and a socket.
///
/// It writes to disk before it acknowledges, so that [`kill`](Self::kill) and
/// [`restart`](Self::restart) lose nothing.
#[derive(Debug)]
pub struct Redis {
    process: Option<Process>,
    directory: TempDir,
    program: String,
    port: u16,
    tls: bool,
    options: Vec<String>,
}

impl Redis {
    /// Starts a separate server, which the test may kill.
    ///
    /// # Errors
    /// [`ServerError`] if it is not installed or does not start.
    pub fn start() -> Result<Self, ServerError> {
        Self::start_as(REDIS, &[])
    }

    /// Starts `program`, such as `valkey-server`, with further options.
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn start_as(program: &str, options: &[&str]) -> Result<Self, ServerError> {
        let mut server = Self::prepare(program, options)?;
        server.restart()?;
        Ok(server)
    }

    /// Starts a server that only accepts TLS. Its certificate is [`certificate`](Self::certificate).
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn start_with_tls() -> Result<Self, ServerError> {
        let mut server = Self::prepare(REDIS, &[])?;
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ]);
        openssl.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl.arg("-keyout").arg(server.path("key.pem")).arg("-out").arg(server.path("cert.pem"));
        run(&mut openssl, "openssl")?;
        server.tls = true;
        server.restart()?;
        Ok(server)
    }

    /// Returns the server that all running tests share. It stops with the last of them.
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn shared() -> Result<Arc<Self>, ServerError> {
        static SHARED: Shared<Redis> = Shared::new();
        SHARED.get(Self::start)
    }

    fn prepare(program: &str, options: &[&str]) -> Result<Self, ServerError> {
        let directory = TempDir::with_prefix("hipflask-redis-")?;
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let (program, port) = (program.to_owned(), free_port()?);
        Ok(Self { process: None, directory, program, port, tls: false, options })
    }

    /// Returns `redis://127.0.0.1:port/0`, or `rediss://localhost:port/0` with TLS.
    #[must_use]
    pub fn url(&self) -> String {
        if self.tls {
            format!("rediss://localhost:{}/0", self.port)
        } else {
            format!("redis://127.0.0.1:{}/0", self.port)
        }
    }

    /// Returns `redis+unix:///its/path`.
    #[must_use]
    pub fn socket_url(&self) -> String {
        format!("redis+unix://{}", self.path("socket").display())
    }

    /// Returns the port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the file with the certificate, in PEM format.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.path("cert.pem")
    }

    /// Sends a command and returns the reply as `redis-cli` prints it for programs.
    ///
    /// # Errors
    /// [`ServerError::Failed`] with the server's message.
    pub fn ask(&self, command: &[&str]) -> Result<String, ServerError> {
        ask(&self.path("socket"), command)
    }

    /// The number of calls of each command since [`ask`](Self::ask)`(&["config", "resetstat"])`, by name.
    ///
    /// # Errors
    /// Same as [`ask`](Self::ask).
    pub fn calls(&self) -> Result<Vec<(String, u64)>, ServerError> {
        let stats = self.ask(&["info", "commandstats"])?;
        let call = |line: &str| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
        };
        Ok(stats.lines().filter_map(call).collect())
    }

    /// Kills it with `kill -9`. Keeps the port and all acknowledged writes.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Stops it from reading and replying until [`resume`](Self::resume); connections stay open.
    ///
    /// # Errors
    /// [`ServerError`] if it does not run.
    pub fn pause(&self) -> Result<(), ServerError> {
        self.signal("-STOP")
    }

    /// Ends a [`pause`](Self::pause).
    ///
    /// # Errors
    /// [`ServerError`] if it does not run.
    pub fn resume(&self) -> Result<(), ServerError> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> Result<(), ServerError> {
        let Some(process) = &self.process else { return Ok(()) };
        run(Command::new("kill").args([signal, &process.id().to_string()]), "procps").map(drop)
    }

    /// Restarts it after [`kill`](Self::kill).
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn restart(&mut self) -> Result<(), ServerError> {
        let mut command = Command::new(&self.program);
        command.arg("--dir").arg(self.directory.path()).arg("--unixsocket").arg(self.path("socket"));
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        if self.tls {
            command.args(["--port", "0", "--tls-auth-clients", "no", "--tls-port", &self.port.to_string()]);
            command.arg("--tls-cert-file").arg(self.path("cert.pem"));
            command.arg("--tls-key-file").arg(self.path("key.pem"));
            command.arg("--tls-ca-cert-file").arg(self.path("cert.pem"));
        } else {
            command.args(["--port", &self.port.to_string()]);
        }
        command.args(&self.options);
        let package = if self.program.contains("valkey") { VALKEY_PACKAGE } else { PACKAGE };
        let mut process = Process::start(command, &self.path("log"), package)?;
        let socket = self.path("socket");
        process.wait(PATIENCE, || ask(&socket, &["ping"]).ok().filter(|answer| answer == "PONG"))?;
        self.process = Some(process);
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// Three masters, each with a third of the slots.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts the nodes and joins them.
    ///
    /// # Errors
    /// [`ServerError`] if Redis is not installed or the cluster does not come up.
    pub fn start() -> Result<Self, ServerError> {
        Self::start_as(REDIS)
    }

    /// Starts a cluster of `program`, such as `valkey-server`.
    ///
    /// # Errors
    /// Same as [`start`](Self::start).
    pub fn start_as(program: &str) -> Result<Self, ServerError> {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let nodes = (0..3).map(|_| Redis::start_as(program, &options)).collect::<Result<Vec<_>, _>>()?;
        let mut create = Command::new("redis-cli");
        create
            .args(["--cluster", "create"])
            .args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
        run(create.args(["--cluster-replicas", "0", "--cluster-yes"]), PACKAGE)?;
        let mut cluster = Self { nodes };
        // The command returns before all nodes agree, and writes fail until then.
        for at in 0..cluster.nodes.len() {
            let socket = cluster.nodes[at].path("socket");
            let is_up = || {
                let info = ask(&socket, &["cluster", "info"]).ok()?;
                info.contains("cluster_state:ok").then_some(())
            };
            if let Some(process) = &mut cluster.nodes[at].process {
                process.wait(PATIENCE, is_up)?;
            }
        }
        Ok(cluster)
    }

    /// Returns `redis+cluster://127.0.0.1:port`, which names one of the nodes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{}", self.nodes[0].port)
    }

    /// Returns the masters.
    #[must_use]
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// Returns the masters mutably, so that the test can kill them.
    #[must_use]
    pub fn nodes_mut(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }
}

/// A master, a replica, and three Sentinels that watch them and call the master `main`.
#[derive(Debug)]
pub struct RedisSentinel {
    nodes: Vec<Redis>,
    sentinels: Vec<Process>,
    ports: Vec<u16>,
    directory: TempDir,
}

impl RedisSentinel {
    /// Starts all servers and waits until each knows the others.
    ///
    /// # Errors
    /// [`ServerError`] if Redis is not installed or they do not find each other.
    pub fn start() -> Result<Self, ServerError> {
        let master = Redis::start_as(REDIS, &["--repl-diskless-sync-delay", "0"])?;
        let port = master.port.to_string();
        let options = ["--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1", &port];
        let mut replica = Redis::start_as(REDIS, &options)?;
        let socket = replica.path("socket");
        // A Sentinel that meets an unlinked replica does not look again for ten seconds.
        let is_linked =
            || ask(&socket, &["info", "replication"]).ok()?.contains("link_status:up").then_some(());
        if let Some(process) = &mut replica.process {
            process.wait(PATIENCE, is_linked)?;
        }
        let directory = TempDir::with_prefix("hipflask-sentinel-")?;
        let nodes = vec![master, replica];
        let mut sentinel = Self { nodes, sentinels: Vec::new(), ports: Vec::new(), directory };
        for _ in 0..3 {
            sentinel.watch(&port)?;
        }
        for at in 0..3 {
            let port = sentinel.ports[at];
            let knows_all = || {
                let state = ask_port(port, &["sentinel", "master", MASTER]).ok()?;
                let value = |name: &str| state.lines().skip_while(|line| *line != name).nth(1);
                (value("num-other-sentinels") == Some("2") && value("num-slaves") == Some("1")).then_some(())
            };
            sentinel.sentinels[at].wait(PATIENCE, knows_all)?;
        }
        Ok(sentinel)
    }

    fn watch(&mut self, master: &str) -> Result<(), ServerError> {
        let port = free_port()?;
        let file = self.directory.path().join(format!("{port}.conf"));
        let settings = format!(
            "port {port}\nbind 127.0.0.1\ndir {dir}\nsentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} 500\nsentinel failover-timeout {MASTER} 3000\n",
            dir = self.directory.path().display(),
        );
        std::fs::write(&file, settings)?;
        let mut command = Command::new(REDIS);
        command.arg(&file).arg("--sentinel");
        self.sentinels.push(Process::start(command, &file.with_extension("log"), PACKAGE)?);
        self.ports.push(port);
        Ok(())
    }

    /// Returns `redis+sentinel://127.0.0.1:port,…/main`.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://{}/{MASTER}", hosts.join(","))
    }

    /// Returns the server that began as the master.
    #[must_use]
    pub fn first(&self) -> &Redis {
        &self.nodes[0]
    }

    /// Returns the server that began as the replica.
    #[must_use]
    pub fn second(&self) -> &Redis {
        &self.nodes[1]
    }

    /// Kills the server that began as the master with `kill -9`.
    pub fn kill_first(&mut self) {
        self.nodes[0].kill();
    }

    /// Restarts it. It becomes a replica.
    ///
    /// # Errors
    /// [`ServerError`] if it does not come up.
    pub fn restart_first(&mut self) -> Result<(), ServerError> {
        self.nodes[0].restart()
    }

    /// Kills the server that began as the replica with `kill -9`.
    pub fn kill_second(&mut self) {
        self.nodes[1].kill();
    }
}

fn ask(socket: &Path, command: &[&str]) -> Result<String, ServerError> {
    let mut client = Command::new("redis-cli");
    client.arg("-e").arg("-s").arg(socket).args(command);
    Ok(run(&mut client, PACKAGE)?.trim_end().to_owned())
}

fn ask_port(port: u16, command: &[&str]) -> Result<String, ServerError> {
    let mut client = Command::new("redis-cli");
    client.args(["-e", "-p", &port.to_string()]).args(command);
    Ok(run(&mut client, PACKAGE)?.trim_end().to_owned())
}

const REDIS: &str = "redis-server";
const PACKAGE: &str = "redis-server";
const VALKEY_PACKAGE: &str = "valkey-server";
const MASTER: &str = "main";
const PATIENCE: Duration = Duration::from_secs(30);
