//! Counts the steps of the readers, so that tests and fuzz targets can hold them to a number per byte of input.
//!
//! Only with the feature `count-steps`; without it nothing is counted and nothing is paid.

/// Counts `steps` of work, one for each byte that is looked at.
#[inline(always)]
pub(crate) fn count(steps: usize) {
    #[cfg(any(test, feature = "count-steps"))]
    counter::add(steps);
    #[cfg(not(any(test, feature = "count-steps")))]
    let _ = steps;
}

#[cfg(any(test, feature = "count-steps"))]
pub use counter::counted;

#[cfg(any(test, feature = "count-steps"))]
mod counter {
    use std::cell::Cell;

    thread_local!(static STEPS: Cell<usize> = const { Cell::new(0) });

    pub(super) fn add(steps: usize) {
        STEPS.set(STEPS.get() + steps);
    }

    /// Runs `work` and returns its result with the steps that this thread counted meanwhile.
    pub fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
        let before = STEPS.get();
        let result = work();
        (result, STEPS.get() - before)
    }
}
