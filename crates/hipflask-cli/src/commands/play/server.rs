//! The sockets of the page.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::pages::{Page, page, refusal};
use crate::failure::Failure;
use crate::lines;

/// Serves the page on the loopback address until Ctrl-C.
pub(super) async fn serve(port: u16) -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|source| Failure::Port { port, source })?;
    let port = listener.local_addr().map_err(|source| Failure::Port { port, source })?.port();
    lines::print(io::stdout(), format!("Open http://127.0.0.1:{port}/ in a browser\n").as_bytes())?;
    tokio::select! {
        () = accept(&listener, port) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

async fn accept(listener: &TcpListener, port: u16) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let service =
            service_fn(move |request| async move { Ok::<_, Infallible>(respond(request, port).await) });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service);
        // An error is the browser's: it closed the connection.
        tokio::spawn(async move { connection.await.ok() });
    }
}

async fn respond(request: Request<Incoming>, port: u16) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let shown = match refusal(&parts, port) {
        Some(refusal) => refusal,
        None => match tokio::time::timeout(PATIENCE, Limited::new(body, LONGEST).collect()).await {
            Ok(Ok(body)) => page(parts.uri.path(), &String::from_utf8_lossy(&body.to_bytes())),
            _ => Page::text(413, "the request is longer than 4 MiB, or did not arrive"),
        },
    };
    shown.into_response()
}

/// The longest request, in bytes.
const LONGEST: usize = 4 << 20;

/// The longest wait for a request to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// The wait after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);
