//! A server process for each app, and the Redis that they share.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actix_session::SessionMiddleware;
use actix_session::storage::RedisSessionStore;
use actix_web::cookie::Key;

use crate::cores::listen;
use crate::peer::Peer;
use crate::{on_actix, on_axum};

/// A Redis server that this program starts, without persistence.
pub struct Redis {
    child: Child,
    pub url: String,
}

impl Redis {
    pub fn start() -> Result<Self, String> {
        let port = free_port()?;
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| {
                format!("redis-server did not start ({error}); install the package redis-server")
            })?;
        let redis = Self { child, url: format!("redis://127.0.0.1:{port}/0") };
        wait_for((Ipv4Addr::LOCALHOST, port).into(), "redis-server")?;
        Ok(redis)
    }

    pub fn info(&self, section: &str) -> Result<String, String> {
        let client = redis::Client::open(self.url.as_str()).map_err(|error| error.to_string())?;
        let mut connection = client.get_connection().map_err(|error| error.to_string())?;
        redis::cmd("INFO").arg(section).query(&mut connection).map_err(|error| error.to_string())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub struct Server {
    pub peer: Peer,
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts this program again as the server of `peer`, or granian.
    pub fn start(peer: Peer, core: usize, redis: &Redis) -> Result<Self, String> {
        if peer == Peer::FlaskSession {
            return Self::start_granian(core, redis);
        }
        let program = std::env::current_exe()
            .map_err(|error| format!("cannot find the path of this program: {error}"))?;
        let child = Command::new(program)
            .args(["serve", peer.name(), &core.to_string(), &redis.url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the server of {} did not start: {error}", peer.name()))?;
        let mut server = Self { peer, child, address: (Ipv4Addr::LOCALHOST, 0).into() };
        let mut line = String::new();
        let stdout = server.child.stdout.take().ok_or("the server has no standard output")?;
        BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        server.address =
            line.trim().parse().map_err(|_| format!("the server of {} does not listen", peer.name()))?;
        Ok(server)
    }

    fn start_granian(core: usize, redis: &Redis) -> Result<Self, String> {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let port = free_port()?;
        let child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .arg(here.join("../../target/flask-venv/bin/granian"))
            .args(["--interface", "wsgi", "--workers", "1", "--blocking-threads", "1", "--no-access-log"])
            .args([
                "--log-level",
                "error",
                "--host",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "flask_app:app",
            ])
            .current_dir(&here)
            .env("BENCH_REDIS", &redis.url)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("granian did not start: {error}"))?;
        let server = Self { peer: Peer::FlaskSession, child, address: (Ipv4Addr::LOCALHOST, port).into() };
        wait_for(server.address, "Flask-Session on granian (`cargo xtask setup` installs it)")?;
        Ok(server)
    }

    /// CPU time of all threads of the server and its children, in nanoseconds.
    pub fn processor_time(&self) -> Option<u64> {
        let mut total = 0;
        let mut processes = vec![self.child.id()];
        while let Some(process) = processes.pop() {
            for thread in std::fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten() {
                let read = |name: &str| std::fs::read_to_string(thread.path().join(name)).ok();
                total += read("schedstat")?.split(' ').next()?.parse::<u64>().ok()?;
                let children = read("children").unwrap_or_default();
                processes.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            }
        }
        Some(total)
    }
}

/// Our servers stop at the end of their standard input. granian stops itself and its workers on a
/// signal.
impl Drop for Server {
    fn drop(&mut self) {
        if self.peer == Peer::FlaskSession {
            drop(Command::new("kill").arg(self.child.id().to_string()).status());
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_secs(5) && !matches!(self.child.try_wait(), Ok(Some(_))) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

fn wait_for(address: SocketAddr, what: &str) -> Result<(), String> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(20) {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(format!("{what} does not listen"))
}

/// Serves `peer` on a core until standard input ends. Prints the address.
pub fn serve(peer: &str, core: &str, url: &str) -> Result<(), String> {
    let peer = Peer::by_name(peer).ok_or("unknown peer")?;
    let listener = listen(core)?;
    let url = url.to_owned();
    let served = actix_web::rt::System::new().block_on(async move {
        match peer {
            Peer::OursOnActix => {
                // With several workers, the threads would share the core.
                let sessions = on_axum::sessions(&url).await;
                let make =
                    move || actix_web::App::new().wrap(sessions.middleware()).configure(on_actix::ours);
                actix_web::HttpServer::new(make).workers(1).listen(listener)?.run().await
            }
            Peer::ActixSession => {
                let store = RedisSessionStore::new(url).await.map_err(std::io::Error::other)?;
                let make = move || {
                    let session =
                        SessionMiddleware::builder(store.clone(), Key::from(&[7; 64])).cookie_secure(false);
                    actix_web::App::new().wrap(session.build()).configure(on_actix::actix_session)
                };
                actix_web::HttpServer::new(make).workers(1).listen(listener)?.run().await
            }
            peer => {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(listener, on_axum::app(peer, &url).await).await
            }
        }
    });
    served.map_err(|error: std::io::Error| error.to_string())
}
