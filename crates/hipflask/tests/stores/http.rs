//! A server on a port, and browsers that ask it: real requests that overlap.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use hipflask::{Session, SessionError, Sessions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) meeting: Meeting,
}

/// Where two wait for each other: two requests with `/with-another`, a request and the test twice
/// with `/late`. The session is open by then and not saved yet.
#[derive(Clone)]
pub(crate) struct Meeting(Arc<Barrier>);

impl Meeting {
    /// Should the other one never come, the test fails for what it finds and does not hang.
    pub(crate) async fn wait(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(60), self.0.wait()).await;
    }
}

/// Serves until the runtime ends.
pub(crate) async fn serve(sessions: &Sessions) -> Server {
    async fn increment(session: Session) -> Result<String, SessionError> {
        Ok(session.increment("n", 1)?.to_string())
    }
    async fn show(session: Session) -> Result<String, SessionError> {
        let number = |key| session.get::<u64>(key).map(Option::unwrap_or_default);
        Ok(format!("{} {} {}", number("n")?, number("a")?, number("b")?))
    }
    async fn with_another(
        State(meeting): State<Meeting>,
        session: Session,
        Path((key, value)): Path<(String, u64)>,
    ) -> Result<(), SessionError> {
        meeting.wait().await;
        session.set(key, value)
    }
    async fn late(State(meeting): State<Meeting>, session: Session) -> Result<(), SessionError> {
        meeting.wait().await;
        meeting.wait().await;
        session.set("late", true)
    }
    async fn logout(session: Session) {
        session.clear().unwrap();
    }
    let app = Router::new()
        .route("/increment", get(increment))
        .route("/show", get(show))
        .route("/with-another/{key}/{value}", get(with_another))
        .route("/late", get(late))
        .route("/logout", get(logout))
        .layer(sessions.layer());
    let meeting = Meeting(Arc::new(Barrier::new(2)));
    let app = app.with_state(meeting.clone());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Server { address, meeting }
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
