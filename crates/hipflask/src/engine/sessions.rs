//! [`Sessions`]: the engine that every front drives.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hipflask_core::codec::{OpenError, SessionCodec};
use hipflask_core::cookie::{Choice, CookieConfig, candidates};
use hipflask_core::log_limit::{BadSignatures, MANY_BAD_SIGNATURES};
use hipflask_core::plan::{Plan, Rules};
use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;

use super::clock::Clock;
use super::headers::SessionHeaders;
use super::permanent;
use super::stored::Stored;
use super::surroundings::Surroundings;
use super::timeouts::Timeouts;
use crate::error::{SessionError, VerifyError, WriteError};

/// A session engine: keys, cookie, rules and clock, shared by all requests.
///
/// Build one with [`Sessions::builder`], or from Flask's settings with [`from_env`](Self::from_env). Then
/// give it to your web framework: [`layer`](Self::layer) for axum and tower,
/// [`middleware`](Self::middleware) for actix-web. Clones are cheap and are the same engine.
///
/// To use it with another framework, call [`begin`](Self::begin) with the `Cookie` headers of a request,
/// pass the [`RequestSession`](crate::RequestSession) to the handler, and call
/// [`finish`](crate::RequestSession::finish) before you send the response head.
#[derive(Clone)]
pub struct Sessions(Arc<Engine>);

struct Engine {
    kind: Kind,
    cookie: CookieConfig,
    rules: Rules,
    lifetime: Duration,
    timeouts: Timeouts,
    clock: Box<dyn Clock>,
    surroundings: Surroundings,
    counters: Counters,
    bad_signatures: BadSignatures,
}

/// The place where an engine keeps its sessions.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "an engine has one")]
pub(crate) enum Kind {
    /// Flask's signed cookie.
    Cookie(SessionCodec),
    /// A store. The cookie carries only an id.
    Stored(Stored),
    /// Nowhere, for lack of a secret key: every session is empty and read-only. Flask's `NullSession`.
    Keyless,
}

impl Sessions {
    pub(crate) fn new(
        kind: Kind,
        cookie: CookieConfig,
        rules: Rules,
        lifetime: Duration,
        timeouts: Timeouts,
        clock: Box<dyn Clock>,
        surroundings: Surroundings,
    ) -> Self {
        Self(Arc::new(Engine {
            kind,
            cookie,
            rules,
            lifetime,
            timeouts,
            clock,
            surroundings,
            counters: Counters::default(),
            bad_signatures: BadSignatures::default(),
        }))
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0.kind
    }

    pub(crate) fn stored(&self) -> Option<&Stored> {
        match &self.0.kind {
            Kind::Stored(stored) => Some(stored),
            Kind::Cookie(_) | Kind::Keyless => None,
        }
    }

    /// Returns `true` if sessions are in a store and the cookie carries only an id.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.stored().is_some()
    }

    /// The cookie's name and attributes.
    #[must_use]
    pub fn cookie(&self) -> &CookieConfig {
        &self.0.cookie
    }

    /// The lifetime of a cookie after it was signed: Flask's `PERMANENT_SESSION_LIFETIME`.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.0.lifetime
    }

    /// The number of sessions opened, saved and refused since the engine was built.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.counters.read()
    }

    /// The current time by the engine's clock.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.0.clock.now()
    }

    /// Signs a session and returns the value of its cookie, for test clients and tools.
    ///
    /// # Errors
    /// [`SessionError::NotInCookie`] if this engine keeps sessions in a store, [`SessionError::NoSecretKey`]
    /// if it has no key, [`SessionError::NotWritten`] if the session cannot be encoded.
    pub fn sign(&self, session: &SessionDict) -> Result<String, SessionError> {
        let codec = match &self.0.kind {
            Kind::Cookie(codec) => codec,
            Kind::Stored(_) => return Err(SessionError::NotInCookie),
            Kind::Keyless => return Err(SessionError::NoSecretKey),
        };
        let (mut session, now) = (session.clone(), self.now());
        session.set_modified(true);
        self.0.timeouts.settle(&mut session, false, now);
        codec.sign(&session, now).map_err(|error| WriteError::encoding(error).into())
    }

    /// Verifies the value of a cookie and returns the session in it, for test clients and tools.
    ///
    /// # Errors
    /// [`VerifyError`] if the value is not a valid session, or sessions of this engine are not in cookies.
    pub fn verify(&self, value: &str) -> Result<SessionDict, VerifyError> {
        match &self.0.kind {
            Kind::Cookie(codec) => Ok(codec.open(value.as_bytes(), self.now())?.session),
            Kind::Stored(_) | Kind::Keyless => Err(VerifyError::NotInCookie),
        }
    }

    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.0.surroundings
    }

    pub(crate) fn rules(&self) -> Rules {
        self.0.rules
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.0.timeouts
    }

    /// The cookie values that may be a session. Their number is limited, however many cookies were sent.
    pub(crate) fn values<'h>(
        &self,
        lines: impl Iterator<Item = &'h [u8]>,
    ) -> impl Iterator<Item = Cow<'h, [u8]>> {
        candidates(lines, self.0.cookie.name(), self.0.rules.profile)
    }

    /// Starts the choice between several cookies of the session's name.
    pub(crate) fn choice<T>(&self) -> Choice<T> {
        Choice::new(self.0.rules.profile)
    }

    /// Returns the chosen session. Logs it if all candidates are refused.
    pub(crate) fn chosen<T>(&self, choice: Choice<T>) -> Option<T> {
        choice.finish().unwrap_or_else(|why| {
            tracing::warn!(%why, "session cookies refused; the session starts empty");
            self.count_refused();
            None
        })
    }

    /// The response headers of a plan, given the `Set-Cookie` value that it calls for.
    pub(crate) fn headers(&self, plan: Plan, set_cookie: Option<String>) -> SessionHeaders {
        if set_cookie.is_some() {
            self.0.counters.saved.fetch_add(1, Ordering::Relaxed);
        }
        SessionHeaders { set_cookie, vary_cookie: plan.vary_cookie, no_store: plan.no_store }
    }

    /// The `Set-Cookie` value for a session's cookie, with an expiry if the session is permanent.
    pub(crate) fn set_cookie(&self, value: &str, expires: bool, now: UnixTime) -> String {
        self.0.cookie.set(value, expires.then(|| now.saturating_add(self.0.lifetime)))
    }

    pub(crate) fn count_opened(&self) {
        self.0.counters.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_refused(&self) {
        self.0.counters.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts and logs a cookie that does not hold a valid session.
    pub(crate) fn note_refusal(&self, error: &OpenError, now: UnixTime) {
        let reason = error.reason();
        if reason == "bad_payload" {
            // Only a holder of the key can sign it, so it is worth a look. The user cannot fix it.
            tracing::warn!(%error, "a session cookie has a good signature and an unreadable payload; it starts empty");
            self.0.counters.bad_payload.fetch_add(1, Ordering::Relaxed);
        } else {
            tracing::debug!(reason, "a session cookie was refused; the session starts empty");
            self.count_refused();
        }
        if reason == "bad_signature" {
            self.note_bad_signature(self.0.counters.opened.load(Ordering::Relaxed), now);
        }
    }

    /// Warns if many signatures are bad, after `opened` good ones. A wrong key empties every session, and
    /// nothing else would show the cause.
    pub(crate) fn note_bad_signature(&self, opened: u64, now: UnixTime) {
        if let Some(count) = self.0.bad_signatures.note(opened, now) {
            tracing::warn!(count, cookie = self.0.cookie.name(), "{MANY_BAD_SIGNATURES}");
        }
    }

    /// Returns `true` if an unopened session may be permanent, so that its cookie may have to be sent again.
    pub(crate) fn may_need_refresh<'h>(&self, mut lines: impl Iterator<Item = &'h [u8]>) -> bool {
        let name = self.0.cookie.name().as_bytes();
        self.0.rules.refresh_each_request
            && matches!(self.0.kind, Kind::Cookie(_))
            && lines.any(|line| permanent::may_be_in(line, name))
    }

    /// Returns `true` if this is the same engine, not one with equal settings.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns `true` if a browser would send one cookie for both engines.
    pub(crate) fn shares_cookie_with(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.cookie(), other.cookie());
        self.is_same(other)
            || (ours.name(), ours.domain(), ours.path()) == (theirs.name(), theirs.domain(), theirs.path())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("kind", &self.0.kind)
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

/// Counters of an engine, from [`Sessions::stats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions that were opened from a cookie.
    pub opened: u64,
    /// Responses that set or removed the cookie.
    pub saved: u64,
    /// Cookies that were forged, expired, from the future or malformed.
    pub refused: u64,
    /// Cookies with a good signature whose payload is not a session.
    pub bad_payload: u64,
}
