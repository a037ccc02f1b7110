//! [`Dict`]: a Python `dict` with text keys, in insertion order.

use core::fmt;

use indexmap::IndexMap;

use super::{Text, Value};
use crate::steps;

/// Up to this many entries are searched one by one, which is faster than hashing and needs one
/// allocation. If all dicts were hashed, the bench row `decode-all/M` would take 54 % more
/// instructions and `open-last-key/M` 32 %. With a limit of 8, `open-last-key/L` would take 11 % more.
const FEW: usize = 24;

/// A Python `dict` whose keys are `str`: it preserves the order of insertion and finds a key fast
/// at any size.
///
/// Setting an existing key preserves its position. Removing a key preserves the order of the
/// others.
///
/// ```
/// use hipflask_core::value::{Dict, Value};
/// let mut cart = Dict::new();
/// cart.insert("pear", 1);
/// cart.insert("apple", 2);
/// cart.insert("pear", 3);
/// assert_eq!(cart.keys().map(|key| key.to_string()).collect::<Vec<_>>(), ["pear", "apple"]);
/// assert_eq!(cart.get("pear"), Some(&Value::from(3)));
/// ```
#[derive(Clone)]
pub struct Dict<V = Value>(Repr<V>);

#[derive(Clone)]
enum Repr<V> {
    Few(Vec<(Text, V)>),
    /// Boxed, because a [`Value`] is as large as its largest variant.
    Many(Box<IndexMap<Text, V>>),
}

impl<V> Dict<V> {
    /// Creates an empty dict without allocating.
    #[must_use]
    pub const fn new() -> Self {
        Self(Repr::Few(Vec::new()))
    }

    /// Creates an empty dict with room for so many entries, as long as they are few.
    #[must_use]
    pub fn with_capacity(entries: usize) -> Self {
        Self(Repr::Few(Vec::with_capacity(entries.min(FEW))))
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Few(entries) => entries.len(),
            Repr::Many(map) => map.len(),
        }
    }

    /// Returns `true` if the dict has no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn position(&self, key: &[u8]) -> Option<usize> {
        match &self.0 {
            Repr::Few(entries) => entries.iter().position(|(name, _)| name.as_bytes() == key),
            Repr::Many(map) => map.get_index_of(key),
        }
    }

    /// Returns the value of `key`.
    #[must_use]
    pub fn get(&self, key: impl AsKey) -> Option<&V> {
        let at = self.position(key.as_key())?;
        match &self.0 {
            Repr::Few(entries) => entries.get(at).map(|(_, value)| value),
            Repr::Many(map) => map.get_index(at).map(|(_, value)| value),
        }
    }

    /// Returns the value of `key`, to change in place.
    #[must_use]
    pub fn get_mut(&mut self, key: impl AsKey) -> Option<&mut V> {
        let at = self.position(key.as_key())?;
        match &mut self.0 {
            Repr::Few(entries) => entries.get_mut(at).map(|(_, value)| value),
            Repr::Many(map) => map.get_index_mut(at).map(|(_, value)| value),
        }
    }

    /// Returns `true` if the dict has `key`: Python's `in`.
    #[must_use]
    pub fn contains(&self, key: impl AsKey) -> bool {
        self.position(key.as_key()).is_some()
    }

    /// Sets `key` and returns its previous value.
    pub fn insert(&mut self, key: impl Into<Text>, value: impl Into<V>) -> Option<V> {
        let (key, value) = (key.into(), value.into());
        if let Some(held) = self.get_mut(&key) {
            return Some(core::mem::replace(held, value));
        }
        self.append(key, value);
        None
    }

    /// Appends a key that is known to be missing.
    fn append(&mut self, key: Text, value: V) {
        match &mut self.0 {
            Repr::Few(entries) if entries.len() < FEW => entries.push((key, value)),
            Repr::Few(entries) => {
                let mut map: IndexMap<_, _> = core::mem::take(entries).into_iter().collect();
                map.insert(key, value);
                self.0 = Repr::Many(Box::new(map));
            }
            Repr::Many(map) => {
                map.insert(key, value);
            }
        }
    }

    /// Removes `key` and returns its value: Python's `pop(key, None)`.
    pub fn remove(&mut self, key: impl AsKey) -> Option<V> {
        match &mut self.0 {
            Repr::Few(entries) => {
                let at = entries.iter().position(|(name, _)| name.as_bytes() == key.as_key())?;
                steps::count(entries.len() - at);
                Some(entries.remove(at).1)
            }
            Repr::Many(map) => {
                let at = map.get_index_of(key.as_key())?;
                steps::count(map.len() - at);
                map.shift_remove_index(at).map(|(_, value)| value)
            }
        }
    }

    /// Removes the last key and returns it with its value: Python's `popitem`.
    pub fn pop_item(&mut self) -> Option<(Text, V)> {
        match &mut self.0 {
            Repr::Few(entries) => entries.pop(),
            Repr::Many(map) => map.pop(),
        }
    }

    /// Retains only the keys for which `is_kept` returns `true`, in their order.
    pub(crate) fn retain(&mut self, mut is_kept: impl FnMut(&Text) -> bool) {
        steps::count(self.len());
        match &mut self.0 {
            Repr::Few(entries) => entries.retain(|(key, _)| is_kept(key)),
            Repr::Many(map) => map.retain(|key, _| is_kept(key)),
        }
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.0 = Repr::Few(Vec::new());
    }

    /// Iterates over the entries in order.
    #[inline]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Text, &V)> + '_ {
        match &self.0 {
            Repr::Few(entries) => Iter::Few(entries.iter()),
            Repr::Many(map) => Iter::Many(map.iter()),
        }
    }

    /// Returns the entries of a small dict as a slice.
    #[inline]
    pub(crate) fn as_slice(&self) -> Option<&[(Text, V)]> {
        match &self.0 {
            Repr::Few(entries) => Some(entries),
            Repr::Many(_) => None,
        }
    }

    /// Returns the key of a dict that has one key.
    #[inline]
    pub(crate) fn only_key(&self) -> Option<&Text> {
        match self.as_slice() {
            Some([(key, _)]) => Some(key),
            Some(_) => None,
            None => self.keys().next().filter(|_| self.len() == 1),
        }
    }

    /// Returns `true` if the keys are sorted.
    pub(crate) fn is_sorted(&self) -> bool {
        match &self.0 {
            Repr::Few(entries) => entries.is_sorted_by(|(a, _), (b, _)| precedes(a.as_bytes(), b.as_bytes())),
            Repr::Many(map) => map.keys().is_sorted(),
        }
    }

    /// Iterates over the keys in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Text> + '_ {
        self.iter().map(|(key, _)| key)
    }

    /// Iterates over the values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + '_ {
        self.iter().map(|(_, value)| value)
    }

    /// Converts the dict to its entries.
    pub fn into_entries(self) -> Vec<(Text, V)> {
        match self.0 {
            Repr::Few(entries) => entries,
            Repr::Many(map) => map.into_iter().collect(),
        }
    }

    /// Creates a dict of entries whose keys are known to differ.
    pub(crate) fn from_distinct(entries: Vec<(Text, V)>) -> Self {
        if entries.len() <= FEW {
            Self(Repr::Few(entries))
        } else {
            Self(Repr::Many(Box::new(entries.into_iter().collect())))
        }
    }
}

enum Iter<'d, V> {
    Few(core::slice::Iter<'d, (Text, V)>),
    Many(indexmap::map::Iter<'d, Text, V>),
}

impl<'d, V> Iterator for Iter<'d, V> {
    type Item = (&'d Text, &'d V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Few(entries) => entries.next().map(|(key, value)| (key, value)),
            Self::Many(entries) => entries.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Few(entries) => entries.size_hint(),
            Self::Many(entries) => entries.size_hint(),
        }
    }
}

impl<V> DoubleEndedIterator for Iter<'_, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Few(entries) => entries.next_back().map(|(key, value)| (key, value)),
            Self::Many(entries) => entries.next_back(),
        }
    }
}

/// Returns `a < b`. Most keys differ in the first byte, so that nothing needs to be called.
#[inline]
pub(crate) fn precedes(a: &[u8], b: &[u8]) -> bool {
    match (a.first(), b.first()) {
        (Some(a), Some(b)) if a != b => a < b,
        _ => a < b,
    }
}

/// A type that can be used as a key.
pub trait AsKey {
    /// Returns the key as UTF-8, with a lone surrogate as three bytes.
    fn as_key(&self) -> &[u8];
}

impl<K: AsKey + ?Sized> AsKey for &K {
    fn as_key(&self) -> &[u8] {
        (**self).as_key()
    }
}

impl AsKey for str {
    fn as_key(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsKey for String {
    fn as_key(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsKey for Text {
    fn as_key(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<V> Default for Dict<V> {
    fn default() -> Self {
        Self::new()
    }
}

/// Dicts are equal if they have the same keys with the same values in any order, as in Python.
impl<V: PartialEq> PartialEq for Dict<V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl<V: Eq> Eq for Dict<V> {}

impl<K: Into<Text>, I: Into<V>, V> FromIterator<(K, I)> for Dict<V> {
    fn from_iter<T: IntoIterator<Item = (K, I)>>(entries: T) -> Self {
        let mut dict = Self::new();
        dict.extend(entries);
        dict
    }
}

impl<K: Into<Text>, I: Into<V>, V> Extend<(K, I)> for Dict<V> {
    fn extend<T: IntoIterator<Item = (K, I)>>(&mut self, entries: T) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Into<Text>, I: Into<V>, V, const N: usize> From<[(K, I); N]> for Dict<V> {
    fn from(entries: [(K, I); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<V: fmt::Debug> fmt::Debug for Dict<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dicts_of_any_size_preserve_the_order() {
        for size in [3, FEW, FEW + 1, 200] {
            let mut dict: Dict = (0..size).map(|n| (format!("k{n}"), n as i64)).collect();
            assert_eq!(dict.insert("k1", 100), Some(Value::from(1)));
            assert_eq!(dict.remove("k0"), Some(Value::from(0)));
            assert_eq!(dict.remove("k0"), None);
            let keys: Vec<String> = dict.keys().map(ToString::to_string).collect();
            let expected: Vec<String> = (1..size).map(|n| format!("k{n}")).collect();
            assert_eq!(keys, expected);
            assert_eq!(dict.get("k1"), Some(&Value::from(100)));
            assert_eq!(dict.pop_item().map(|(key, _)| key.to_string()), expected.last().cloned());
        }
    }

    #[test]
    fn equality_ignores_the_order() {
        assert_eq!(Dict::<Value>::from([("a", 1), ("b", 2)]), Dict::from([("b", 2), ("a", 1)]));
        assert_ne!(Dict::<Value>::from([("a", 1)]), Dict::from([("a", 2)]));
    }
}
