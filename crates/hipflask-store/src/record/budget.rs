//! The memory budget of a reader.

/// The maximum number of bytes that a reader of one record allocates.
///
/// Each reader counts the cost of a value before it builds the value, and stops at this bound. A
/// short record has a lower one: 1 MiB plus 320 times its length, which is more than any record
/// without repetitions needs.
pub const MAX_MEMORY: usize = 128 << 20;

/// The bound of an empty record.
const FLOOR: usize = 1 << 20;

/// The number of bytes that each byte of a record adds to the bound.
const PER_BYTE: usize = 320;

/// An item of a list, with room for the list to grow.
const ITEM: usize = 64;

/// An entry of a dict, with room for the dict and its index to grow.
const ENTRY: usize = 160;

/// The bytes that a reader may still allocate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget(usize);

impl Budget {
    /// Returns the budget for a record of this length.
    pub(super) const fn of(length: usize) -> Self {
        let linear = length.saturating_mul(PER_BYTE).saturating_add(FLOOR);
        Self(if linear < MAX_MEMORY { linear } else { MAX_MEMORY })
    }

    /// Counts bytes. Returns `None` if they exceed the budget.
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

    /// Counts one more entry of a dict with `length` entries.
    pub(super) fn entry_after(&mut self, length: usize) -> Option<()> {
        self.take(if length == 0 { 2 * ENTRY } else { ENTRY })
    }

    /// Counts one more item of a list with `length` items.
    pub(super) fn item_after(&mut self, length: usize) -> Option<()> {
        self.take(if length == 0 { 2 * ITEM } else { ITEM })
    }

    /// Counts again what was counted since `before`, for a second copy.
    pub(super) fn twice_since(&mut self, before: Self) -> Option<()> {
        self.take(before.0.saturating_sub(self.0))
    }
}

/// The length below which a record that was written here always stays within its budget: readers
/// count fewer than 320 bytes per byte of it.
pub(super) const SURELY_READABLE: usize = (MAX_MEMORY - FLOOR) / PER_BYTE;

/// The maximum initial capacity of a list. The length in a record may be false, so that the list
/// grows as items are read.
pub(super) const FIRST_ITEMS: usize = 16;

const _: () = {
    use hipflask_core::value::{Text, Value};
    assert!(2 * size_of::<Value>() <= ITEM, "a list has at most twice the room that it needs");
    assert!(2 * size_of::<(Text, Value)>() <= ENTRY, "a dict has at most twice the room that it needs");
};
