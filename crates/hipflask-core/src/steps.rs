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
pub use counter::{PER_BYTE, assert_linear, counted};

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

    /// The steps that a linear reader may take for each byte of its input.
    pub const PER_BYTE: usize = 16;

    /// Runs `work`, which reads `length` bytes, and returns its result.
    ///
    /// # Panics
    /// If it takes more than [`PER_BYTE`] steps for each byte, and 1,000 more.
    #[track_caller]
    pub fn assert_linear<T>(what: &str, length: usize, work: impl FnOnce() -> T) -> T {
        let (result, steps) = counted(work);
        let most = length.saturating_mul(PER_BYTE).saturating_add(1000);
        assert!(steps <= most, "{what} takes {steps} steps for {length} bytes");
        result
    }
}
