//! Changes inside values, which are noticed automatically.

use super::data::SessionDict;
use super::error::EntryError;
use crate::value::{AsKey, Dict, Text, Value, ValueError};

/// A session that is open for changes inside its values, in [`SessionDict::edit`].
#[derive(Debug)]
pub struct Editor<'s> {
    session: &'s mut SessionDict,
    /// The previous value of each key that was accessed.
    before: Dict<Option<Value>>,
}

impl SessionDict {
    /// Changes values in place. Real changes count as modified, without `session.modified = True`.
    ///
    /// If the closure fails or panics, every key has its previous value again.
    ///
    /// # Errors
    /// The error of the closure, and [`ValueError::TooDeep`] if the new value nests too deep.
    ///
    /// ```
    /// use hipflask_core::session::SessionDict;
    /// let mut session = SessionDict::from_json(r#"{"item":{"key":{"address":"Earth","name":"Soumitra"}}}"#)?;
    /// session.edit(|s| s.at("item")?.at("key")?.remove("name"))?;
    /// assert!(session.is_modified());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit<R>(
        &mut self,
        change: impl FnOnce(&mut Editor<'_>) -> Result<R, ValueError>,
    ) -> Result<R, EntryError> {
        let mut editor = Editor { session: self, before: Dict::new() };
        let result = change(&mut editor);
        let before = std::mem::take(&mut editor.before).into_entries();
        drop(editor);
        let problem = |(key, _): &(Text, _)| Some((Some(key.clone()), self.problem(key)?));
        let failed = match &result {
            Err(problem) => Some((before.last().map(|(key, _)| key.clone()), problem.clone())),
            Ok(_) => before.iter().find_map(problem),
        };
        // From the last key to the first, because removing the last one moves no others.
        for (key, old) in before.into_iter().rev() {
            if failed.is_some() {
                self.restore(key, old);
            } else if self.value(&key) != old.as_ref() {
                self.note_change(key);
            }
        }
        match (result, failed) {
            (Ok(value), None) => Ok(value),
            (Err(problem), None) => Err(EntryError { key: Text::default(), problem }),
            (_, Some((key, problem))) => Err(EntryError { key: key.unwrap_or_default(), problem }),
        }
    }
}

impl Editor<'_> {
    /// Returns the value of `key`, to change in place: Python's `session[key]`.
    ///
    /// # Errors
    /// [`ValueError::NoSuchKey`].
    pub fn at(&mut self, key: impl AsKey) -> Result<&mut Value, ValueError> {
        self.remember(&key);
        self.session.lend(&key).ok_or_else(|| ValueError::no_such_key(key.as_key()))
    }

    /// Returns the value of `key`, to change in place. If the key is missing, `default` is set
    /// first.
    pub fn at_or(&mut self, key: impl AsKey, default: impl Into<Value>) -> &mut Value {
        self.remember(&key);
        if !self.session.contains(&key) {
            self.session.restore(text(&key), Some(default.into()));
        }
        match self.session.lend(&key) {
            Some(value) => value,
            None => unreachable!("the key was set above"),
        }
    }

    /// Sets `key`.
    pub fn insert(&mut self, key: impl AsKey, value: impl Into<Value>) {
        self.remember(&key);
        self.session.restore(text(&key), Some(value.into()));
    }

    /// Removes `key` and returns its value.
    pub fn remove(&mut self, key: impl AsKey) -> Option<Value> {
        self.remember(&key);
        let old = self.session.value(&key).cloned();
        self.session.restore(text(&key), None);
        old
    }

    /// Iterates over the keys that have been accessed, set or removed.
    pub fn touched(&self) -> impl Iterator<Item = &Text> + '_ {
        self.before.keys()
    }

    /// Returns the value of `key`.
    #[must_use]
    pub fn value(&self, key: impl AsKey) -> Option<&Value> {
        self.session.value(key)
    }

    fn remember(&mut self, key: &impl AsKey) {
        if !self.before.contains(key) {
            self.before.insert(text(key), self.session.value(key).cloned());
        }
    }
}

/// Restores the previous values after a closure that failed or panicked.
impl Drop for Editor<'_> {
    fn drop(&mut self) {
        for (key, old) in std::mem::take(&mut self.before).into_entries().into_iter().rev() {
            self.session.restore(key, old);
        }
    }
}

fn text(key: &impl AsKey) -> Text {
    Text::from_bytes(key.as_key()).unwrap_or_default()
}
