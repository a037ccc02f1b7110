//! The commands of this workspace: `cargo xtask check`, `cargo xtask test`.

fn main() {}
