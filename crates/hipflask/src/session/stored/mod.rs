//! Sessions in a store: loaded by the id in the request's cookie, saved before the response's headers are
//! decided.

#[cfg(feature = "inspector")]
mod record;
pub(crate) mod saves;
mod saving;
mod transact;

use std::sync::Arc;

use hipflask_core::plan::{CookieOp, Plan, SessionFlags, plan};
use hipflask_core::session::{EntryError, SessionDict};
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Text, Value, ValueError};
use hipflask_store::id::IdError;
use hipflask_store::save::{Opened, SaveError, Saved, Slot, StoreOp};
use hipflask_store::{Key, StoreError};
pub(crate) use transact::transact;

use super::state::{Finish, Shared, State};
use crate::engine::{OnStoreFailure, SessionHeaders, Sessions, Stored};
use crate::error::{Cause, SessionError, WriteError};
use saves::{Outcome, Requested, SaveEnd, SaveTask};

/// Loads the session of a request, unless it is loaded already.
pub(crate) async fn load(shared: &Shared, stored: &Stored) -> Result<(), SessionError> {
    if shared.is_opened() {
        return Ok(());
    }
    // A save in progress may have the session.
    let is_opened = |state: &mut State| (!state.stored.saves.is_under_way()).then(|| state.data.is_some());
    if shared.wait_for(is_opened).await? {
        return Ok(());
    }
    let loaded = match find(shared.engine(), stored, shared.cookies.iter(), shared.now()).await {
        Ok(Some((data, slot))) => Loaded { data, slot: Some(slot), read_only: None },
        Ok(None) => Loaded { data: stored.new_session(), slot: None, read_only: None },
        Err(error) => without_store(stored, error)?,
    };
    let mut state = shared.lock()?;
    // Two parts of one request may have waited for it. The session of the first is used.
    if state.data.is_none() {
        state.data = Some(loaded.data);
        state.stored.slot = loaded.slot;
        state.stored.read_only = loaded.read_only;
    }
    Ok(())
}

/// A session that was loaded, or an empty one.
struct Loaded {
    data: SessionDict,
    slot: Option<Box<Slot>>,
    read_only: Option<Box<SessionError>>,
}

/// Finds the session whose id is in the `Cookie` lines, if the store knows one of the ids.
async fn find(
    engine: &Sessions,
    stored: &Stored,
    lines: impl Iterator<Item = &[u8]> + Send,
    now: UnixTime,
) -> Result<Option<(SessionDict, Box<Slot>)>, StoreError> {
    let mut choice = engine.choice();
    for value in engine.values(lines) {
        if !choice.is_needed(&value) {
            continue;
        }
        match stored.sessions.open(&value, now).await? {
            Opened::Found { session, slot } if engine.timeouts().is_over(&session, now) => {
                tracing::debug!("a session is past its absolute lifetime; it starts empty");
                if let Err(error) = stored.sessions.delete_unchanged(&slot, now).await {
                    tracing::warn!(%error, "a session past its absolute lifetime could not be deleted; it will expire");
                }
            }
            Opened::Found { session, slot } => {
                choice.accept(&value, (session, slot));
                if choice.is_decided() {
                    break;
                }
            }
            Opened::NotAnId(IdError::BadSignature(_)) => {
                engine.note_bad_signature(stored.sessions.stats().opened, now);
            }
            Opened::Unknown | Opened::NotAnId(_) | Opened::Unreadable(_) => {}
        }
    }
    Ok(engine.chosen(choice))
}

/// The session of a request whose record could not be loaded, if the application accepts that.
fn without_store(stored: &Stored, error: StoreError) -> Result<Loaded, SessionError> {
    let choice = stored.on_failure.decide(&error);
    let cause = logged(error);
    match choice {
        OnStoreFailure::Refuse => Err(SessionError::Store(cause)),
        OnStoreFailure::ReadOnly => {
            let read_only = Some(Box::new(SessionError::ReadOnly(cause)));
            Ok(Loaded { data: stored.new_session(), slot: None, read_only })
        }
    }
}

/// Finishes a request: saves its session and returns the response's headers, at once if nothing has
/// to be saved.
pub(crate) fn finish(shared: &Arc<Shared>, stored: &Stored) -> Finish {
    if let Some(result) = finish_unsaved(shared, stored).transpose() {
        return Finish::Now(result);
    }
    let (is_alone, shared) = (shared.is_alone(), Arc::clone(shared));
    Finish::Later(Box::pin(async move { finish_saved(&shared, is_alone).await }))
}

/// Finishes a request whose session does not have to be saved. `None` if it has to, or may have to.
fn finish_unsaved(shared: &Shared, stored: &Stored) -> Result<Option<SessionHeaders>, SessionError> {
    let mut state = shared.lock()?;
    if state.stored.saves.is_under_way() || state.stored.read_only.is_some() {
        return Ok(None);
    }
    let Some((flags, op)) = settle(shared, stored, &mut state) else {
        state.closed = true;
        return Ok(Some(SessionHeaders::default()));
    };
    let Some(saved) = nothing_to_do(&mut state, op) else { return Ok(None) };
    state.closed = true;
    Ok(Some(headers(shared, stored, &mut state, flags, saved)))
}

/// Saves the session and returns the response's headers. If the caller `is_alone` with it, it is not copied.
async fn finish_saved(shared: &Arc<Shared>, is_alone: bool) -> Result<SessionHeaders, SessionError> {
    let Some(stored) = shared.stored() else { return Ok(SessionHeaders::default()) };
    match save(shared, stored, Stage::Last { is_alone }).await? {
        (Some(flags), saved) => Ok(headers(shared, stored, &mut *shared.lock()?, flags, saved)),
        (None, _) => Ok(SessionHeaders::default()),
    }
}

/// Point in time of a save.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Before the response, by the handler.
    Early,
    /// With the response.
    Last { is_alone: bool },
}

/// Saves the session as it is now, after earlier saves of the request. It then also has the changes of other
/// requests. Meanwhile the handler can use it, unless the caller is alone with it.
async fn save(
    shared: &Arc<Shared>,
    stored: &Stored,
    stage: Stage,
) -> Result<(Option<SessionFlags>, Saved), SessionError> {
    let begin = |state: &mut State| {
        let is_free = !state.stored.saves.is_under_way();
        is_free.then(|| begin(shared, stored, state, stage))
    };
    let (flags, task) = match shared.wait_for(begin).await?? {
        Beginning::NothingToDo(flags, saved) => return Ok((flags, saved)),
        Beginning::Save(flags, task) => (flags, task),
    };
    match shared.run(task).await? {
        SaveEnd::Saved(saved) => Ok((Some(flags), saved)),
        SaveEnd::Conflict => Err(WriteError::Conflict.into()),
    }
}

/// First step of a save.
enum Beginning {
    NothingToDo(Option<SessionFlags>, Saved),
    Save(SessionFlags, SaveTask),
}

/// Decides what has to be saved, and takes it out of the state if something has.
fn begin(
    shared: &Shared,
    stored: &Stored,
    state: &mut State,
    stage: Stage,
) -> Result<Beginning, SessionError> {
    let is_alone = match stage {
        Stage::Last { is_alone } => {
            state.closed = true;
            let is_modified = state.data.as_ref().is_some_and(SessionDict::is_modified);
            state.stored.check_writable().or_else(|error| if is_modified { Err(error) } else { Ok(()) })?;
            is_alone
        }
        Stage::Early => false,
    };
    let nothing = Beginning::NothingToDo(None, Saved::Unchanged);
    let Some((flags, op)) = settle(shared, stored, state) else { return Ok(nothing) };
    if let Some(saved) = nothing_to_do(state, op) {
        return Ok(Beginning::NothingToDo(Some(flags), saved));
    }
    let needs_cookie = matches!(op, StoreOp::Create | StoreOp::Regenerate | StoreOp::Restart);
    if needs_cookie && state.closed && matches!(stage, Stage::Early) {
        return Err(SessionError::ResponseStarted);
    }
    let Some((data, slot)) = state.begin_save(is_alone) else { return Ok(nothing) };
    Ok(Beginning::Save(flags, save_task(shared, data, slot)))
}

/// The session's flags, and what the store has to do. `None` if the session was not opened.
fn settle(shared: &Shared, stored: &Stored, state: &mut State) -> Option<(SessionFlags, StoreOp)> {
    let data = state.data.as_mut()?;
    shared.engine().timeouts().settle(data, true, shared.now());
    let flags = SessionFlags { empty: data.is_blank(), ..data.flags() };
    let slot = state.stored.slot.get_or_insert_default();
    Some((flags, stored.sessions.op(data, slot, shared.now())))
}

/// The outcome of a save for which the store has nothing to do. `None` if it has something to do.
fn nothing_to_do(state: &mut State, op: StoreOp) -> Option<Saved> {
    let slot = state.stored.slot.as_ref()?;
    let saved = if slot.is_deleted() { Saved::Gone } else { Saved::Unchanged };
    if op != StoreOp::Leave || slot.is_to_change() && saved != Saved::Gone {
        return None;
    }
    state.stored.saves.last = Some(saved);
    Some(saved)
}

/// The save itself, which owns all that it needs.
fn save_task(shared: &Shared, mut data: SessionDict, mut slot: Box<Slot>) -> SaveTask {
    let (engine, now) = (shared.engine().clone(), shared.now());
    Box::pin(async move {
        let saved = match engine.stored() {
            Some(stored) => stored.sessions.save(&mut data, &mut slot, now).await,
            None => Ok(Saved::Unchanged),
        };
        Outcome { data, slot, result: saved.map(SaveEnd::Saved).map_err(not_saved) }
    })
}

fn not_saved(error: SaveError) -> SessionError {
    match error {
        SaveError::Store(error) => SessionError::Store(logged(error)),
        SaveError::Contended { .. } => SessionError::Store(Cause::new(error)),
        other => WriteError::encoding(other).into(),
    }
}

/// Logs a failure of the store with its causes.
fn logged(error: StoreError) -> Cause {
    let causes = std::iter::successors(std::error::Error::source(&error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    tracing::error!(%error, ?causes, "the session store failed");
    Cause::new(error)
}

/// Decides whether the cookie is sent, after the session was saved.
fn headers(
    shared: &Shared,
    stored: &Stored,
    state: &mut State,
    flags: SessionFlags,
    saved: Saved,
) -> SessionHeaders {
    let engine = shared.engine();
    let plan = planned(engine, flags, saved);
    let id = state.stored.slot.as_ref().and_then(|slot| slot.id());
    let set_cookie = match (plan.cookie, id) {
        (CookieOp::Remove, _) => Some(engine.cookie().removal()),
        (CookieOp::Set { expires }, Some(id)) => {
            Some(engine.set_cookie(&stored.sessions.ids().to_cookie(id), expires, shared.now()))
        }
        _ => None,
    };
    let headers = engine.headers(plan, set_cookie);
    state.varies = headers.vary_cookie;
    headers
}

/// The plan for the cookie: core's, corrected for what happened to the record.
fn planned(engine: &Sessions, flags: SessionFlags, saved: Saved) -> Plan {
    let has_new_id = matches!(saved, Saved::Created | Saved::Regenerated);
    let decided = plan(SessionFlags { modified: flags.modified || has_new_id, ..flags }, engine.rules());
    let cookie = match saved {
        // Another request deleted the session, or gave it a new id whose cookie must not be overwritten.
        Saved::Gone => CookieOp::Leave,
        Saved::Deleted => CookieOp::Remove,
        _ => decided.cookie,
    };
    let sends = cookie != CookieOp::Leave;
    Plan { cookie, vary_cookie: flags.accessed || sends, no_store: decided.no_store && sends }
}

/// Saves the session before the response.
pub(crate) async fn save_now(shared: &Arc<Shared>, stored: &Stored) -> Result<(), SessionError> {
    shared.check_writable()?;
    save(shared, stored, Stage::Early).await.map(drop)
}

/// Gives the session a new id with the next save.
pub(crate) fn regenerate(shared: &Shared, _: &Stored) -> Result<(), SessionError> {
    request(shared, Requested { regenerate: true, restart: false })
}

/// Deletes the record with the next save, and begins a new session if something is set by then.
pub(crate) fn destroy(shared: &Shared, _: &Stored) -> Result<(), SessionError> {
    request(shared, Requested { restart: true, regenerate: false })
}

/// Empties the session as a new one is empty.
pub(crate) fn empty(stored: &Stored, data: &mut SessionDict) {
    data.clear();
    if stored.permanent {
        data.set_permanent(true);
    }
}

fn request(shared: &Shared, requested: Requested) -> Result<(), SessionError> {
    shared.check_writable()?;
    let mut state = shared.lock()?;
    state.is_late |= state.closed;
    state.request(requested);
    Ok(())
}

/// Returns the short hash of the record that the request opened or saved.
pub(crate) fn id_hash(shared: &Shared) -> Result<Option<String>, SessionError> {
    let state = shared.lock()?;
    Ok(state.stored.slot.as_deref().and_then(Slot::key).map(Key::short_hash))
}

/// Returns an error if the store's records cannot hold `value` under `key`.
pub(crate) fn admit(stored: &Stored, key: &Text, value: &Value) -> Result<(), SessionError> {
    stored.sessions.check(key, value).map_err(|error| {
        let problem = format!("{} cannot hold {}", error.format, error.problem);
        EntryError::about(error.key, ValueError::Custom(problem)).into()
    })
}
