//! One request's session, opened or not.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hipflask_core::codec::OpenError;
#[cfg(feature = "inspector")]
use hipflask_core::plan::Seen;
use hipflask_core::session::Session as Data;
use hipflask_core::time::UnixTime;

use crate::commit::Commit;
use crate::engine::Sessions;
use crate::error::SessionError;
use crate::session::Session;

/// The session of one request, unopened until somebody asks: the raw `Cookie` lines and the engine. Cheap to clone.
///
/// Fronts carry it; handlers use the [`Session`] that [`open`](Self::open) gives.
#[derive(Debug, Clone)]
pub struct RequestSession(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    engine: Sessions,
    cookies: CookieLines,
    now: OnceLock<UnixTime>,
    state: Mutex<State>,
}

/// The session and how far its request has come.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) data: Option<Data>,
    pub(crate) refused: Option<OpenError>,
    /// The response head has left: what changes now is lost.
    pub(crate) closed: bool,
}

/// The `Cookie` lines of a request, as they came. Nearly every request has one at most.
#[derive(Clone, Default)]
pub(crate) struct CookieLines {
    first: Option<http::HeaderValue>,
    more: Vec<http::HeaderValue>,
}

impl CookieLines {
    pub(crate) fn new(lines: impl IntoIterator<Item = http::HeaderValue>) -> Self {
        let mut lines = lines.into_iter();
        Self { first: lines.next(), more: lines.collect() }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> + '_ {
        self.first.iter().chain(&self.more).map(http::HeaderValue::as_bytes)
    }
}

/// Shows no cookie.
impl std::fmt::Debug for CookieLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CookieLines({})", usize::from(self.first.is_some()) + self.more.len())
    }
}

impl Sessions {
    /// Begins a request that came with these `Cookie` lines. Looks into none of them.
    #[must_use]
    pub fn begin(&self, cookie_lines: impl IntoIterator<Item = http::HeaderValue>) -> RequestSession {
        RequestSession(Arc::new(Shared {
            engine: self.clone(),
            cookies: CookieLines::new(cookie_lines),
            now: OnceLock::new(),
            state: Mutex::default(),
        }))
    }
}

impl RequestSession {
    /// The session: verified and read at the first call, the same one at every further call.
    ///
    /// # Errors
    /// None with a session in a cookie: a bad cookie is an empty session. A session in a store can be out of reach.
    #[expect(clippy::unused_async, reason = "a session in a store is loaded here")]
    pub async fn open(&self) -> Result<Session, SessionError> {
        Ok(self.open_cookie())
    }

    /// [`open`](Self::open) for callers that cannot wait: templates.
    pub(crate) fn open_cookie(&self) -> Session {
        drop(self.opened());
        Session::new(self.0.clone())
    }

    fn opened(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock();
        if state.data.is_none() {
            let found = self.0.engine.find(self.0.cookies.iter(), self.0.now());
            state.data = Some(found.data);
            state.refused = found.refused;
        }
        state
    }

    /// Decides what the response must carry. To be called once, when the head is ready; later changes are lost and warned of.
    ///
    /// # Errors
    /// [`SessionError::TooLarge`] in the strict profile, [`SessionError::NotWritten`]. The response should then be a
    /// 500: what the handler meant to keep is not kept.
    #[expect(clippy::unused_async, reason = "a session in a store is saved here")]
    pub async fn finish(&self) -> Result<Commit, SessionError> {
        self.finish_cookie()
    }

    pub(crate) fn finish_cookie(&self) -> Result<Commit, SessionError> {
        let mut state = self.0.lock();
        state.closed = true;
        let untouched = state.data.is_none();
        if untouched && !self.0.engine.may_need_refresh(self.0.cookies.iter()) {
            return Ok(Commit::default());
        }
        drop(state);
        let state = self.opened();
        match &state.data {
            Some(data) => self.0.engine.commit(data, self.0.now()),
            None => Ok(Commit::default()),
        }
    }

    /// What has been done to it so far, and whether it is new; `None` while nobody has opened it.
    #[cfg(feature = "inspector")]
    pub(crate) fn seen(&self) -> Option<(Seen, bool)> {
        self.0.lock().data.as_ref().map(|data| (data.seen(), data.is_new()))
    }

    /// Whether somebody has opened it.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        self.0.lock().data.is_some()
    }

    /// The engine that it belongs to.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.0.engine
    }
}

impl Shared {
    /// A panic while a session is changed leaves it in one piece: every change is made in one step.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> UnixTime {
        *self.now.get_or_init(|| self.engine.now())
    }
}
