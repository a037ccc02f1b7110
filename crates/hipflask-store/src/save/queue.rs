//! [`RetryQueues`]: requests of one process that lost to each other go one after another.
//!
//! Of many that compete for one record only one wins each round, and who compares with what it read a while ago never does.
//! So whoever has met a conflict waits for those of its process that met one before, and goes on from what the last of them
//! left. Processes still compete, each with one request and those that have not met a conflict yet.

use core::mem;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::store::{Key, Stored};

/// The lines in which requests stand, one for each record for which there is one.
#[derive(Debug, Default)]
pub(super) struct RetryQueues(Mutex<HashMap<Key, Queue>>);

/// Fair: first come, first served.
type Queue = Arc<tokio::sync::Mutex<Handover>>;

/// What the one before left.
#[derive(Debug, Default)]
enum Handover {
    /// Nobody was before.
    #[default]
    Nothing,
    /// The record as it was written.
    Newest(Stored),
    /// Nothing good: it failed, gave up, or ended the session. Those behind need not learn that one after another.
    Broken,
}

/// The place of one save, which it takes when it first meets a conflict.
pub(super) struct RetryTurn<'a> {
    queues: &'a RetryQueues,
    held: Option<Admitted<'a>>,
    is_alone: bool,
}

/// Its turn has come. The fields are dropped in this order.
struct Admitted<'a> {
    handover: OwnedMutexGuard<Handover>,
    _place: QueueEntry<'a>,
}

/// A place in a line; the last who leaves takes the line away.
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
        let queue = Arc::clone(self.queues().entry(key.clone()).or_default());
        QueueEntry { queues: self, key: key.clone(), queue }
    }

    fn queues(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RetryTurn<'_> {
    /// Waits until it is this one's turn; at once if it is already. What the one before left may be older than what the
    /// caller has seen, but is most likely what is there.
    pub(super) async fn wait(&mut self, key: &Key) -> Option<Stored> {
        if self.held.is_some() || self.is_alone {
            return None;
        }
        let entry = self.queues.enter(key);
        let mut handover = Arc::clone(&entry.queue).lock_owned().await;
        // Whoever goes away from here on, in whatever way, breaks up the line unless it passes something on.
        let newest = match mem::replace(&mut *handover, Handover::Broken) {
            Handover::Nothing => None,
            Handover::Newest(stored) => Some(stored),
            Handover::Broken => {
                self.is_alone = true;
                return None;
            }
        };
        self.held = Some(Admitted { handover, _place: entry });
        newest
    }

    /// The record is this now; the next one goes on from it.
    pub(super) fn pass_on(self, written: &Stored) {
        if let Some(mut held) = self.held {
            *held.handover = Handover::Newest(written.clone());
        }
    }
}

impl Drop for QueueEntry<'_> {
    fn drop(&mut self) {
        let mut queues = self.queues.queues();
        // The table's own and this one: nobody else stands there, and nobody can come while the table is locked.
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
    fn each_goes_on_from_what_the_one_before_wrote() {
        let (queues, key) = (RetryQueues::default(), key());
        let (mut first, mut second, mut third) = (queues.turn(), queues.turn(), queues.turn());
        assert_eq!(poll(pin!(first.wait(&key))), Poll::Ready(None));
        assert_eq!(poll(pin!(first.wait(&key))), Poll::Ready(None), "it has its turn already");
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
        assert!(queues.queues().is_empty(), "the third has given up, and nothing is handover of the queue");
    }

    #[test]
    fn one_that_fails_lets_all_behind_it_go_at_once() {
        let (queues, key) = (RetryQueues::default(), key());
        let (mut first, mut second, mut third) = (queues.turn(), queues.turn(), queues.turn());
        assert!(poll(pin!(first.wait(&key))).is_ready());
        {
            let (mut second_waits, mut third_waits) = (pin!(second.wait(&key)), pin!(third.wait(&key)));
            assert!(poll(second_waits.as_mut()).is_pending() && poll(third_waits.as_mut()).is_pending());
            drop(first);
            assert_eq!(poll(second_waits.as_mut()), Poll::Ready(None));
            assert_eq!(poll(third_waits.as_mut()), Poll::Ready(None), "the second is not waited for");
        }
        assert!(queues.queues().is_empty());
        assert_eq!(poll(pin!(queues.turn().wait(&key))), Poll::Ready(None), "the next queue begins anew");
    }
}
