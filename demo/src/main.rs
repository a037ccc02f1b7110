//! The tutorials on one page, each with the session inspector: `cargo demo`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person")]

mod arguments;
mod page;
mod tutorials;

use std::error::Error;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use hipflask::store::connect;
use hipflask::store::file::FileStore;
use hipflask::store::{Store, StoreError};
use tokio::net::TcpListener;

use arguments::Wanted;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match arguments::read(std::env::args().skip(1)) {
        Ok(Wanted::Help) => {
            println!("{}", arguments::HELP);
            Ok(())
        }
        Ok(Wanted::Serve { port, store }) => serve(port, store).await.map_err(|error| error.to_string()),
        Err(complaint) => Err(format!("{complaint}\n\n{}", arguments::HELP)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(port: u16, url: Option<String>) -> Result<(), Box<dyn Error>> {
    let store = match url {
        Some(url) => connect(&url).await.map_err(|error| explained(&error))?,
        None => files(),
    };
    let app = app(&store)?;
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| not_bound(port, &error))?;
    println!("Listening on http://{}", listener.local_addr()?);
    println!("Stop with Ctrl+C.");
    axum::serve(listener, app).with_graceful_shutdown(interrupted()).await?;
    Ok(())
}

/// The page, and each tutorial under its own path.
fn app(store: &Arc<dyn Store>) -> Result<Router, Box<dyn Error>> {
    let mut app = page::router(&store.describe().address);
    for tutorial in &tutorials::ALL {
        let prefix = tutorial.prefix();
        let mut program = (tutorial.app)().application_root(prefix.as_str()).debug(true);
        if tutorial.stored {
            program = program.configure(|sessions| sessions.store(store.clone()));
        }
        app = app.nest_service(&prefix, program.into_router()?);
    }
    Ok(app)
}

/// Files in `SESSION_FILE_DIR`, otherwise next to the program, which is in `target`.
fn files() -> Arc<dyn Store> {
    let next_to_program = || std::env::current_exe().unwrap_or_default().with_file_name("demo-sessions");
    Arc::new(FileStore::new(std::env::var_os("SESSION_FILE_DIR").map_or_else(next_to_program, PathBuf::from)))
}

/// The error with its causes, and the way to add a missing store to the demo.
fn explained(error: &StoreError) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    let remedy =
        "`cargo run --package hipflask-demo --features redis -- --store ..` builds the demo with that store";
    if text.contains("compiled in") { format!("{text}. {remedy}") } else { text }
}

fn not_bound(port: u16, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::AddrInUse {
        return format!("cannot use port {port}: {error}");
    }
    let other = port.checked_add(1).unwrap_or(5000);
    format!(
        "another program uses port {port}; stop it, or use another port: `cargo demo --port {other}`, or \
         `cargo demo --port 0` for any free port"
    )
}

/// If the signal handler cannot be installed, signals still stop the program.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
