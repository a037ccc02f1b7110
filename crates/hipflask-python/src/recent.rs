//! What was last made of which of Python's objects.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;

/// Things that are costly to make, each with the objects that it was made of.
///
/// Settings are read with every request, but they are the same objects as the last time. An object that is kept here lives
/// on, so that no other can have its address; and only what cannot change is put in.
pub(crate) struct Recent<T>(Mutex<Vec<Made<T>>>);

struct Made<T> {
    of: Vec<Py<PyAny>>,
    thing: Arc<T>,
}

impl<T> Recent<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// What was made of these very objects.
    pub(crate) fn find(&self, of: &[Bound<'_, PyAny>]) -> Option<Arc<T>> {
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_of = |made: &&Made<T>| {
            made.of.len() == of.len() && made.of.iter().zip(of).all(|(kept, given)| kept.is(given))
        };
        made.iter().find(is_of).map(|made| Arc::clone(&made.thing))
    }

    /// Keeps `thing`, in the place of the oldest one if there are many.
    pub(crate) fn keep(&self, of: &[Bound<'_, PyAny>], thing: T) -> Arc<T> {
        let thing = Arc::new(thing);
        let of = of.iter().map(|object| object.clone().unbind()).collect();
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = (made.len() >= MOST).then(|| made.remove(0));
        made.push(Made { of, thing: Arc::clone(&thing) });
        drop(made);
        // Outside of the lock: letting an object go may run Python.
        drop(oldest);
        thing
    }
}

/// Several apps may share an interface; more than this many that take turns would be slow, and nothing else.
const MOST: usize = 16;
