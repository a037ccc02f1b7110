//! The keys of sessions that were met last: a session has the same ones with every request.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::text::with_utf8;

/// What is kept from one request to the next. Not locked while it is used, for that may run Python; who finds it empty
/// begins anew.
pub(crate) struct Shelf<T>(Mutex<Option<Box<T>>>);

impl<T: Default> Shelf<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn take(&self) -> Box<T> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.unwrap_or_default()
    }

    pub(crate) fn put_back(&self, kept: Box<T>) {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(kept);
        // Outside of the lock: it may hold objects of Python.
        drop(before);
    }
}

/// Python's objects for keys. Python has worked out their hashes, and those of the program's own constants are the same
/// objects.
#[derive(Default)]
pub(crate) struct KeysByText(Vec<Option<(Box<str>, Py<PyString>)>>);

impl KeysByText {
    /// The object of a key; one that is very long is not kept.
    pub(crate) fn object<'py>(&mut self, py: Python<'py>, key: &str) -> Bound<'py, PyString> {
        if key.len() > LONGEST {
            return PyString::new(py, key);
        }
        if self.0.is_empty() {
            self.0.resize_with(KEPT, || None);
        }
        let sum =
            key.bytes().fold(key.len(), |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        let place = &mut self.0[sum % KEPT];
        if let Some((known, object)) = place
            && **known == *key
        {
            return object.bind(py).clone();
        }
        let object = PyString::intern(py, key);
        *place = Some((key.into(), object.clone().unbind()));
        object
    }
}

/// The texts of keys, by the objects that they are in. An object that is kept lives on, so that no other can have its
/// address.
#[derive(Default)]
pub(crate) struct KeysByObject {
    kept: Vec<Option<(Py<PyString>, Box<str>)>>,
    /// How many keys found their place taken since it was last emptied.
    crowded_out: usize,
}

/// A key of which [`KeysByObject`] knows the text.
pub(crate) enum Key {
    Kept(usize),
    Own(Box<str>),
}

impl KeysByObject {
    /// `None` if the key has lone surrogates. It is valid until the next [`tidy`](Self::tidy).
    pub(crate) fn find(&mut self, key: &Bound<'_, PyString>) -> Option<Key> {
        if self.kept.is_empty() {
            self.kept.resize_with(1 << PLACES, || None);
        }
        // The upper bits of the product depend on all bits of the address.
        let at = (key.as_ptr().addr() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - PLACES);
        let at = at as usize;
        let place = &mut self.kept[at];
        if place.as_ref().is_some_and(|(known, _)| known.is(key)) {
            return Some(Key::Kept(at));
        }
        let text: Box<str> = with_utf8(key, |key| key.into()).ok()?;
        if place.is_some() || text.len() > LONGEST {
            self.crowded_out += usize::from(place.is_some());
            return Some(Key::Own(text));
        }
        *place = Some((key.clone().unbind(), text));
        Some(Key::Kept(at))
    }

    pub(crate) fn text<'a>(&'a self, key: &'a Key) -> &'a str {
        match key {
            Key::Kept(at) => self.kept[*at].as_ref().map_or("", |(_, text)| text),
            Key::Own(text) => text,
        }
    }

    /// Begins anew if keys that nobody uses any more stand in the way.
    pub(crate) fn tidy(&mut self) {
        if self.crowded_out > 1 << PLACES {
            *self = Self::default();
        }
    }
}

const KEPT: usize = 509;

/// Of the places for objects, as a power of two.
const PLACES: u32 = 11;

/// Of the keys that are kept, in bytes.
const LONGEST: usize = 22;
