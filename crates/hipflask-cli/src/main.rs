//! The `hipflask` command.

fn main() {}
