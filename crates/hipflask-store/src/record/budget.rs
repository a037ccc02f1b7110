//! [`Budget`]: how much memory the reader of one record may use.

/// How many bytes reading one record may allocate, whatever is in it.
///
/// Each reader counts what a value costs before it builds the value, and stops at this bound. A short record has a lower one:
/// 1 MiB and 320 bytes for each byte of it, which is more than any record needs that does not repeat itself.
pub const MAX_MEMORY: usize = 128 << 20;

/// A bound that every record may reach.
const FLOOR: usize = 1 << 20;

/// What each byte of a record adds to the bound.
const PER_BYTE: usize = 320;

/// An item of a list, with room for the list to grow.
const ITEM: usize = 64;

/// An entry of a dict, with room for the dict and its index to grow.
const ENTRY: usize = 160;

/// The bytes that a reader may still allocate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget(usize);

impl Budget {
    /// The budget for a record of so many bytes.
    pub(super) const fn of(length: usize) -> Self {
        let linear = length.saturating_mul(PER_BYTE).saturating_add(FLOOR);
        Self(if linear < MAX_MEMORY { linear } else { MAX_MEMORY })
    }

    /// Counts so many bytes; `None` if they are too many.
    pub(super) fn take(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.checked_sub(bytes)?;
        Some(())
    }

    /// Counts the items of a list, before any is read.
    pub(super) fn items(&mut self, length: usize) -> Option<()> {
        self.take(length.saturating_mul(ITEM))
    }

    /// Counts the entries of a dict, before any is read.
    pub(super) fn entries(&mut self, length: usize) -> Option<()> {
        // A dict with one entry has room for four.
        self.take(length.saturating_add(usize::from(length > 0)).saturating_mul(ENTRY))
    }

    /// Counts one more entry of a dict that has so many.
    pub(super) fn entry_after(&mut self, length: usize) -> Option<()> {
        self.take(if length == 0 { 2 * ENTRY } else { ENTRY })
    }

    /// Counts one more item of a list that has so many.
    pub(super) fn item_after(&mut self, length: usize) -> Option<()> {
        self.take(if length == 0 { 2 * ITEM } else { ITEM })
    }

    /// Counts again what has been counted since this was `before`: for a second copy.
    pub(super) fn twice_since(&mut self, before: Self) -> Option<()> {
        self.take(before.0.saturating_sub(self.0))
    }
}

/// A record that is shorter stays within its budget, if it was written here: its readers count fewer than 320 bytes for each
/// byte of it.
pub(super) const SURELY_READABLE: usize = (MAX_MEMORY - FLOOR) / PER_BYTE;

/// How many items are reserved at once. The length that a record claims may be false, so more room is made as items come.
pub(super) const FIRST_ITEMS: usize = 16;

const _: () = {
    use hipflask_core::value::{Text, Value};
    assert!(2 * size_of::<Value>() <= ITEM, "a list has at most twice the room that it needs");
    assert!(2 * size_of::<(Text, Value)>() <= ENTRY, "a dict has at most twice the room that it needs");
};
