//! Random numbers for tests, from a seed that can be repeated.

use std::time::{SystemTime, UNIX_EPOCH};

/// Random numbers from a seed; the same seed gives the same ones on every machine.
///
/// ```
/// use hipflask_testkit::rng::TestRng;
///
/// let (mut one, mut other) = (TestRng::from_seed(7), TestRng::from_seed(7));
/// assert_eq!(one.next(), other.next());
/// assert!(one.below(6) < 6);
/// ```
#[derive(Debug, Clone)]
pub struct TestRng(u64);

impl TestRng {
    /// Creates a generator with a new seed, or with that of the environment variable `HIPFLASK_SEED`.
    ///
    /// Prints the seed, which Rust's test harness shows if the test fails.
    ///
    /// # Panics
    /// If `HIPFLASK_SEED` is not a number of 64 bits.
    #[must_use]
    pub fn fresh() -> Self {
        let seed = match std::env::var("HIPFLASK_SEED") {
            Ok(text) => text.parse().expect("HIPFLASK_SEED is a whole number"),
            Err(_) => clock(),
        };
        announce(seed);
        Self::from_seed(seed)
    }

    /// Creates a generator with this seed.
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number, by SplitMix64.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`; 0 if `end` is 0.
    pub const fn below(&mut self, end: usize) -> usize {
        // The bias of a 64-bit remainder is too small to matter in tests.
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    /// Returns `true` with a probability of one in `of`.
    pub const fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// Returns one of `choices`.
    ///
    /// # Panics
    /// If `choices` is empty.
    pub const fn pick<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }

    /// Returns a seed of 32 bits, which Python accepts as well.
    pub const fn seed(&mut self) -> u64 {
        self.next() >> 32
    }
}

fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Nanoseconds differ even between two tests of one run.
    since.as_secs() ^ u64::from(since.subsec_nanos()) << 20
}

#[expect(clippy::print_stdout, reason = "the harness keeps it back unless the test fails")]
fn announce(seed: u64) {
    println!("to repeat: HIPFLASK_SEED={seed}");
}
