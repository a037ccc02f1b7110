//! Which cookie of a request is the session, and what happens to bad ones.

use hipflask::hipflask_core::signing::{PayloadCodec, TimestampSigner};
use hipflask::hipflask_core::time::UnixTime;

use crate::front::{Ask, FRONTS, NOW, builder, cookie, sessions, view, with_session};
use crate::log::logged;

/// Tells `username`, and `-` if there is none.
fn who() -> crate::front::View {
    view(async |_| {
        let session = hipflask::session().await?;
        Ok(session.get::<String>("username")?.unwrap_or("-".into()))
    })
}

#[test]
fn first_cookie_that_verifies_is_the_session() {
    let sessions = sessions();
    let ada = cookie(&sessions, |session| session.set("username", "ada").unwrap());
    let bob = cookie(&sessions, |session| session.set("username", "bob").unwrap());
    let bad = "session=forged";
    let cases: [(&[&str], &str); 8] = [
        (&[&ada, &bob], "ada"),
        (&[bad, &bob, &ada], "bob"),
        (&["session=", &ada], "ada"),
        (&["session", &ada], "ada"),
        (&[bad, bad, bad, &ada], "ada"),
        (&[bad, bad, bad, bad, &ada], "-"),
        (&["session=", "session=", "session=", "session=", bad, &ada], "ada"),
        (&["SESSION=x", "sessions=x", &ada], "ada"),
    ];
    for front in FRONTS {
        for (cookies, expected) in cases {
            let one_line = Ask::get("/").cookie(cookies.join("; "));
            let many_lines = cookies.iter().fold(Ask::get("/"), |ask, cookie| ask.cookie(*cookie));
            for ask in [one_line, many_lines] {
                assert_eq!(
                    front.answer(&sessions, who(), ask).body,
                    expected,
                    "{} {cookies:?}",
                    front.name()
                );
            }
        }
    }
}

#[test]
fn refused_cookie_is_empty_and_stays() {
    for front in FRONTS {
        let sessions = sessions();
        let answer = front.answer(&sessions, who(), Ask::get("/").cookie("session=forged"));
        assert_eq!((answer.status, answer.body.as_str()), (200, "-"), "{}", front.name());
        // What is shown depends on the cookie, so no cache may give it to others.
        assert_eq!((answer.set_cookies(), answer.vary()), (vec![], vec!["Cookie"]));
        assert_eq!((sessions.stats().refused, sessions.stats().opened), (1, 0));
    }
}

#[test]
fn signed_bad_payload_is_empty_counted_and_logged() {
    let signer = TimestampSigner::flask_cookie("k").unwrap();
    let encoded = |json: &[u8]| {
        let mut payload = String::new();
        PayloadCodec::default().encode_into(json, &mut payload);
        payload
    };
    let payloads = ["!!!".to_owned(), encoded(b"{\"a\":"), encoded(b"17"), encoded(b"\xff")];
    for front in FRONTS {
        for payload in &payloads {
            let sessions = sessions();
            let value = signer.sign(payload, UnixTime::from_secs(NOW));
            let ask = Ask::get("/").cookie(format!("session={value}"));
            let (answer, log) = logged(|| front.answer(&sessions, who(), ask));
            assert_eq!((answer.status, answer.body.as_str()), (200, "-"), "{} {payload}", front.name());
            assert_eq!(sessions.stats().bad_payload, 1);
            assert!(
                log.iter().any(|line| line.starts_with("WARN") && line.contains("good signature")),
                "{log:?}"
            );
        }
    }
}

#[test]
fn emptied_session_removes_its_cookie() {
    let removal = ["session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/"];
    for front in FRONTS {
        let sessions = sessions();
        let ada = cookie(&sessions, |session| session.set("username", "ada").unwrap());
        let popping = with_session(|session| session.pop::<String>("username").map(drop));
        assert_eq!(front.answer(&sessions, popping, Ask::get("/").cookie(&ada)).set_cookies(), removal);
        let clearing = with_session(|session| {
            session.clear().unwrap();
            Ok(())
        });
        for ask in [Ask::get("/").cookie(&ada), Ask::get("/").cookie("session=bad"), Ask::get("/")] {
            assert_eq!(
                front.answer(&sessions, clearing.clone(), ask).set_cookies(),
                removal,
                "{}",
                front.name()
            );
        }
    }
}

#[test]
fn large_cookie_is_sent_with_a_warning() {
    for front in FRONTS {
        let sessions = sessions();
        let big = with_session(|session| session.set("big", "x".repeat(5000)));
        let (answer, log) = logged(|| front.answer(&sessions, big, Ask::get("/")));
        assert_eq!((answer.status, answer.set_cookies().len()), (200, 1), "{}", front.name());
        let warned = |line: &String| line.contains("The 'session' cookie is too large");
        assert!(log.iter().any(warned), "{log:?}");
    }
}

#[test]
fn sessions_too_long_to_read_back_are_errors() {
    use std::sync::Arc;
    let store = || Arc::new(hipflask::store::memory::MemoryStore::new());
    for front in FRONTS {
        // Each is more than its kind of session reads: a cookie of 1 MiB, a record of 16 MiB.
        for (sessions, length) in
            [(sessions(), 1_500_000), (builder().store(store()).build().unwrap(), 17_000_000)]
        {
            let growing = view(move |_| async move {
                let session = hipflask::session().await?;
                session.set("name", "ada")?;
                session.set("bio", "x".repeat(length))?;
                Ok("saved")
            });
            let (answer, log) = logged(|| front.answer(&sessions, growing, Ask::get("/")));
            assert_eq!((answer.status, answer.set_cookies()), (500, vec![]), "{}", front.name());
            assert!(log.iter().any(|line| line.starts_with("ERROR") && line.contains("bio")), "{log:?}");
        }
    }
}
