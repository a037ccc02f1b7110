//! A server on a port, and browsers that ask it: real requests that overlap.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use hipflask::{Session, SessionError, Sessions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Serves until the runtime ends.
pub(crate) async fn serve(sessions: &Sessions) -> SocketAddr {
    async fn increment(session: Session) -> Result<String, SessionError> {
        Ok(session.increment("n", 1)?.to_string())
    }
    async fn show(session: Session) -> Result<String, SessionError> {
        let number = |key| session.get::<u64>(key).map(Option::unwrap_or_default);
        Ok(format!("{} {} {}", number("n")?, number("a")?, number("b")?))
    }
    // Holds the session open for a while, so that another request comes between its reading and its saving.
    async fn slowly(session: Session, Path((key, value)): Path<(String, u64)>) -> Result<(), SessionError> {
        tokio::time::sleep(Duration::from_millis(15)).await;
        session.set(key, value)
    }
    async fn logout(session: Session) {
        session.clear();
    }
    let app = Router::new()
        .route("/increment", get(increment))
        .route("/show", get(show))
        .route("/slowly/{key}/{value}", get(slowly))
        .route("/logout", get(logout))
        .layer(sessions.layer());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A response: its status, its body, and the session's cookie if it set one.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) cookie: Option<String>,
}

pub(crate) async fn ask(address: SocketAddr, path: &str, cookie: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    Answer {
        status: head[9..12].parse().unwrap(),
        body: body.to_owned(),
        cookie: cookie.and_then(|line| line.split(';').next()).map(str::to_owned),
    }
}
