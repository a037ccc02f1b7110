//! Transactions: changes that run again if another request saved first.

use std::sync::Arc;

use hipflask_core::session::{EntryError, SessionDict};
use hipflask_store::save::{Attempt, SaveError, Saved, Slot};

use super::saves::{Outcome, SaveEnd, SaveTask};
use super::saving::Begun;
use super::{Stage, not_saved, save};
use crate::engine::Stored;
use crate::error::{SessionError, WriteError};
use crate::session::state::{Shared, State};

/// Runs `change` on the session and saves the result. Runs it again on the newest session after a conflict.
pub(crate) async fn transact<R>(
    shared: &Arc<Shared>,
    stored: &Stored,
    mut change: impl FnMut(&mut SessionDict) -> Result<R, EntryError>,
) -> Result<R, SessionError> {
    shared.check_writable()?;
    let is_to_change = |state: &mut State| {
        let is_free = !state.stored.saves.is_under_way();
        is_free.then(|| state.stored.is_to_change())
    };
    // A deletion or a new id comes first, and the transaction is on the session that follows.
    if shared.wait_for(is_to_change).await? {
        let _ = save(shared, stored, Stage::Early).await?;
    }
    for _ in 0..stored.sessions.attempts() {
        let begin = |state: &mut State| {
            let is_free = !state.stored.saves.is_under_way();
            is_free.then(|| begin_attempt(state))
        };
        let (data, slot) = shared.wait_for(begin).await??;
        // If the closure fails or panics, the session stays as it was.
        let begun = Begun::of(shared);
        let mut next = data.clone();
        let answer = change(&mut next)?;
        shared.engine().timeouts().settle(&mut next, true, shared.now());
        begun.goes_on();
        match shared.run(attempt_task(shared, data, next, slot)).await? {
            SaveEnd::Saved(Saved::Gone) => return Err(WriteError::Deleted.into()),
            SaveEnd::Saved(_) => return Ok(answer),
            SaveEnd::Conflict => {}
        }
    }
    Err(not_saved(SaveError::Contended { attempts: stored.sessions.attempts() }))
}

/// Takes copies of the session and its slot for an attempt.
fn begin_attempt(state: &mut State) -> Result<(SessionDict, Box<Slot>), SessionError> {
    if state.closed && state.stored.slot.as_ref().is_none_or(|slot| slot.id().is_none()) {
        return Err(SessionError::ResponseStarted);
    }
    state.data.as_mut().ok_or(SessionError::NotLoaded)?.set_accessed(true);
    state.begin_save(false).ok_or(SessionError::NotLoaded)
}

/// One attempt to save `next`, which the closure made of `data`.
fn attempt_task(shared: &Shared, data: SessionDict, next: SessionDict, mut slot: Box<Slot>) -> SaveTask {
    let (engine, now) = (shared.engine().clone(), shared.now());
    Box::pin(async move {
        let Some(stored) = engine.stored() else {
            return Outcome { data, slot, result: Err(SessionError::NotLoaded) };
        };
        match stored.sessions.attempt(&data, next, &mut slot, now).await {
            Ok(Attempt::Saved(data, saved)) => Outcome { data, slot, result: Ok(SaveEnd::Saved(saved)) },
            Ok(Attempt::Conflict(data)) => Outcome { data, slot, result: Ok(SaveEnd::Conflict) },
            Ok(Attempt::Gone) => Outcome { data, slot, result: Ok(SaveEnd::Saved(Saved::Gone)) },
            Err(error) => Outcome { data, slot, result: Err(not_saved(error)) },
        }
    })
}
