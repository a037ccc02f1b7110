//! Every store behind the web layer, on real servers: by its URL, beside Flask-Session, and under load by HTTP.

#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod by_load;
mod by_url;
mod formats;
mod http;
