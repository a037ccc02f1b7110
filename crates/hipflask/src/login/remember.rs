//! The remember cookie: Flask-Login's `remember_token`.

use std::time::Duration;

use hipflask_core::cookie::{self, CookieConfig};
use hipflask_core::login::REMEMBER_SECONDS;
use hipflask_core::login::RememberTokens;
use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;
use hipflask_core::value::Value;

/// The last second that the date of a cookie can show: the end of the year 9999.
const LAST_DATE: u64 = 253_402_300_799;

#[derive(Debug)]
pub(crate) struct RememberCookie {
    pub(super) cookie: CookieConfig,
    pub(super) duration: Duration,
    pub(super) refresh_each_request: bool,
    /// Never empty. The first one signs.
    pub(super) tokens: Vec<RememberTokens>,
}

/// A valid remember cookie.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) user_id: String,
    /// `true` if a fallback key signed it.
    pub(super) is_old: bool,
}

impl RememberCookie {
    /// Returns the value of the cookie among the `Cookie` lines of a request.
    pub(super) fn find<'h>(&self, lines: impl IntoIterator<Item = &'h [u8]>) -> Option<String> {
        cookie::values(lines, self.cookie.name()).next().map(std::borrow::Cow::into_owned)
    }

    /// Verifies a cookie's value.
    pub(super) fn verify(&self, value: &str) -> Option<Remembered> {
        let mut tokens = self.tokens.iter().enumerate();
        tokens.find_map(|(index, tokens)| {
            let user_id = tokens.verify(value)?.to_owned();
            Some(Remembered { user_id, is_old: index > 0 })
        })
    }

    /// The `Set-Cookie` value that remembers a user.
    pub(super) fn set(&self, user_id: &str, duration: Duration, now: UnixTime) -> String {
        let expires = now.saturating_add(duration).as_secs().min(LAST_DATE);
        let value = self.tokens.first().map(|tokens| tokens.sign(user_id)).unwrap_or_default();
        self.cookie.set(&value, Some(UnixTime::from_secs(expires)))
    }

    /// The `Set-Cookie` value that removes the cookie.
    pub(super) fn removal(&self) -> String {
        self.cookie.removal()
    }

    /// The time for which a user is remembered: that in the session, or the configured one.
    pub(super) fn duration_in(&self, data: &SessionDict) -> Duration {
        let seconds = data.value(REMEMBER_SECONDS).and_then(seconds);
        seconds.unwrap_or(self.duration)
    }
}

fn seconds(value: &Value) -> Option<Duration> {
    match value {
        Value::Float(number) => Duration::try_from_secs_f64(*number).ok(),
        Value::Int(number) => {
            number.as_i64().map(|number| Duration::from_secs(number.try_into().unwrap_or(0)))
        }
        _ => None,
    }
}
