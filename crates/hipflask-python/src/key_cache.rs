//! Caches of the keys of recent sessions: a session has the same keys in every request.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::text::with_utf8;

/// A value that one request leaves for the next one. It is taken out while a request uses it,
/// because that may run Python; a request that finds it taken starts with an empty one.
pub(crate) struct Reused<T>(Mutex<Option<Box<T>>>);

impl<T: Default> Reused<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn take(&self) -> Box<T> {
        let value = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.unwrap_or_default()
    }

    pub(crate) fn put_back(&self, value: Box<T>) {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(value);
        // After the lock: it may hold objects of Python.
        drop(before);
    }
}

/// Python's objects for the texts of keys. Their hashes are known, and they are the same objects as
/// the constants of the program.
#[derive(Default)]
pub(crate) struct KeysByText(Vec<Option<(Box<str>, Py<PyString>)>>);

impl KeysByText {
    /// Returns the object of a key. A long key is not cached.
    pub(crate) fn object<'py>(&mut self, py: Python<'py>, key: &str) -> Bound<'py, PyString> {
        if key.len() > MAX_KEY_LEN {
            return PyString::new(py, key);
        }
        if self.0.is_empty() {
            self.0.resize_with(TEXT_SLOTS, || None);
        }
        let sum =
            key.bytes().fold(key.len(), |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        let slot = &mut self.0[sum % TEXT_SLOTS];
        if let Some((known, object)) = slot
            && **known == *key
        {
            return object.bind(py).clone();
        }
        let object = PyString::intern(py, key);
        *slot = Some((key.into(), object.clone().unbind()));
        object
    }
}

/// The texts of key objects. The cache keeps these objects alive, so that no other object can have
/// their addresses.
#[derive(Default)]
pub(crate) struct KeysByObject {
    slots: Vec<Option<(Py<PyString>, Box<str>)>>,
    /// The number of keys that found their slot taken.
    collisions: usize,
}

/// A key whose text [`KeysByObject`] knows.
pub(crate) enum Key {
    Cached(usize),
    Owned(Box<str>),
}

impl KeysByObject {
    /// Finds the text of a key; `None` if it has lone surrogates. The result is valid until the
    /// next [`trim`](Self::trim).
    pub(crate) fn find(&mut self, key: &Bound<'_, PyString>) -> Option<Key> {
        if self.slots.is_empty() {
            self.slots.resize_with(1 << OBJECT_SLOT_BITS, || None);
        }
        // The upper bits of the product depend on all bits of the address.
        let at = (key.as_ptr().addr() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - OBJECT_SLOT_BITS);
        let at = at as usize;
        let slot = &mut self.slots[at];
        if slot.as_ref().is_some_and(|(known, _)| known.is(key)) {
            return Some(Key::Cached(at));
        }
        let text: Box<str> = with_utf8(key, |key| key.into()).ok()?;
        if slot.is_some() || text.len() > MAX_KEY_LEN {
            self.collisions += usize::from(slot.is_some());
            return Some(Key::Owned(text));
        }
        *slot = Some((key.clone().unbind(), text));
        Some(Key::Cached(at))
    }

    pub(crate) fn text<'a>(&'a self, key: &'a Key) -> &'a str {
        match key {
            Key::Cached(at) => self.slots[*at].as_ref().map_or("", |(_, text)| text),
            Key::Owned(text) => text,
        }
    }

    /// Empties the cache if unused keys take up too many slots.
    pub(crate) fn trim(&mut self) {
        if self.collisions > 1 << OBJECT_SLOT_BITS {
            *self = Self::default();
        }
    }
}

const TEXT_SLOTS: usize = 509;

/// The number of slots for objects, as a power of two.
const OBJECT_SLOT_BITS: u32 = 11;

/// The greatest length of a cached key, in bytes.
const MAX_KEY_LEN: usize = 22;
