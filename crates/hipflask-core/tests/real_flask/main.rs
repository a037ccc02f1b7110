//! The differential run: real Flask, Werkzeug and itsdangerous beside us, on what chance makes, thousands of times.
//!
//! Every test has `real_flask` in its name, because `cargo xtask check` does without Python. A failure prints the seed;
//! `HIPFLASK_SEED=.. cargo test -p hipflask-core --test real_flask` shows it again.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod common;
mod cookies;
mod damaged;
mod headers;
mod orders;
mod set_cookies;
mod signing;
mod visits;
