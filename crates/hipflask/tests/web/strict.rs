//! The strict profile.

use hipflask::{Profile, Sessions};

use crate::front::{Ask, FRONTS, Reply, builder, cookie, untouched, view, with_session};
use crate::log::logged;

fn strict() -> Sessions {
    builder().secret_key("k".repeat(32)).profile(Profile::Strict).build().unwrap()
}

#[test]
fn what_carries_a_cookie_is_kept_by_no_cache() {
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
fn a_cookie_over_the_limit_is_a_bare_500_that_is_logged() {
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
fn the_cookie_of_the_other_profile_is_another_cookie() {
    let flask = builder().secret_key("k".repeat(32)).build().unwrap();
    let ada = cookie(&flask, |session| session.set("username", "ada").unwrap());
    let asking = view(async |_| Ok(hipflask::session().await?.len().to_string()));
    for front in FRONTS {
        assert_eq!(front.answer(&strict(), asking.clone(), Ask::get("/").cookie(&ada)).body, "0");
        assert_eq!(front.answer(&flask, asking.clone(), Ask::get("/").cookie(&ada)).body, "1");
    }
}

#[test]
fn a_session_ends_unused_after_its_idle_time_and_used_after_its_absolute_time() {
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
