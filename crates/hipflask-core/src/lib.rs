//! Flask's session system without I/O.

mod base64;

pub mod cookie;
pub mod signing;
pub mod tagged;
pub mod time;
pub mod value;
