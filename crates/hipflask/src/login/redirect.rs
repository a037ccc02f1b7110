//! The way of users that are not logged in to the login page, and back.

use std::fmt;
use std::sync::Arc;

use hipflask_core::login::{IDENTIFIER, NEXT};

use super::error::LoginError;
use super::request::LoginRequest;
use crate::quote::quote_plus;
use crate::session::Session;

/// The redirect of a user to a page to log in at.
#[derive(Clone)]
pub struct Redirect {
    session: Session,
    request: Arc<LoginRequest>,
    is_refresh: bool,
}

impl Redirect {
    pub(super) const fn to_login(session: Session, request: Arc<LoginRequest>) -> Self {
        Self { session, request, is_refresh: false }
    }

    pub(super) const fn to_refresh(session: Session, request: Arc<LoginRequest>) -> Self {
        Self { session, request, is_refresh: true }
    }

    /// Flashes the message and returns the URL, as Flask-Login's `unauthorized` does. `None` if the
    /// app has no such page.
    pub(crate) fn prepare(&self) -> Result<Option<String>, LoginError> {
        let views = &self.request.settings().views;
        let (view, message) = match self.is_refresh {
            true => (&views.refresh, &views.refresh_message),
            false => (&views.login, &views.login_message),
        };
        let Some(view) = view else { return Ok(None) };
        if let Some(message) = message.as_deref().filter(|message| !message.is_empty()) {
            self.session.flash_as(views.message_category.as_str(), message)?;
        }
        let target = self.request.info().path_and_query();
        if !views.next_in_session {
            return Ok(Some(with_next(view, target)));
        }
        self.session.insert(IDENTIFIER, self.request.identifier())?;
        self.session.insert(NEXT, target)?;
        Ok(Some(view.clone()))
    }
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redirect").field("is_refresh", &self.is_refresh).finish_non_exhaustive()
    }
}

/// Adds the page to return to, as Flask-Login's `login_url` does. A `next` in `view` is replaced.
fn with_next(view: &str, next: &str) -> String {
    let (view, fragment) = view.split_once('#').map_or((view, ""), |(view, fragment)| (view, fragment));
    let (path, query) = view.split_once('?').unwrap_or((view, ""));
    let mut url = format!("{path}?");
    for pair in query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(NEXT)) {
        url.push_str(pair);
        url.push('&');
    }
    url.push_str("next=");
    quote_plus(&mut url, next, b"");
    if !fragment.is_empty() {
        url.push('#');
        url.push_str(fragment);
    }
    url
}

/// Returns the page to return to after a login, if it is a path of this host. A link to the login page
/// with another host in `next` must not lead there.
///
/// ```
/// use hipflask::login::safe_next;
///
/// assert_eq!(safe_next("/account?tab=2"), Some("/account?tab=2"));
/// for foreign in ["https://evil.example/", "//evil.example/", "/\\evil.example/", "account", ""] {
///     assert_eq!(safe_next(foreign), None);
/// }
/// ```
#[must_use]
pub fn safe_next(next: &str) -> Option<&str> {
    let is_path = next.starts_with('/') && !next.starts_with("//") && !next.starts_with("/\\");
    // Browsers drop tabs and line breaks, which can hide a second slash.
    let is_plain = !next.bytes().any(|byte| byte.is_ascii_control() || byte == b'\\');
    (is_path && is_plain).then_some(next)
}
