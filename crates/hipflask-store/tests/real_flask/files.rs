//! A Flask app with Flask-Session's filesystem sessions, and our file store, on one directory.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hipflask_core::session::SessionDict;
use hipflask_core::time::UnixTime;
use hipflask_core::value::Value;
use hipflask_store::Scan;
use hipflask_store::file::FileStore;
use hipflask_store::id::Ids;
use hipflask_store::save::{Opened, Saved, ServerSessions, Slot};
use hipflask_testkit::contract::block_on;
use hipflask_testkit::describe::{describe, parse};
use hipflask_testkit::oracle::{RealFlask, Settings};
use hipflask_testkit::rng::TestRng;
use serde::Deserialize;
use serde_json::json;

const LIFETIME: Duration = Duration::from_secs(31 * 86_400);

/// The result of a request to the app.
#[derive(Debug, Deserialize)]
pub(crate) struct Visit {
    pub(crate) session: String,
    pub(crate) sid: String,
    set_cookie: Vec<String>,
}

impl Visit {
    /// The value of the cookie that was set.
    pub(crate) fn cookie(&self) -> String {
        let line = self.set_cookie.first().expect("a cookie was set");
        let value = line.strip_prefix("session=").and_then(|line| line.split(';').next());
        value.expect("it is the session's").to_owned()
    }
}

pub(crate) fn visit(
    flask: &mut RealFlask,
    config: &serde_json::Value,
    cookie: Option<&str>,
    steps: serde_json::Value,
) -> Visit {
    let question = json!({"config": config, "visits": [{"cookie": cookie, "steps": steps}]});
    let visits: Vec<Visit> = flask.ask("session_visits", question.as_object().unwrap().clone()).unwrap();
    visits.into_iter().next().unwrap()
}

fn now() -> UnixTime {
    UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

/// A directory with both on it.
struct Shared {
    directory: tempfile::TempDir,
    flask: RealFlask,
    config: serde_json::Value,
    sessions: ServerSessions,
}

impl Shared {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = json!({"SESSION_TYPE": "filesystem", "SESSION_FILE_DIR": directory.path()});
        let store = Arc::new(FileStore::new(directory.path()));
        let sessions = ServerSessions::new(store, Ids::builder().build().unwrap(), LIFETIME);
        Self { directory, flask: RealFlask::start().unwrap(), config, sessions }
    }

    fn flask(&mut self, cookie: Option<&str>, steps: serde_json::Value) -> Visit {
        visit(&mut self.flask, &self.config, cookie, steps)
    }

    fn open(&self, cookie: &str) -> Option<(SessionDict, Slot)> {
        match block_on(self.sessions.open(cookie.as_bytes(), now())).unwrap() {
            Opened::Found { session, slot } => Some((session, *slot)),
            Opened::Unknown => None,
            other => panic!("{other:?}"),
        }
    }

    fn save(&self, session: &mut SessionDict, slot: &mut Slot) -> Saved {
        block_on(self.sessions.save(session, slot, now())).unwrap()
    }

    fn files(&self) -> usize {
        fs::read_dir(self.directory.path()).unwrap().count()
    }
}

fn shown(session: &SessionDict) -> String {
    describe(&Value::Dict(session.to_dict()))
}

#[test]
fn real_flask_session_files_are_read_and_changed() {
    let mut both = Shared::new();
    let made = both.flask(None, json!([["set", "user", "s616461"], ["set", "pair", "(i1,i2)"]]));
    let cookie = made.cookie();
    let (mut session, mut slot) = both.open(&cookie).expect("Flask's session is found");
    assert_eq!(shown(&session), "{s5f7065726d616e656e74:T,s75736572:s616461,s70616972:(i1,i2)}");
    let expires = slot.stored().unwrap().expires.unwrap().as_secs();
    assert!(
        expires.abs_diff(now().as_secs() + LIFETIME.as_secs()) <= 1,
        "its expiry is the lifetime from now"
    );

    session.set("ours", vec![1, 2]).unwrap();
    assert_eq!(both.save(&mut session, &mut slot), Saved::Replaced { merged: false });
    let seen = both.flask(Some(&cookie), json!([["set", "theirs", "T"]]));
    assert_eq!(seen.sid, made.sid, "Flask keeps the id");
    assert_eq!(
        seen.session,
        "{s5f7065726d616e656e74:T,s75736572:s616461,s70616972:(i1,i2),s6f757273:[i1,i2]}"
    );

    // Flask wrote again behind our back: ours is merged into it.
    session.set("late", 1).unwrap();
    assert_eq!(both.save(&mut session, &mut slot), Saved::Replaced { merged: true });
    let seen = both.flask(Some(&cookie), json!([]));
    assert!(seen.session.ends_with("s746865697273:T,s6c617465:i1}"), "{}", seen.session);

    // Our logout is its logout; a request of ours that is still under way does not undo it.
    let (mut late, mut late_slot) = both.open(&cookie).unwrap();
    slot.destroy();
    assert_eq!(both.save(&mut session, &mut slot), Saved::Deleted);
    let seen = both.flask(Some(&cookie), json!([]));
    assert_eq!(seen.session, "{s5f7065726d616e656e74:T}");
    assert_ne!(seen.sid, made.sid, "an ended id is not adopted");
    late.set("x", 1).unwrap();
    assert_eq!(both.save(&mut late, &mut late_slot), Saved::Gone);
}

#[test]
fn real_flask_session_reads_and_changes_our_files() {
    let mut both = Shared::new();
    let (mut session, mut slot) = (SessionDict::new(), Slot::default());
    session.set_permanent(true);
    session.set("user", "ada").unwrap();
    assert_eq!(both.save(&mut session, &mut slot), Saved::Created);
    let cookie = both.sessions.ids().to_cookie(slot.id().unwrap());
    let seen = both.flask(Some(&cookie), json!([["set", "n", "i5"], ["pop", "user"]]));
    assert_eq!((&*seen.session, &seen.sid), ("{s5f7065726d616e656e74:T,s75736572:s616461}", &cookie));
    let (mut session, mut slot) = both.open(&cookie).unwrap();
    assert_eq!(shown(&session), "{s5f7065726d616e656e74:T,s6e:i5}");
    let moved = both.flask(Some(&cookie), json!([["regenerate"]]));
    let new = moved.cookie();
    assert_ne!(new, cookie);
    assert!(both.open(&cookie).is_none(), "a new id also deletes the old record");
    session.set("late", 1).unwrap();
    assert_eq!(both.save(&mut session, &mut slot), Saved::Gone);
    assert_eq!(shown(&both.open(&new).unwrap().0), "{s5f7065726d616e656e74:T,s6e:i5}");
    let before = both.files();
    both.flask(Some(&new), json!([["clear"]]));
    assert!(both.open(&new).is_none(), "its logout is ours");
    assert_eq!(both.files(), before - 1);
}

#[test]
fn random_sessions_round_trip_through_real_flask_files() {
    let mut both = Shared::new();
    let seed = TestRng::fresh().seed();
    let generated = both.flask.generate(&Settings::default(), seed, 300).unwrap();
    let mut stored = 0;
    for made in generated {
        let Value::Dict(dict) = parse(&made.value).unwrap() else { panic!("a session is a dict") };
        // The key means something to Flask-Session.
        if dict.is_empty() || dict.contains("_permanent") || dict.keys().any(|key| key.as_str().is_none()) {
            continue;
        }
        let steps: Vec<_> =
            dict.iter().map(|(key, value)| json!(["set", key.as_str(), describe(value)])).collect();
        let visited = both.flask(None, json!(steps));
        let (mut session, mut slot) = both.open(&visited.cookie()).unwrap();
        let with_flag = format!("{{s5f7065726d616e656e74:T,{}", &made.value[1..]);
        assert_eq!(shown(&session), with_flag);
        session.set("ours", 1).unwrap();
        assert_eq!(both.save(&mut session, &mut slot), Saved::Replaced { merged: false });
        let seen = both.flask(Some(&visited.cookie()), json!([]));
        assert_eq!(seen.session, shown(&session));
        stored += 1;
    }
    // Two in three can be stored; how many just, chance decides.
    assert!(stored > 100, "{stored}");
    let page = block_on(both.sessions.store().scan(&Scan::new("session:"), now())).unwrap();
    assert_eq!(page.entries.len(), stored);
}
