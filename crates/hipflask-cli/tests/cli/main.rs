//! The command as others see it: arguments and standard input in, standard output, standard error
//! and exit code out.

#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod help;
mod keys;
mod packaging;
mod people;
mod real_flask;
mod store;
mod stream;
mod support;
mod values;
