//! Queues of the requests of one process that met a conflict.
//!
//! When many requests compete for one record, one wins each round, and a request that compares with
//! old data never does. So a request that met a conflict waits for those of its process that met
//! one before, and continues from the record that the last of them wrote. Processes still compete,
//! each with one queued request and those that have not met a conflict yet.

use core::mem;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::store::{Key, Stored};

/// The queues by key. A record without waiting requests has none.
#[derive(Debug, Default)]
pub(super) struct RetryQueues(Mutex<HashMap<Key, Queue>>);

/// A fair mutex: first come, first served.
type Queue = Arc<tokio::sync::Mutex<Handover>>;

/// The state that a request passes on to the next one.
#[derive(Debug, Default)]
enum Handover {
    /// This is the first request.
    #[default]
    Nothing,
    /// The record as it was written.
    Newest(Stored),
    /// The request failed, was cancelled, or deleted the session. The others stop waiting for each other.
    Broken,
}

/// The turn of one save, which enters the queue at its first conflict.
pub(super) struct RetryTurn<'a> {
    queues: &'a RetryQueues,
    held: Option<Admitted<'a>>,
    is_alone: bool,
}

/// A save whose turn has come. The fields are dropped in this order.
struct Admitted<'a> {
    handover: OwnedMutexGuard<Handover>,
    _entry: QueueEntry<'a>,
}

/// An entry of a queue. The last one removes the queue on drop.
struct QueueEntry<'a> {
    queues: &'a RetryQueues,
    key: Key,
    queue: Queue,
}

impl RetryQueues {
    pub(super) const fn turn(&self) -> RetryTurn<'_> {
        RetryTurn { queues: self, held: None, is_alone: false }
    }

    fn enter(&self, key: &Key) -> QueueEntry<'_> {
        let queue = Arc::clone(self.lock().entry(key.clone()).or_default());
        QueueEntry { queues: self, key: key.clone(), queue }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RetryTurn<'_> {
    /// Waits for this save's turn; returns at once if it has come already. Returns the record of
    /// the save before, which is most likely the current one, but may be older than what the caller
    /// has read.
    pub(super) async fn wait(&mut self, key: &Key) -> Option<Stored> {
        if self.held.is_some() || self.is_alone {
            return None;
        }
        let entry = self.queues.enter(key);
        let mut handover = Arc::clone(&entry.queue).lock_owned().await;
        // From here on, a save that ends without passing on its record dissolves the queue.
        let newest = match mem::replace(&mut *handover, Handover::Broken) {
            Handover::Nothing => None,
            Handover::Newest(stored) => Some(stored),
            Handover::Broken => {
                self.is_alone = true;
                return None;
            }
        };
        self.held = Some(Admitted { handover, _entry: entry });
        newest
    }

    /// Passes the written record on to the next save.
    pub(super) fn pass_on(self, written: &Stored) {
        if let Some(mut held) = self.held {
            *held.handover = Handover::Newest(written.clone());
        }
    }
}

impl Drop for QueueEntry<'_> {
    fn drop(&mut self) {
        let mut queues = self.queues.lock();
        // The references of the table and of this entry: no other save is in the queue, and none
        // can enter while the table is locked.
        if Arc::strong_count(&self.queue) <= 2 {
            queues.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};

    use super::*;

    fn key() -> Key {
        Key::new("session:", "id").unwrap()
    }

    fn poll<F: Future>(future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn each_continues_from_the_record_before() {
        let (queues, key) = (RetryQueues::default(), key());
        let (mut first, mut second, mut third) = (queues.turn(), queues.turn(), queues.turn());
        assert_eq!(poll(pin!(first.wait(&key))), Poll::Ready(None));
        assert_eq!(poll(pin!(first.wait(&key))), Poll::Ready(None), "its turn has come already");
        {
            let (mut second_waits, mut third_waits) = (pin!(second.wait(&key)), pin!(third.wait(&key)));
            assert!(poll(second_waits.as_mut()).is_pending() && poll(third_waits.as_mut()).is_pending());
            let written = Stored::new(b"first".to_vec(), None);
            first.pass_on(&written);
            assert!(poll(third_waits.as_mut()).is_pending(), "first come, first served");
            assert_eq!(poll(second_waits.as_mut()), Poll::Ready(Some(written)));
            assert!(poll(third_waits.as_mut()).is_pending());
        }
        second.pass_on(&Stored::new(b"second".to_vec(), None));
        assert!(queues.lock().is_empty(), "the third has given up, and nothing is handover of the queue");
    }

    #[test]
    fn failure_releases_all_that_wait() {
        let (queues, key) = (RetryQueues::default(), key());
        let (mut first, mut second, mut third) = (queues.turn(), queues.turn(), queues.turn());
        assert!(poll(pin!(first.wait(&key))).is_ready());
        {
            let (mut second_waits, mut third_waits) = (pin!(second.wait(&key)), pin!(third.wait(&key)));
            assert!(poll(second_waits.as_mut()).is_pending() && poll(third_waits.as_mut()).is_pending());
            drop(first);
            assert_eq!(poll(second_waits.as_mut()), Poll::Ready(None));
            assert_eq!(
                poll(third_waits.as_mut()),
                Poll::Ready(None),
                "the third does not wait for the second"
            );
        }
        assert!(queues.lock().is_empty());
        assert_eq!(poll(pin!(queues.turn().wait(&key))), Poll::Ready(None), "the next queue starts empty");
    }
}
