//! A session's record in the store, as the inspector shows it.

use hipflask_core::plan::SessionFlags;
use hipflask_core::time::UnixTime;

use super::state::Shared;

/// A record after a request, or the key under which none exists.
#[derive(Debug, Clone)]
pub(crate) struct RecordSeen {
    /// Eight hex digits that identify the key; `None` if the request had no id and got none.
    pub(crate) key: Option<String>,
    /// The kind of store: `redis`.
    pub(crate) kind: &'static str,
    /// The address of the store, without a password.
    pub(crate) place: String,
    /// The longest record that the store takes, in bytes.
    pub(crate) limit: Option<usize>,
    /// The content; `None` if no record exists.
    pub(crate) held: Option<Held>,
    /// The effect of the request on it, in one word for programs.
    pub(crate) outcome: &'static str,
    /// The same as a sentence.
    pub(crate) says: String,
}

/// The content of a record.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) format: String,
    pub(crate) bytes: usize,
    pub(crate) expires: Option<UnixTime>,
    /// The session as Flask's tagged JSON, in which every type shows.
    pub(crate) contents: String,
}

impl Shared {
    /// The session's flags so far, and whether it is new. `None` if it was not opened.
    pub(crate) fn flags(&self) -> Option<(SessionFlags, bool)> {
        let state = self.lock().ok()?;
        let data = state.data.as_ref()?;
        // A new session in a store is permanent from the start and still counts as empty.
        let empty = data.is_empty() || self.engine().is_stored() && data.is_blank();
        Some((SessionFlags { empty, ..data.flags() }, data.is_new()))
    }
}
