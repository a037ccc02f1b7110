//! Every store behind the web layer, on real servers: by its URL, next to Flask-Session, under load by
//! HTTP, and when a read fails.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "all of it is tests, and some of them measure")]

mod by_load;
mod by_url;
mod cancelled;
mod client;
mod failed_read;
mod formats;
mod http;
mod killed;
