//! The changes that a request makes to its session, key by key. A store replays them if another
//! request has saved first.

use core::fmt;

use crate::value::{Dict, Int, Text, Value};

/// The change of one key.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Sets the key to the value in the session.
    Set,
    /// Removes the key.
    Remove,
    /// Adds this number to a number.
    Add(Int),
    /// Removes items from the front of a list, then appends others.
    List {
        /// The number of removed items.
        taken: usize,
        /// The appended items.
        pushed: Vec<Value>,
    },
}

/// Shows the number of values, never a value.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set => f.write_str("Set"),
            Self::Remove => f.write_str("Remove"),
            Self::Add(_) => f.write_str("Add(..)"),
            Self::List { taken, pushed } => {
                f.debug_struct("List").field("taken", taken).field("pushed", &pushed.len()).finish()
            }
        }
    }
}

/// The log of a session: one [`Change`] for each changed key, so that it never has more entries
/// than there are keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    cleared: bool,
    keys: Dict<Change>,
}

impl Changes {
    /// Returns `true` if nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.cleared && self.keys.is_empty()
    }

    /// Returns `true` if the session was cleared before these changes.
    #[must_use]
    pub const fn is_cleared(&self) -> bool {
        self.cleared
    }

    /// Iterates over the changes, in the order in which their keys were first changed.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Change)> + '_ {
        self.keys.iter()
    }

    pub(super) fn set(&mut self, key: Text) {
        self.keys.insert(key, Change::Set);
    }

    pub(super) fn remove(&mut self, key: Text) {
        self.keys.insert(key, Change::Remove);
    }

    pub(super) fn clear(&mut self) {
        *self = Self { cleared: true, keys: Dict::new() };
    }

    pub(super) fn add(&mut self, key: Text, by: &Int) {
        let change = match self.keys.get(&key) {
            None if !self.cleared => Change::Add(by.clone()),
            Some(Change::Add(sum)) => Change::Add(sum + by),
            _ => Change::Set,
        };
        self.keys.insert(key, change);
    }

    pub(super) fn push(&mut self, key: Text, item: Value) {
        match self.keys.get_mut(&key) {
            Some(Change::List { pushed, .. }) => pushed.push(item),
            None if !self.cleared => {
                self.keys.insert(key, Change::List { taken: 0, pushed: vec![item] });
            }
            _ => self.set(key),
        }
    }

    /// Logs that the first `count` items of a list, which were all of them, were removed.
    pub(super) fn take(&mut self, key: Text, count: usize) {
        let taken_before = match self.keys.get(&key) {
            None if !self.cleared => 0,
            // The items that this request itself pushed were never in the store.
            Some(Change::List { taken, pushed }) => *taken - pushed.len().min(*taken),
            _ => return self.remove(key),
        };
        let pushed = match self.keys.get(&key) {
            Some(Change::List { pushed, .. }) => pushed.len(),
            _ => 0,
        };
        let taken = taken_before + count.saturating_sub(pushed);
        self.keys.insert(key, Change::List { taken, pushed: Vec::new() });
    }

    /// Appends later changes.
    pub(super) fn append(&mut self, later: Self) {
        if later.cleared {
            *self = later;
            return;
        }
        for (key, change) in later.keys.into_entries() {
            match change {
                Change::Set => self.set(key),
                Change::Remove => self.remove(key),
                Change::Add(by) => self.add(key, &by),
                Change::List { taken, pushed } => {
                    if taken > 0 {
                        self.take(key.clone(), taken);
                    }
                    pushed.into_iter().for_each(|item| self.push(key.clone(), item));
                }
            }
        }
    }

    /// Applies the changes to `newest`, which another request has saved meanwhile. `ours` is the
    /// session after our changes.
    ///
    /// Keys that this request did not change stay as in `newest`. If both changed a key, ours is
    /// used. But numbers that were only added to, and lists that were only pushed to or taken from,
    /// are merged.
    ///
    /// ```
    /// use hipflask_core::session::SessionDict;
    /// use hipflask_core::value::{Dict, Value};
    /// let mut ours = SessionDict::from_dict(Dict::from([("visits", 1)]));
    /// ours.increment("visits", 1)?;
    /// let mut newest = Dict::from([("visits", Value::from(5)), ("theme", Value::from("dark"))]);
    /// ours.changes().replay(&ours.to_dict(), &mut newest);
    /// assert_eq!(newest, Dict::from([("visits", Value::from(6)), ("theme", Value::from("dark"))]));
    /// # Ok::<(), hipflask_core::session::EntryError>(())
    /// ```
    pub fn replay(&self, ours: &Dict, newest: &mut Dict) {
        if self.cleared {
            newest.clear();
        }
        let mut gone: Dict<()> = Dict::new();
        for (key, change) in self.keys.iter() {
            match merge(change, newest.get(key)).or_else(|| ours.get(key).cloned()) {
                Some(value) if *change != Change::Remove => drop(newest.insert(key.clone(), value)),
                _ => drop(gone.insert(key.clone(), ())),
            }
        }
        // All at once, because each removal alone moves the keys after it.
        if !gone.is_empty() {
            newest.retain(|key| !gone.contains(key));
        }
    }
}

/// Returns the result of a merging change to the newest value, or `None` if the value in our
/// session is used.
fn merge(change: &Change, newest: Option<&Value>) -> Option<Value> {
    match (change, newest) {
        (Change::Add(by), Some(Value::Int(number))) => Some(Value::Int(number + by)),
        (Change::List { taken, pushed }, Some(Value::List(items))) => {
            let mut items = items[(*taken).min(items.len())..].to_vec();
            items.extend(pushed.iter().cloned());
            Some(Value::List(items))
        }
        _ => None,
    }
}
