//! The state of one request, which its handles share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;

use super::lock::{Guard, Lock};
use crate::engine::Sessions;
use crate::error::SessionError;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Sessions,
    pub(crate) cookies: CookieLines,
    /// The time, once somebody has asked; [`UNKNOWN`] before.
    pub(crate) now: AtomicU64,
    /// Whether `state` was ever changed. Tells an untouched session without taking its lock.
    pub(crate) is_touched: AtomicBool,
    pub(crate) state: Lock<State>,
    /// The session of the layer around this one, which is in another cookie.
    pub(crate) outer: OnceLock<Arc<Shared>>,
}

/// The session and how far its request has come.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) data: Option<SessionDict>,
    /// When the cookie was signed that the session came from.
    pub(crate) issued_at: Option<UnixTime>,
    /// The response head has left: what changes now is lost.
    pub(crate) closed: bool,
    /// The response says that it depends on the cookie. Only counts once the head has left.
    pub(crate) varies: bool,
    /// Where a session in a store came from, and what is meant for its record.
    #[cfg(feature = "store")]
    pub(crate) slot: Option<Box<hipflask_store::save::Slot>>,
    /// Why the session is empty and must not be changed, if its store failed and the request goes on all the same.
    #[cfg(feature = "store")]
    pub(crate) read_only: Option<Box<SessionError>>,
    /// What came of the last save.
    #[cfg(feature = "store")]
    pub(crate) saved: Option<hipflask_store::save::Saved>,
    /// The save that is under way.
    #[cfg(feature = "store")]
    pub(crate) saves: super::saves::Saves,
    /// A session in a store was changed after the response head had left: lost unless it is saved by hand.
    #[cfg(feature = "store")]
    pub(crate) is_late: bool,
}

/// Changes that were made after the response head had left, and that nobody saved.
#[cfg(feature = "store")]
impl Drop for State {
    fn drop(&mut self) {
        let Some(data) = self.data.as_ref().filter(|_| self.is_late) else { return };
        let keys: Vec<_> = data.changes().iter().map(|(key, _)| key).collect();
        let is_to_change = self.slot.as_ref().is_some_and(|slot| slot.is_to_change());
        if is_to_change || !data.changes().is_empty() {
            tracing::warn!(
                ?keys,
                "the session was changed after its response head had left; the change is lost. Call `save_now` after it, \
                 or change the session before the handler returns."
            );
        }
    }
}

/// A `Cookie` line of a request, as it came. A header value of the `http` crate, of actix-web, or text becomes one; the
/// first two without a copy.
#[derive(Clone)]
pub struct CookieLine(Line);

#[derive(Clone)]
enum Line {
    Http(http::HeaderValue),
    #[cfg(feature = "actix")]
    Actix(actix_web::http::header::HeaderValue),
    Bytes(Box<[u8]>),
}

impl CookieLine {
    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Line::Http(value) => value.as_bytes(),
            #[cfg(feature = "actix")]
            Line::Actix(value) => value.as_bytes(),
            Line::Bytes(bytes) => bytes,
        }
    }
}

/// Shows no cookie.
impl std::fmt::Debug for CookieLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieLine(..)")
    }
}

impl From<http::HeaderValue> for CookieLine {
    fn from(value: http::HeaderValue) -> Self {
        Self(Line::Http(value))
    }
}

#[cfg(feature = "actix")]
impl From<actix_web::http::header::HeaderValue> for CookieLine {
    fn from(value: actix_web::http::header::HeaderValue) -> Self {
        Self(Line::Actix(value))
    }
}

impl From<&str> for CookieLine {
    fn from(text: &str) -> Self {
        Self(Line::Bytes(text.as_bytes().into()))
    }
}

impl From<Vec<u8>> for CookieLine {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Line::Bytes(bytes.into()))
    }
}

/// The `Cookie` lines of a request. Nearly every request has one at most.
#[derive(Debug, Default)]
pub(crate) struct CookieLines {
    first: Option<CookieLine>,
    more: Vec<CookieLine>,
}

impl CookieLines {
    pub(crate) fn new(lines: impl IntoIterator<Item = impl Into<CookieLine>>) -> Self {
        let mut lines = lines.into_iter().map(Into::into);
        Self { first: lines.next(), more: lines.collect() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone + '_ {
        self.first.iter().chain(&self.more).map(CookieLine::as_bytes)
    }
}

impl Shared {
    /// The state of a request that came with these `Cookie` lines.
    pub(crate) fn new(engine: Sessions, cookies: CookieLines) -> Self {
        Self {
            engine,
            cookies,
            now: AtomicU64::new(UNKNOWN),
            is_touched: AtomicBool::new(false),
            state: Lock::default(),
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
        // Of two threads that ask at once the first one's time is that of the request.
        let first = self.now.compare_exchange(UNKNOWN, now.as_secs(), Ordering::Relaxed, Ordering::Relaxed);
        first.map_or_else(UnixTime::from_secs, |_| now)
    }

    pub(crate) const fn engine(&self) -> &Sessions {
        &self.engine
    }

    /// The values that came in the session's cookie.
    #[cfg(all(feature = "inspector", feature = "store"))]
    pub(crate) fn sent(&self) -> impl Iterator<Item = std::borrow::Cow<'_, [u8]>> {
        self.engine.values(self.cookies.iter())
    }
}

/// No clock shows it.
const UNKNOWN: u64 = u64::MAX;
