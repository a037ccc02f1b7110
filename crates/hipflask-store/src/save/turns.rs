//! [`Turns`]: requests of one process that lost to each other go one after another.
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
pub(super) struct Turns(Mutex<HashMap<Key, Line>>);

/// Fair: first come, first served.
type Line = Arc<tokio::sync::Mutex<Left>>;

/// What the one before left.
#[derive(Debug, Default)]
enum Left {
    /// Nobody was before.
    #[default]
    Nothing,
    /// The record as it was written.
    Newest(Stored),
    /// Nothing good: it failed, gave up, or ended the session. Those behind need not learn that one after another.
    Broken,
}

/// The place of one save, which it takes when it first meets a conflict.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    held: Option<Held<'a>>,
    is_alone: bool,
}

/// Its turn has come. The fields are dropped in this order.
struct Held<'a> {
    left: OwnedMutexGuard<Left>,
    _place: Place<'a>,
}

/// A place in a line; the last who leaves takes the line away.
struct Place<'a> {
    turns: &'a Turns,
    key: Key,
    line: Line,
}

impl Turns {
    pub(super) const fn turn(&self) -> Turn<'_> {
        Turn { turns: self, held: None, is_alone: false }
    }

    fn place(&self, key: &Key) -> Place<'_> {
        let line = Arc::clone(self.lines().entry(key.clone()).or_default());
        Place { turns: self, key: key.clone(), line }
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Waits until it is this one's turn; at once if it is already. What the one before left may be older than what the
    /// caller has seen, but is most likely what is there.
    pub(super) async fn wait(&mut self, key: &Key) -> Option<Stored> {
        if self.held.is_some() || self.is_alone {
            return None;
        }
        let place = self.turns.place(key);
        let mut left = Arc::clone(&place.line).lock_owned().await;
        // Whoever goes away from here on, in whatever way, breaks up the line unless it passes something on.
        let newest = match mem::replace(&mut *left, Left::Broken) {
            Left::Nothing => None,
            Left::Newest(stored) => Some(stored),
            Left::Broken => {
                self.is_alone = true;
                return None;
            }
        };
        self.held = Some(Held { left, _place: place });
        newest
    }

    /// The record is this now; the next one goes on from it.
    pub(super) fn pass_on(self, written: &Stored) {
        if let Some(mut held) = self.held {
            *held.left = Left::Newest(written.clone());
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut lines = self.turns.lines();
        // The table's own and this one: nobody else stands there, and nobody can come while the table is locked.
        if Arc::strong_count(&self.line) <= 2 {
            lines.remove(&self.key);
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
        let (turns, key) = (Turns::default(), key());
        let (mut first, mut second, mut third) = (turns.turn(), turns.turn(), turns.turn());
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
        assert!(turns.lines().is_empty(), "the third has given up, and nothing is left of the line");
    }

    #[test]
    fn one_that_fails_lets_all_behind_it_go_at_once() {
        let (turns, key) = (Turns::default(), key());
        let (mut first, mut second, mut third) = (turns.turn(), turns.turn(), turns.turn());
        assert!(poll(pin!(first.wait(&key))).is_ready());
        {
            let (mut second_waits, mut third_waits) = (pin!(second.wait(&key)), pin!(third.wait(&key)));
            assert!(poll(second_waits.as_mut()).is_pending() && poll(third_waits.as_mut()).is_pending());
            drop(first);
            assert_eq!(poll(second_waits.as_mut()), Poll::Ready(None));
            assert_eq!(poll(third_waits.as_mut()), Poll::Ready(None), "the second is not waited for");
        }
        assert!(turns.lines().is_empty());
        assert_eq!(poll(pin!(turns.turn().wait(&key))), Poll::Ready(None), "the next line begins anew");
    }
}
