//! The part of a request's state that only sessions in a store have: the record and the saves.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use hipflask_core::session::{Changes, SessionDict};
use hipflask_store::save::{Saved, Slot};

use crate::error::SessionError;

/// A session's record, and its saves.
#[derive(Debug, Default)]
pub(crate) struct StoredState {
    /// The record that the session came from, and what the handler requested for it.
    pub(crate) slot: Option<Box<Slot>>,
    /// The reason why the session is empty and read-only, if its store failed and the request goes on.
    pub(crate) read_only: Option<Box<SessionError>>,
    pub(crate) saves: Saves,
}

impl StoredState {
    /// Returns `true` if the record is to be deleted or to get a new id.
    pub(crate) fn is_to_change(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| slot.is_to_change())
    }

    /// Returns an error if the session is read-only, so that a change does not look saved.
    pub(crate) fn check_writable(&self) -> Result<(), SessionError> {
        self.read_only.as_ref().map_or(Ok(()), |error| Err((**error).clone()))
    }
}

/// A save that has begun. It owns everything that it needs, so that it can end without the future
/// that began it.
pub(crate) type SaveTask = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A finished [`SaveTask`].
pub(crate) struct Outcome {
    pub(crate) data: SessionDict,
    pub(crate) slot: Box<Slot>,
    pub(crate) result: SaveResult,
}

pub(crate) type SaveResult = Result<SaveEnd, SessionError>;

/// The end of a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SaveEnd {
    Saved(Saved),
    /// Nothing was written: another request was first. The session is now based on the record of that one.
    Conflict,
}

/// The save in progress, if any, and the futures that wait for it. Most requests need only the flag.
#[derive(Default)]
pub(crate) struct Saves {
    is_under_way: bool,
    /// The outcome of the last save.
    pub(crate) last: Option<Saved>,
    more: Option<Box<More>>,
}

#[derive(Default)]
struct More {
    /// The changes that are being saved, unless the session itself was moved into the save.
    unsaved: Option<Changes>,
    /// Requested while the slot was in use by the save.
    requested: Requested,
    /// The save, if no task runs it: the waiting futures poll it.
    orphan: Option<Orphan>,
    waiting: Arc<Waiting>,
}

/// A save that no task runs, and the place for its result.
pub(crate) struct Orphan {
    pub(crate) task: SaveTask,
    pub(crate) report: Report,
}

/// The result of a save that another future finished, for the future that began it.
pub(crate) type Report = Arc<Mutex<Option<SaveResult>>>;

/// Changes of a record that the next save makes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Requested {
    pub(crate) restart: bool,
    pub(crate) regenerate: bool,
}

impl Requested {
    pub(crate) const fn add_to(self, slot: &mut Slot) {
        if self.restart {
            slot.restart();
        }
        if self.regenerate {
            slot.regenerate();
        }
    }
}

impl Saves {
    pub(crate) const fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    pub(crate) fn begin(&mut self, unsaved: Option<Changes>) {
        self.is_under_way = true;
        if unsaved.is_some() {
            self.more().unsaved = unsaved;
        }
    }

    /// Returns the changes that the save was for, and the requests made meanwhile.
    pub(crate) fn end(&mut self) -> (Option<Changes>, Requested) {
        self.is_under_way = false;
        let Some(more) = &mut self.more else { return Default::default() };
        (more.unsaved.take(), std::mem::take(&mut more.requested))
    }

    /// Keeps a request for the end of the save that is under way.
    pub(crate) fn request(&mut self, requested: Requested) {
        let known = &mut self.more().requested;
        known.restart |= requested.restart;
        known.regenerate |= requested.regenerate;
    }

    /// Keeps a save that no task runs.
    pub(crate) fn keep(&mut self, orphan: Orphan) {
        self.more().orphan = Some(orphan);
    }

    /// Adds a future to those that wait for the save. Returns them all, and the save itself if no
    /// task runs it.
    pub(crate) fn wait(&mut self, waker: &Waker) -> (Arc<Waiting>, Option<Orphan>) {
        let more = self.more();
        more.waiting.add(waker);
        (Arc::clone(&more.waiting), more.orphan.take())
    }

    /// The futures that wait, to wake them.
    pub(crate) fn waiting(&self) -> Option<Arc<Waiting>> {
        self.more.as_ref().map(|more| Arc::clone(&more.waiting))
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }
}

/// The futures that wait for a save. Waking it wakes all of them, because any of them may have been dropped.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    wakers: Mutex<Vec<Waker>>,
    wakes: AtomicU64,
}

impl Waiting {
    fn add(&self, waker: &Waker) {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    pub(crate) fn wake_all(&self) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        let wakers = std::mem::take(&mut *self.wakers.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The number of times that all have been woken.
    pub(crate) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::SeqCst)
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

impl std::fmt::Debug for Saves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saves").field("is_under_way", &self.is_under_way).finish_non_exhaustive()
    }
}
