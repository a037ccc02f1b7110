//! The protection of a session against another client: Flask-Login's `SESSION_PROTECTION`.

use hipflask_core::login::{FRESH, IDENTIFIER, SESSION_KEYS};
use hipflask_core::session::{EntryError, SessionDict};
use hipflask_core::value::Value;

use crate::engine::Protection;

/// The state of the login after the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Kept,
    /// It was ended, and the remember cookie must be removed.
    Ended,
}

/// Checks that the session belongs to the client with this identifier, and leaves the same trace in
/// the session as Flask-Login does. `is_empty` says if the session counts as empty.
pub(super) fn protect(
    data: &mut SessionDict,
    mode: Protection,
    is_empty: bool,
    identifier: impl FnOnce() -> String,
) -> Result<Verdict, EntryError> {
    if mode == Protection::Off || is_empty || is_of(data, &identifier()) {
        return Ok(Verdict::Kept);
    }
    if mode == Protection::Strong && !data.is_permanent() {
        for key in SESSION_KEYS {
            data.remove(key);
        }
        return Ok(Verdict::Ended);
    }
    if data.value(FRESH) != Some(&Value::Bool(false)) {
        data.insert(FRESH, false)?;
    }
    Ok(Verdict::Kept)
}

fn is_of(data: &SessionDict, identifier: &str) -> bool {
    matches!(data.value(IDENTIFIER), Some(Value::Str(own)) if own.as_str() == Some(identifier))
}
