//! The two servers of a tutorial: real Flask in a process of its own, and ours in a thread.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use hipflask::App;
use hipflask::store::file::FileStore;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[allow(dead_code, reason = "main belongs to the example")]
#[path = "../../examples/tutorial_1.rs"]
mod tutorial_1;
#[allow(dead_code, reason = "main belongs to the example")]
#[path = "../../examples/tutorial_2.rs"]
mod tutorial_2;
#[allow(dead_code, reason = "main belongs to the example")]
#[path = "../../examples/tutorial_3.rs"]
mod tutorial_3;
#[allow(dead_code, reason = "main belongs to the example")]
#[path = "../../examples/tutorial_4.rs"]
mod tutorial_4;
#[allow(dead_code, reason = "main belongs to the example")]
#[path = "../../examples/tutorial_5.rs"]
mod tutorial_5;

/// With its sessions in `directory`, if they are in files.
pub(crate) fn app(number: &str, directory: &Path) -> App {
    match number {
        "1" => tutorial_1::app(),
        "2" => tutorial_2::app(),
        "3" => tutorial_3::app().configure(|sessions| sessions.store(Arc::new(FileStore::new(directory)))),
        "4" => tutorial_4::app(),
        "5" => tutorial_5::app(),
        other => panic!("unknown tutorial {other}"),
    }
}

/// `wire/tutorials.py`.
pub(crate) struct FlaskServer {
    child: Child,
    pub(crate) address: String,
}

impl FlaskServer {
    pub(crate) fn start(number: &str, directory: &Path) -> Self {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = std::env::var_os("HIPFLASK_PYTHON")
            .map_or_else(|| checkout.join("target/flask-venv/bin/python"), Into::into);
        let mut command = Command::new(python);
        command
            .arg("-B")
            .arg(checkout.join("wire/tutorials.py"))
            .arg(number)
            .env("SESSION_FILE_DIR", directory);
        let (child, address) = started(command.stderr(Stdio::null()), "run `cargo xtask setup`");
        Self { child, address }
    }
}

impl Drop for FlaskServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server that prints where it listens.
pub(crate) fn started(command: &mut Command, remedy: &str) -> (Child, String) {
    let child = command.env_remove("SECRET_KEY").stdout(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{:?}: {error}; {remedy}", command.get_program()));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("Listening on http://");
    let address = address.unwrap_or_else(|| panic!("not an address: {line:?}; {remedy}")).to_owned();
    (child, address)
}

/// An example's app, on a port of its own until this is dropped.
pub(crate) struct OurServer {
    pub(crate) address: String,
    _stop: oneshot::Sender<()>,
}

impl OurServer {
    pub(crate) fn start(number: &str, directory: &Path) -> Self {
        Self::serve(app(number, directory))
    }

    pub(crate) fn serve(app: App) -> Self {
        let (stop, stopped) = oneshot::channel();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = app.into_router().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let stop = async { drop(stopped.await) };
                axum::serve(listener, router).with_graceful_shutdown(stop).await.unwrap();
            });
        });
        Self { address, _stop: stop }
    }
}
