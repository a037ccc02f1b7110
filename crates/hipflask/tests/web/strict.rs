//! The strict profile.

use std::sync::Arc;
use std::time::Duration;

use hipflask::hipflask_core::time::UnixTime;
use hipflask::store::file::FileStore;
use hipflask::store::memory::MemoryStore;
use hipflask::store::record::Format;
use hipflask::store::{Key, Scan, Store, Stored};
use hipflask::{Profile, Sessions};

use crate::front::{Ask, FRONTS, Front, Reply, block_on, builder, cookie, untouched, view, with_session};
use crate::log::logged;
use crate::stored::{ask, signed_in, working};

fn strict() -> Sessions {
    builder().secret_key("k".repeat(32)).profile(Profile::Strict).build().unwrap()
}

#[test]
fn response_with_a_cookie_is_not_cached() {
    for front in FRONTS {
        let sessions = strict();
        let writing = view(async |_| {
            hipflask::session().await?.set("a", 1)?;
            Ok(Reply::from("x").header("cache-control", "public, max-age=60"))
        });
        let answer = front.answer(&sessions, writing, Ask::get("/"));
        assert!(answer.set_cookies()[0].starts_with("__Host-session="), "{}", front.name());
        assert!(answer.set_cookies()[0].ends_with("; Secure; HttpOnly; Path=/; SameSite=Lax"));
        assert_eq!(answer.all("cache-control"), ["no-store"]);

        let permanent = cookie(&sessions, |session| session.set_permanent(true));
        let refreshed = front.answer(&sessions, untouched(), Ask::get("/").cookie(permanent));
        assert_eq!((refreshed.set_cookies().len(), refreshed.all("cache-control")), (1, vec!["no-store"]));

        let ada = cookie(&sessions, |session| session.set("username", "ada").unwrap());
        let read = front.answer(&sessions, with_session(|_| Ok(())), Ask::get("/").cookie(&ada));
        assert_eq!((read.vary(), read.all("cache-control")), (vec!["Cookie"], vec![]));
    }
}

#[test]
fn large_cookie_is_a_logged_bare_500() {
    for front in FRONTS {
        let sessions = strict();
        let big = view(async |_| {
            hipflask::session().await?.set("big", "x".repeat(5000))?;
            Ok(Reply::from("a page that says: saved").header("set-cookie", "theme=dark"))
        });
        let (answer, log) = logged(|| front.answer(&sessions, big, Ask::get("/")));
        assert_eq!((answer.status, answer.body.as_str()), (500, ""), "{}", front.name());
        assert_eq!((answer.set_cookies(), answer.vary()), (vec![], vec!["Cookie"]));
        let line = log.iter().find(|line| line.starts_with("ERROR")).unwrap();
        assert!(line.contains("too large") && line.contains("keep it in a store"), "{line}");
        assert!(!line.contains("xxxx"));
    }
}

#[test]
fn profiles_use_different_cookies() {
    let flask = builder().secret_key("k".repeat(32)).build().unwrap();
    let ada = cookie(&flask, |session| session.set("username", "ada").unwrap());
    let asking = view(async |_| Ok(hipflask::session().await?.len().unwrap().to_string()));
    for front in FRONTS {
        assert_eq!(front.answer(&strict(), asking.clone(), Ask::get("/").cookie(&ada)).body, "0");
        assert_eq!(front.answer(&flask, asking.clone(), Ask::get("/").cookie(&ada)).body, "1");
    }
}

#[test]
fn session_expires_by_idle_and_absolute_lifetime() {
    for front in FRONTS {
        let clock = hipflask_testkit::clock::Clock::default();
        let at = clock.clone();
        let sessions = builder()
            .secret_key("k".repeat(32))
            .profile(Profile::Strict)
            .clock(move || at.now())
            .build()
            .unwrap();
        let login = view(async |_| {
            hipflask::session().await?.set("user", "ada")?;
            Ok("in")
        });
        let who = view(async |_| Ok(format!("{:?}", hipflask::session().await?.get::<String>("user")?)));
        let sent = |answer: &crate::front::Answer| {
            answer.set_cookies().first().map(|line| line.split(';').next().unwrap().to_owned())
        };
        let minutes = |n: u64| std::time::Duration::from_secs(60 * n);

        let first = sent(&front.answer(&sessions, login.clone(), Ask::get("/"))).unwrap();
        clock.advance(minutes(1));
        let soon = front.answer(&sessions, who.clone(), Ask::get("/").cookie(&first));
        assert_eq!((soon.body.as_str(), sent(&soon)), ("Some(\"ada\")", None), "{}", front.name());
        clock.advance(minutes(30));
        let idle = front.answer(&sessions, who.clone(), Ask::get("/").cookie(&first));
        assert_eq!(idle.body, "None");

        let mut cookie = sent(&front.answer(&sessions, login.clone(), Ask::get("/"))).unwrap();
        for _ in 0..36 {
            clock.advance(minutes(20));
            let used = front.answer(&sessions, who.clone(), Ask::get("/").cookie(&cookie));
            assert_eq!(used.body, "Some(\"ada\")");
            cookie = sent(&used).unwrap();
        }
        clock.advance(minutes(1));
        let over = front.answer(&sessions, who.clone(), Ask::get("/").cookie(&cookie));
        assert_eq!(over.body, "None", "twelve hours are over");
    }
}

/// An engine for each kind of session: in the cookie, and in a store.
fn both_kinds() -> [Sessions; 2] {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let keyed = || builder().secret_key("k".repeat(32)).profile(Profile::Strict);
    [keyed().build().unwrap(), keyed().store(store).build().unwrap()]
}

/// The cookie of a visitor after a login.
fn logged_in(front: &dyn Front, sessions: &Sessions, name: &'static str) -> String {
    let login = view(move |_| async move {
        hipflask::session().await?.set("user", name)?;
        Ok("in")
    });
    let answer = front.answer(sessions, login, Ask::get("/"));
    answer.set_cookies()[0].split(';').next().unwrap().to_owned()
}

fn user(front: &dyn Front, sessions: &Sessions, line: &str) -> String {
    let asking =
        view(async |_| Ok(hipflask::session().await?.get("user")?.unwrap_or_else(|| "nobody".to_owned())));
    front.answer(sessions, asking, Ask::get("/").cookie(line)).body
}

#[test]
fn strict_finds_the_session_in_a_cookie_sandwich() {
    for (front, sessions) in FRONTS.iter().flat_map(|front| both_kinds().map(|sessions| (front, sessions))) {
        let ada = logged_in(*front, &sessions, "ada");
        assert_eq!(user(*front, &sessions, &format!(r#"a="; {ada}; b=""#)), "ada", "{}", front.name());
    }
}

#[test]
fn strict_refuses_two_valid_sessions_and_logs_why() {
    for (front, sessions) in FRONTS.iter().flat_map(|front| both_kinds().map(|sessions| (front, sessions))) {
        let (ada, eve) = (logged_in(*front, &sessions, "ada"), logged_in(*front, &sessions, "eve"));
        assert_eq!(user(*front, &sessions, &format!("{ada}; {ada}")), "ada", "{}", front.name());
        let (found, log) = logged(|| user(*front, &sessions, &format!("{eve}; {ada}")));
        assert_eq!(found, "nobody", "{}", front.name());
        let warned =
            |line: &String| line.starts_with("WARN") && line.contains("two different session cookies");
        assert!(log.iter().any(warned), "{log:?}");
    }
}

#[test]
fn strict_finds_the_session_behind_bad_cookies() {
    for (front, sessions) in FRONTS.iter().flat_map(|front| both_kinds().map(|sessions| (front, sessions))) {
        let ada = logged_in(*front, &sessions, "ada");
        // Of the right form, so that each one is verified or looked up.
        let bad: String = (0..40).map(|n| format!("{}{n:02}; ", &ada[..ada.len() - 2])).collect();
        assert_eq!(user(*front, &sessions, &format!("{bad}{ada}")), "ada", "{}", front.name());
        let far_too_many = bad.repeat(3);
        let (found, log) = logged(|| user(*front, &sessions, &format!("{ada}; {far_too_many}")));
        assert_eq!(found, "nobody", "{}", front.name());
        assert!(log.iter().any(|line| line.contains("more than 64 cookies")), "{log:?}");
    }
}

/// The only record of a store, and its key.
fn only_record(store: &dyn Store) -> (Key, Stored) {
    block_on(async {
        let page = store.scan(&Scan::new("session:"), UnixTime::from_secs(1_700_000_000)).await.unwrap();
        let key = page.entries.into_iter().next().unwrap().key;
        let stored = store.load(&key, UnixTime::from_secs(1_700_000_000)).await.unwrap().unwrap();
        (key, stored)
    })
}

#[test]
fn pickle_is_refused_and_logged() {
    for front in FRONTS {
        for (profile, is_read) in [(Profile::Flask, true), (Profile::Strict, false)] {
            let store = MemoryStore::new();
            let sessions = builder()
                .secret_key("k".repeat(32))
                .store(Arc::new(store.clone()))
                .profile(profile)
                .build()
                .unwrap();
            let cookie = signed_in(front, &sessions);
            let (key, stored) = only_record(&store);
            let pickle = Format::Pickle.convert(&stored.data).unwrap().data;
            let now = UnixTime::from_secs(1_700_000_000);
            let _ = block_on(store.replace(&key, &stored, &pickle, Duration::from_secs(60), now)).unwrap();
            let (answer, log) = logged(|| front.answer(&sessions, working(|_| Ok(())), ask(&cookie)));
            assert_eq!(answer.body.contains("\"a\""), is_read, "{} {profile:?}", front.name());
            let is_explained = log.iter().any(|line| line.contains("pickles are not read here"));
            assert_eq!(is_explained, profile == Profile::Strict, "{log:?}");
        }
    }
}

#[test]
fn a_directory_keeps_msgpack_in_the_strict_profile() {
    for (profile, expected) in [(Profile::Flask, Format::Pickle), (Profile::Strict, Format::Msgpack)] {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::new(directory.path().join("sessions"));
        let sessions =
            builder().secret_key("k".repeat(32)).store(Arc::new(store)).profile(profile).build().unwrap();
        assert_eq!(sessions.server_sessions().unwrap().format(), expected, "{profile:?}");
    }
}
