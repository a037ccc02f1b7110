//! The session inspector: what a session holds, and why its cookie was sent or not. For developers only.
//!
//! Put [`Inspector::layer`] where `sessions.layer()` would be; in an actix-web app
//! `Inspector::middleware` where `sessions.middleware()` would be. For each browser it remembers
//! the last responses, and shows them on pages of its own:
//!
//! | path | what it is |
//! | --- | --- |
//! | `/_hipflask/session` | a page that follows what the browser does; to be opened in a tab or an `iframe` |
//! | `/_hipflask/session/fragment` | its HTML without head and styles |
//! | `/_hipflask/session.json` | the same as JSON |
//!
//! ```
//! use axum::{Router, routing::get};
//! use hipflask::{Session, SessionError, Sessions, inspector::Inspector};
//!
//! async fn index(session: Session) -> Result<String, SessionError> {
//!     Ok(format!("{} keys", session.len()?))
//! }
//!
//! let sessions = Sessions::builder().secret_key("the SECRET_KEY of the Flask app").build()?;
//! let app: Router = Router::new().route("/", get(index));
//! # if cfg!(debug_assertions) {
//! let app = app.layer(Inspector::new()?.layer(&sessions));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Of a session in a store it shows the record as well: where it is, its size and its end, what is
//! in it, and what the request did to it. The key is shown as the short hash that stands for it in
//! logs.
//!
//! # Who sees what
//!
//! A visitor sees what went to and from their own browser and nothing else. The browser is known by
//! a cookie with a random id, which counts only together with the session cookie that the browser
//! was last seen to hold. So an id that somebody planted in another browser shows nothing of what
//! that browser does after a login.
//!
//! The page shows the session cookie, which `HttpOnly` hides from scripts otherwise. That is why an
//! inspector does not start in a release build unless
//! [`danger_even_in_release`](Inspector::danger_even_in_release) asks for it.

#[cfg(feature = "actix")]
pub mod actix;
mod exchange;
mod html;
mod json;
mod layer;
mod pages;
mod pretty;
mod view;
mod visitors;
mod watch;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use layer::{InspectorLayer, InspectorService, ResponseFuture};
use visitors::Visitors;

use crate::engine::Sessions;

/// Remembers the last responses of each browser and shows them. Clones share what they remember.
#[derive(Clone)]
pub struct Inspector(Arc<Mutex<Visitors>>);

impl Inspector {
    /// An inspector, in a debug build.
    ///
    /// # Errors
    /// [`InspectorError::Release`] in a release build.
    pub fn new() -> Result<Self, InspectorError> {
        if cfg!(debug_assertions) { Ok(Self::start()) } else { Err(InspectorError::Release) }
    }

    /// An inspector in any build. With it every script of the site's own pages can read the session
    /// cookie, whatever `HttpOnly` says: one hole in a page is then enough to take over a login.
    #[must_use]
    pub fn danger_even_in_release() -> Self {
        Self::start()
    }

    fn start() -> Self {
        tracing::warn!(
            "the session inspector is on; it is for development and shows session cookies to scripts"
        );
        Self(Arc::default())
    }

    /// The layer that gives each request its session, as [`Sessions::layer`] does, and watches.
    #[must_use]
    pub fn layer(&self, sessions: &Sessions) -> InspectorLayer {
        InspectorLayer::new(self.clone(), sessions.clone())
    }

    fn visitors(&self) -> MutexGuard<'_, Visitors> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows no session.
impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inspector(..)")
    }
}

/// An inspector does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InspectorError {
    /// This is a release build.
    #[error(
        "the session inspector shows session cookies to scripts, so it does not start in a release build; leave it out \
         there, or ask for it with `Inspector::danger_even_in_release()`"
    )]
    Release,
}

#[cfg(test)]
mod tests;
