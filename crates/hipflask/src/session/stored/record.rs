//! The record of a session, for the inspector.

use hipflask_core::tagged::KeyOrder;
use hipflask_store::record::Format;
use hipflask_store::save::{Saved, Slot};

use crate::session::record::{Held, RecordSeen};
use crate::session::state::{Shared, State};

impl Shared {
    /// The record after this request.
    pub(crate) fn record(&self) -> Option<RecordSeen> {
        let sessions = &self.stored()?.sessions;
        let (ids, description) = (sessions.ids(), sessions.store().describe());
        let state = self.lock().ok()?;
        let data = state.data.as_ref()?;
        let slot = state.stored.slot.as_deref();
        let held = slot.and_then(Slot::stored).map(|stored| Held {
            format: Format::of(&stored.data).to_string(),
            bytes: stored.data.len(),
            expires: stored.expires,
            contents: data
                .to_json(KeyOrder::Insertion)
                .map_or_else(|error| error.to_string(), |json| String::from_utf8_lossy(&json).into_owned()),
        });
        let sent = || {
            let mut values = self.engine().values(self.cookies.iter());
            values.find_map(|value| ids.read(&value).ok()).map(|id| ids.key(&id))
        };
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
fn outcome(state: &State, has_id: bool) -> (&'static str, String) {
    let is_stored = state.stored.slot.as_deref().is_some_and(|slot| slot.stored().is_some());
    let (word, says) = match state.stored.saves.last {
        _ if state.stored.read_only.is_some() => {
            let why = state.stored.read_only.as_deref().map(ToString::to_string).unwrap_or_default();
            return ("read_only", format!("Nothing was written: {why}."));
        }
        None if state.closed => ("failed", "The session could not be saved; the log says why."),
        None => ("open", "The session has not been saved yet."),
        Some(Saved::Unchanged) if is_stored => (
            "unchanged",
            "Nothing was written: the session was not changed, and its expiry was extended recently.",
        ),
        Some(Saved::Unchanged) if has_id => (
            "unknown",
            "The store does not know the id in the cookie. The id is not adopted, and nothing was written.",
        ),
        Some(Saved::Unchanged) => ("none", "Nothing was written: an empty session does not get a record."),
        Some(Saved::Touched) => {
            ("touched", "The expiry of the record was extended; its data was not written.")
        }
        Some(Saved::Created) => ("created", "A record was created under a new id."),
        Some(Saved::Replaced { merged: false }) => {
            ("replaced", "The record was replaced: no other request had changed it since it was read.")
        }
        Some(Saved::Replaced { merged: true }) => (
            "merged",
            "Another request had changed the session meanwhile. Both requests' changes were merged.",
        ),
        Some(Saved::Deleted) => ("deleted", "The record was deleted."),
        Some(Saved::Regenerated) => {
            ("regenerated", "The session moved to a new id, and the record of the old one was deleted.")
        }
        Some(Saved::Gone) => (
            "gone",
            "The session was deleted before it could be saved: it was logged out, expired, or moved to a new id. Nothing \
             was written.",
        ),
    };
    (word, says.to_owned())
}
