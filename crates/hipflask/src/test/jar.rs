//! The cookies that a client keeps.

use std::fmt;
use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hipflask_core::time::{DateTime, UnixTime};
use hipflask_core::value::Text;
use serde::Serialize;

use crate::engine::Sessions;
use crate::error::SessionError;
use crate::session::Session;

/// Keeps the cookies of one host, as a browser does: by name and path, until they expire.
///
/// Every request counts as https, and `Domain` is not looked at.
#[derive(Clone)]
pub struct CookieJar {
    sessions: Sessions,
    cookies: Vec<Cookie>,
}

#[derive(Clone)]
struct Cookie {
    name: String,
    value: String,
    path: String,
    expires: Option<UnixTime>,
}

impl CookieJar {
    /// An empty jar. Its clock is that of `sessions`.
    #[must_use]
    pub fn new(sessions: &Sessions) -> Self {
        Self { sessions: sessions.clone(), cookies: Vec::new() }
    }

    /// Sets a key of the session before the next request, for example to log in.
    ///
    /// # Panics
    /// If the value cannot live in a session, or [`session`](Self::session) fails.
    #[must_use]
    pub fn with(mut self, key: impl Into<Text>, value: impl Serialize) -> Self {
        match self.session(|session| session.set(key, value)) {
            Ok(()) => self,
            Err(error) => panic!("{error}"),
        }
    }

    /// The `Cookie` header of a request for `path`; empty if no cookie goes there.
    #[must_use]
    pub fn header(&self, path: &str) -> String {
        let now = self.sessions.now();
        let sent = self.cookies.iter().filter(|cookie| cookie.is_live(now) && cookie.goes_to(path));
        sent.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect::<Vec<_>>().join("; ")
    }

    /// Takes over the `Set-Cookie` values of a response.
    pub fn take(&mut self, set_cookies: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        let now = self.sessions.now();
        for line in set_cookies {
            let Some(cookie) = Cookie::read(&String::from_utf8_lossy(line.as_ref()), now) else { continue };
            self.cookies.retain(|held| (&held.name, &held.path) != (&cookie.name, &cookie.path));
            if cookie.is_live(now) {
                self.cookies.push(cookie);
            }
        }
    }

    /// The value of the cookie `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let now = self.sessions.now();
        let mut cookies = self.cookies.iter().filter(|cookie| cookie.is_live(now));
        cookies.find(|cookie| cookie.name == name).map(|cookie| cookie.value.as_str())
    }

    /// Forgets every cookie, as a browser that was closed and had none to keep.
    pub fn clear(&mut self) {
        self.cookies.clear();
    }

    /// Opens the session, as a request would, and saves it if it was changed.
    ///
    /// # Errors
    /// The closure's error, and nothing is saved; otherwise an error of saving, such as a cookie
    /// too large for the strict profile. [`SessionError::NotLoaded`] if a store does not answer at
    /// once: use [`session_transaction`](Self::session_transaction) then.
    pub fn session<R>(
        &mut self,
        work: impl FnOnce(&Session) -> Result<R, SessionError>,
    ) -> Result<R, SessionError> {
        let transaction = pin!(self.session_transaction(work));
        match transaction.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(SessionError::NotLoaded),
        }
    }

    /// Flask's `session_transaction`: [`session`](Self::session) for every store.
    ///
    /// # Errors
    /// The closure's error, and nothing is saved; otherwise an error of loading or saving.
    pub async fn session_transaction<R>(
        &mut self,
        work: impl FnOnce(&Session) -> Result<R, SessionError>,
    ) -> Result<R, SessionError> {
        let path = self.sessions.cookie().path().to_owned();
        let request = self.sessions.begin([self.header(&path).as_str()]);
        request.load().await?;
        let result = work(&request.open_cookie())?;
        self.take(request.finish().await?.set_cookie);
        Ok(result)
    }
}

/// Shows names, never a value.
impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.sessions.now();
        let live = self.cookies.iter().filter(|cookie| cookie.is_live(now));
        f.debug_set().entries(live.map(|cookie| &cookie.name)).finish()
    }
}

impl Cookie {
    fn read(set_cookie: &str, now: UnixTime) -> Option<Self> {
        let mut parts = set_cookie.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let mut cookie = Self { name: name.into(), value: value.into(), path: "/".into(), expires: None };
        let mut age = None;
        for (attribute, value) in parts.filter_map(|part| part.split_once('=')) {
            match attribute.to_ascii_lowercase().as_str() {
                "path" => cookie.path = value.into(),
                "expires" => cookie.expires = DateTime::parse_http_date(value).map(seconds),
                "max-age" => age = value.parse::<i64>().ok(),
                _ => {}
            }
        }
        if let Some(age) = age {
            let age = Duration::from_secs(u64::try_from(age).unwrap_or(0));
            cookie.expires = Some(now.saturating_add(age));
        }
        Some(cookie)
    }

    fn is_live(&self, now: UnixTime) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }

    fn goes_to(&self, path: &str) -> bool {
        let below = path.strip_prefix(&self.path);
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'))
    }
}

fn seconds(date: DateTime) -> UnixTime {
    UnixTime::from_secs(u64::try_from(date.unix_micros() / 1_000_000).unwrap_or(0))
}
