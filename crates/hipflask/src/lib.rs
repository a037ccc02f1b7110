//! Flask's session system in Rust.
//!
//! A Rust service and a Flask app share one login. Both read and write the same signed cookie, byte
//! for byte, and send it under the same rules.
//!
//! ```
//! use axum::{Router, routing::get};
//! use hipflask::{Session, SessionError, Sessions};
//!
//! async fn visits(session: Session) -> Result<String, SessionError> {
//!     let visits = session.get::<u64>("visits")?.unwrap_or(0) + 1;
//!     session.set("visits", visits)?;
//!     Ok(format!("Visit number {visits}"))
//! }
//!
//! let sessions = Sessions::builder().secret_key("the SECRET_KEY of the Flask app").build()?;
//! let app: Router = Router::new().route("/", get(visits)).layer(sessions.layer());
//! # Ok::<(), hipflask::ConfigError>(())
//! ```
//!
//! # Features
//!
//! - `axum` (on by default): [`Session`] and [`SessionData`] as extractors. Adds axum with its feature
//!   `tokio`. The tower layer needs no feature.
//! - `actix`: middleware and extractors for actix-web 4. Adds actix-web without its default features.
//! - `toml`: settings from a TOML text under Flask's names: `Sessions::from_toml`. Adds toml.
//! - `csrf`: `hipflask::csrf`, form tokens as Flask-WTF makes and checks them. Adds getrandom,
//!   http-body-util and serde_urlencoded.
//! - `login`: `hipflask::login`, logins as Flask-Login keeps them.
//! - `templates`: `hipflask::templates`, minijinja with Flask's `session` and
//!   `get_flashed_messages` in every template. Adds minijinja and the Python methods of
//!   minijinja-contrib.
//! - `app`: `App`, a front on axum that reads like Flask: named routes, `url_for`, `redirect`,
//!   `render_template`, `Form`, error pages, a server. Adds axum with HTTP/1, and tokio; enables
//!   `templates` and `inspector`.
//! - `store`: sessions in a store, compatible with Flask-Session: `SessionsBuilder::store`. Adds
//!   hipflask-store, which has a memory store.
//! - `file`, `sqlite`, `postgres`, `mysql`, `redis`, `redis-tls`, `memcached`, `mongodb`,
//!   `dynamodb`: one store each, with its client. Each enables `store`.
//! - `test-client`: `hipflask::test`, a client with a cookie jar for the tests of an app. Adds
//!   http-body-util.
//! - `inspector`: shows a developer what a session holds and why its cookie was sent. Adds getrandom.

#![warn(unnameable_types)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "app")]
mod app;
#[cfg(feature = "csrf")]
pub mod csrf;
mod engine;
mod error;
mod explain;
mod fronts;
#[cfg(feature = "inspector")]
pub mod inspector;
#[cfg(feature = "login")]
pub mod login;
#[cfg(any(feature = "app", feature = "login"))]
mod quote;
mod repr;
mod request;
mod session;
mod settings;
#[cfg(feature = "templates")]
pub mod templates;
#[cfg(feature = "test-client")]
pub mod test;

#[cfg(feature = "app")]
pub use app::{
    App, AppError, BadForm, Error, Form, Response, Result, UrlError, fresh_login_required, login_required,
    redirect, render_template, render_template_string, url_for, url_for_with,
};
#[cfg(feature = "store")]
pub use engine::OnStoreFailure;
pub use engine::{Clock, SessionHeaders, Sessions, Stats, SystemClock};
pub use error::{Cause, SessionError, SessionRejection, VerifyError, WriteError};
#[cfg(feature = "actix")]
pub use fronts::actix;
#[cfg(feature = "csrf")]
pub use fronts::csrf::{CsrfFuture, CsrfLayer, CsrfService};
#[cfg(feature = "login")]
pub use fronts::login::{LoginFuture, LoginLayer, LoginService};
pub use fronts::{BarePage, ErrorPage, ResponseFuture, SessionLayer, SessionService};
/// The crate below: values, signing, the grammar of cookies, for programs that need only a part.
pub use hipflask_core;
pub use hipflask_core::codec::OpenError;
pub use hipflask_core::cookie::{CookieConfig, CookieTooLarge, SameSite};
pub use hipflask_core::plan::Profile;
pub use hipflask_core::session::{Editor, EntryError, Flash, SessionDict};
pub use hipflask_core::signing::{Compression, Derivation, Digest, KeyRing, SecretKey};
pub use hipflask_core::time::UnixTime;
pub use hipflask_core::value::{AsKey, Dict, Int, Text, Value, ValueError};
pub use repr::repr;
pub use request::{RequestInfo, RequestSession, current, session};
pub use session::{CookieLine, Session, SessionData, SessionKey};
pub use settings::{ConfigError, SessionsBuilder};
#[cfg(feature = "templates")]
pub use templates::context;

/// Stores for server-side sessions, and the contract that each of them keeps.
#[cfg(feature = "store")]
pub use hipflask_store as store;

/// Compiles the code on the page for Flask users.
#[cfg(all(doctest, feature = "app"))]
#[doc = include_str!("../docs/coming-from-flask.md")]
struct ComingFromFlask;

/// Compiles the example of the README.
#[cfg(all(doctest, feature = "app"))]
#[doc = include_str!("../README.md")]
struct Readme;
