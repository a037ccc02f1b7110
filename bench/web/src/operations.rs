//! The operations that every app serves, and their paths.

use crate::payload::Payload;

/// An operation of a request on its session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// The request has the cookie, and the handler does not use the session.
    Untouched,
    /// Reads one text: the payload's last key.
    Read,
    /// Reads the number under `visits` and sets it to one more.
    Write,
}

impl Operation {
    pub const ALL: [Self; 3] = [Self::Untouched, Self::Read, Self::Write];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    pub fn path(self, payload: Payload) -> String {
        match self {
            Self::Untouched => UNTOUCHED.to_owned(),
            Self::Read => format!("/read/{}", payload.name),
            Self::Write => WRITE.to_owned(),
        }
    }
}

pub const UNTOUCHED: &str = "/untouched";
pub const WRITE: &str = "/write";
pub const VISITS: &str = "visits";

pub fn read_path(payload: Payload) -> String {
    Operation::Read.path(payload)
}

pub fn fill_path(payload: Payload) -> String {
    format!("/fill/{}", payload.name)
}

/// The payload's members for peers that do not know Flask's tags.
pub fn members(payload: Payload) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(payload.json).expect("the payload is an object")
}
