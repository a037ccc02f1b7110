//! [`Sessions`]: the engine that every front drives.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hipflask_core::codec::{OpenError, Opened, SessionCodec};
use hipflask_core::cookie::{Choice, CookieConfig, candidates};
use hipflask_core::log_limit::{BadSignatures, MANY_BAD_SIGNATURES};
#[cfg(feature = "store")]
use hipflask_core::plan::Plan;
use hipflask_core::plan::{CookieOp, Profile, Rules, plan};
use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;

use super::clock::Clock;
use super::headers::Commit;
use super::permanent;
#[cfg(feature = "store")]
use super::stored::Server;
use super::timeouts::Timeouts;
use crate::error::SessionError;

/// The session engine: keys, cookie, rules and clock, shared by all requests. Cheap to clone.
///
/// It knows no web framework. A front calls [`begin`](Self::begin) with the request's `Cookie` lines, hands the
/// [`RequestSession`](crate::RequestSession) to the handler, and calls [`finish`](crate::RequestSession::finish) when the
/// response head is ready. [`layer`](Self::layer) is such a front, for tower.
#[derive(Clone)]
pub struct Sessions(Arc<Engine>);

struct Engine {
    codec: SessionCodec,
    cookie: CookieConfig,
    rules: Rules,
    lifetime: Duration,
    timeouts: Timeouts,
    clock: Box<dyn Clock>,
    counters: Counters,
    bad_signatures: BadSignatures,
    /// No secret key: every session is empty and cannot be changed. Flask's NullSession.
    keyless: bool,
    /// Where the sessions are, if the cookie carries only their ids.
    #[cfg(feature = "store")]
    server: Option<Server>,
}

impl Sessions {
    pub(crate) fn new(
        codec: SessionCodec,
        cookie: CookieConfig,
        rules: Rules,
        timeouts: Timeouts,
        clock: Box<dyn Clock>,
    ) -> Self {
        let lifetime = codec.lifetime().unwrap_or(Duration::MAX);
        Self(Arc::new(Engine {
            codec,
            cookie,
            rules,
            lifetime,
            timeouts,
            clock,
            counters: Counters::default(),
            bad_signatures: BadSignatures::default(),
            keyless: false,
            #[cfg(feature = "store")]
            server: None,
        }))
    }

    /// The engine with its sessions in a store.
    #[cfg(feature = "store")]
    pub(crate) fn with_server(self, server: Server) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(engine) => Self(Arc::new(Engine { keyless: false, server: Some(server), ..engine })),
            Err(shared) => Self(shared),
        }
    }

    #[cfg(feature = "store")]
    pub(crate) fn server(&self) -> Option<&Server> {
        self.0.server.as_ref()
    }

    /// Whether the cookie carries only an id, and the session is in a store.
    #[must_use]
    #[cfg_attr(
        not(feature = "store"),
        allow(clippy::unused_self, reason = "without stores nothing is in one")
    )]
    pub fn is_stored(&self) -> bool {
        #[cfg(feature = "store")]
        return self.0.server.is_some();
        #[cfg(not(feature = "store"))]
        false
    }

    /// The engine without a secret key. The key of its codec signs nothing.
    #[cfg(any(feature = "app", feature = "store"))]
    pub(crate) fn without_key(self) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(engine) => Self(Arc::new(Engine { keyless: true, ..engine })),
            Err(shared) => Self(shared),
        }
    }

    /// The cookie's name and attributes.
    #[must_use]
    pub fn cookie(&self) -> &CookieConfig {
        &self.0.cookie
    }

    /// How long a cookie is valid after it was signed: Flask's `PERMANENT_SESSION_LIFETIME`.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.0.lifetime
    }

    /// What has been counted since the engine was built.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.counters.read()
    }

    /// The time, by the configured clock.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.0.clock.now()
    }

    /// Signs a session as the value of its cookie: what a test client or a tool sends.
    ///
    /// # Errors
    /// [`SessionError::NotWritten`].
    pub fn seal(&self, session: &SessionDict) -> Result<String, SessionError> {
        if self.0.keyless {
            return Err(SessionError::NoSecretKey);
        }
        let (mut session, now) = (session.clone(), self.now());
        session.set_modified(true);
        self.0.timeouts.settle(&mut session, false, now);
        self.0.codec.seal(&session, now).map_err(|error| SessionError::NotWritten(error.to_string()))
    }

    /// Opens a cookie's value: what a test client or a tool received.
    ///
    /// # Errors
    /// [`OpenError`] says why it is no session.
    pub fn unseal(&self, value: &str) -> Result<SessionDict, OpenError> {
        self.0.codec.open(value.as_bytes(), self.now()).map(|opened| opened.session)
    }

    /// What reads and writes the cookie's value.
    #[cfg(feature = "inspector")]
    pub(crate) fn codec(&self) -> &SessionCodec {
        &self.0.codec
    }

    /// The rules that the plan follows.
    #[cfg(any(feature = "inspector", feature = "store"))]
    pub(crate) fn rules(&self) -> Rules {
        self.0.rules
    }

    /// Finds the session in the `Cookie` lines, and when its cookie was signed; an empty session if there is none.
    /// [`Choice`] decides between several cookies.
    pub(crate) fn find<'h>(
        &self,
        lines: impl Iterator<Item = &'h [u8]>,
        now: UnixTime,
    ) -> (SessionDict, Option<UnixTime>) {
        if self.0.keyless {
            return (SessionDict::new(), None);
        }
        let mut choice = self.choice();
        for value in self.values(lines) {
            if !choice.is_needed(&value) {
                continue;
            }
            match self.0.codec.open(&value, now) {
                Ok(Opened { session, .. }) if self.0.timeouts.is_over(&session, now) => {
                    tracing::debug!("a session has lasted too long; it starts empty");
                    self.0.counters.refused.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Opened { session, issued_at, .. }) => {
                    self.0.counters.opened.fetch_add(1, Ordering::Relaxed);
                    choice.accept(&value, (session, Some(issued_at)));
                    if choice.is_decided() {
                        break;
                    }
                }
                Err(error) => self.note_refusal(&error, now),
            }
        }
        self.chosen(choice).unwrap_or_else(|| (SessionDict::new(), None))
    }

    /// The choice between several cookies of the session's name.
    pub(crate) fn choice<T>(&self) -> Choice<T> {
        Choice::new(self.0.rules.profile)
    }

    /// The session that was chosen. A choice that is refused is logged.
    pub(crate) fn chosen<T>(&self, choice: Choice<T>) -> Option<T> {
        choice.finish().unwrap_or_else(|why| {
            tracing::warn!(%why, "session cookies refused; the session starts empty");
            self.0.counters.refused.fetch_add(1, Ordering::Relaxed);
            None
        })
    }

    #[cfg(feature = "store")]
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.0.timeouts
    }

    /// Carries out what was decided for the cookie of a session in a store, whose `value` is its id.
    #[cfg(feature = "store")]
    pub(crate) fn commit_id(&self, plan: Plan, value: Option<&str>, now: UnixTime) -> Commit {
        let set_cookie = match (plan.cookie, value) {
            (CookieOp::Remove, _) => Some(self.0.cookie.removal()),
            (CookieOp::Set { expires }, Some(value)) => {
                Some(self.0.cookie.set(value, expires.then(|| now.saturating_add(self.0.lifetime))))
            }
            _ => None,
        };
        if set_cookie.is_some() {
            self.0.counters.saved.fetch_add(1, Ordering::Relaxed);
        }
        Commit { set_cookie, vary_cookie: plan.vary_cookie, no_store: plan.no_store }
    }

    /// The values that may be a session: few, whatever was sent.
    pub(crate) fn values<'h>(
        &self,
        lines: impl Iterator<Item = &'h [u8]>,
    ) -> impl Iterator<Item = Cow<'h, [u8]>> {
        candidates(lines, self.0.cookie.name(), self.0.rules.profile)
    }

    fn note_refusal(&self, error: &OpenError, now: UnixTime) {
        let (counters, reason) = (&self.0.counters, error.reason());
        if reason == "bad_payload" {
            // Only a holder of the key can have made it: worth a look, and no fault of the visitor.
            tracing::warn!(%error, "a session cookie has a good signature and an unreadable payload; it starts empty");
            counters.bad_payload.fetch_add(1, Ordering::Relaxed);
        } else {
            tracing::debug!(reason, "a session cookie was refused; the session starts empty");
            counters.refused.fetch_add(1, Ordering::Relaxed);
        }
        if reason == "bad_signature" {
            self.note_bad_signature(counters.opened.load(Ordering::Relaxed), now);
        }
    }

    /// Warns if many signatures are bad, after `opened` good ones: a wrong key empties every session, and nobody would
    /// see why.
    pub(crate) fn note_bad_signature(&self, opened: u64, now: UnixTime) {
        if let Some(count) = self.0.bad_signatures.note(opened, now) {
            let cookie = self.0.cookie.name();
            tracing::warn!(count, cookie, "{MANY_BAD_SIGNATURES}");
        }
    }

    /// Whether a session that nobody opened may have to be sent again because it is permanent.
    pub(crate) fn may_need_refresh<'h>(&self, mut lines: impl Iterator<Item = &'h [u8]>) -> bool {
        let name = self.0.cookie.name().as_bytes();
        self.0.rules.refresh_each_request && lines.any(|line| permanent::may_be_in(line, name))
    }

    /// Whether this is the same engine, not one that was built alike.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether a browser would take their cookies for one.
    pub(crate) fn shares_cookie_with(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.cookie(), other.cookie());
        self.is(other)
            || (ours.name(), ours.domain(), ours.path()) == (theirs.name(), theirs.domain(), theirs.path())
    }

    /// Carries out the plan for a session at the end of its request.
    pub(crate) fn commit(
        &self,
        data: &mut SessionDict,
        issued_at: Option<UnixTime>,
        now: UnixTime,
    ) -> Result<Commit, SessionError> {
        if self.0.keyless {
            let unchanged = data.changes().is_empty();
            return if unchanged { Ok(Commit::default()) } else { Err(SessionError::NoSecretKey) };
        }
        self.0.timeouts.settle(data, false, now);
        let mut seen = data.flags();
        let is_due = |issued_at| self.0.timeouts.is_refresh_due(issued_at, self.0.lifetime, now);
        seen.modified |= seen.accessed && !seen.empty && issued_at.is_some_and(is_due);
        let plan = plan(seen, self.0.rules);
        let set_cookie = match plan.cookie {
            CookieOp::Leave => None,
            CookieOp::Remove => Some(self.0.cookie.removal()),
            CookieOp::Set { expires } => Some(self.set_cookie(data, now, expires)?),
        };
        if set_cookie.is_some() {
            self.0.counters.saved.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Commit { set_cookie, vary_cookie: plan.vary_cookie, no_store: plan.no_store })
    }

    fn set_cookie(&self, data: &SessionDict, now: UnixTime, expires: bool) -> Result<String, SessionError> {
        let value =
            self.0.codec.seal(data, now).map_err(|error| SessionError::NotWritten(error.to_string()))?;
        let header = self.0.cookie.set(&value, expires.then(|| now.saturating_add(self.0.lifetime)));
        if let Err(error) = self.0.cookie.check_size(&value, &header) {
            match self.0.rules.profile {
                Profile::Strict => return Err(SessionError::TooLarge(error.to_string())),
                Profile::Flask => tracing::warn!("{error}"),
            }
        }
        Ok(header)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("codec", &self.0.codec)
            .field("cookie", &self.0.cookie)
            .field("rules", &self.0.rules)
            .field("lifetime", &self.0.lifetime)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Counters {
    opened: AtomicU64,
    saved: AtomicU64,
    refused: AtomicU64,
    bad_payload: AtomicU64,
}

impl Counters {
    fn read(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            opened: read(&self.opened),
            saved: read(&self.saved),
            refused: read(&self.refused),
            bad_payload: read(&self.bad_payload),
        }
    }
}

/// What an engine has counted since it was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions that were opened from a cookie.
    pub opened: u64,
    /// Responses that set or removed the cookie.
    pub saved: u64,
    /// Cookies that were forged, expired, from the future or malformed.
    pub refused: u64,
    /// Cookies with a good signature on a payload that is no session.
    pub bad_payload: u64,
}
