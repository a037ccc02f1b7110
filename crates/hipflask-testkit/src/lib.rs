//! Shared parts of Hipflask's tests: real Flask as a judge, recordings of its output, and a clock to set.
//!
//! ```no_run
//! use hipflask_testkit::oracle::{RealFlask, Settings, Verdict};
//!
//! let mut flask = RealFlask::start()?;
//! let verdicts = flask.open(&Settings::default(), &["eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74"])?;
//! assert_eq!(verdicts[0], Verdict::Opened { session: "{s61:i1}".into(), signed_at: Some(1_700_000_000) });
//! # Ok::<(), hipflask_testkit::oracle::OracleError>(())
//! ```
//!
//! - [`oracle`]: a Python process with real Flask that signs, opens, parses and answers requests, in batches.
//! - [`recordings`]: what that Flask wrote, kept under `wire/`; needs no Python.
//! - [`clock`]: a clock that stands until a test moves it.
//! - [`servers`]: real databases, started for a test and ended with it.
//! - [`rng`]: random numbers from a seed that a failed test prints.
//! - [`contract`]: what every store of sessions must do, in one call; for the stores of others as well.
//! - [`store_spy`], [`faults`]: a store that counts its calls, and fails where a test wants it to.
//! - [`pausing_store`]: a store that waits before and after each step.
//!
//! - [`describe`]: session values as text that Rust and Python spell alike, letter by letter. They travel so.
//!
//! | description | value |
//! | --- | --- |
//! | `N` `T` `F` | none, true, false |
//! | `i-12` | an integer of any size |
//! | `f3ff0000000000000` | a float by its IEEE 754 bits; every NaN is `f7ff8000000000000` |
//! | `s6869` | text: UTF-8 in hex, a lone surrogate as its three bytes |
//! | `b00ff` | bytes |
//! | `m3c623e` | markup |
//! | `u…` | a UUID as 32 hex digits |
//! | `D1700000000000000,0` | a date and time: microseconds since 1970, offset from UTC in seconds |
//! | `[x,y]` `(x,y)` `{k:v}` | list, tuple, dict in its order |

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod clock;
pub mod contract;
pub mod describe;
pub mod faults;
pub mod oracle;
pub mod pausing_store;
pub mod recordings;
pub mod rng;
pub mod servers;
pub mod store_spy;

mod checkout;
mod hex;
