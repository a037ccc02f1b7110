//! Flashed messages: messages for the next page.

use std::borrow::Cow;

use crate::value::{Text, Value};

/// The key of flashed messages in the session.
pub const FLASHES: &str = "_flashes";

/// The default category of a message.
pub const DEFAULT_CATEGORY: &str = "message";

/// A flashed message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flash {
    /// The category; `message` by default.
    pub category: Text,
    /// The message: any value, but nearly always text.
    pub message: Value,
}

impl Flash {
    /// Returns the message as text, which is empty for other values.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match &self.message {
            Value::Str(text) | Value::Markup(text) => text.to_string_lossy(),
            _ => Cow::Borrowed(""),
        }
    }

    /// Reads a message as `flash` stored it: a tuple in a cookie, a list in a store.
    pub(super) fn read(stored: Value) -> Option<Self> {
        let (Value::Tuple(parts) | Value::List(parts)) = stored else { return None };
        let [Value::Str(category), message] = <[Value; 2]>::try_from(parts).ok()? else { return None };
        Some(Self { category, message })
    }
}
