//! Messages for the next page.

use std::borrow::Cow;

use crate::value::{Text, Value};

/// The key under which flashed messages wait for the next page.
pub const FLASHES: &str = "_flashes";

/// The category of a message that was flashed without one.
pub const DEFAULT_CATEGORY: &str = "message";

/// A flashed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    /// Its category; `message` unless another was given.
    pub category: Text,
    /// The message; nearly always text, but any value can be flashed.
    pub message: Value,
}

impl Flash {
    /// The message as text; empty if it is something else.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match &self.message {
            Value::Str(text) | Value::Markup(text) => text.to_string_lossy(),
            _ => Cow::Borrowed(""),
        }
    }

    /// Reads what `flash` stored: a tuple in a cookie, a list in a store.
    pub(super) fn read(stored: Value) -> Option<Self> {
        let (Value::Tuple(parts) | Value::List(parts)) = stored else { return None };
        let [Value::Str(category), message] = <[Value; 2]>::try_from(parts).ok()? else { return None };
        Some(Self { category, message })
    }
}
