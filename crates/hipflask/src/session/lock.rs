//! A mutex that notices when the thread that holds it asks for it again, which would otherwise wait
//! for itself forever.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(crate) struct Lock<T> {
    /// Which thread holds it; 0 if none does.
    holder: AtomicUsize,
    value: Mutex<T>,
}

impl<T> Lock<T> {
    /// Waits for other threads. `None` if this thread holds it already.
    ///
    /// A panic while it was held changes nothing: what a session goes through is made in single steps.
    pub(crate) fn lock(&self) -> Option<Guard<'_, T>> {
        let here = this_thread();
        // Only this thread writes `here`, so it cannot appear or vanish meanwhile.
        if self.holder.load(Ordering::Relaxed) == here {
            return None;
        }
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        self.holder.store(here, Ordering::Relaxed);
        Some(Guard { holder: &self.holder, value })
    }
}

impl<T: fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

pub(crate) struct Guard<'l, T> {
    holder: &'l AtomicUsize,
    value: MutexGuard<'l, T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.holder.store(0, Ordering::Relaxed);
    }
}

/// A number that no other running thread has: the place of a variable of its own.
fn this_thread() -> usize {
    thread_local! {
        static HERE: u8 = const { 0 };
    }
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_thread_gets_none_and_others_wait() {
        let lock = Lock::<u32>::default();
        let mut held = lock.lock().unwrap();
        assert!(lock.lock().is_none());
        std::thread::scope(|scope| {
            let other = scope.spawn(|| *lock.lock().unwrap());
            *held = 5;
            drop(held);
            assert_eq!(other.join().unwrap(), 5);
        });
        assert!(lock.lock().is_some());
    }

    #[test]
    fn lock_survives_a_panic() {
        let lock = Lock::<u32>::default();
        let panicked = std::panic::catch_unwind(|| {
            let _held = lock.lock();
            panic!("on purpose");
        });
        assert!(panicked.is_err() && lock.lock().is_some());
    }
}
