//! For the tests of an app: a client with a cookie jar, sessions to set up and to read, and a clock to set.
//!
//! Flask's `app.test_client()` and `client.session_transaction()`:
//!
//! ```
//! use axum::{Router, routing::get};
//! use hipflask::test::{SetClock, TestClient};
//! use hipflask::{Session, SessionError, Sessions};
//!
//! async fn index(session: Session) -> Result<String, SessionError> {
//!     session.increment("visits", 1)?;
//!     Ok(format!("Hello {}", session.get::<String>("username")?.unwrap_or("stranger".into())))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = SetClock::at(1_700_000_000);
//! let sessions = Sessions::builder().secret_key("a secret key for tests").clock(clock.clone()).build()?;
//! let app: Router = Router::new().route("/", get(index)).layer(sessions.layer());
//!
//! // A signed-in request in one line.
//! assert_eq!(TestClient::new(app.clone(), &sessions).with("username", "ada").get("/").await.text(), "Hello ada");
//!
//! // The client keeps its cookies, and its session can be looked into and set up between requests.
//! let mut client = TestClient::new(app, &sessions);
//! client.get("/").await;
//! assert_eq!(client.session(|session| session.get::<u32>("visits"))?, Some(1));
//! client.session(|session| session.set("username", "bob"))?;
//! assert_eq!(client.get("/").await.text(), "Hello bob");
//!
//! // 31 days and a second later the session has expired.
//! clock.advance(sessions.lifetime() + std::time::Duration::from_secs(1));
//! assert_eq!(client.get("/").await.text(), "Hello stranger");
//! # Ok(()) }
//! ```
//!
//! With a session in a store that has to be waited for, such as Redis,
//! [`session_transaction`](TestClient::session_transaction) does what `session` and `with` do. With
//! actix-web:
//!
#![cfg_attr(feature = "actix", doc = "```")]
#![cfg_attr(not(feature = "actix"), doc = "```ignore")]
//! # use actix_web::{App, test, web};
//! # use hipflask::{Session, SessionError, Sessions};
//! use hipflask::test::{TestClient, actix};
//! # async fn index(session: Session) -> Result<String, SessionError> {
//! #     Ok(format!("Hello {}", session.get::<String>("username")?.unwrap_or_default()))
//! # }
//! # actix_web::rt::System::new().block_on(async {
//! # let sessions = Sessions::builder().secret_key("a secret key for tests").build().unwrap();
//! let app = App::new().wrap(sessions.middleware()).route("/", web::get().to(index));
//! let app = test::init_service(app).await;
//! let mut client = TestClient::new(actix(&app), &sessions).with("username", "ada");
//! assert_eq!(client.get("/").await.text(), "Hello ada");
//! # });
//! ```
//!
//! [`CookieJar`] is the half of them that knows no framework: it gives the `Cookie` header of a request and takes the
//! `Set-Cookie` lines of its response.

#[cfg(feature = "actix")]
mod actix;
mod client;
mod clock;
mod form;
mod jar;
mod response;

#[cfg(feature = "actix")]
pub use actix::{ActixApp, actix};
pub use client::TestClient;
pub use clock::SetClock;
pub use jar::CookieJar;
pub use response::TestResponse;
