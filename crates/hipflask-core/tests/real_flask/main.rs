//! Random comparisons of Hipflask with real Flask, Werkzeug and itsdangerous, in thousands of
//! cases.
//!
//! Every test has `real_flask` in its name, because `cargo xtask check` runs without Python. A
//! failure prints the seed; `HIPFLASK_SEED=.. cargo test -p hipflask-core --test real_flask`
//! repeats it.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod common;
mod cookies;
mod damaged;
mod headers;
mod orders;
mod set_cookies;
mod signing;
mod visits;
