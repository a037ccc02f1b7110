//! As much of a browser as the tutorials need: HTTP/1.1 over a connection for each request, and a cookie jar.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    method: &'static str,
    path: &'static str,
    form: &'static str,
}

pub(crate) const fn get(path: &'static str) -> Step {
    Step { method: "GET", path, form: "" }
}

pub(crate) const fn head(path: &'static str) -> Step {
    Step { method: "HEAD", path, form: "" }
}

pub(crate) const fn post(path: &'static str, form: &'static str) -> Step {
    Step { method: "POST", path, form }
}

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    /// The header, which is there at most once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let line = lines.next();
        assert!(lines.next().is_none(), "{name} more than once in {self:?}");
        line.map(|(_, value)| value.as_str())
    }
}

/// Cookies by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jar(pub(crate) BTreeMap<String, String>);

impl Jar {
    /// Keeps the cookies of a response.
    pub(crate) fn take_all(&mut self, reply: &Reply) {
        let cookies = reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        cookies.for_each(|(_, value)| self.take(value));
    }

    fn take(&mut self, set_cookie: &str) {
        let (pair, attributes) = set_cookie.split_once(';').unwrap_or((set_cookie, ""));
        let (name, value) = pair.split_once('=').unwrap();
        match attributes.contains("Max-Age=0") {
            true => drop(self.0.remove(name)),
            false => drop(self.0.insert(name.to_owned(), value.to_owned())),
        }
    }

    /// The header with its line end; empty without cookies.
    pub(crate) fn line(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { String::new() } else { format!("Cookie: {}\r\n", pairs.join("; ")) }
    }
}

/// Sends the request with the jar's cookies, and keeps those of the response.
pub(crate) fn send(address: &str, step: &Step, jar: &mut Jar) -> Reply {
    let Step { method, path, form } = step;
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}", jar.line());
    if *method == "POST" {
        let kind = "Content-Type: application/x-www-form-urlencoded";
        request += &format!("{kind}\r\nContent-Length: {}\r\n", form.len());
    }
    let reply = exchange(address, &format!("{request}\r\n{form}"));
    jar.take_all(&reply);
    reply
}

/// Sends a whole request, which asks for the connection to be closed, and reads the whole response.
pub(crate) fn exchange(address: &str, request: &str) -> Reply {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (top, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines = top.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_owned(), value.trim().to_owned())
    };
    Reply { status, headers: lines.map(header).collect(), body: body.to_owned() }
}
