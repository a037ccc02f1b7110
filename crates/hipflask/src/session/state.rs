//! The state of one request, which its handles share.

#[cfg(feature = "login")]
use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};

use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;

use super::cookie_lines::CookieLines;
use super::lock::{Guard, Lock};
use super::stored::saves::StoredState;
use crate::engine::{SessionHeaders, Sessions, Stored};
use crate::error::SessionError;

/// One request's session, shared by its handles.
#[derive(Debug)]
pub(crate) struct Shared {
    engine: Sessions,
    pub(crate) cookies: CookieLines,
    /// The time of the request, once it was needed; [`UNKNOWN`] before.
    now: AtomicU64,
    /// `true` once `state` was locked. An untouched session needs no lock at the end.
    is_touched: AtomicBool,
    state: Lock<State>,
    /// The login of the request, if a login layer is around the handler. Only that layer knows its type.
    #[cfg(feature = "login")]
    pub(crate) login: OnceLock<Arc<dyn Any + Send + Sync>>,
    /// The session of the layer around this one, which is in another cookie.
    pub(crate) outer: OnceLock<Arc<Shared>>,
}

/// The session, and the progress of its request.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) data: Option<SessionDict>,
    /// The time at which the session's cookie was signed.
    pub(crate) issued_at: Option<UnixTime>,
    /// `true` once the response head was decided. Later changes of a cookie session are lost.
    pub(crate) closed: bool,
    /// `true` if the response says `Vary: Cookie`. Only used once the head was decided.
    pub(crate) varies: bool,
    /// `true` if a session in a store was changed after the head. The change is lost unless the
    /// handler saves it.
    pub(crate) is_late: bool,
    pub(crate) stored: StoredState,
}

/// Warns of changes that were made after the response head and never saved.
impl Drop for State {
    fn drop(&mut self) {
        let Some(data) = self.data.as_ref().filter(|_| self.is_late) else { return };
        let keys: Vec<_> = data.changes().iter().map(|(key, _)| key).collect();
        if self.stored.is_to_change() || !data.changes().is_empty() {
            tracing::warn!(
                ?keys,
                "the session was changed after its response head was sent; the change is lost. Call `save_now` after it, \
                 or change the session before the handler returns."
            );
        }
    }
}

/// The headers of a response, or the save that they wait for.
pub(crate) enum Finish {
    Now(Result<SessionHeaders, SessionError>),
    #[allow(dead_code, reason = "only a store makes a response wait")]
    Later(Saving),
}

/// A save that ends with the headers of the response.
pub(crate) type Saving = Pin<Box<dyn Future<Output = Result<SessionHeaders, SessionError>> + Send>>;

impl Shared {
    /// The state of a request that came with these `Cookie` lines.
    pub(crate) fn new(engine: Sessions, cookies: CookieLines) -> Self {
        Self {
            engine,
            cookies,
            now: AtomicU64::new(UNKNOWN),
            is_touched: AtomicBool::new(false),
            state: Lock::default(),
            #[cfg(feature = "login")]
            login: OnceLock::new(),
            outer: OnceLock::new(),
        }
    }

    pub(crate) fn lock(&self) -> Result<Guard<'_, State>, SessionError> {
        self.is_touched.store(true, Ordering::Relaxed);
        self.state.lock().ok_or(SessionError::InUse)
    }

    pub(crate) fn now(&self) -> UnixTime {
        let known = self.now.load(Ordering::Relaxed);
        if known != UNKNOWN {
            return UnixTime::from_secs(known);
        }
        let now = self.engine.now();
        // If two threads get here at once, the first one's time is that of the request.
        let first = self.now.compare_exchange(UNKNOWN, now.as_secs(), Ordering::Relaxed, Ordering::Relaxed);
        first.map_or_else(UnixTime::from_secs, |_| now)
    }

    pub(crate) const fn engine(&self) -> &Sessions {
        &self.engine
    }

    /// The engine's store, if sessions are in one.
    pub(crate) fn stored(&self) -> Option<&Stored> {
        self.engine.stored()
    }

    /// Returns `true` if the session was opened. A closure that holds it has opened it.
    pub(crate) fn is_opened(&self) -> bool {
        self.lock().map_or(true, |state| state.data.is_some())
    }

    /// Returns `true` if the session was used in any way.
    #[cfg(feature = "login")]
    pub(crate) fn is_touched(&self) -> bool {
        self.is_touched.load(Ordering::Relaxed)
    }

    /// Looks at an opened session, without counting as access. `None` if it is not opened.
    #[cfg(feature = "login")]
    pub(crate) fn peek<R>(&self, look: impl FnOnce(&SessionDict) -> R) -> Option<R> {
        self.lock().ok()?.data.as_ref().map(look)
    }

    /// Returns `true` if no other handle of the session exists.
    pub(crate) fn is_alone(self: &Arc<Self>) -> bool {
        let is_alone = Arc::strong_count(self) == 1;
        // Orders this after the drop of the last other handle, on whichever thread that was.
        fence(Ordering::Acquire);
        is_alone
    }

    /// Returns `true` if the session was never used and no other handle can use it.
    pub(crate) fn is_left_alone(self: &Arc<Self>) -> bool {
        self.is_alone() && !self.is_touched.load(Ordering::Relaxed)
    }

    /// Returns `true` if the cookie may have to be sent again although the session was not opened.
    pub(crate) fn may_need_refresh(&self) -> bool {
        self.engine.may_need_refresh(self.cookies.iter())
    }

    /// Returns an error if the session is read-only in this request.
    pub(crate) fn check_writable(&self) -> Result<(), SessionError> {
        self.lock()?.stored.check_writable()
    }
}

/// A time that no clock shows.
const UNKNOWN: u64 = u64::MAX;
