//! Logins as Flask-Login keeps them: who logs in at the Flask app is logged in here, and the reverse.
//!
#![cfg_attr(feature = "axum", doc = "```")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use axum::{Form, Router, response::Redirect, routing::{get, post}};
//! use hipflask::login::{FlaskLogin, FreshLogin, Login, LoginError, LoginUser};
//! use hipflask::{Session, Sessions};
//!
//! struct User { name: String }
//!
//! async fn load_user(id: String) -> Option<User> {
//!     Some(User { name: id }) // An app asks its database.
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Credentials { name: String }
//!
//! async fn log_in(session: Session, Form(form): Form<Credentials>) -> Result<Redirect, LoginError> {
//!     // An app checks a password here.
//!     session.log_in(Login::of(form.name).remember(true)).await?;
//!     Ok(Redirect::to("/account"))
//! }
//!
//! async fn account(user: LoginUser<User>) -> String {
//!     format!("Hello {}", user.user().name)
//! }
//!
//! async fn index(user: Option<LoginUser<User>>) -> String {
//!     user.map_or("Hello stranger".into(), |user| format!("Hello {}", user.id()))
//! }
//!
//! async fn change_password(user: FreshLogin<User>) -> String {
//!     format!("{} has just entered the old password", user.id())
//! }
//!
//! let sessions = Sessions::builder().secret_key("the SECRET_KEY of the Flask app").build()?;
//! let login = FlaskLogin::builder(&sessions).load(load_user).login_view("/login").build()?;
//! let app: Router = Router::new()
//!     .route("/", get(index))
//!     .route("/login", post(log_in))
//!     .route("/account", get(account))
//!     .route("/password", get(change_password))
//!     .layer(login.layer())
//!     .layer(sessions.layer());
//! # Ok::<(), hipflask::ConfigError>(())
//! ```
//!
//! | Flask-Login | here |
//! | --- | --- |
//! | `LoginManager(app)`, `@user_loader` | [`FlaskLogin::builder`], [`load`](FlaskLoginBuilder::load) |
//! | `@login_required`, `current_user` | the extractor [`LoginUser`] |
//! | `current_user.is_authenticated` | `Option<LoginUser>` |
//! | `@fresh_login_required` | the extractor [`FreshLogin`] |
//! | `login_user(user, remember=True)` | [`Session::log_in`](crate::Session::log_in) |
//! | `logout_user()` | [`Session::log_out`](crate::Session::log_out) |
//! | `confirm_login()` | [`Session::confirm`](crate::Session::confirm) |
//!
//! A handler that uses none of them leaves the session alone.
//!
//! A Flask-Login before 0.7 identifies a client by its address and `User-Agent`. The Rust service must
//! see the same address as the Flask app: put both behind the same proxy, or turn the protection off
//! in both. See [`RequestInfo`](crate::RequestInfo) for the address under axum.

mod builder;
mod error;
mod flask_login;
mod operations;
mod protection;
#[cfg_attr(not(feature = "axum"), allow(dead_code, reason = "extractors need a framework"))]
mod redirect;
mod rejection;
mod remember;
mod request;
#[cfg_attr(not(feature = "axum"), allow(dead_code, reason = "extractors need a framework"))]
mod user;

pub use hipflask_core::login::{Identifier, RememberKeyError};

pub use self::builder::FlaskLoginBuilder;
pub use self::error::LoginError;
pub use self::flask_login::FlaskLogin;
pub use self::operations::{LogOut, Login};
pub use self::redirect::{Redirect, safe_next};
pub use self::rejection::LoginRejection;
#[cfg(feature = "templates")]
pub(crate) use self::request::LoadedUser;
pub(crate) use self::request::{Closing, LoginRequest};
pub use self::user::{FreshLogin, LoginUser};
#[cfg_attr(not(feature = "axum"), allow(unused_imports, reason = "extractors need a framework"))]
pub(crate) use self::user::{fresh_user, optional_user, required_user};
#[cfg(feature = "app")]
pub(crate) use self::user::{preload, require};
pub use crate::engine::Protection;
