//! Form tokens against cross-site request forgery, as Flask-WTF makes and checks them.
//!
//! A form carries a token that is signed for the user's session. The layer refuses a request that
//! changes something (`POST`, `PUT`, `PATCH`, `DELETE`) without it, so that another site cannot send
//! it in the user's name. A form that Flask-WTF rendered is accepted here, and the reverse.
//!
#![cfg_attr(feature = "axum", doc = "```")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use axum::{Router, response::Html, routing::get};
//! use hipflask::{Session, SessionError, Sessions};
//!
//! async fn form(session: Session) -> Result<Html<String>, SessionError> {
//!     Ok(Html(format!("<form method=post>{}<button>Send</button></form>", session.csrf_field()?)))
//! }
//!
//! let sessions = Sessions::builder().secret_key("the SECRET_KEY of the Flask app").build()?;
//! let app: Router = Router::new()
//!     .route("/", get(form).post(async || "accepted"))
//!     .layer(sessions.csrf()?.exempt("/hooks/").layer())
//!     .layer(sessions.layer());
//! # Ok::<(), hipflask::ConfigError>(())
//! ```
//!
//! The layer looks for the token in the headers `X-CSRFToken` and `X-CSRF-Token`, then in the field
//! `csrf_token` of a form. It does not read multipart bodies: send the header with them, or exempt
//! the route and call [`Csrf::verify`] in the handler.
//!
//! Put the layer inside of the session's. It checks requests to missing routes as well: to answer
//! them with 404 or 405 instead of 400, use `MethodRouter::route_layer` of axum. `App::csrf` does so.

mod protection;
mod rejection;
mod token;

pub use hipflask_core::csrf::CsrfError;

pub use self::protection::Csrf;
pub(crate) use self::protection::present;
pub use self::rejection::CsrfRejection;
#[cfg(feature = "templates")]
pub(crate) use self::token::{hidden_field, meta_tag};
