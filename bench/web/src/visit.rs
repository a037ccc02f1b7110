//! A client that stores cookies and knows each answer in advance.

use std::collections::BTreeMap;

use hipflask::Sessions;
use hipflask::hipflask_core::session::SessionDict;

use crate::operations::Operation;
use crate::payload::{KEY, Payload};
use crate::peer::{Keeps, Peer};
pub use crate::reply::{Expected, Reply};

pub struct Visitor {
    peer: Peer,
    operation: Operation,
    payload: Payload,
    cookies: BTreeMap<String, String>,
    /// The value of `visits` in the client's session.
    visits: u64,
    /// The number of `Set-Cookie` headers in each reply.
    set_cookies: usize,
}

impl Visitor {
    pub fn new(peer: Peer, operation: Operation, payload: Payload) -> Self {
        let mut cookies = BTreeMap::new();
        if !peer.has_sessions() {
            // The same header to read, though no handler uses it.
            let session = SessionDict::from_json(payload.json).expect("the payload is a session");
            let value = sessions().sign(&session).expect("a session of ordinary depth");
            cookies.insert("session".to_owned(), value);
        }
        Self { peer, operation, payload, cookies, visits: 0, set_cookies: 0 }
    }

    /// The `Cookie` line of the next request.
    pub fn cookie(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Stores the cookies of the reply. Returns an error if the reply is wrong.
    pub fn keep(&mut self, reply: &Reply) -> Result<(), String> {
        if reply.status != 200 {
            return Err(self.complain(&format!("answered {} with `{}`", reply.status, reply.body)));
        }
        for line in &reply.set_cookies {
            let pair = line.split(';').next().unwrap_or_default();
            let (name, value) =
                pair.split_once('=').ok_or_else(|| self.complain("sent a cookie without a name"))?;
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Ok(())
    }

    /// Checks one reply to the measured request outside the timing: a write is saved and counted
    /// on.
    pub fn check(&mut self, reply: &Reply) -> Result<(), String> {
        self.keep(reply)?;
        if self.operation == Operation::Write {
            self.visits += 1;
        }
        let expected = self.answer();
        if reply.body != expected {
            return Err(self.complain(&format!("answered `{}`, not `{expected}`", reply.body)));
        }
        self.set_cookies = reply.set_cookies.len();
        let (sets, varies) = match self.operation {
            Operation::Untouched => (0, false),
            Operation::Read => (0, true),
            Operation::Write => (1, true),
        };
        if self.peer.is_ours() && (self.set_cookies, reply.varies) != (sets, varies) {
            return Err(self.complain("did not send the same headers as Flask"));
        }
        Ok(())
    }

    fn answer(&self) -> String {
        match self.operation {
            Operation::Untouched => "untouched".to_owned(),
            Operation::Read => self.payload.last.1.to_owned(),
            Operation::Write => self.visits.to_string(),
        }
    }

    /// The answers to the next requests, which all have the same cookie.
    pub fn expected(&self) -> Expected {
        let number = match (self.operation, self.peer.keeps()) {
            (Operation::Write, Keeps::InServer) => Some(self.visits),
            _ => None,
        };
        let text = match self.operation {
            // A session in a cookie continues from the value in the cookie.
            Operation::Write => (self.visits + 1).to_string(),
            _ => self.answer(),
        };
        Expected::new(text, number, self.set_cookies)
    }

    /// Adds requests that the server has counted.
    pub fn went_by(&mut self, requests: u64) {
        if self.operation == Operation::Write && self.peer.keeps() == Keeps::InServer {
            self.visits += requests;
        }
    }

    /// Accepts a higher count, because other clients have sent requests to the same session.
    pub fn resume(&mut self, reply: &Reply) -> Result<(), String> {
        self.keep(reply)?;
        match reply.body.parse() {
            Ok(visits) if visits > self.visits => {
                self.visits = visits;
                Ok(())
            }
            _ => Err(self.complain(&format!("answered `{}` after {}", reply.body, self.visits))),
        }
    }

    pub fn set_cookies(&self) -> usize {
        self.set_cookies
    }

    pub fn complain(&self, what: &str) -> String {
        format!("{}/{}/{}: {what}", self.operation.name(), self.payload.name, self.peer.name())
    }
}

/// Our engine with its defaults.
pub fn sessions() -> Sessions {
    Sessions::builder().secret_key(KEY).build().expect("the key is not empty")
}
