//! A counter of the steps that readers take, so that tests and fuzz targets can check that each
//! reader is linear.
//!
//! [`count`] does nothing unless the feature `count-steps` is on; `counted` and `assert_linear`
//! exist only with it.

/// Counts `steps` of work, one for each byte that a reader looks at.
#[inline(always)]
pub fn count(steps: usize) {
    #[cfg(any(test, feature = "count-steps"))]
    counter::add(steps);
    #[cfg(not(any(test, feature = "count-steps")))]
    let _ = steps;
}

#[cfg(any(test, feature = "count-steps"))]
pub use counter::{FLOOR, PER_BYTE, assert_linear, assert_steps, counted};

#[cfg(any(test, feature = "count-steps"))]
mod counter {
    use std::cell::Cell;

    thread_local!(static STEPS: Cell<usize> = const { Cell::new(0) });

    pub(super) fn add(steps: usize) {
        STEPS.set(STEPS.get() + steps);
    }

    /// Runs `work` and returns its result and the number of steps that this thread counted
    /// meanwhile.
    pub fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
        let before = STEPS.get();
        let result = work();
        (result, STEPS.get() - before)
    }

    /// The number of steps that a linear reader may take for each byte of its input.
    pub const PER_BYTE: usize = 16;

    /// The number of steps that a linear reader may take for an empty input.
    pub const FLOOR: usize = 1000;

    /// Runs `work`, which reads `length` bytes, and returns its result.
    ///
    /// # Panics
    /// If it takes more than [`PER_BYTE`] steps for each byte and [`FLOOR`] steps more.
    #[track_caller]
    pub fn assert_linear<T>(what: &str, length: usize, work: impl FnOnce() -> T) -> T {
        let (result, steps) = counted(work);
        assert_steps(what, length, steps, length.saturating_mul(PER_BYTE).saturating_add(FLOOR));
        result
    }

    /// Checks the number of steps that `what` took for an input of `length` bytes.
    ///
    /// # Panics
    /// If `steps` is greater than `limit`.
    #[track_caller]
    pub fn assert_steps(what: &str, length: usize, steps: usize, limit: usize) {
        assert!(steps <= limit, "{what} takes {steps} steps for {length} bytes, and {limit} are allowed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs_of(length: usize) {
        (0..length).for_each(|_| count(length));
    }

    #[test]
    fn linear_work_is_counted_and_allowed() {
        assert_eq!(counted(|| (0..500).for_each(|_| count(PER_BYTE))).1, 500 * PER_BYTE);
        assert_linear("one pass", 500, || (0..500).for_each(|_| count(PER_BYTE)));
        assert_linear("a short input", 30, || pairs_of(30));
    }

    #[test]
    #[should_panic(expected = "takes 250000 steps for 500 bytes, and 9000 are allowed")]
    fn quadratic_work_panics() {
        assert_linear("all pairs", 500, || pairs_of(500));
    }
}
