//! What a request meant to change, key by key: what a store replays if another request was first.

use core::fmt;

use crate::value::{Dict, Int, Text, Value};

/// What was meant for one key.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The key has the value that the session holds.
    Set,
    /// The key is gone.
    Remove,
    /// This much was added to a number.
    Add(Int),
    /// So many items were taken from the front of a list, then these added to its end.
    List {
        /// How many were taken.
        taken: usize,
        /// What was added.
        pushed: Vec<Value>,
    },
}

/// Shows how many values, never a value.
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

/// The log of a session: one [`Change`] for each key that was touched, so it never grows beyond the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    cleared: bool,
    keys: Dict<Change>,
}

impl Changes {
    /// Whether nothing was meant to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.cleared && self.keys.is_empty()
    }

    /// Whether the session was cleared before the changes that are listed.
    #[must_use]
    pub const fn is_cleared(&self) -> bool {
        self.cleared
    }

    /// The changes, in the order in which keys were first touched.
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

    /// The first `count` items of a list were taken, all that it had.
    pub(super) fn take(&mut self, key: Text, count: usize) {
        let taken_before = match self.keys.get(&key) {
            None if !self.cleared => 0,
            // What this request pushed itself never was in the store.
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

    /// Adds the changes that were made after these.
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

    /// Carries the changes over to `newest`, what another request has saved meanwhile; `ours` is the session as we left it.
    ///
    /// Keys that this request did not touch keep what `newest` has. Where both changed one key, ours counts, but numbers
    /// that were only added to and lists that were only pushed to or taken from are merged.
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
        // All at once: each removal alone moves the keys behind it.
        if !gone.is_empty() {
            newest.retain(|key| !gone.contains(key));
        }
    }
}

/// What a merging change makes of the newest value; `None` where the value of our own session counts.
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
