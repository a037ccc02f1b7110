//! Decides what must happen to a record at the end of a request, as plain data.

use core::time::Duration;

use hipflask_core::plan::touch_interval;
use hipflask_core::time::UnixTime;

/// The facts about a session at the end of its request that decide its save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the facts are independent, and the table covers them all")]
pub struct SaveFacts {
    /// It came from a record.
    pub stored: bool,
    /// It is empty, or has only the key `_permanent`, as in Flask-Session.
    pub empty: bool,
    /// It was changed.
    pub modified: bool,
    /// It was cleared, so that concurrent additions of other requests are removed as well.
    pub cleared: bool,
    /// Its record is deleted, whatever it contains.
    pub destroy: bool,
    /// Its record is deleted, and its content starts a new session.
    pub restart: bool,
    /// It gets a new id.
    pub regenerate: bool,
    /// Its expiry was last extended long enough ago.
    pub touch_due: bool,
}

/// The operation on the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreOp {
    /// Makes no call.
    Leave,
    /// Extends the expiry without writing the data.
    Touch,
    /// Creates a record under a new id.
    Create,
    /// Replaces the record if it still is the one that was read. Otherwise replays the changes on
    /// the current one.
    Replace,
    /// Deletes the record, whatever it contains.
    Delete,
    /// Replays the changes on the current record and deletes it if it is empty then.
    DeleteIfEmptied,
    /// Moves the session to a new id and deletes the old record.
    Regenerate,
    /// Deletes the record and creates the session under a new id, without anything from the old record.
    Restart,
}

/// Decides what must happen to the record, without doing it.
///
/// ```
/// use hipflask_store::save::{SaveFacts, StoreOp, decide};
/// let read = SaveFacts {
///     stored: true, empty: false, modified: false, cleared: false, destroy: false, restart: false, regenerate: false,
///     touch_due: false,
/// };
/// assert_eq!(decide(read), StoreOp::Leave);
/// assert_eq!(decide(SaveFacts { modified: true, ..read }), StoreOp::Replace);
/// ```
#[must_use]
pub const fn decide(seen: SaveFacts) -> StoreOp {
    match seen {
        SaveFacts { destroy: true, stored, .. }
        | SaveFacts { empty: true, restart: true, stored, .. }
        | SaveFacts { empty: true, regenerate: true, stored, .. } => {
            if stored {
                StoreOp::Delete
            } else {
                StoreOp::Leave
            }
        }
        // An empty session is never stored.
        SaveFacts { stored: false, empty: true, .. } | SaveFacts { stored: false, modified: false, .. } => {
            StoreOp::Leave
        }
        SaveFacts { stored: false, .. } => StoreOp::Create,
        SaveFacts { restart: true, .. } => StoreOp::Restart,
        SaveFacts { regenerate: true, .. } => StoreOp::Regenerate,
        SaveFacts { empty: true, modified: true, cleared: true, .. } => StoreOp::Delete,
        SaveFacts { empty: true, modified: true, .. } => StoreOp::DeleteIfEmptied,
        SaveFacts { modified: true, .. } => StoreOp::Replace,
        SaveFacts { touch_due: true, .. } => StoreOp::Touch,
        _ => StoreOp::Leave,
    }
}

/// Returns `true` if a record with this expiry and lifetime is due for a touch.
///
/// A record that never expires needs no touch, nor does one that expires later than a touch would set.
#[must_use]
pub fn is_touch_due(expires: Option<UnixTime>, lifetime: Duration, now: UnixTime) -> bool {
    expires.is_some_and(|expires| expires <= touch_bound(lifetime, now))
}

/// Returns the latest expiry with which a record is due for a touch.
pub(super) fn touch_bound(lifetime: Duration, now: UnixTime) -> UnixTime {
    let interval = touch_interval(lifetime).as_secs().max(1);
    UnixTime::from_secs(now.as_secs().saturating_add(lifetime.as_secs().saturating_sub(interval)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// s stored, e empty, m modified, c cleared, d destroy, n restart, r regenerate, t touch due.
    fn op(flags: &str) -> StoreOp {
        let has = |flag: char| flags.contains(flag);
        decide(SaveFacts {
            stored: has('s'),
            empty: has('e'),
            modified: has('m'),
            cleared: has('c'),
            destroy: has('d'),
            restart: has('n'),
            regenerate: has('r'),
            touch_due: has('t'),
        })
    }

    #[test]
    fn every_row_of_the_table_holds() {
        use StoreOp::*;
        for (flags, expected) in [
            ("", Leave),
            ("e", Leave),
            ("em", Leave),
            ("emc", Leave),
            ("d", Leave),
            ("md", Leave),
            ("er", Leave),
            ("m", Create),
            ("mr", Create),
            ("s", Leave),
            ("st", Touch),
            ("sm", Replace),
            ("smt", Replace),
            ("smc", Replace),
            ("se", Leave),
            ("set", Touch),
            ("sem", DeleteIfEmptied),
            ("semc", Delete),
            ("semr", Delete),
            ("ser", Delete),
            ("sr", Regenerate),
            ("smr", Regenerate),
            ("smcr", Regenerate),
            ("sd", Delete),
            ("smd", Delete),
            ("sdr", Delete),
            ("sdt", Delete),
            ("emcn", Leave),
            ("mcn", Create),
            ("semcn", Delete),
            ("smcn", Restart),
            ("smcnr", Restart),
            ("sdn", Delete),
        ] {
            assert_eq!(op(flags), expected, "{flags}");
        }
    }

    #[test]
    fn touch_interval_is_a_twentieth_or_a_minute() {
        let at = UnixTime::from_secs;
        let due = |lifetime: u64, left: u64| {
            is_touch_due(Some(at(1000 + left)), Duration::from_secs(lifetime), at(1000))
        };
        assert!(!due(2_678_400, 2_678_400 - 133_919) && due(2_678_400, 2_678_400 - 133_920));
        assert!(!due(600, 541) && due(600, 540));
        assert!(!due(60, 31) && due(60, 30));
        assert!(!due(1, 1) && due(1, 0));
        assert!(!due(600, 10_000), "a later expiry is never shortened");
        assert!(!is_touch_due(None, Duration::from_secs(600), at(1000)));
    }
}
