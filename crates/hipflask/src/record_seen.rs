//! What a developer is shown of a session's record in the store: plain data, taken when the response is ready.

use hipflask_core::time::UnixTime;

/// A record, or where it would be.
#[derive(Debug, Clone)]
pub(crate) struct RecordSeen {
    /// Eight hex digits that stand for the key; `None` if no id came and none was made.
    pub(crate) key: Option<String>,
    /// The word for the store: `redis`.
    pub(crate) kind: &'static str,
    /// Where it is, without a password.
    pub(crate) place: String,
    /// How long a record may be there.
    pub(crate) limit: Option<usize>,
    /// `None` if there is no record.
    pub(crate) held: Option<Held>,
    /// What the request did to it, in one word for programs.
    pub(crate) outcome: &'static str,
    /// The same as a sentence.
    pub(crate) says: String,
}

/// What is in a record.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) format: String,
    pub(crate) bytes: usize,
    pub(crate) expires: Option<UnixTime>,
    /// The session as Flask's tagged JSON, in which every type shows.
    pub(crate) contents: String,
}
