//! Flask's session system without I/O.

mod base64;

pub mod codec;
pub mod cookie;
pub mod plan;
pub mod session;
pub mod signing;
pub mod tagged;
pub mod time;
pub mod value;
