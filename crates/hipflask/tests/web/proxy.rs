//! `hipflask::session()` and the extractors find the session of the request, and no other.

use hipflask::SessionError;

use crate::front::{Ask, FRONTS, block_on, cookie, sessions, untouched, view, with_session};

#[test]
fn proxy_and_extractor_return_the_same_session() {
    let sessions = sessions();
    let ada = cookie(&sessions, |session| session.set("username", "ada").unwrap());
    for front in FRONTS {
        let who = view(async |_| {
            let session = hipflask::session().await?;
            session.get::<String>("username").map(|name| name.unwrap_or("nobody".into()))
        });
        let asks = vec![
            Ask::get("/").cookie(&ada),
            Ask::get("/extracted").cookie(&ada),
            Ask::get("/"),
            Ask::get("/extracted"),
        ];
        let bodies = front.answer_all(&sessions, who, asks).into_iter().map(|answer| answer.body);
        assert_eq!(bodies.collect::<Vec<_>>(), ["ada", "ada", "nobody", "nobody"], "{}", front.name());
    }
}

#[test]
fn proxy_returns_one_session_across_an_await() {
    for front in FRONTS {
        let steps = view(async |_| {
            let first = hipflask::session().await?;
            for _ in 0..3 {
                tokio::task::yield_now().await;
                first.increment("n", 1)?;
                hipflask::session().await?.increment("n", 1)?;
            }
            Ok(first.get::<u8>("n")?.unwrap().to_string())
        });
        assert_eq!(front.answer(&sessions(), steps, Ask::get("/")).body, "6", "{}", front.name());
    }
}

#[test]
fn interleaved_requests_keep_their_sessions_apart() {
    use crate::front::on_axum;
    let sessions = sessions();
    let meet = std::sync::Arc::new(tokio::sync::Barrier::new(2));
    let slow = view(move |_| {
        let meet = meet.clone();
        async move {
            let before = hipflask::session().await?.get::<String>("username")?;
            meet.wait().await;
            let behind = hipflask::session().await?.get::<String>("username")?;
            assert_eq!(before, behind);
            Ok(behind.unwrap())
        }
    });
    let app = on_axum::app(slow).layer(sessions.layer());
    let ask = |name: &str| {
        Ask::get("/").cookie(cookie(&sessions, |session| session.set("username", name).unwrap()))
    };
    let (ada, bob) = block_on(async {
        tokio::join!(on_axum::send(app.clone(), ask("ada"), 0), on_axum::send(app.clone(), ask("bob"), 1))
    });
    assert_eq!((ada.body.as_str(), bob.body.as_str()), ("ada", "bob"));
}

#[test]
fn proxy_outside_of_a_request_explains_itself() {
    assert!(hipflask::current().is_none());
    let error = block_on(hipflask::session()).unwrap_err();
    assert_eq!(error, SessionError::OutsideRequest);
    assert!(error.to_string().starts_with("Working outside of request context. "));
    for front in FRONTS {
        front.answer(&sessions(), with_session(|_| Ok(())), Ask::get("/"));
        assert!(hipflask::current().is_none(), "{} leaves nothing behind", front.name());
    }
}

#[test]
fn spawned_task_needs_the_session_passed_in() {
    let spawning = view(async |_| {
        let alone = tokio::spawn(hipflask::session()).await.unwrap();
        assert_eq!(alone.unwrap_err(), SessionError::OutsideRequest);
        let session = hipflask::session().await?;
        tokio::spawn(async move { session.set("by", "task") }).await.unwrap()?;
        Ok("done")
    });
    // actix-web's workers run single-threaded runtimes of tokio, where spawning is the same.
    for front in FRONTS {
        let sessions = sessions();
        let answer = front.answer(&sessions, spawning.clone(), Ask::get("/"));
        let session = answer.session(&sessions).unwrap();
        assert_eq!(session.get::<String>("by").unwrap().unwrap(), "task", "{}", front.name());
    }
}

#[test]
fn a_middleware_below_the_layer_has_the_session() {
    for front in FRONTS {
        let sessions = sessions();
        let after = front.answer(&sessions, untouched(), Ask::get("/").header("x-after", "1"));
        assert_eq!(
            after.session(&sessions).unwrap().get::<bool>("after").unwrap(),
            Some(true),
            "{}",
            front.name()
        );
        let stopped = front.answer(&sessions, untouched(), Ask::get("/").header("x-stop", "1"));
        assert_eq!(stopped.status, 401);
        assert_eq!(stopped.session(&sessions).unwrap().get::<bool>("stopped").unwrap(), Some(true));
    }
}
