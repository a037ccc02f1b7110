//! The timeouts of the strict profile: a session ends when it is not used for a while, and in any case some time after it
//! began.

use std::time::Duration;

use hipflask_core::plan::touch_interval;
use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;

/// The key under which a session keeps when it began, in seconds since 1970. Only there while an absolute timeout is set.
const CREATED: &str = "_created";

/// When sessions end, beside the age of their cookie.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timeouts {
    /// How long after it began a session ends, however much it is used.
    pub(crate) absolute: Option<Duration>,
    /// Whether using a session that nobody changes keeps it alive.
    pub(crate) sliding: bool,
}

impl Timeouts {
    /// Whether the session has lasted too long. One that does not say when it began has no right to go on.
    pub(crate) fn is_over(self, data: &SessionDict, now: UnixTime) -> bool {
        let Some(absolute) = self.absolute else { return false };
        if data.is_empty() {
            return false;
        }
        let created: Option<u64> = data.get(CREATED).ok().flatten();
        created.is_none_or(|created| now.as_secs().saturating_sub(created) > absolute.as_secs())
    }

    /// Notes when a session began that is about to be saved, or takes the note away where nothing else is left. In a store a
    /// session with only `_permanent` counts as empty, in a cookie it does not.
    pub(crate) fn settle(self, data: &mut SessionDict, stored: bool, now: UnixTime) {
        if self.absolute.is_none() || !data.is_modified() {
            return;
        }
        if data.keys().all(|key| *key == CREATED || (stored && *key == "_permanent")) {
            data.remove(CREATED);
        } else if !data.contains(CREATED) {
            // A number always fits.
            let _ = data.insert(CREATED, now.as_secs());
        }
    }

    /// Lets the absolute limit count from now: at a login.
    #[cfg(feature = "store")]
    pub(crate) fn restart(self, data: &mut SessionDict, now: UnixTime) {
        if self.absolute.is_some() && data.contains(CREATED) {
            // A number always fits.
            let _ = data.insert(CREATED, now.as_secs());
        }
    }

    /// Whether a session that was only read, and whose cookie was signed at `issued_at`, has to be signed again to live on.
    pub(crate) fn is_refresh_due(self, issued_at: UnixTime, lifetime: Duration, now: UnixTime) -> bool {
        let age = Duration::from_secs(now.as_secs().saturating_sub(issued_at.as_secs()));
        self.sliding && age >= touch_interval(lifetime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Timeouts = Timeouts { absolute: Some(Duration::from_secs(3600)), sliding: true };

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    #[test]
    fn a_session_ends_an_hour_after_it_began_however_often_it_is_saved() {
        let mut session = SessionDict::new();
        session.set("user", "ada").unwrap();
        HOUR.settle(&mut session, false, at(1000));
        session.set("user", "bob").unwrap();
        HOUR.settle(&mut session, false, at(3000));
        assert!(!HOUR.is_over(&session, at(4600)));
        assert!(HOUR.is_over(&session, at(4601)));
        assert!(!Timeouts::default().is_over(&session, at(u64::MAX)));
    }

    #[test]
    fn a_session_that_does_not_say_when_it_began_is_over() {
        let mut session = SessionDict::new();
        assert!(!HOUR.is_over(&session, at(0)));
        session.set("user", "ada").unwrap();
        assert!(HOUR.is_over(&session, at(0)));
        session.set(CREATED, "then").unwrap();
        assert!(HOUR.is_over(&session, at(0)));
    }

    #[test]
    fn the_note_goes_with_the_last_key() {
        let mut session = SessionDict::new();
        session.set("user", "ada").unwrap();
        HOUR.settle(&mut session, false, at(1));
        session.remove("user");
        HOUR.settle(&mut session, false, at(2));
        assert!(session.is_empty());
    }

    #[test]
    fn a_cookie_is_signed_again_after_a_twentieth_of_the_idle_time_and_at_least_a_minute() {
        let due =
            |age: u64, lifetime| HOUR.is_refresh_due(at(1000), Duration::from_secs(lifetime), at(1000 + age));
        assert!(!due(89, 1800) && due(90, 1800));
        assert!(!due(59, 600) && due(60, 600));
        assert!(!due(29, 60) && due(30, 60));
    }
}
