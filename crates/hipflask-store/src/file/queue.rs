//! Queues of callers that write the same record, so that none of them blocks a thread.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::fault::Fault;
use crate::store::Key;

/// One queue per record that is being written.
#[derive(Default)]
pub(super) struct Queues(Mutex<HashMap<String, Queue>>);

struct Queue {
    turn: Arc<Semaphore>,
    callers: usize,
}

impl Queues {
    /// Waits for the caller's turn to write the record of `key`.
    ///
    /// Each caller gives up at its own deadline once it has its turn, so that the queue moves on.
    ///
    /// # Errors
    /// [`Fault::Crowded`] at once if [`MAX_CALLERS`] already write that record.
    pub(super) async fn wait(self: &Arc<Self>, key: Key) -> Result<Turn, Fault> {
        let (slot, turn) = self.enter(key)?;
        // The semaphore is never closed.
        let permit = turn.acquire_owned().await.map_err(|_| Fault::Crowded)?;
        Ok(Turn { _permit: permit, _slot: slot })
    }

    fn enter(self: &Arc<Self>, key: Key) -> Result<(QueueSlot, Arc<Semaphore>), Fault> {
        let mut queues = self.lock();
        let queue = queues
            .entry(key.as_str().to_owned())
            .or_insert_with(|| Queue { turn: Arc::new(Semaphore::new(1)), callers: 0 });
        if queue.callers >= MAX_CALLERS {
            return Err(Fault::Crowded);
        }
        queue.callers += 1;
        Ok((QueueSlot { queues: self.clone(), key }, queue.turn.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to write a record. Passes to the next caller when dropped.
pub(super) struct Turn {
    // Dropped first: a queue is removed only after its last permit was returned.
    _permit: OwnedSemaphorePermit,
    _slot: QueueSlot,
}

/// A caller that waits or writes.
struct QueueSlot {
    queues: Arc<Queues>,
    key: Key,
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        let mut queues = self.queues.lock();
        let is_last = queues.get_mut(self.key.as_str()).is_some_and(|queue| {
            queue.callers -= 1;
            queue.callers == 0
        });
        if is_last {
            queues.remove(self.key.as_str());
        }
    }
}

/// The maximum number of callers that write one record: one works, the others wait.
pub(super) const MAX_CALLERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> Key {
        Key::new("session:", id).unwrap()
    }

    #[test]
    fn queue_of_one_record_is_bounded() {
        let queues = Arc::new(Queues::default());
        let crowd: Vec<_> = (0..MAX_CALLERS).map(|_| queues.enter(key("a")).unwrap()).collect();
        assert!(matches!(queues.enter(key("a")), Err(Fault::Crowded)));
        drop(queues.enter(key("b")).unwrap());
        drop(crowd);
        assert!(queues.lock().is_empty(), "a record without writers has no queue");
        drop(queues.enter(key("a")).unwrap());
    }

    #[tokio::test]
    async fn cancelled_caller_leaves_the_queue() {
        let queues = Arc::new(Queues::default());
        let first = queues.wait(key("a")).await.unwrap();
        let waiting = {
            let queues = queues.clone();
            tokio::spawn(async move { queues.wait(key("a")).await.map(drop) })
        };
        tokio::task::yield_now().await;
        assert_eq!(queues.lock().get("session:a").unwrap().callers, 2);
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(queues.lock().get("session:a").unwrap().callers, 1);
        drop(first);
        assert!(queues.lock().is_empty());
    }
}
