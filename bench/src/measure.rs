//! Measures CPU time in many short rounds, one row after the other.

use rustix::time::{ClockId, clock_gettime};

/// One operation that is timed.
pub struct Row {
    /// `operation/payload/peer`, such as `open-last-key/M/ours`.
    pub name: String,
    /// Runs it this many times and returns the CPU time in nanoseconds of the process that worked.
    run: Box<dyn FnMut(u32) -> u64>,
    times: u32,
    samples: Vec<f64>,
}

impl Row {
    /// A row that runs in this process. `once` must check its own answer.
    pub fn new(name: String, mut once: impl FnMut() + 'static) -> Self {
        Self::measured_elsewhere(name, move |times| {
            let start = processor_time();
            for _ in 0..times {
                once();
            }
            processor_time() - start
        })
    }

    /// A row that measures itself.
    pub fn measured_elsewhere(name: String, run: impl FnMut(u32) -> u64 + 'static) -> Self {
        Self { name, run: Box::new(run), times: 1, samples: Vec::new() }
    }

    /// Nanoseconds of one run: the median of all rounds.
    pub fn median(&self) -> f64 {
        quantile(&self.samples, 0.5)
    }

    /// The spread of the middle half of the rounds, relative to the median.
    #[cfg(feature = "peers")]
    pub fn spread(&self) -> f64 {
        (quantile(&self.samples, 0.75) - quantile(&self.samples, 0.25)) / self.median()
    }

    /// Finds the number of runs for a round of `batch` nanoseconds.
    fn calibrate(&mut self, batch: u64) {
        loop {
            let taken = (self.run)(self.times).max(1);
            if taken * 2 >= batch || self.times >= 1 << 24 {
                self.times = (u64::from(self.times) * batch / taken).clamp(1, 1 << 24) as u32;
                return;
            }
            self.times *= 2;
        }
    }

    fn sample(&mut self) {
        let taken = (self.run)(self.times);
        self.samples.push(taken as f64 / f64::from(self.times));
    }
}

/// The number and length of the rounds.
#[derive(Clone, Copy)]
pub struct Plan {
    pub rounds: u32,
    /// The intended time of one round of one row, in nanoseconds.
    pub batch: u64,
}

/// Measures all rows in turns, so that noise affects all of them alike.
pub fn measure(rows: &mut [Row], plan: Plan, mut progress: impl FnMut(u32)) {
    for row in &mut *rows {
        row.calibrate(plan.batch);
    }
    for round in 0..plan.rounds {
        progress(round);
        for row in &mut *rows {
            row.sample();
        }
    }
}

/// CPU time of this process in nanoseconds.
pub fn processor_time() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
