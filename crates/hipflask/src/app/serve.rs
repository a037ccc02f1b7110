//! Running an app.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use hipflask_core::log_limit::AtMostEachMinute;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pin_project_lite::pin_project;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service as _;

use super::body::{PatientBody, TooSlow};
use super::error::AppError;
use super::limits::{Limits, Patience};
use super::pages;
use super::socket::{Requests, Socket};
use crate::engine::{Clock as _, SystemClock};
use crate::explain::{self, Explanation};

/// The time that running requests get to finish after a stop signal.
const GRACE: Duration = Duration::from_secs(10);
/// The pause before accepting again after the system has refused, as when all file descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn bind(address: &str) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).await.map_err(|source| AppError::Bind { address: address.to_owned(), source })
}

/// Serves until Ctrl-C or SIGTERM, then ends the requests that run.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: Limits) -> Result<(), AppError> {
    let address = listener.local_addr().map_err(AppError::Serve)?;
    let (stop, cut_off) = (stop_signal(), stop_signal());
    announce(address);
    tokio::select! {
        () = serve_until(listener, router, limits, stop) => Ok(()),
        () = async { cut_off.await; tokio::time::sleep(GRACE).await; } => {
            tracing::warn!("requests that still ran {GRACE:?} after the signal to stop were cut off");
            Ok(())
        }
    }
}

/// Serves until `stop` is ready, and then until the requests that run have been answered.
pub(super) async fn serve_until(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let (stopping, stops) = watch::channel(());
    let mut stop = std::pin::pin!(stop);
    loop {
        // A place is taken before the connection: one that waits in the system's queue costs no
        // file descriptor.
        let accepted = async {
            let place = take_place(&places, limits.connections).await?;
            Some((accept(&listener).await, place))
        };
        let ((stream, peer), place) = tokio::select! {
            accepted = accepted => match accepted {
                Some(accepted) => accepted,
                None => break,
            },
            () = &mut stop => break,
        };
        let requests = Arc::new(Requests::default());
        let socket = Socket::new(stream, requests.clone(), limits, place);
        tokio::spawn(connection(socket, peer, requests, router.clone(), limits, stops.clone()));
    }
    drop(listener);
    drop(stops);
    // After a stop signal, each connection drops its receiver when it ends.
    stopping.send_replace(());
    stopping.closed().await;
}

/// Waits for a free connection slot and takes it. `None` if the server is stopping.
async fn take_place(places: &Arc<Semaphore>, connections: usize) -> Option<OwnedSemaphorePermit> {
    static FULL: AtMostEachMinute = AtMostEachMinute::new();
    if let Ok(place) = places.clone().try_acquire_owned() {
        return Some(place);
    }
    if FULL.is_due(SystemClock.now()) {
        tracing::warn!(
            connections,
            "all places for connections are taken, so new visitors wait; see `App::max_connections`"
        );
    }
    places.clone().acquire_owned().await.ok()
}

/// Accepts a connection. Waits for a while if the system has no file descriptor for it.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if ended_before_it_began(error.kind()) => {}
            Err(error) => {
                tracing::error!(%error, "a connection cannot be accepted; trying again in a second");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

const fn ended_before_it_began(error: io::ErrorKind) -> bool {
    matches!(
        error,
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

async fn connection(
    socket: Socket,
    peer: SocketAddr,
    requests: Arc<Requests>,
    router: Router,
    limits: Limits,
    mut stops: watch::Receiver<()>,
) {
    let service = service_fn(|mut request: Request<Incoming>| {
        // Logins depend on the address of the client.
        request.extensions_mut().insert(ConnectInfo(peer));
        answer(router.clone(), request, requests.clone(), limits)
    });
    let mut server = http1::Builder::new();
    // The socket tells an idle connection from half a head. hyper, which counts both as one, ends
    // what is left: half a head that came together with the request before.
    server.timer(TokioTimer::new()).header_read_timeout(limits.idle.saturating_add(limits.head));
    let connection = server.serve_connection(TokioIo::new(socket), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stops.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection failed");
    }
}

/// Answers a request with the app, or with 408 if its body arrives too slowly.
async fn answer(
    mut router: Router,
    request: Request<Incoming>,
    requests: Arc<Requests>,
    limits: Limits,
) -> Result<Response, Infallible> {
    let running = requests.begin();
    let too_slow = TooSlow::default();
    let is_connect = request.method() == Method::CONNECT;
    let patience = Patience::new(limits.body);
    let request = request.map(|body| Body::new(PatientBody::new(body, patience, too_slow.clone())));
    let mut response = router.call(request).await?;
    if too_slow.get() && !response.status().is_success() {
        response = pages::too_slow(response);
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS || (is_connect && response.status().is_success())
    {
        requests.upgrade();
    }
    Ok(response.map(|body| running.until_sent(body)))
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

/// Waits for Ctrl-C or SIGTERM. Signals are noticed from the call on, not only once the future is polled.
#[cfg(unix)]
fn stop_signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};

    let [mut interrupt, mut terminate] =
        [SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).ok());
    std::future::poll_fn(move |cx| {
        let mut has_come = |signal: &mut Option<tokio::signal::unix::Signal>| {
            signal.as_mut().is_some_and(|signal| signal.poll_recv(cx).is_ready())
        };
        if has_come(&mut interrupt) || has_come(&mut terminate) { Poll::Ready(()) } else { Poll::Pending }
    })
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
async fn stop_signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
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
        // After a panic the handler is not polled again, so its half-done state is never used.
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
