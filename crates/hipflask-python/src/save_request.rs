//! One save of a session in a store.

use std::sync::Arc;

use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Int};
use hipflask_store::id::SessionId;
use hipflask_store::save::{Attempt, SaveError, Saved, ServerSessions, Slot, StoreOp};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::changes::SessionChanges;
use crate::connection::Connection;
use crate::convert::{entries_of, int_of, text_of};
use crate::records::{equals_record, record_of_dict};
use crate::stored_session::StoredSession;

/// A session that is to be saved, and how.
pub(crate) struct SaveRequest<'a, 'py> {
    session: &'a Bound<'py, PyDict>,
    origin: Bound<'py, StoredSession>,
    changes: Bound<'py, SessionChanges>,
    /// The id that the Python object has.
    pub(crate) sid: Option<String>,
    /// The same id, once its form was checked.
    pub(crate) id: Option<SessionId>,
    modified: bool,
    if_unchanged: bool,
}

/// A session with the changes of its request, and as it was read if only that state may be replaced.
struct Prepared {
    session: SessionDict,
    slot: Slot,
    read: Option<SessionDict>,
}

impl<'a, 'py> SaveRequest<'a, 'py> {
    /// Reads what to save from a `ServerSideSession`.
    pub(crate) fn of(session: &'a Bound<'py, PyDict>, modified: bool, if_unchanged: bool) -> PyResult<Self> {
        let py = session.py();
        Ok(Self {
            session,
            origin: session.getattr(intern!(py, "_origin"))?.cast_into()?,
            changes: session.getattr(intern!(py, "_changes"))?.cast_into()?,
            sid: session.getattr(intern!(py, "sid"))?.extract()?,
            id: None,
            modified,
            if_unchanged,
        })
    }

    /// Saves the session. Returns what was done to the record, and the cookie's value if there is a record.
    ///
    /// The saved changes are reset before an exception that was raised in the waiting greenlet goes
    /// on, so that they are never saved twice.
    pub(crate) fn save(
        self,
        connection: &Connection,
        sessions: &Arc<ServerSessions>,
        now: UnixTime,
    ) -> PyResult<Result<(&'static str, Option<String>), SaveError>> {
        let py = self.session.py();
        let Prepared { mut session, mut slot, read } = self.prepare(sessions)?;
        let is_noop = read.is_none() && sessions.op(&session, &slot, now) == StoreOp::Leave;
        let engine = Arc::clone(sessions);
        let save = async move {
            let saved = match read {
                Some(read) => save_if_unchanged(&engine, read, &mut session, &mut slot, now).await,
                None => engine.save(&mut session, &mut slot, now).await,
            };
            (saved, session, slot)
        };
        let ((saved, session, slot), interrupted) =
            if is_noop { connection.poll_or_wait(py, save)? } else { connection.wait_to_end(py, save)? };
        let id = slot.id().cloned();
        self.origin.get().put(session, slot);
        if saved.is_ok() {
            *self.changes.borrow_mut() = SessionChanges::none(py);
        }
        interrupted?;
        Ok(match saved {
            Ok(saved) => {
                if let Some(id) = id.as_ref().filter(|id| Some(id.as_str()) != self.sid.as_deref()) {
                    self.session.setattr(intern!(py, "sid"), id.as_str())?;
                }
                Ok((name_of(saved), id.map(|id| sessions.ids().to_cookie(&id))))
            }
            Err(error) => Err(error),
        })
    }

    /// Takes the session out of its origin, with the changes of the request.
    fn prepare(&self, sessions: &ServerSessions) -> PyResult<Prepared> {
        let py = self.session.py();
        let origin = self.origin.get();
        let (data, slot) = origin.take(py)?;
        let is_same_id = slot.id().map(SessionId::as_str) == self.sid.as_deref();
        if is_same_id && self.is_empty(py) && equals_record(self.session, &data) {
            return Ok(Prepared { session: data, slot, read: None });
        }
        origin.put(data, slot);
        // Runs Python, which may use the session.
        let record = record_of_dict(self.session, sessions.format())?;
        let (added, cleared, regenerate, destroy) = {
            let changes = self.changes.borrow();
            (numbers(changes.added.bind(py))?, changes.cleared, changes.regenerate, changes.destroy)
        };
        let (mut data, mut slot) = origin.take(py)?;
        let before = slot.opaque().cloned().unwrap_or_default();
        let read = self.if_unchanged.then(|| data.clone());
        let adopted = data.adopt(record.dict, cleared, &added, |key| before.differs(&record.opaque, key));
        if let Err(error) = adopted {
            origin.put(data, slot);
            return Err(PyValueError::new_err(error.to_string()));
        }
        data.set_modified(data.is_modified() || self.modified);
        slot.set_opaque(record.opaque);
        if let Some(id) = self.id.clone() {
            if regenerate || slot.id().is_some_and(|known| *known != id) {
                slot.regenerate();
            }
            slot.propose(id);
        }
        if destroy {
            slot.restart();
        }
        Ok(Prepared { session: data, slot, read })
    }

    /// Returns `true` if nothing but the data can have changed.
    fn is_empty(&self, py: Python<'_>) -> bool {
        let changes = self.changes.borrow();
        let has_changes = changes.cleared || changes.regenerate || changes.destroy;
        !has_changes && !self.modified && !self.if_unchanged && changes.added.bind(py).is_empty()
    }
}

/// Saves `changed` if the record is still as it was when `read` was read from it.
async fn save_if_unchanged(
    sessions: &ServerSessions,
    mut read: SessionDict,
    changed: &mut SessionDict,
    slot: &mut Slot,
    now: UnixTime,
) -> Result<Saved, SaveError> {
    let mut written = slot.clone();
    let saved = match sessions.attempt(&read, changed.clone(), &mut written, now).await {
        Ok(Attempt::Saved(saved, how)) => {
            *slot = written;
            read = saved;
            Ok(how)
        }
        Ok(Attempt::Gone) => Ok(Saved::Gone),
        Ok(Attempt::Conflict(_)) => Err(SaveError::Contended { attempts: 1 }),
        Err(error) => Err(error),
    };
    // The saved session, or the one that was read if nothing was saved.
    *changed = read;
    saved
}

fn numbers(added: &Bound<'_, PyDict>) -> PyResult<Dict<Int>> {
    let mut out = Dict::new();
    for (key, by) in entries_of(added) {
        let (Ok(key), Ok(by)) = (text_of(key.cast::<PyString>()?), int_of(by.cast()?)) else {
            return Err(PyValueError::new_err("an increment needs an int and a key that is a text"));
        };
        out.insert(key, by);
    }
    Ok(out)
}

const fn name_of(saved: Saved) -> &'static str {
    match saved {
        Saved::Unchanged => "unchanged",
        Saved::Touched => "touched",
        Saved::Created => "created",
        Saved::Replaced { merged: false } => "replaced",
        Saved::Replaced { merged: true } => "merged",
        Saved::Deleted => "deleted",
        Saved::Regenerated => "regenerated",
        Saved::Gone => "gone",
    }
}
