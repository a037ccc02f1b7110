//! The session is saved with whatever response goes out, and what else is on that response stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hipflask::hipflask_core::time::UnixTime;
use hipflask::{Session, SessionError};

use crate::front::{Ask, FRONTS, Reply, cookie, sessions, untouched, view, with_session};

fn replying(reply: Reply) -> crate::front::View {
    view(move |_| {
        let reply = reply.clone();
        async move {
            hipflask::session().await?.set("a", 1)?;
            Ok(reply)
        }
    })
}

#[test]
fn session_is_saved_with_every_status() {
    for front in FRONTS {
        for status in [200, 204, 302, 304, 400, 403, 404, 405, 418, 500, 503] {
            let sessions = sessions();
            let reply = Reply::from(status).header("location", "/next");
            let answer = front.answer(&sessions, replying(reply), Ask::get("/"));
            assert_eq!(answer.status, status, "{}", front.name());
            assert_eq!(answer.session(&sessions).unwrap().len(), 1, "{status}");
            assert_eq!((answer.vary(), answer.all("location")), (vec!["Cookie"], vec!["/next"]), "{status}");
        }
    }
}

#[test]
fn head_request_saves_like_a_get() {
    for front in FRONTS {
        let sessions = sessions();
        for method in ["GET", "HEAD", "POST"] {
            let answer = front.answer(&sessions, replying("x".into()), Ask::new(method, "/"));
            assert_eq!((answer.status, answer.set_cookies().len()), (200, 1), "{method} on {}", front.name());
        }
    }
}

#[test]
fn wrong_method_or_path_leaves_the_session() {
    let sessions = sessions();
    let ada = cookie(&sessions, |session| session.set("username", "ada").unwrap());
    for front in FRONTS {
        for (ask, status) in [(Ask::new("DELETE", "/"), 405), (Ask::get("/missing"), 404)] {
            let answer = front.answer(&sessions, replying("x".into()), ask.cookie(&ada));
            assert_eq!(answer.status, status, "{}", front.name());
            answer.is_untouched();
        }
    }
}

#[test]
fn handler_error_is_a_500_with_changes_saved() {
    for front in FRONTS {
        let sessions = sessions();
        let failing = with_session(|session: &Session| {
            session.set("token", "hunter2")?;
            session.get::<u64>("token").map(drop)
        });
        let (answer, log) = crate::log::logged(|| front.answer(&sessions, failing, Ask::get("/")));
        assert_eq!((answer.status, answer.body.as_str()), (500, ""), "{}", front.name());
        assert!(answer.session(&sessions).unwrap().contains("token"));
        let log = log.join("\n");
        assert!(
            log.contains("ERROR") && log.contains(r#"session key \"token\""#)
                || log.contains("session key \"token\""),
            "{log}"
        );
        assert!(!log.contains("hunter2"));
    }
}

#[test]
fn an_error_says_which_key_it_is_about() {
    let failing = with_session(|session: &Session| {
        let error = session.increment("n", 1).and(session.get::<String>("n")).unwrap_err();
        assert_eq!(error.key().unwrap(), "n");
        assert_eq!(SessionError::OutsideRequest.key(), None);
        Ok(())
    });
    assert_eq!(FRONTS[0].answer(&sessions(), failing, Ask::get("/")).status, 200);
}

#[test]
fn upgrade_response_carries_cookie_and_upgrade_headers() {
    for front in FRONTS {
        let sessions = sessions();
        let reply = Reply::from(101).header("upgrade", "websocket").header("connection", "upgrade");
        let answer = front.answer(&sessions, replying(reply), Ask::get("/"));
        assert_eq!((answer.status, answer.all("upgrade")), (101, vec!["websocket"]), "{}", front.name());
        assert_eq!(answer.session(&sessions).unwrap().len(), 1);
    }
}

#[test]
fn other_cookies_stay_and_ours_comes_last() {
    for front in FRONTS {
        let sessions = sessions();
        let reply = Reply::from("x")
            .header("set-cookie", "theme=dark")
            .header("set-cookie", "lang=en; Path=/")
            .header("set-cookie", "session=the view's own; Path=/elsewhere");
        let answer = front.answer(&sessions, replying(reply), Ask::get("/"));
        let lines = answer.set_cookies();
        assert_eq!(lines.len(), 4, "{}: {lines:?}", front.name());
        assert_eq!(lines[..3], ["theme=dark", "lang=en; Path=/", "session=the view's own; Path=/elsewhere"]);
        assert!(lines[3].starts_with("session=ey"));
        assert!(untouched_keeps(front, &sessions));
    }
}

fn untouched_keeps(front: &dyn crate::front::Front, sessions: &hipflask::Sessions) -> bool {
    let theirs = view(async |_| Ok(Reply::from("x").header("set-cookie", "theme=dark")));
    front.answer(sessions, theirs, Ask::get("/")).set_cookies() == ["theme=dark"]
}

#[test]
fn untouched_session_adds_no_header() {
    let sessions = sessions();
    let ada = cookie(&sessions, |session| session.set("username", "ada").unwrap());
    for front in FRONTS {
        for ask in [Ask::get("/"), Ask::get("/").cookie(&ada), Ask::get("/").cookie("session=forged; a=b")] {
            let answer = front.answer(&sessions, untouched(), ask);
            assert_eq!(answer.body, "done", "{}", front.name());
            answer.is_untouched();
        }
    }
    assert_eq!(sessions.stats(), Default::default(), "nothing was opened");
}

#[test]
fn unopened_permanent_session_is_sent_again() {
    let permanent = cookie(&sessions(), |session| session.set_permanent(true));
    let deflated = {
        let sessions = crate::front::builder().compression(hipflask::Compression::AsFlask).build().unwrap();
        cookie(&sessions, |session| {
            session.set_permanent(true);
            session.set("z", "z".repeat(200)).unwrap();
        })
    };
    assert!(deflated.starts_with("session=."));
    let quoted = permanent.replacen('=', "=\"", 1) + "\"";
    let spaced = deflated.replacen('=', " = ", 1);
    for front in FRONTS {
        for cookie in [&permanent, &deflated, &quoted, &spaced] {
            for path in ["/", "/missing"] {
                let sessions = sessions();
                let answer = front.answer(&sessions, untouched(), Ask::get(path).cookie(cookie));
                assert!(answer.session(&sessions).unwrap().is_permanent(), "{} {cookie}", front.name());
                assert_eq!(answer.vary(), ["Cookie"]);
            }
            let calm = crate::front::builder().refresh_each_request(false).build().unwrap();
            front.answer(&calm, untouched(), Ask::get("/").cookie(cookie)).is_untouched();
        }
    }
}

#[test]
fn vary_gains_cookie_once() {
    let lines: [(&[&str], &[&str]); 7] = [
        (&[], &["Cookie"]),
        (&["Accept"], &["Accept, Cookie"]),
        (&["accept, cookie"], &["accept, cookie"]),
        (&["COOKIE"], &["COOKIE"]),
        (&["*"], &["*, Cookie"]),
        (&["Accept", "Origin"], &["Accept, Origin, Cookie"]),
        (&["Accept", "Cookie, Origin"], &["Accept", "Cookie, Origin"]),
    ];
    for front in FRONTS {
        for (theirs, expected) in lines {
            let reply = theirs.iter().fold(Reply::from("x"), |reply, line| reply.header("vary", *line));
            let answer = front.answer(&sessions(), replying(reply), Ask::get("/"));
            assert_eq!(answer.vary(), expected, "{} {theirs:?}", front.name());
        }
    }
}

#[test]
fn clock_is_read_once_and_only_if_needed() {
    let (looks, read) = (Arc::new(AtomicU64::new(0)), |looks: &AtomicU64| looks.load(Ordering::SeqCst));
    let ticking = looks.clone();
    let clock = move || UnixTime::from_secs(1_700_000_000 + 10 * ticking.fetch_add(1, Ordering::SeqCst));
    let sessions = crate::front::builder().clock(clock).build().unwrap();
    for front in FRONTS {
        let before = read(&looks);
        front.answer(&sessions, untouched(), Ask::get("/").cookie("session=forged"));
        assert_eq!(read(&looks), before, "{}", front.name());
        let answer =
            front.answer(&sessions, with_session(|session| session.set("_permanent", true)), Ask::get("/"));
        assert_eq!(read(&looks), before + 1, "{}", front.name());
        assert!(answer.set_cookies()[0].contains("; Expires="));
    }
}
