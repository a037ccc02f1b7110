//! Compares Hipflask with real Flask-Session, msgspec, pickle and cachelib on random sessions.
//!
//! Every test has `real_flask` in its name, because `cargo xtask check` does without Python. A
//! failure prints the seed; `HIPFLASK_SEED=.. cargo test -p hipflask-store --test real_flask` shows
//! it again.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "all of it is tests; what they count is shown on request"
)]

mod files;
mod ids;
mod records;
