//! A cache whose keys are Python's objects, compared by identity.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;

/// Things that are costly to build, each with the objects that it was built from.
///
/// Settings are read with every request, but they are the same objects as before. The cache keeps
/// these objects alive, so that no other object can have their addresses. Only immutable objects
/// may be keys.
pub(crate) struct ObjectCache<T>(Mutex<Vec<Entry<T>>>);

struct Entry<T> {
    key: Vec<Py<PyAny>>,
    value: Arc<T>,
}

impl<T> ObjectCache<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Returns the thing that was built from these very objects.
    pub(crate) fn get(&self, key: &[Bound<'_, PyAny>]) -> Option<Arc<T>> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let matches = |entry: &&Entry<T>| {
            entry.key.len() == key.len() && entry.key.iter().zip(key).all(|(known, given)| known.is(given))
        };
        entries.iter().find(matches).map(|entry| Arc::clone(&entry.value))
    }

    /// Adds `value`, and drops the oldest one if there are many.
    pub(crate) fn insert(&self, key: &[Bound<'_, PyAny>], value: T) -> Arc<T> {
        let value = Arc::new(value);
        let key = key.iter().map(|object| object.clone().unbind()).collect();
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = (entries.len() >= CACHE_LIMIT).then(|| entries.remove(0));
        entries.push(Entry { key, value: Arc::clone(&value) });
        drop(entries);
        // After the lock: dropping an object may run Python.
        drop(oldest);
        value
    }
}

/// The number of entries. Apps that share an interface need one each; more apps than this would only be slow.
const CACHE_LIMIT: usize = 16;
