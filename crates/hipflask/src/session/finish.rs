//! Saves a session in a store, and decides what becomes of its cookie.

use std::sync::Arc;

use hipflask_core::plan::{CookieOp, Plan, SessionFlags, plan};
use hipflask_core::session::{EntryError, SessionDict};
use hipflask_core::value::{Text, Value, ValueError};
use hipflask_store::save::{Attempt, Saved, Slot, StoreOp};

use super::saves::{Outcome, Requested, SaveEnd, SaveTask};
use super::state::{Shared, State};
use crate::engine::{Commit, Server, not_saved};
use crate::error::SessionError;

impl Shared {
    /// Saves the session and decides what becomes of the cookie. Who `is_alone` with it does not need a copy for that.
    pub(crate) async fn finish_stored(self: &Arc<Self>, is_alone: bool) -> Result<Commit, SessionError> {
        let (seen, saved) = self.save(Stage::Last { is_alone }).await?;
        let (Some(server), Some(seen)) = (self.engine().server(), seen) else { return Ok(Commit::default()) };
        Ok(self.commit(server, &mut *self.lock()?, seen, saved))
    }

    /// [`finish_stored`](Self::finish_stored) where the store has nothing to do; `None` if it has, or that is not known.
    pub(crate) fn finish_unsaved(&self) -> Option<Commit> {
        let server = self.engine().server()?;
        let mut state = self.lock().ok()?;
        if state.saves.is_under_way() || state.read_only.is_some() {
            return None;
        }
        let (seen, op) = self.settle(server, &mut state)?;
        let saved = nothing_to_do(&mut state, op)?;
        state.closed = true;
        Some(self.commit(server, &mut state, seen, saved))
    }

    /// What has been done to the session, and what the store has to do; `None` if nobody has opened it.
    fn settle(&self, server: &Server, state: &mut State) -> Option<(SessionFlags, StoreOp)> {
        let data = state.data.as_mut()?;
        self.engine().timeouts().settle(data, true, self.now());
        let seen = SessionFlags { empty: data.is_blank(), ..data.flags() };
        let slot = state.slot.get_or_insert_default();
        Some((seen, server.sessions.op(data, slot, self.now())))
    }

    /// Decides what becomes of the cookie.
    fn commit(&self, server: &Server, state: &mut State, seen: SessionFlags, saved: Saved) -> Commit {
        let plan = self.plan(seen, saved);
        let id = state.slot.as_ref().and_then(|slot| slot.id());
        let value = match plan.cookie {
            CookieOp::Set { .. } => id.map(|id| server.sessions.ids().to_cookie(id)),
            _ => None,
        };
        let commit = self.engine().commit_id(plan, value.as_deref(), self.now());
        state.varies = commit.vary_cookie;
        commit
    }

    fn plan(&self, seen: SessionFlags, saved: Saved) -> Plan {
        let has_new_id = matches!(saved, Saved::Created | Saved::Regenerated);
        let decided =
            plan(SessionFlags { modified: seen.modified || has_new_id, ..seen }, self.engine().rules());
        let cookie = match saved {
            // Another request has ended it, or given it a new id whose cookie must not be overwritten.
            Saved::Gone => CookieOp::Leave,
            Saved::Deleted => CookieOp::Remove,
            _ => decided.cookie,
        };
        let sends = cookie != CookieOp::Leave;
        Plan { cookie, vary_cookie: seen.accessed || sends, no_store: decided.no_store && sends }
    }

    /// Saves what is there now, once other saves of the request have ended. The session is then what was saved, another
    /// request's changes among it. Meanwhile it can be used, unless nobody is there who would.
    pub(super) async fn save(
        self: &Arc<Self>,
        stage: Stage,
    ) -> Result<(Option<SessionFlags>, Saved), SessionError> {
        let begin = |state: &mut State| {
            if state.saves.is_under_way() { None } else { Some(self.begin(state, stage)) }
        };
        let (seen, task) = match self.wait_for(begin).await?? {
            Beginning::NothingToDo(seen, saved) => return Ok((seen, saved)),
            Beginning::Save(seen, task) => (seen, task),
        };
        match self.run(task).await? {
            SaveEnd::Saved(saved) => Ok((Some(seen), saved)),
            SaveEnd::Conflict => Err(SessionError::NotWritten("another request was first".to_owned())),
        }
    }

    fn begin(&self, state: &mut State, stage: Stage) -> Result<Beginning, SessionError> {
        let is_alone = match stage {
            Stage::Last { is_alone } => {
                state.closed = true;
                let is_modified = state.data.as_ref().is_some_and(SessionDict::is_modified);
                writable(state).or_else(|error| if is_modified { Err(error) } else { Ok(()) })?;
                is_alone
            }
            Stage::Early => false,
        };
        let nothing = Beginning::NothingToDo(None, Saved::Unchanged);
        let Some(server) = self.engine().server() else { return Ok(nothing) };
        let Some((seen, op)) = self.settle(server, state) else { return Ok(nothing) };
        if let Some(saved) = nothing_to_do(state, op) {
            return Ok(Beginning::NothingToDo(Some(seen), saved));
        }
        let needs_cookie = matches!(op, StoreOp::Create | StoreOp::Regenerate | StoreOp::Restart);
        if needs_cookie && state.closed && matches!(stage, Stage::Early) {
            return Err(SessionError::HeadHasLeft);
        }
        let Some((data, slot)) = state.begin_save(is_alone) else { return Ok(nothing) };
        Ok(Beginning::Save(seen, self.save_task(data, slot)))
    }

    fn save_task(&self, mut data: SessionDict, mut slot: Box<Slot>) -> SaveTask {
        let (engine, now) = (self.engine().clone(), self.now());
        Box::pin(async move {
            let saved = match engine.server() {
                Some(server) => server.sessions.save(&mut data, &mut slot, now).await,
                None => Ok(Saved::Unchanged),
            };
            let result = saved.map(SaveEnd::Saved).map_err(|error| not_saved(&error));
            Outcome { data, slot, result }
        })
    }

    /// One attempt to save `next`, which a transaction has made of `data`.
    pub(super) fn attempt_task(&self, data: SessionDict, next: SessionDict, mut slot: Box<Slot>) -> SaveTask {
        let (engine, now) = (self.engine().clone(), self.now());
        Box::pin(async move {
            let Some(server) = engine.server() else {
                return Outcome { data, slot, result: Err(SessionError::NotLoaded) };
            };
            match server.sessions.attempt(&data, next, &mut slot, now).await {
                Ok(Attempt::Saved(data, saved)) => Outcome { data, slot, result: Ok(SaveEnd::Saved(saved)) },
                Ok(Attempt::Conflict(data)) => Outcome { data, slot, result: Ok(SaveEnd::Conflict) },
                Ok(Attempt::Gone) => Outcome { data, slot, result: Ok(SaveEnd::Saved(Saved::Gone)) },
                Err(error) => Outcome { data, slot, result: Err(not_saved(&error)) },
            }
        })
    }

    /// Begins an attempt of a transaction: the session as it is now, and its slot.
    pub(super) fn begin_attempt(&self, state: &mut State) -> Result<(SessionDict, Box<Slot>), SessionError> {
        if state.closed && state.slot.as_ref().is_none_or(|slot| slot.id().is_none()) {
            return Err(SessionError::HeadHasLeft);
        }
        state.data.as_mut().ok_or(SessionError::NotLoaded)?.set_accessed(true);
        state.begin_save(false).ok_or(SessionError::NotLoaded)
    }

    /// Fails if the session cannot be changed in this request.
    pub(crate) fn check_writable(&self) -> Result<(), SessionError> {
        writable(&*self.lock()?)
    }

    /// Fails if the store's records cannot hold `value` under `key`.
    pub(crate) fn admit(&self, key: &Text, value: &Value) -> Result<(), SessionError> {
        let Some(server) = self.engine().server() else { return Ok(()) };
        server.sessions.check(key, value).map_err(|error| {
            let problem = format!("{} cannot hold {}", error.format, error.problem);
            EntryError::about(error.key, ValueError::Custom(problem)).into()
        })
    }

    pub(crate) async fn save_now(self: &Arc<Self>) -> Result<(), SessionError> {
        self.check_writable()?;
        self.save(Stage::Early).await.map(drop)
    }

    pub(super) fn request(&self, requested: Requested) -> Result<(), SessionError> {
        self.check_writable()?;
        let mut state = self.lock()?;
        state.is_late |= state.closed;
        state.request(requested);
        Ok(())
    }
}

/// When a session is saved.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// By its handler.
    Early,
    /// With the response.
    Last { is_alone: bool },
}

/// The beginning of a save.
enum Beginning {
    NothingToDo(Option<SessionFlags>, Saved),
    Save(SessionFlags, SaveTask),
}

/// The result of a save for which the store has nothing to do; `None` if it has.
fn nothing_to_do(state: &mut State, op: StoreOp) -> Option<Saved> {
    let slot = state.slot.as_ref()?;
    let saved = if slot.is_deleted() { Saved::Gone } else { Saved::Unchanged };
    if op != StoreOp::Leave || slot.is_to_change() && saved != Saved::Gone {
        return None;
    }
    state.saved = Some(saved);
    Some(saved)
}

/// Fails for a read-only session, so that a change does not look as if it had been saved.
fn writable(state: &State) -> Result<(), SessionError> {
    state.read_only.as_ref().map_or(Ok(()), |error| Err((**error).clone()))
}
