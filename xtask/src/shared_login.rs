//! `cargo xtask shared-login`: one login that a Flask app and a Rust service share, behind one nginx.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use crate::failure::Failure;
use crate::flask;
use crate::tools;
use crate::workspace::{Workspace, run};

/// The Rust half, by the framework that serves it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Half {
    Axum,
    Actix,
}

impl Half {
    const fn example(self) -> &'static str {
        match self {
            Self::Axum => "shared_login",
            Self::Actix => "shared_login_actix",
        }
    }
}

/// Starts both halves and nginx, and serves until one of them ends or Ctrl+C ends all.
pub(crate) fn serve(workspace: &Workspace, half: Half) -> Result<(), Failure> {
    flask::setup(workspace)?;
    tools::need(workspace, "nginx")?;
    let example = half.example();
    let features = "actix,csrf,login,redis";
    run(&mut workspace
        .cargo(&format!("build --quiet --package hipflask --features {features} --example {example}")))?;
    let ports = [free_port(FRONT)?, free_port(0)?, free_port(0)?];
    let mut servers = Servers(start(workspace, example, ports)?);
    println!(
        "\nOpen http://127.0.0.1:{}/ in a browser. Flask serves /login, /logout and /confirm;\n\
         Rust ({example}) serves /me, /fresh and /form. Ctrl+C stops all.\n",
        ports[0]
    );
    Err(servers.wait_for_end())
}

/// The port of nginx, if it is free.
const FRONT: u16 = 8080;

const EXAMPLES: &str = "crates/hipflask/examples";

fn start(
    workspace: &Workspace,
    example: &str,
    [front, flask_port, rust_port]: [u16; 3],
) -> Result<Vec<Server>, Failure> {
    let key = secret_key()?;
    let half = |mut command: Command, port: u16| {
        command.args(["--port", &port.to_string()]);
        command.env("SECRET_KEY", &key).env("TRUSTED_PROXIES", "127.0.0.1");
        command
    };
    let mut python = flask::FLASK.python(workspace);
    python.arg("-B").arg(workspace.path(&format!("{EXAMPLES}/shared_login.py")));
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| workspace.path("target"), Into::into);
    let rust = workspace.command(target.join("debug/examples").join(example));
    Ok(vec![
        Server::start("Flask", half(python, flask_port))?,
        Server::start("Rust", half(rust, rust_port))?,
        Server::start("nginx", nginx(workspace, [front, flask_port, rust_port])?)?,
    ])
}

/// nginx with the configuration of the examples, on other ports.
fn nginx(workspace: &Workspace, [front, flask, rust]: [u16; 3]) -> Result<Command, Failure> {
    let template = format!("{EXAMPLES}/shared_login.nginx.conf");
    let text = fs::read_to_string(workspace.path(&template))
        .map_err(|error| unusable(&template, &error))?
        .replace("listen 127.0.0.1:8080", &format!("listen 127.0.0.1:{front}"))
        .replace("server 127.0.0.1:5000", &format!("server 127.0.0.1:{flask}"))
        .replace("server 127.0.0.1:8000", &format!("server 127.0.0.1:{rust}"));
    let directory = workspace.path("target/shared-login");
    let file = directory.join("nginx.conf");
    fs::create_dir_all(&directory)
        .and_then(|()| fs::write(&file, text))
        .map_err(|error| unusable("target/shared-login", &error))?;
    let mut command = workspace.command("nginx");
    command.arg("-p").arg(&directory).arg("-c").arg(&file);
    // Without workers of its own, nothing is left when it is killed.
    command.args(["-e", "stderr", "-g", "daemon off; master_process off; pid nginx.pid;"]);
    Ok(command)
}

fn unusable(path: &str, error: &std::io::Error) -> Failure {
    Failure::new(format!("{path} cannot be used: {error}"))
}

/// `SECRET_KEY` of the environment, otherwise a random one for this run.
fn secret_key() -> Result<String, Failure> {
    if let Some(key) = std::env::var("SECRET_KEY").ok().filter(|key| !key.is_empty()) {
        return Ok(key);
    }
    let mut random = [0; 32];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut random))
        .map_err(|error| unusable("/dev/urandom", &error).with_remedy("set SECRET_KEY"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// `wanted` if it is free, otherwise another.
fn free_port(wanted: u16) -> Result<u16, Failure> {
    let bind = |port: u16| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)));
    let listener = bind(wanted).or_else(|_| bind(0));
    let address = listener.and_then(|listener| listener.local_addr());
    Ok(address.map_err(|error| Failure::new(format!("no port is free: {error}")))?.port())
}

/// A running server.
struct Server {
    name: &'static str,
    child: Child,
}

impl Server {
    fn start(name: &'static str, mut command: Command) -> Result<Self, Failure> {
        let child = command.spawn();
        let child = child.map_err(|error| Failure::new(format!("{name} could not be started: {error}")))?;
        Ok(Self { name, child })
    }
}

/// They end together.
struct Servers(Vec<Server>);

impl Servers {
    fn wait_for_end(&mut self) -> Failure {
        loop {
            for server in &mut self.0 {
                if let Ok(Some(status)) = server.child.try_wait() {
                    return Failure::new(format!("{} ended with {status}", server.name))
                        .with_remedy("read what it said above");
                }
            }
            sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for server in &mut self.0 {
            let _ = server.child.kill();
            let _ = server.child.wait();
        }
    }
}
