//! Flask's session system without I/O.

pub mod cookie;
pub mod signing;
pub mod time;
pub mod value;
