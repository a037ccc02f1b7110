//! The server on real sockets: clients that are slow, silent or too many.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::limits::Limits;
use super::serve::serve_until;

/// A limit that is over soon.
const SOON: Duration = Duration::from_millis(200);
/// A limit that is not over while a test runs.
const NEVER: Duration = Duration::from_secs(3600);
/// A test fails if it waits for longer.
const PATIENT: Duration = Duration::from_secs(30);

const LIMITS: Limits = Limits { connections: 50, head: NEVER, idle: NEVER, body: NEVER };
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

fn router() -> Router {
    async fn upgrade(mut request: Request) -> impl IntoResponse {
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut socket = TokioIo::new(upgraded.await.unwrap());
            let mut byte = [0];
            socket.read_exact(&mut byte).await.unwrap();
            socket.write_all(&byte).await.unwrap();
        });
        (StatusCode::SWITCHING_PROTOCOLS, [(header::CONNECTION, "upgrade"), (header::UPGRADE, "echo")])
    }
    async fn slow() -> &'static str {
        tokio::time::sleep(5 * SOON).await;
        "at last"
    }
    Router::new()
        .route("/", get("served"))
        .route("/slow", get(slow))
        .route("/large", get(async || vec![b'x'; 64 << 20]))
        .route("/upload", post(async |body: Bytes| body.len().to_string()))
        .route("/upgrade", get(upgrade))
}

fn serve(limits: Limits) -> Server {
    let (stop, stopped) = oneshot::channel();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            serve_until(listener, router(), limits, async { drop(stopped.await) }).await;
        });
    });
    Server { address, stop, thread }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENT)).unwrap();
    stream
}

/// Reads until the server closes the connection.
fn until_closed(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the server keeps the connection open: {error}"),
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads the response of [`REQUEST`] and leaves the connection open.
fn served(stream: &mut TcpStream) {
    let mut text = Vec::new();
    while !text.ends_with(b"served") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        text.extend(byte);
    }
}

#[test]
fn half_a_head_is_closed_after_its_timeout() {
    let server = serve(Limits { head: SOON, ..LIMITS });
    for half in [&b""[..], b"G", b"GET / HTTP/1.1\r\nHost: h\r\n"] {
        let mut stream = connect(server.address);
        stream.write_all(half).unwrap();
        assert_eq!(until_closed(&mut stream), "");
    }
    let mut second = connect(server.address);
    second.write_all(REQUEST).unwrap();
    served(&mut second);
    second.write_all(b"GET").unwrap();
    assert_eq!(until_closed(&mut second), "", "half of the second head of a connection");
}

#[test]
fn a_head_that_trickles_in_is_closed() {
    let server = serve(Limits { head: SOON, ..LIMITS });
    let mut stream = connect(server.address);
    let mut sent = 0;
    while stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nX-Long: ".get(sent..=sent).unwrap_or(b"x")).is_ok()
    {
        sent += 1;
        assert!(sent < 3000, "the server waits for a head without end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn idle_connection_is_closed_after_its_timeout() {
    let server = serve(Limits { idle: SOON, ..LIMITS });
    let mut stream = connect(server.address);
    for _ in 0..2 {
        stream.write_all(REQUEST).unwrap();
        served(&mut stream);
    }
    assert_eq!(until_closed(&mut stream), "");
}

#[test]
fn slow_body_is_answered_with_408() {
    let server = serve(Limits { body: SOON, ..LIMITS });
    let head = b"POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n";
    let mut silent = connect(server.address);
    silent.write_all(head).unwrap();
    let reply = until_closed(&mut silent);
    assert!(reply.starts_with("HTTP/1.1 408 ") && reply.contains("<h1>Request Timeout</h1>"), "{reply}");

    let mut trickling = connect(server.address);
    trickling.write_all(head).unwrap();
    let mut sent = 0;
    while trickling.write_all(b"x").is_ok() {
        sent += 1;
        assert!(sent < 900, "the server waits for a byte now and then");
        std::thread::sleep(Duration::from_millis(20));
    }

    let mut quick = connect(server.address);
    quick
        .write_all(b"POST /upload HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc")
        .unwrap();
    assert!(until_closed(&mut quick).ends_with("\r\n\r\n3"));
}

#[test]
fn client_that_reads_nothing_is_disconnected() {
    let server = serve(Limits { connections: 1, body: SOON, ..LIMITS });
    let mut greedy = connect(server.address);
    greedy.write_all(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let mut next = connect(server.address);
    next.write_all(REQUEST).unwrap();
    served(&mut next);
    drop(greedy);
}

#[test]
fn an_app_may_take_its_time() {
    let server = serve(Limits { head: SOON, idle: SOON, body: SOON, ..LIMITS });
    let mut stream = connect(server.address);
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert!(until_closed(&mut stream).ends_with("at last"));
}

#[test]
fn an_upgraded_connection_may_be_silent() {
    let server = serve(Limits { connections: 1, head: SOON, idle: SOON, body: SOON });
    let mut stream = connect(server.address);
    let request = b"GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut waiting = connect(server.address);
    waiting.write_all(REQUEST).unwrap();
    std::thread::sleep(5 * SOON);
    stream.write_all(b"!").unwrap();
    let reply = until_closed(&mut stream);
    assert!(reply.starts_with("HTTP/1.1 101 ") && reply.ends_with("\r\n\r\n!"), "{reply}");
    // It had the only place until it ended.
    served(&mut waiting);
}

#[test]
fn stopping_ends_silent_connections_and_answers_the_others() {
    let server = serve(LIMITS);
    let mut silent = connect(server.address);
    let mut idle = connect(server.address);
    idle.write_all(REQUEST).unwrap();
    served(&mut idle);
    let mut running = connect(server.address);
    running.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    // The request has begun when another one that came later has been answered.
    let mut last = connect(server.address);
    last.write_all(REQUEST).unwrap();
    served(&mut last);
    drop(server.stop);
    assert_eq!((until_closed(&mut silent).as_str(), until_closed(&mut idle).as_str()), ("", ""));
    assert!(until_closed(&mut running).ends_with("at last"));
    server.thread.join().unwrap();
}

#[test]
fn connection_over_the_limit_waits_for_another() {
    let server = serve(LIMITS);
    let mut first: Vec<_> = (0..LIMITS.connections).map(|_| connect(server.address)).collect();
    for stream in &mut first {
        stream.write_all(REQUEST).unwrap();
        served(stream);
    }
    let mut next = connect(server.address);
    next.write_all(REQUEST).unwrap();
    next.set_read_timeout(Some(SOON)).unwrap();
    assert!(next.read(&mut [0]).is_err(), "the connection is served though no place is free");
    next.set_read_timeout(Some(PATIENT)).unwrap();
    first.pop();
    served(&mut next);
}

#[test]
fn four_hundred_half_heads_leave_room_for_visitors() {
    let server = serve(Limits { head: SOON, ..LIMITS });
    let halves = half_heads(server.address, 400);
    let mut visitor = connect(server.address);
    visitor.write_all(REQUEST).unwrap();
    served(&mut visitor);
    drop(halves);
}

fn half_heads(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let half = |_| {
        let mut stream = connect(address);
        stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        stream
    };
    (0..count).map(half).collect()
}

const AS_PROGRAM: &str = "HIPFLASK_TEST_SERVES";

#[test]
fn server_survives_running_out_of_file_descriptors() {
    if std::env::var_os(AS_PROGRAM).is_some() {
        // More places than file descriptors.
        let server = serve(Limits { connections: 1000, head: SOON, ..LIMITS });
        std::fs::write(std::env::var(AS_PROGRAM).unwrap(), server.address.to_string()).unwrap();
        // Until the test closes standard input.
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("address");
    let name = "app::serve_tests::server_survives_running_out_of_file_descriptors";
    let mut program = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(AS_PROGRAM, &file)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let address = loop {
        let address = std::fs::read_to_string(&file).ok().and_then(|text| text.parse().ok());
        if let Some(address) = address {
            break address;
        }
        assert!(program.try_wait().unwrap().is_none(), "the server ended before it served");
        std::thread::sleep(Duration::from_millis(10));
    };
    // The system's queue of the listener takes those that are not accepted.
    let halves = half_heads(address, 120);
    let mut visitor = connect(address);
    visitor.write_all(REQUEST).unwrap();
    served(&mut visitor);
    drop(halves);
    drop(program.stdin.take());
    assert!(program.wait().unwrap().success());
}
