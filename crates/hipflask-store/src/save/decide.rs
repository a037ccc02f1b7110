//! What must happen to a record at the end of a request, as plain data.

use core::time::Duration;

use hipflask_core::plan::touch_interval;
use hipflask_core::time::UnixTime;

/// What is known about a session at the end of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own, and the table asks them all"
)]
pub struct SaveFacts {
    /// It came from a record.
    pub stored: bool,
    /// Nothing is in it, or only the key `_permanent`, as Flask-Session counts.
    pub empty: bool,
    /// It was changed.
    pub modified: bool,
    /// It was cleared, so that what another request adds meanwhile goes as well.
    pub cleared: bool,
    /// Its record is to be deleted, whatever it holds.
    pub destroy: bool,
    /// Its record is to be deleted, and what it holds begins a new session.
    pub restart: bool,
    /// It was asked to get a new id.
    pub regenerate: bool,
    /// Its life was not extended for long enough.
    pub touch_due: bool,
}

/// What must happen to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreOp {
    /// No call at all.
    Leave,
    /// Its life is extended; its data is not written.
    Touch,
    /// A record is made under a new id.
    Create,
    /// The record is replaced if it still is the one that was read; else the changes are replayed on what is there.
    Replace,
    /// The record ends, whatever is in it.
    Delete,
    /// The record ends if nothing is in it once the changes are replayed on what is there.
    DeleteIfEmptied,
    /// The session moves to a new id and the old one ends.
    Regenerate,
    /// The record is deleted, and the session is created under a new id: nothing of the old record is taken over.
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
        // Nothing is stored for visitors who leave nothing.
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

/// Whether a record that ends at `expires` and was to live for `lifetime` is due for a touch.
///
/// A record that never ends needs none, and one that would end later than a touch could make it is left alone.
#[must_use]
pub fn is_touch_due(expires: Option<UnixTime>, lifetime: Duration, now: UnixTime) -> bool {
    expires.is_some_and(|expires| expires <= touch_bound(lifetime, now))
}

/// The latest end with which a record is due for a touch.
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
    fn the_table() {
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
    fn a_touch_is_due_after_a_twentieth_of_the_lifetime_and_at_least_a_minute() {
        let at = UnixTime::from_secs;
        let due = |lifetime: u64, left: u64| {
            is_touch_due(Some(at(1000 + left)), Duration::from_secs(lifetime), at(1000))
        };
        assert!(!due(2_678_400, 2_678_400 - 133_919) && due(2_678_400, 2_678_400 - 133_920));
        assert!(!due(600, 541) && due(600, 540));
        assert!(!due(60, 31) && due(60, 30));
        assert!(!due(1, 1) && due(1, 0));
        assert!(!due(600, 10_000), "a longer life is not cut short");
        assert!(!is_touch_due(None, Duration::from_secs(600), at(1000)));
    }
}
