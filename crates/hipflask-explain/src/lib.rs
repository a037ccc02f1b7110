//! Explains Flask's session cookies in words.
//!
//! ```
//! use hipflask_explain::play;
//!
//! let request = r#"{"action": "decode", "cookie": "session=eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74",
//!     "now": 1700000060}"#;
//! let answer = play::answer(request);
//! assert!(answer.contains("2023-11-14 22:13:20 UTC, 1 min ago"));
//! ```

pub mod advice;
pub mod header;
pub mod layout;
pub mod play;
pub mod times;
