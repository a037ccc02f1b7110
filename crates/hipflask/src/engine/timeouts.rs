//! The timeouts of the strict profile: a session ends when it is not used for a while, and in any
//! case some time after it began.

use std::time::Duration;

use hipflask_core::plan::touch_interval;
use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;

/// The key of a session's start time, in seconds since 1970. Only present while an absolute lifetime is set.
const CREATED: &str = "_created";

/// The expiry of sessions, apart from the age of their cookie.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timeouts {
    /// The lifetime of a session from its start, however much it is used.
    pub(crate) absolute: Option<Duration>,
    /// `true` if reading a session keeps it alive.
    pub(crate) sliding: bool,
}

impl Timeouts {
    /// Returns `true` if the session is past its absolute lifetime. So is a session without a start time.
    pub(crate) fn is_over(self, data: &SessionDict, now: UnixTime) -> bool {
        let Some(absolute) = self.absolute else { return false };
        if data.is_empty() {
            return false;
        }
        let created: Option<u64> = data.get(CREATED).ok().flatten();
        created.is_none_or(|created| now.as_secs().saturating_sub(created) > absolute.as_secs())
    }

    /// Notes the start time in a session that is about to be saved, or removes the note if nothing
    /// else is left. In a store a session with only `_permanent` counts as empty, in a cookie it
    /// does not.
    pub(crate) fn settle(self, data: &mut SessionDict, stored: bool, now: UnixTime) {
        if self.absolute.is_none() || !data.is_modified() {
            return;
        }
        if data.keys().all(|key| *key == CREATED || (stored && *key == "_permanent")) {
            data.remove(CREATED);
        } else if !data.contains(CREATED) {
            // A session can always hold a number.
            let _ = data.insert(CREATED, now.as_secs());
        }
    }

    /// Restarts the absolute lifetime, at a login.
    pub(crate) fn restart(self, data: &mut SessionDict, now: UnixTime) {
        if self.absolute.is_some() && data.contains(CREATED) {
            // A session can always hold a number.
            let _ = data.insert(CREATED, now.as_secs());
        }
    }

    /// Returns `true` if a session that was only read must be signed again to stay alive.
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
    fn saves_do_not_extend_the_absolute_lifetime() {
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
    fn session_without_a_start_time_is_over() {
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
    fn refresh_is_due_after_a_twentieth_or_minute() {
        let due =
            |age: u64, lifetime| HOUR.is_refresh_due(at(1000), Duration::from_secs(lifetime), at(1000 + age));
        assert!(!due(89, 1800) && due(90, 1800));
        assert!(!due(59, 600) && due(60, 600));
        assert!(!due(29, 60) && due(30, 60));
    }
}
