//! Running an app.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use pin_project_lite::pin_project;
use tokio::net::TcpListener;

use super::error::AppError;
use crate::explain::{self, Explanation};

/// How long a request that runs when the server is told to stop may still take.
const GRACE: Duration = Duration::from_secs(10);

pub(super) async fn bind(address: &str) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).await.map_err(|source| AppError::Bind { address: address.to_owned(), source })
}

/// Serves until Ctrl-C or SIGTERM, then ends the requests that run.
pub(super) async fn serve(listener: TcpListener, router: Router) -> Result<(), AppError> {
    let address = listener.local_addr().map_err(AppError::Serve)?;
    announce(address);
    let server = axum::serve(listener, router).with_graceful_shutdown(stop_signal()).into_future();
    tokio::select! {
        ended = server => ended.map_err(AppError::Serve),
        () = async { stop_signal().await; tokio::time::sleep(GRACE).await; } => {
            tracing::warn!("requests that still ran {GRACE:?} after the signal to stop were cut off");
            Ok(())
        }
    }
}

#[expect(clippy::print_stdout, reason = "where it listens is what a person who starts it waits for")]
fn announce(address: SocketAddr) {
    println!("Listening on http://{address}");
}

#[expect(clippy::print_stdout, reason = "a person has asked for it")]
pub(super) fn print_help(name: &str) {
    println!(
        "Serves {name}.\n\n  -h, --host ADDRESS   where to listen: 127.0.0.1 unless given, 0.0.0.0 for everybody\n  -p, --port NUMBER    \
         5000 unless given, 0 for a free one\n      --debug          pages that explain errors, and the session inspector at \
         /_hipflask/session\n      --help           this\n\nCtrl-C ends it."
    );
}

async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

pin_project! {
    /// Makes a 500 of a panic, so that one request's bug is not the end of its connection.
    pub(super) struct Caught<F> {
        #[pin]
        pub(super) handler: F,
    }
}

impl<F: Future<Output = Response>> Future for Caught<F> {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let this = self.project();
        // After a panic the handler is not polled again, and nobody sees what it left half done.
        match std::panic::catch_unwind(AssertUnwindSafe(|| this.handler.poll(cx))) {
            Ok(polled) => Poll::Ready(ready!(polled)),
            Err(panic) => {
                let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let message = message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
                let explanation = Explanation(vec![format!("the handler panicked: {message}")]);
                Poll::Ready(explain::internal_error_of(explanation))
            }
        }
    }
}
