//! The methods of [`SessionDict`] for flashed messages.

use serde::Serialize;

use super::data::SessionDict;
use super::error::EntryError;
use super::flash::{DEFAULT_CATEGORY, FLASHES, Flash};
use crate::value::{Text, Value, to_value};

impl SessionDict {
    /// Stores a message for the next page, in the category `message`. Flask can read it.
    ///
    /// # Errors
    /// [`EntryError`] if a session cannot store the message.
    pub fn flash(&mut self, message: impl Serialize) -> Result<(), EntryError> {
        self.flash_as(DEFAULT_CATEGORY, message)
    }

    /// Stores a message in a category: Flask's `flash(message, category)`.
    ///
    /// # Errors
    /// As [`flash`](Self::flash).
    pub fn flash_as(&mut self, category: impl Into<Text>, message: impl Serialize) -> Result<(), EntryError> {
        let message = to_value(&message).map_err(|problem| EntryError::new(FLASHES.as_bytes(), problem))?;
        self.push_value(FLASHES.into(), Value::Tuple(vec![Value::Str(category.into()), message]))
    }

    /// Takes the flashed messages from the session and returns them.
    ///
    /// As in Flask, the first call takes them all, and every further call of the request returns
    /// the same ones. A message that is flashed after the first call is shown in the next request.
    /// An entry that is not a pair of category and message is skipped.
    ///
    /// ```
    /// use hipflask_core::session::SessionDict;
    /// let mut session = SessionDict::new();
    /// session.flash("Welcome back")?;
    /// session.flash_as("error", "No such page")?;
    /// let errors: Vec<_> = session.flashed_messages().iter().filter(|m| m.category == "error").collect();
    /// assert_eq!(errors[0].text(), "No such page");
    /// assert!(session.is_empty());
    /// # Ok::<(), hipflask_core::session::EntryError>(())
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
