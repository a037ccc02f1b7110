//! Reading `Cookie` headers and writing `Set-Cookie`, in the grammar of Werkzeug 3.1.9.
//!
//! [`parse`] gives every cookie of a header as Flask's `request.cookies` would; [`values`] gives
//! only the ones of one name and is what a request pays for. [`candidates`] and [`Choice`] find the
//! session among several cookies. [`CookieConfig`] says how the session cookie is written:
//! everything that a browser would drop in silence is refused where it is built.

mod choice;
mod config;
mod error;
mod grammar;
mod parse;
mod rules;
mod same_site;
mod values;
mod write;

pub use choice::{Ambiguous, Choice, candidates};
pub use config::{CookieConfig, CookieConfigBuilder};
pub use error::{CookieConfigError, CookiePart, CookieTooLarge, ParseSameSiteError, PrefixRequirement};
pub use parse::{Cookies, parse};
pub use same_site::SameSite;
pub use values::{octets, values};

#[cfg(test)]
mod tests;
