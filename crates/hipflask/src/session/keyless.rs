//! Sessions of an app without a secret key: always empty, and an error once they are changed. Flask's
//! `NullSession`.

use hipflask_core::session::SessionDict;

use super::state::{Shared, State};
use crate::engine::SessionHeaders;
use crate::error::SessionError;

/// Opens the session of a request, which is empty whatever cookies were sent.
pub(crate) fn open(state: &mut State) {
    state.data = Some(SessionDict::new());
}

/// Finishes a request. Fails if its session was changed, because nothing can sign it.
pub(crate) fn finish(shared: &Shared) -> Result<SessionHeaders, SessionError> {
    let mut state = shared.lock()?;
    state.closed = true;
    match &state.data {
        Some(data) if !data.changes().is_empty() => Err(SessionError::NoSecretKey),
        _ => Ok(SessionHeaders::default()),
    }
}
