//! One visitor, who keeps cookies and knows each answer beforehand.

use std::collections::BTreeMap;

use hipflask::Sessions;
use hipflask::core::session::Session;

use crate::asked::Operation;
use crate::payload::{KEY, Payload};
use crate::peer::{Keeps, Peer};
pub use crate::reply::{Expected, Reply};

pub struct Visitor {
    peer: Peer,
    operation: Operation,
    payload: Payload,
    cookies: BTreeMap<String, String>,
    /// What `visits` holds in the session that the cookies stand for.
    visits: u64,
    /// How many `Set-Cookie` each reply has.
    set_cookies: usize,
}

impl Visitor {
    pub fn new(peer: Peer, operation: Operation, payload: Payload) -> Self {
        let mut cookies = BTreeMap::new();
        if !peer.has_sessions() {
            // The same line to look over, though nobody asks for it.
            let session = Session::from_json(payload.json).expect("the payload is a session");
            let value = sessions().seal(&session).expect("a session of ordinary depth");
            cookies.insert("session".to_owned(), value);
        }
        Self { peer, operation, payload, cookies, visits: 0, set_cookies: 0 }
    }

    /// The line that the next request carries.
    pub fn cookie(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Keeps what the reply sets, and says what is wrong with it.
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

    /// The reply to the measured request, once, outside of what is timed: a write lasts and is counted on.
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
            return Err(self.complain("sent other headers than Flask"));
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

    /// The answers to the next requests, which all carry the same cookie.
    pub fn expected(&self) -> Expected {
        let number = match (self.operation, self.peer.keeps()) {
            (Operation::Write, Keeps::InServer) => Some(self.visits),
            _ => None,
        };
        let text = match self.operation {
            // A cookie goes on from where it was.
            Operation::Write => (self.visits + 1).to_string(),
            _ => self.answer(),
        };
        Expected::new(text, number, self.set_cookies)
    }

    /// So many requests went by that a server counted.
    pub fn went_by(&mut self, requests: u64) {
        if self.operation == Operation::Write && self.peer.keeps() == Keeps::InServer {
            self.visits += requests;
        }
    }

    /// Others asked as well, who knows how often: the server has counted on from where this visitor left.
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

/// Our engine as it comes.
pub fn sessions() -> Sessions {
    Sessions::builder().secret_key(KEY).build().expect("the key is not empty")
}
