//! The web fronts, tower with axum and actix-web: the same requests to both, and beside real Flask.
//!
//! What talks to real Flask has `real_flask` in its name; see CONTRIBUTING.md.

#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod after_the_head;
mod allocations;
mod axum_extractors;
mod bad_signatures;
mod before_the_head;
mod cached;
mod cancelled;
mod client;
mod coming_from_flask;
mod cookies;
mod examples;
mod front;
mod in_use;
mod layers;
mod log;
mod matrix;
mod proxy;
mod purging;
mod real_flask;
mod secrets;
mod settings;
mod stored;
mod stored_failing;
mod strict;
