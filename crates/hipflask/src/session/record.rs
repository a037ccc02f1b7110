//! A session's record in the store, as the inspector shows it: plain data, taken when the response is ready.

#[cfg(feature = "store")]
use hipflask_core::tagged::KeyOrder;
use hipflask_core::time::UnixTime;
#[cfg(feature = "store")]
use hipflask_store::record::Format;
#[cfg(feature = "store")]
use hipflask_store::save::{Saved, Slot};

#[cfg(feature = "store")]
use super::state::{Shared, State};

/// A record, or where it would be.
#[derive(Debug, Clone)]
pub(crate) struct RecordSeen {
    /// Eight hex digits that stand for the key; `None` if no id came and none was made.
    pub(crate) key: Option<String>,
    /// The word for the store: `redis`.
    pub(crate) kind: &'static str,
    /// Where it is, without a password.
    pub(crate) place: String,
    /// The longest record that the store takes, in bytes.
    pub(crate) limit: Option<usize>,
    /// `None` if there is no record.
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

#[cfg(feature = "store")]
impl Shared {
    /// The record as this request leaves it.
    pub(crate) fn record(&self) -> Option<RecordSeen> {
        let ids = self.engine().server()?.sessions.ids();
        let description = self.engine().server()?.sessions.store().describe();
        let state = self.lock().ok()?;
        let data = state.data.as_ref()?;
        let slot = state.slot.as_deref();
        let held = slot.and_then(Slot::stored).map(|stored| Held {
            format: Format::of(&stored.data).to_string(),
            bytes: stored.data.len(),
            expires: stored.expires,
            contents: data
                .to_json(KeyOrder::Insertion)
                .map_or_else(|error| error.to_string(), |json| String::from_utf8_lossy(&json).into_owned()),
        });
        let sent = || self.sent().find_map(|value| ids.read(&value).ok()).map(|id| ids.key(&id));
        let key = slot.and_then(Slot::key).cloned().or_else(sent);
        let (outcome, says) = outcome(&state, key.is_some());
        Some(RecordSeen {
            key: key.map(|key| key.short_hash()),
            kind: description.kind,
            place: description.address,
            limit: description.max_bytes,
            held,
            outcome,
            says,
        })
    }
}

/// The effect of a request on its record.
#[cfg(feature = "store")]
fn outcome(state: &State, has_id: bool) -> (&'static str, String) {
    let is_stored = state.slot.as_deref().is_some_and(|slot| slot.stored().is_some());
    let (word, says) = match state.saved {
        _ if state.read_only.is_some() => {
            let why = state.read_only.as_deref().map(ToString::to_string).unwrap_or_default();
            return ("read_only", format!("Nothing was written: {why}."));
        }
        None if state.closed => ("failed", "The session could not be saved; the log says why."),
        None => ("open", "The session has not been saved yet."),
        Some(Saved::Unchanged) if is_stored => (
            "unchanged",
            "Nothing was written: the session was not changed, and its life was extended not long ago.",
        ),
        Some(Saved::Unchanged) if has_id => (
            "unknown",
            "The store knows no session of the id that came. The id is not taken over, and nothing was written.",
        ),
        Some(Saved::Unchanged) => {
            ("none", "Nothing was written: who leaves nothing in a session gets no record.")
        }
        Some(Saved::Touched) => ("touched", "The record lives longer now; its data was not written."),
        Some(Saved::Created) => ("created", "A record was made under a new id."),
        Some(Saved::Replaced { merged: false }) => {
            ("replaced", "The record was replaced: it still was the one that this request had read.")
        }
        Some(Saved::Replaced { merged: true }) => (
            "merged",
            "Another request had changed the session meanwhile. The changes were made again on what it left, and both are kept.",
        ),
        Some(Saved::Deleted) => ("deleted", "The record was ended, whatever was in it."),
        Some(Saved::Regenerated) => {
            ("regenerated", "The session moved to a new id, and the record of the old one was ended.")
        }
        Some(Saved::Gone) => (
            "gone",
            "The session had ended when it was to be saved: it was logged out, expired, or moved to a new id. Nothing was \
             written, and it stays ended.",
        ),
    };
    (word, says.to_owned())
}
