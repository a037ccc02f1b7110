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
