//! Runs the saves of one request: one after the other, each to its end.
//!
//! If a write's reply is lost, a later save would mistake that write for another request's. So a future that
//! waits for a save can be dropped at any time, and the save itself goes on. While the store answers at once,
//! the save runs in the future that began it. When the save has to wait, a task takes over. Without a runtime
//! for the task, the save stays in the request's state, and the next future that waits for it polls it.

use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use hipflask_core::session::SessionDict;
use hipflask_store::save::Slot;

use super::saves::{Orphan, Outcome, Report, Requested, SaveEnd, SaveResult, SaveTask, Waiting};
use crate::error::{SessionError, WriteError};
use crate::session::state::{Shared, State};

impl State {
    /// Takes the session and its slot to be saved, or copies of them unless the caller `is_alone`.
    pub(crate) fn begin_save(&mut self, is_alone: bool) -> Option<(SessionDict, Box<Slot>)> {
        if is_alone {
            let data = self.data.take()?;
            self.stored.saves.begin(None);
            return Some((data, self.stored.slot.take().unwrap_or_default()));
        }
        let data = self.data.as_mut()?.begin_save();
        self.stored.saves.begin(Some(data.changes().clone()));
        Some((data, self.stored.slot.clone().unwrap_or_default()))
    }

    fn finish_save(&mut self, outcome: Outcome) -> SaveResult {
        let (unsaved, requested) = self.stored.saves.end();
        match (&mut self.data, &outcome.result) {
            (None, _) => self.data = Some(outcome.data),
            (Some(data), Ok(_)) => data.finish_save(outcome.data),
            (Some(data), Err(_)) => data.abandon_save(unsaved.unwrap_or_default()),
        }
        requested.add_to(self.stored.slot.insert(outcome.slot));
        if let Ok(SaveEnd::Saved(saved)) = outcome.result {
            self.stored.saves.last = Some(saved);
        }
        outcome.result
    }

    /// The session is as it was, and so is its slot.
    fn abandon_save(&mut self) {
        let (unsaved, requested) = self.stored.saves.end();
        if let (Some(data), Some(unsaved)) = (&mut self.data, unsaved) {
            data.abandon_save(unsaved);
        }
        if let Some(slot) = &mut self.stored.slot {
            requested.add_to(slot);
        }
    }

    /// Requests a change of the record from the next save.
    pub(crate) fn request(&mut self, requested: Requested) {
        if self.stored.saves.is_under_way() {
            self.stored.saves.request(requested);
        } else {
            requested.add_to(self.stored.slot.get_or_insert_default());
        }
    }
}

impl Shared {
    /// Waits until `ready` returns a value. Calls it again after each save.
    pub(crate) async fn wait_for<T>(
        &self,
        mut ready: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, SessionError> {
        poll_fn(|context| self.poll_for(context, &mut ready)).await
    }

    fn poll_for<T>(
        &self,
        context: &Context<'_>,
        ready: &mut impl FnMut(&mut State) -> Option<T>,
    ) -> Poll<Result<T, SessionError>> {
        loop {
            let (orphan, waiting) = {
                let mut state = match self.lock() {
                    Ok(state) => state,
                    Err(error) => return Poll::Ready(Err(error)),
                };
                if let Some(found) = ready(&mut state) {
                    return Poll::Ready(Ok(found));
                }
                match state.stored.saves.wait(context.waker()) {
                    (waiting, Some(orphan)) => (orphan, waiting),
                    (_, None) => return Poll::Pending,
                }
            };
            if self.poll_orphan(orphan, &waiting).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Polls a save that no task runs, on behalf of all futures that wait for it.
    fn poll_orphan(&self, mut orphan: Orphan, waiting: &Arc<Waiting>) -> Poll<()> {
        let wakes = waiting.wakes();
        let waker = Waker::from(Arc::clone(waiting));
        let polled = self.poll_save(&mut orphan.task, Some(&orphan.report), &mut Context::from_waker(&waker));
        if polled.is_pending() {
            self.keep(orphan);
            // A future that was woken while the save was here found nothing to poll.
            if waiting.wakes() != wakes {
                waiting.wake_all();
            }
        }
        polled.map(drop)
    }

    fn keep(&self, orphan: Orphan) {
        if let Ok(mut state) = self.lock() {
            state.stored.saves.keep(orphan);
        }
    }

    /// Runs a save to its end. If this future is dropped, the save goes on.
    pub(crate) async fn run(self: &Arc<Self>, task: SaveTask) -> SaveResult {
        let (mut begun, mut report) = (Some(task), None);
        poll_fn(|context| {
            if let Some(mut task) = begun.take() {
                match self.poll_save(&mut task, None, context) {
                    Poll::Ready(result) => return Poll::Ready(result),
                    Poll::Pending => report = Some(self.detach(task)),
                }
            }
            let mut reported = |_: &mut State| {
                let report = report.as_ref()?;
                report.lock().unwrap_or_else(PoisonError::into_inner).take()
            };
            self.poll_for(context, &mut reported).map(Result::flatten)
        })
        .await
    }

    /// Polls a save. When it ends, stores its outcome in the state and wakes all futures that wait for it.
    fn poll_save(
        &self,
        task: &mut SaveTask,
        report: Option<&Report>,
        context: &mut Context<'_>,
    ) -> Poll<SaveResult> {
        let begun = Begun { shared: self, report };
        let polled = task.as_mut().poll(context);
        begun.goes_on();
        let Poll::Ready(outcome) = polled else { return Poll::Pending };
        let Ok(mut state) = self.lock() else {
            // The runtime runs inside a closure that holds the session on this thread.
            *task = Box::pin(ready(outcome));
            context.waker().wake_by_ref();
            return Poll::Pending;
        };
        let result = state.finish_save(outcome);
        drop(state);
        self.wake(report, &result);
        Poll::Ready(result)
    }

    fn wake(&self, report: Option<&Report>, result: &SaveResult) {
        if let Some(report) = report {
            *report.lock().unwrap_or_else(PoisonError::into_inner) = Some(result.clone());
        }
        self.wake_waiting();
    }

    fn wake_waiting(&self) {
        let waiting = self.lock().ok().and_then(|state| state.stored.saves.waiting());
        if let Some(waiting) = waiting {
            waiting.wake_all();
        }
    }

    /// Passes a save to a task. Without a runtime the task is dropped, which leaves the save in the state.
    fn detach(self: &Arc<Self>, task: SaveTask) -> Report {
        let report = Report::default();
        let orphan = Orphan { task, report: Arc::clone(&report) };
        let detached = Detached { shared: Arc::clone(self), save: Some(orphan) };
        if let Some(stored) = self.stored() {
            stored.spawner.spawn(detached);
        }
        report
    }
}

/// A save that has begun but does not run yet. Dropping the guard abandons the save.
pub(crate) struct Begun<'s> {
    shared: &'s Shared,
    report: Option<&'s Report>,
}

impl<'s> Begun<'s> {
    pub(crate) const fn of(shared: &'s Shared) -> Self {
        Self { shared, report: None }
    }

    pub(crate) const fn goes_on(self) {
        std::mem::forget(self);
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Ok(mut state) = self.shared.lock() {
            state.abandon_save();
        }
        let panicked: SessionError = WriteError::Panicked.into();
        self.shared.wake(self.report, &Err(panicked));
    }
}

/// A save in a task of its own.
struct Detached {
    shared: Arc<Shared>,
    save: Option<Orphan>,
}

impl Future for Detached {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // After a panic it is gone, and the state says so.
        let Some(mut save) = self.save.take() else { return Poll::Ready(()) };
        let polled = self.shared.poll_save(&mut save.task, Some(&save.report), context);
        if polled.is_pending() {
            self.save = Some(save);
        }
        polled.map(drop)
    }
}

/// The runtime is shutting down, or there is none.
impl Drop for Detached {
    fn drop(&mut self) {
        if let Some(save) = self.save.take() {
            self.shared.keep(save);
            self.shared.wake_waiting();
        }
    }
}
