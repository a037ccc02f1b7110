//! The keys of sessions that were met last: a session has the same ones with every request.

use std::sync::{Mutex, PoisonError};

use hipflask_core::value::Text;
use pyo3::prelude::*;
use pyo3::types::PyString;

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
pub(crate) struct KeysByText(Vec<Option<(Text, Py<PyString>)>>);

impl KeysByText {
    /// The object of a key; `None` if it is too long to be kept, or has lone surrogates.
    pub(crate) fn object<'py>(&mut self, py: Python<'py>, key: &Text) -> Option<Bound<'py, PyString>> {
        let bytes = key.as_bytes();
        if bytes.len() > LONGEST {
            return None;
        }
        if self.0.is_empty() {
            self.0.resize_with(KEPT, || None);
        }
        let sum =
            bytes.iter().fold(bytes.len(), |sum, &byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        let place = &mut self.0[sum % KEPT];
        if let Some((known, object)) = place
            && known.as_bytes() == bytes
        {
            return Some(object.bind(py).clone());
        }
        let object = PyString::intern(py, key.as_str()?);
        *place = Some((key.clone(), object.clone().unbind()));
        Some(object)
    }
}

/// The texts of keys, by the objects that they are in. An object that is kept lives on, so that no other can have its
/// address.
#[derive(Default)]
pub(crate) struct KeysByObject(Vec<Option<(Py<PyString>, Text)>>);

impl KeysByObject {
    /// The text of a key; `None` if it has lone surrogates.
    pub(crate) fn text(&mut self, key: &Bound<'_, PyString>) -> Option<Text> {
        if self.0.is_empty() {
            self.0.resize_with(KEPT, || None);
        }
        // Objects of Python stand 16 bytes apart.
        let place = &mut self.0[(key.as_ptr().addr() >> 4) % KEPT];
        if let Some((known, text)) = place
            && known.is(key)
        {
            return Some(text.clone());
        }
        let utf8 = key.encode_utf8().ok()?;
        let text = Text::new(core::str::from_utf8(utf8.as_bytes()).ok()?);
        if text.as_bytes().len() <= LONGEST {
            *place = Some((key.clone().unbind(), text.clone()));
        }
        Some(text)
    }
}

const KEPT: usize = 509;

/// Texts of up to so many bytes stand in the value itself.
const LONGEST: usize = 22;
