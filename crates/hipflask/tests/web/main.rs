//! The web fronts, tower with axum and actix-web: the same requests to both, compared with real Flask.
//!
//! Tests that need real Flask have `real_flask` in their names; see CONTRIBUTING.md.

#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod after_the_head;
mod allocations;
mod axum_extractors;
mod bad_signatures;
mod before_the_head;
mod cached;
mod cancelled;
mod cancelled_actix;
mod client;
mod coming_from_flask;
mod cookies;
mod csrf_flask;
mod examples;
mod front;
mod in_use;
mod layers;
mod log;
mod login_flask;
mod logins;
mod matrix;
mod own_errors;
mod proxy;
mod purging;
mod real_flask;
mod secrets;
mod settings;
mod stored;
mod stored_failing;
mod strict;
