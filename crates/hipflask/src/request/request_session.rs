//! [`RequestSession`]: one request's session, opened or not.

use std::sync::Arc;

use crate::engine::{Kind, SessionHeaders, Sessions};
use crate::error::SessionError;
use crate::session::{
    CookieLine, CookieLines, Finish, Guard, Session, Shared, State, cookie, keyless, stored,
};

/// The session of one request, not opened until it is needed. Cheap to clone.
///
/// Fronts carry it. Handlers use the [`Session`] that [`open`](Self::open) returns.
#[derive(Debug, Clone)]
pub struct RequestSession(Arc<Shared>);

impl Sessions {
    /// Begins a request that has these `Cookie` headers. None of them is parsed yet.
    ///
    /// ```
    /// # use hipflask::Sessions;
    /// let sessions = Sessions::builder().secret_key("a secret key for the docs").build()?;
    /// let request = sessions.begin(["theme=dark; session=forged"]);
    /// assert!(!request.is_opened());
    /// # Ok::<(), hipflask::ConfigError>(())
    /// ```
    #[must_use]
    pub fn begin(&self, cookie_lines: impl IntoIterator<Item = impl Into<CookieLine>>) -> RequestSession {
        RequestSession(Arc::new(Shared::new(self.clone(), CookieLines::new(cookie_lines))))
    }
}

impl RequestSession {
    /// Opens the session: verifies and reads it at the first call, returns the same one at every later call.
    ///
    /// Counts as access, as with Flask's proxy: the response will say `Vary: Cookie`.
    ///
    /// # Errors
    /// [`SessionError::Store`] if the session is in a store that cannot be reached. A bad cookie is not an
    /// error but an empty session.
    pub async fn open(&self) -> Result<Session, SessionError> {
        self.load().await?;
        let mut state = self.opened()?;
        match &mut *state {
            State { data: Some(data), closed: false, .. } => data.set_accessed(true),
            _ => {
                drop(state);
                Session::new(self.0.clone()).with(|_| ())?;
            }
        }
        Ok(Session::new(self.0.clone()))
    }

    /// [`open`](Self::open) for templates and test clients, which cannot wait and count access themselves.
    #[cfg(any(feature = "templates", feature = "test-client"))]
    pub(crate) fn open_cookie(&self) -> Session {
        // An error says that a closure holds the session, so it is open.
        drop(self.opened());
        Session::new(self.0.clone())
    }

    /// Loads a session that is in a store, without counting as access. Does nothing for one in a cookie.
    pub(crate) async fn load(&self) -> Result<(), SessionError> {
        match self.0.stored() {
            Some(stored) => stored::load(&self.0, stored).await,
            None => Ok(()),
        }
    }

    fn opened(&self) -> Result<Guard<'_, State>, SessionError> {
        let mut state = self.0.lock()?;
        if state.data.is_none() {
            match self.0.engine().kind() {
                Kind::Cookie(codec) => cookie::open(&self.0, codec, &mut state),
                Kind::Stored(_) => return Err(SessionError::NotLoaded),
                Kind::Keyless => keyless::open(&mut state),
            }
        }
        Ok(state)
    }

    /// Finishes the request: saves the session and returns the headers of the response. Call it once, before
    /// the response head is sent. Later changes are lost, with a warning.
    ///
    /// # Errors
    /// [`SessionError::TooLarge`] in the strict profile, [`SessionError::NotWritten`],
    /// [`SessionError::Store`]. Respond with an error of that [`status`](SessionError::status) then, because
    /// the handler's changes are lost.
    pub async fn finish(&self) -> Result<SessionHeaders, SessionError> {
        match self.finish_or_wait() {
            Finish::Now(result) => result,
            Finish::Later(saving) => saving.await,
        }
    }

    /// [`finish`](Self::finish) for a front that does not open the session afterwards. Returns at once unless
    /// the session has to be saved.
    pub(crate) fn start_finish(&self) -> Finish {
        if self.0.is_left_alone() && !self.0.may_need_refresh() {
            return Finish::Now(Ok(SessionHeaders::default()));
        }
        self.finish_or_wait()
    }

    fn finish_or_wait(&self) -> Finish {
        match self.0.engine().kind() {
            Kind::Cookie(codec) => Finish::Now(cookie::finish(&self.0, codec)),
            Kind::Stored(stored) => stored::finish(&self.0, stored),
            Kind::Keyless => Finish::Now(keyless::finish(&self.0)),
        }
    }

    /// The session for a layer inside the layer of `outer`, and whether the inner layer has to finish it.
    ///
    /// A response cannot carry two sessions in one cookie. If both are in the same cookie, the outer layer's
    /// session is used, and the outer layer finishes it.
    pub(crate) fn below(self, outer: Self) -> (Self, bool) {
        if let Some(shared) = outer.in_cookie_of(self.0.engine()) {
            return (Self(Arc::clone(shared)), false);
        }
        // The session was just created, so `outer` is not set yet.
        let _ = self.0.outer.set(outer.0);
        (self, true)
    }

    /// This session, or the nearest one around it, that is in the cookie of `sessions`.
    fn in_cookie_of(&self, sessions: &Sessions) -> Option<&Arc<Shared>> {
        let around = std::iter::successors(Some(&self.0), |inner| inner.outer.get());
        let found = around.into_iter().find(|around| around.engine().shares_cookie_with(sessions))?;
        if !found.engine().is_same(sessions) {
            tracing::warn!(
                cookie = sessions.cookie().name(),
                "two nested session layers keep different sessions in one cookie; the outer one is used. \
                 Give one of them another cookie name."
            );
        }
        Some(found)
    }

    /// The state of the session.
    #[cfg(any(feature = "inspector", feature = "login"))]
    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    /// Returns `true` if the session was opened.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        self.0.is_opened()
    }

    /// The engine of the session.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        self.0.engine()
    }
}
