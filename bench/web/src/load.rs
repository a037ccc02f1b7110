//! A load generator: a few connections, one request on each at a time, every answer compared.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::reply::{Expected, Reply};

pub const CONNECTIONS: usize = 8;
/// A server that does not answer for this long has failed.
const SILENCE: Duration = Duration::from_secs(5);

/// The result of a round.
pub struct Round {
    pub requests: u64,
    pub taken: Duration,
    /// The time from the first byte sent to the last one received, per request, in ascending order.
    pub latencies: Vec<Duration>,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    sent_at: Instant,
    request: Vec<u8>,
    /// The time at which the request is due, or was due.
    due: Instant,
    waits: bool,
}

impl Connection {
    fn new(stream: TcpStream, request: Vec<u8>) -> Self {
        let now = Instant::now();
        Self { stream, received: Vec::new(), sent_at: now, request, due: now, waits: false }
    }

    fn send(&mut self) -> io::Result<()> {
        self.waits = false;
        self.sent_at = Instant::now();
        // An empty socket buffer takes a few hundred bytes at once.
        self.stream.write_all(&self.request)
    }

    /// Reads the available bytes. Returns whether they complete a response.
    fn receive(&mut self) -> io::Result<Option<Response>> {
        let mut chunk = [0; 8192];
        let length = self.stream.read(&mut chunk)?;
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
        }
        self.received.extend_from_slice(&chunk[..length]);
        Response::parse(&self.received)
    }
}

/// The parts of a response, as positions in the received bytes.
struct Response {
    status: u16,
    /// The header lines, including the names.
    head: std::ops::Range<usize>,
    body: std::ops::Range<usize>,
}

impl Response {
    /// Returns `None` if the response is not complete yet.
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let head = 0..end;
        let text = std::str::from_utf8(&bytes[head.clone()])
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a header is not text"))?;
        let status = text.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        let length = lines(text, "content-length").next().and_then(|length| length.parse().ok()).unwrap_or(0);
        let body = end + 4..end + 4 + length;
        Ok((bytes.len() >= body.end).then_some(Self { status, head, body }))
    }
}

/// The values of a header.
fn lines<'h>(head: &'h str, name: &'h str) -> impl Iterator<Item = &'h str> {
    head.split("\r\n").filter_map(move |line| {
        let (found, value) = line.split_at_checked(name.len())?;
        found.eq_ignore_ascii_case(name).then(|| value.strip_prefix(':').map(str::trim)).flatten()
    })
}

fn request(path: &str, cookie: &str) -> Vec<u8> {
    let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie}\r\n").into_bytes()
}

/// Sends one request on a new connection.
pub fn ask(address: SocketAddr, path: &str, cookie: &str) -> io::Result<Reply> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let request = request(path, cookie);
    let mut connection = Connection::new(stream, request);
    connection.send()?;
    let response = loop {
        if let Some(response) = connection.receive()? {
            break response;
        }
    };
    let head = String::from_utf8_lossy(&connection.received[response.head]);
    Ok(Reply {
        status: response.status,
        body: String::from_utf8_lossy(&connection.received[response.body]).into_owned(),
        set_cookies: lines(&head, "set-cookie").map(str::to_owned).collect(),
        varies: lines(&head, "vary").any(|line| line.contains("Cookie")),
    })
}

/// Sends requests on all connections for the given time; the connections share the cookies.
///
/// Each connection sends its next request as soon as it has an answer. With `per_second`, all of
/// them together send that many requests a second, so that every server does the same work in the
/// same time.
pub fn run(
    address: SocketAddr,
    path: &str,
    cookies: &[String],
    expected: &Expected,
    time: Duration,
    per_second: Option<u32>,
) -> io::Result<Round> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut connections = Vec::new();
    let pause = per_second.map(|rate| Duration::from_secs(1) / rate);
    // Otherwise a wait takes up to 50 us longer than requested.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let start = Instant::now();
    for at in 0..CONNECTIONS {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        epoll::add(&epoll, &stream, EventData::new_u64(at as u64), EventFlags::IN)?;
        let request = request(path, cookies.get(at % cookies.len()).map_or("", String::as_str));
        let mut connection = Connection::new(stream, request);
        (connection.waits, connection.due) = (true, start + pause.unwrap_or_default() * at as u32);
        connections.push(connection);
    }
    let mut latencies = Vec::with_capacity(1 << 18);
    let (mut events, mut open) = (Vec::with_capacity(CONNECTIONS), CONNECTIONS);
    while open > 0 {
        let wait = match send_due(&mut connections)? {
            Some(due) => due.saturating_duration_since(Instant::now()),
            None => SILENCE,
        };
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), Timespec::try_from(wait).ok().as_ref())?;
        if events.is_empty() && wait == SILENCE {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer for 5 s"));
        }
        for event in &events {
            let connection = &mut connections[event.data.u64() as usize];
            let Some(response) = connection.receive()? else { continue };
            let now = Instant::now();
            latencies.push(now - connection.sent_at);
            let head = &connection.received[response.head];
            let set_cookies = std::str::from_utf8(head).map_or(0, |head| lines(head, "set-cookie").count());
            let body = &connection.received[response.body];
            if response.status != 200 || !expected.is_met_in_any_order(body, set_cookies) {
                let what = String::from_utf8_lossy(&connection.received).into_owned();
                return Err(io::Error::other(format!("a wrong answer: {what}")));
            }
            connection.received.clear();
            match pause {
                _ if now - start >= time => open -= 1,
                None => connection.send()?,
                Some(pause) => {
                    (connection.waits, connection.due) = (true, connection.due + pause * CONNECTIONS as u32);
                }
            }
        }
    }
    let taken = start.elapsed();
    latencies.sort_unstable();
    Ok(Round { requests: latencies.len() as u64, taken, latencies })
}

/// Sends the requests that are due. Returns when the next one is due.
fn send_due(connections: &mut [Connection]) -> io::Result<Option<Instant>> {
    let mut next: Option<Instant> = None;
    for connection in connections.iter_mut().filter(|connection| connection.waits) {
        if connection.due <= Instant::now() {
            connection.send()?;
        } else {
            next = Some(next.map_or(connection.due, |next| next.min(connection.due)));
        }
    }
    Ok(next)
}
