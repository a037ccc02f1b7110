//! A proxy that delays, cuts or corrupts a server's replies.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use std::{io, thread};

use super::process::ServerError;

/// A proxy in front of a real server. It forwards requests, and delays, cuts or corrupts replies as
/// configured.
///
/// It works with every server on TCP, whatever its protocol.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    url: String,
    shared: Arc<Shared>,
}

/// The treatment of a server's replies, on all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answers {
    /// Forwards them.
    Arrive,
    /// Delays each of them.
    ArriveLate(Duration),
    /// Holds them back until the treatment changes.
    Wait,
    /// Forwards half of a reply, and then nothing more on that connection.
    StopHalfway,
    /// Forwards half of a reply and closes the connection.
    BreakOffHalfway,
    /// Sends garbage, and then nothing more on that connection.
    AreGarbage,
    /// Closes the connection instead.
    AreCutOff,
}

#[derive(Debug)]
struct Shared {
    answers: Mutex<Answers>,
    changed: Condvar,
}

impl Proxy {
    /// Starts in front of the server that `url` names as `127.0.0.1:PORT`.
    ///
    /// # Errors
    /// [`ServerError::Io`] if the URL does not, or no port can be opened.
    pub fn before(url: &str) -> Result<Self, ServerError> {
        let no_port = || io::Error::other("the URL names no server at 127.0.0.1 with a port");
        let (head, tail) = url.split_once("127.0.0.1:").ok_or_else(no_port)?;
        let digits = tail.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(tail.len());
        let (server, rest) = tail.split_at(digits);
        let server: u16 = server.parse().map_err(|_| no_port())?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared { answers: Mutex::new(Answers::Arrive), changed: Condvar::new() });
        let for_clients = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // If the server is unreachable, the client notices by itself.
                let _ = serve(client, server, &for_clients);
            }
        });
        Ok(Self { port, url: format!("{head}127.0.0.1:{port}{rest}"), shared })
    }

    /// Returns the server's URL through this proxy.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Sets the treatment of all later replies.
    pub fn set(&self, answers: Answers) {
        *self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner) = answers;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Decides about a reply; waits as long as configured.
    fn answers(&self) -> Answers {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_while(answers, |answers| *answers == Answers::Wait);
        *waited.unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(client: TcpStream, server: u16, shared: &Arc<Shared>) -> io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let _ = answer(server, &client, &shared);
        let _ = client.shutdown(Shutdown::Both);
    });
    Ok(())
}

/// Forwards until either side closes, or the connection must be closed.
fn answer(mut server: TcpStream, mut client: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut buffer = [0; 65_536];
    let mut is_spoilt = false;
    loop {
        let length = server.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        if is_spoilt {
            continue;
        }
        let answer = &buffer[..length];
        match shared.answers() {
            Answers::Arrive | Answers::Wait => client.write_all(answer)?,
            Answers::ArriveLate(by) => {
                thread::sleep(by);
                client.write_all(answer)?;
            }
            Answers::StopHalfway => {
                client.write_all(&answer[..length / 2])?;
                is_spoilt = true;
            }
            Answers::BreakOffHalfway => return client.write_all(&answer[..length / 2]),
            Answers::AreGarbage => {
                client.write_all(GARBAGE)?;
                is_spoilt = true;
            }
            Answers::AreCutOff => return Ok(()),
        }
    }
}

/// Bytes that are not a reply of any tested server.
const GARBAGE: &[u8] = b"\0!?garbage\r\n";
