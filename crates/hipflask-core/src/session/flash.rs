//! Messages for the next page.

use std::borrow::Cow;

use serde::Serialize;

use super::data::Session;
use super::error::SessionError;
use crate::value::{Text, Value, to_value};

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
    fn read(stored: Value) -> Option<Self> {
        let (Value::Tuple(parts) | Value::List(parts)) = stored else { return None };
        let [Value::Str(category), message] = <[Value; 2]>::try_from(parts).ok()? else { return None };
        Some(Self { category, message })
    }
}

impl Session {
    /// Keeps a message for the next page, in the category `message`. Flask reads it, too.
    ///
    /// # Errors
    /// [`SessionError`] if the message cannot live in a session.
    pub fn flash(&mut self, message: impl Serialize) -> Result<(), SessionError> {
        self.flash_as(DEFAULT_CATEGORY, message)
    }

    /// [`flash`](Self::flash) in a category: Flask's `flash(message, category)`.
    ///
    /// # Errors
    /// As [`flash`](Self::flash).
    pub fn flash_as(
        &mut self,
        category: impl Into<Text>,
        message: impl Serialize,
    ) -> Result<(), SessionError> {
        let message = to_value(&message).map_err(|problem| SessionError::new(FLASHES.as_bytes(), problem))?;
        self.push_value(FLASHES.into(), Value::Tuple(vec![Value::Str(category.into()), message]))
    }

    /// The messages that were flashed, which are thereby taken from the session.
    ///
    /// As in Flask the first call takes them all and every further call of the request gives the same ones: a message
    /// flashed after the first call shows in the next request. An entry that is no pair of category and message is left
    /// out.
    ///
    /// ```
    /// use hipflask_core::session::Session;
    /// let mut session = Session::new();
    /// session.flash("Welcome back")?;
    /// session.flash_as("error", "No such page")?;
    /// let errors: Vec<_> = session.flashed_messages().iter().filter(|m| m.category == "error").collect();
    /// assert_eq!(errors[0].text(), "No such page");
    /// assert!(session.is_empty());
    /// # Ok::<(), hipflask_core::session::SessionError>(())
    /// ```
    #[doc(alias = "get_flashed_messages")]
    pub fn flashed_messages(&mut self) -> &[Flash] {
        if self.flashed.is_none() {
            let stored = match self.take_list(FLASHES) {
                Some(Value::List(items) | Value::Tuple(items)) => items,
                _ => Vec::new(),
            };
            self.flashed = Some(stored.into_iter().filter_map(Flash::read).collect());
        }
        self.flashed.as_deref().unwrap_or_default()
    }
}
