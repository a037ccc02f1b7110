//! One request's session, opened or not.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

#[cfg(feature = "inspector")]
use hipflask_core::plan::SessionFlags;
#[cfg(feature = "inspector")]
use hipflask_core::session::SessionDict;

use crate::engine::{Commit, Sessions};
use crate::error::SessionError;
use crate::session::{CookieLine, CookieLines, Guard, Session, Shared, State};

/// The session of one request, unopened until somebody asks: the raw `Cookie` lines and the engine. Cheap to clone.
///
/// Fronts carry it; handlers use the [`Session`] that [`open`](Self::open) gives.
#[derive(Debug, Clone)]
pub struct RequestSession(Arc<Shared>);

/// A session that is being saved in a store.
pub(crate) type Saving = Pin<Box<dyn Future<Output = Result<Commit, SessionError>> + Send>>;

/// What came of a request's end, now or once a store has answered.
pub(crate) enum Finish {
    Now(Result<Commit, SessionError>),
    #[cfg_attr(not(feature = "store"), allow(dead_code, reason = "only stores keep anybody waiting"))]
    Later(Saving),
}

impl Sessions {
    /// Begins a request that came with these `Cookie` lines. Looks into none of them.
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
    /// The session: verified and read at the first call, the same one at every further call.
    ///
    /// Counts as access, as Flask's proxy does: the response will say `Vary: Cookie`.
    ///
    /// # Errors
    /// None with a session in a cookie: a bad cookie is an empty session. A session in a store can be out of reach.
    pub async fn open(&self) -> Result<Session, SessionError> {
        self.load().await?;
        let mut state = self.opened()?;
        match &mut *state {
            State { data: Some(data), closed: false, .. } => data.set_accessed(true),
            _ => {
                drop(state);
                Session::new(self.0.clone()).try_with(|_| ())?;
            }
        }
        Ok(Session::new(self.0.clone()))
    }

    /// [`open`](Self::open) for callers that cannot wait and that count access themselves: templates.
    #[cfg(any(feature = "templates", feature = "test-client"))]
    pub(crate) fn open_cookie(&self) -> Session {
        // An error says that a closure holds the session, and then it is open.
        drop(self.opened());
        Session::new(self.0.clone())
    }

    /// Loads a session that is in a store, without counting as access; nothing to do for one in a cookie.
    #[cfg_attr(
        not(feature = "store"),
        expect(clippy::unused_async, reason = "only stores keep anybody waiting")
    )]
    pub(crate) async fn load(&self) -> Result<(), SessionError> {
        #[cfg(feature = "store")]
        if self.0.engine.is_stored() && !self.is_opened() {
            // A save that is under way may have the session.
            let is_opened = |state: &mut State| (!state.saves.is_under_way()).then(|| state.data.is_some());
            if self.0.wait_for(is_opened).await? {
                return Ok(());
            }
            let found = self.0.engine.find_stored(self.0.cookies.iter(), self.0.now()).await?;
            let mut state = self.0.lock()?;
            // Two parts of one request may have waited for it; the first one's is the session.
            if state.data.is_none() {
                state.data = Some(found.data);
                state.slot = found.slot;
                state.read_only = found.read_only;
            }
        }
        Ok(())
    }

    fn opened(&self) -> Result<Guard<'_, State>, SessionError> {
        let mut state = self.0.lock()?;
        if state.data.is_none() {
            if self.0.engine.is_stored() {
                return Err(SessionError::NotLoaded);
            }
            let (data, issued_at) = self.0.engine.find(self.0.cookies.iter(), self.0.now());
            state.data = Some(data);
            state.issued_at = issued_at;
        }
        Ok(state)
    }

    /// Decides what the response must carry. To be called once, when the head is ready; later changes are lost and warned of.
    ///
    /// # Errors
    /// [`SessionError::TooLarge`] in the strict profile, [`SessionError::NotWritten`], [`SessionError::Store`]. The response
    /// should then be an error of that [`status`](SessionError::status): what the handler meant to keep is not kept.
    pub async fn finish(&self) -> Result<Commit, SessionError> {
        match self.finish_or_wait() {
            Finish::Now(result) => result,
            Finish::Later(saving) => saving.await,
        }
    }

    /// [`finish`](Self::finish) for a front, which does not open the session afterwards; at once where nothing has to be
    /// waited for.
    pub(crate) fn start_finish(&self) -> Finish {
        if self.is_left_alone() && !self.is_due_for_refresh() {
            return Finish::Now(Ok(Commit::default()));
        }
        self.finish_or_wait()
    }

    fn finish_or_wait(&self) -> Finish {
        #[cfg(feature = "store")]
        if self.0.engine.is_stored() && self.is_opened() {
            if let Some(commit) = self.0.finish_unsaved() {
                return Finish::Now(Ok(commit));
            }
            let (is_alone, request) = (self.is_alone(), self.clone());
            return Finish::Later(Box::pin(async move { request.0.finish_stored(is_alone).await }));
        }
        Finish::Now(self.finish_cookie())
    }

    /// Whether nobody else has the session.
    fn is_alone(&self) -> bool {
        let is_alone = Arc::strong_count(&self.0) == 1;
        // Behind the release of whoever was the last to let go of it on another thread.
        fence(Ordering::Acquire);
        is_alone
    }

    /// Whether nobody has touched the session, and nobody is left who could.
    fn is_left_alone(&self) -> bool {
        self.is_alone() && !self.0.is_touched.load(Ordering::Relaxed)
    }

    fn finish_cookie(&self) -> Result<Commit, SessionError> {
        let mut state = self.0.lock()?;
        state.closed = true;
        if state.data.is_none() {
            if !self.is_due_for_refresh() {
                return Ok(Commit::default());
            }
            drop(state);
            state = self.opened()?;
        }
        let issued_at = state.issued_at;
        let commit = match &mut state.data {
            Some(data) => self.0.engine.commit(data, issued_at, self.0.now())?,
            None => Commit::default(),
        };
        state.varies = commit.vary_cookie;
        Ok(commit)
    }

    /// Whether the cookie may have to be sent again though nobody has opened it.
    fn is_due_for_refresh(&self) -> bool {
        !self.0.engine.is_stored() && self.0.engine.may_need_refresh(self.0.cookies.iter())
    }

    /// What a layer goes on with that finds the session of another one around it, and whether it has to finish it.
    ///
    /// One response cannot carry two sessions in one cookie, so the outer layer keeps its own, and sees to it.
    pub(crate) fn below(self, outer: Self) -> (Self, bool) {
        if let Some(shared) = outer.in_cookie_of(&self.0.engine) {
            return (Self(Arc::clone(shared)), false);
        }
        // Nobody else has it yet.
        let _ = self.0.outer.set(outer.0);
        (self, true)
    }

    /// This session, or the nearest around it, that is in the cookie of `sessions`.
    fn in_cookie_of(&self, sessions: &Sessions) -> Option<&Arc<Shared>> {
        let around = std::iter::successors(Some(&self.0), |inner| inner.outer.get());
        let found = around.into_iter().find(|around| around.engine.shares_cookie_with(sessions))?;
        if !found.engine.is(sessions) {
            tracing::warn!(
                cookie = sessions.cookie().name(),
                "two session layers, one inside the other, keep different sessions in one cookie; the outer one is used. \
                 Give one of them another cookie name."
            );
        }
        Some(found)
    }

    /// What has been done to it so far, and whether it is new; `None` while nobody has opened it.
    #[cfg(feature = "inspector")]
    pub(crate) fn seen(&self) -> Option<(SessionFlags, bool)> {
        let state = self.0.lock().ok()?;
        // What the visitor has not filled is empty in a store, permanent from the start as it is.
        let blank = |data: &SessionDict| self.0.engine.is_stored() && data.is_blank();
        let seen =
            |data: &SessionDict| SessionFlags { empty: data.is_empty() || blank(data), ..data.flags() };
        state.data.as_ref().map(|data| (seen(data), data.is_new()))
    }

    /// Its record in the store; `None` if it has none there, or nobody has opened it.
    #[cfg(feature = "inspector")]
    #[cfg_attr(
        not(feature = "store"),
        expect(
            clippy::unused_self,
            clippy::missing_const_for_fn,
            reason = "without stores nothing is in one"
        )
    )]
    pub(crate) fn record(&self) -> Option<crate::session::RecordSeen> {
        #[cfg(feature = "store")]
        return self.0.record();
        #[cfg(not(feature = "store"))]
        None
    }

    /// Whether somebody has opened it.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        // Who holds it in a closure has opened it.
        self.0.lock().map_or(true, |state| state.data.is_some())
    }

    /// The engine that it belongs to.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.0.engine
    }
}
