//! The test client.

use std::time::Duration;

use axum::Router;
use axum::extract::Form;
use axum::routing::{get, post};
use hipflask::test::{CookieJar, SetClock, TestClient, actix};
use hipflask::{Session, SessionError, Sessions};

use crate::front::block_on;

fn app(clock: &SetClock) -> (Router, Sessions) {
    async fn index(session: Session) -> Result<String, SessionError> {
        Ok(session.get::<String>("username")?.unwrap_or("nobody".into()))
    }
    async fn login(session: Session, Form(form): Form<Vec<(String, String)>>) -> Result<(), SessionError> {
        session.set_permanent(true).unwrap();
        form.into_iter().try_for_each(|(name, value)| session.set(name, value))
    }
    async fn logout(session: Session) {
        session.clear().unwrap();
    }
    let sessions =
        Sessions::builder().secret_key("a secret key for tests").clock(clock.clone()).build().unwrap();
    let app = Router::new().route("/", get(index)).route("/login", post(login)).route("/logout", get(logout));
    (app.layer(sessions.layer()), sessions)
}

#[test]
fn client_keeps_cookies_until_removed_or_expired() {
    let clock = SetClock::at(1_700_000_000);
    let (app, sessions) = app(&clock);
    block_on(async {
        let mut client = TestClient::new(app.clone(), &sessions);
        assert_eq!(client.get("/").await.text(), "nobody");
        client.post_form("/login", &[("username", "ada & \"bob\" = ü")]).await;
        assert_eq!(client.get("/").await.text(), "ada & \"bob\" = ü");
        assert_eq!(TestClient::new(app, &sessions).get("/").await.text(), "nobody", "another browser");

        let logout = client.get("/logout").await;
        assert!(logout.set_cookies()[0].starts_with("session=; Expires="));
        assert_eq!(logout.header(http::header::VARY), "Cookie");
        assert_eq!(
            (client.jar().header("/").as_str(), client.get("/").await.text().as_str()),
            ("", "nobody")
        );

        client.post_form("/login", &[("username", "ada")]).await;
        clock.advance(sessions.lifetime());
        assert_eq!(client.jar().get("session"), None);
        assert_eq!(client.get("/").await.text(), "nobody");
    });
}

#[test]
fn failed_session_transaction_saves_nothing() {
    let (app, sessions) = app(&SetClock::at(1_700_000_000));
    let mut client = TestClient::new(app, &sessions).with("username", "ada").with("n", 1);
    let failed = client.session(|session| {
        session.set("username", "eve")?;
        session.get::<u8>("username")
    });
    assert!(matches!(failed, Err(SessionError::Value(_))));
    assert_eq!(block_on(client.get("/")).text(), "ada");
    let read = client.session(|session| {
        session.get::<u8>("n").map(|n| (n, session.is_modified().unwrap(), session.is_new().unwrap()))
    });
    assert_eq!(read, Ok((Some(1), false, false)));
    client
        .session(|session| {
            session.clear().unwrap();
            Ok(())
        })
        .unwrap();
    assert_eq!(client.jar().header("/"), "");
}

#[test]
fn test_client_reads_and_sets_stored_sessions() {
    async fn index(session: Session) -> Result<String, SessionError> {
        session.increment("visits", 1)?;
        Ok(session.get::<String>("username")?.unwrap_or("nobody".into()))
    }
    block_on(async {
        let sessions = Sessions::builder().store_url("memory:").await.unwrap().build().unwrap();
        let app = Router::new().route("/", get(index)).layer(sessions.layer());
        let mut client = TestClient::new(app, &sessions).with("username", "ada");
        assert_eq!(client.get("/").await.text(), "ada");
        assert_eq!(client.session(|session| session.get("visits")), Ok(Some(1)));
        client.session_transaction(|session| session.set("username", "bob")).await.unwrap();
        assert_eq!(client.get("/").await.text(), "bob");
        assert_eq!(client.session_transaction(|session| session.get("visits")).await, Ok(Some(2)));
    });
}

#[test]
fn actix_client_keeps_cookies_and_sends_forms() {
    type Fields = actix_web::web::Form<Vec<(String, String)>>;
    async fn index(session: Session) -> Result<String, SessionError> {
        Ok(session.get::<String>("username")?.unwrap_or("nobody".into()))
    }
    async fn login(session: Session, form: Fields) -> Result<&'static str, SessionError> {
        form.into_inner().into_iter().try_for_each(|(name, value)| session.set(name, value))?;
        Ok("welcome")
    }
    async fn fails() -> Result<String, SessionError> {
        Err(SessionError::OutsideRequest)
    }
    actix_web::rt::System::new().block_on(async {
        let sessions = Sessions::builder().secret_key("a secret key for tests").build().unwrap();
        let app = actix_web::App::new()
            .wrap(sessions.middleware())
            .route("/", actix_web::web::get().to(index))
            .route("/login", actix_web::web::post().to(login))
            .route("/fails", actix_web::web::get().to(fails));
        let app = actix_web::test::init_service(app).await;
        let mut client = TestClient::new(actix(&app), &sessions);
        assert_eq!(client.get("/").await.text(), "nobody");
        let reply = client.post_form("/login", &[("username", "ada & ü")]).await;
        assert_eq!((reply.text().as_str(), reply.set_cookies().len()), ("welcome", 1));
        assert_eq!(client.get("/").await.text(), "ada & ü");
        assert_eq!(client.session(|session| session.get("username")), Ok(Some("ada & ü".to_owned())));
        assert_eq!(client.get("/fails").await.status, 500);
        assert_eq!(client.get("/none").await.status, 404);
    });
}

#[test]
fn jar_sends_live_cookies_to_their_path() {
    let clock = SetClock::at(1_700_000_000);
    let (_, sessions) = app(&clock);
    let mut jar = CookieJar::new(&sessions);
    jar.take([
        "theme=dark; Path=/",
        "admin=1; Path=/admin; HttpOnly",
        "short=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "dated=1; Expires=Tue, 14 Nov 2023 22:14:00 GMT",
        "gone=1; Max-Age=0",
        "no cookie",
    ]);
    assert_eq!(jar.header("/"), "theme=dark; short=1; dated=1");
    assert_eq!(jar.header("/admin/users"), "theme=dark; admin=1; short=1; dated=1");
    assert_eq!(jar.header("/administrator"), "theme=dark; short=1; dated=1");
    clock.advance(Duration::from_secs(40));
    assert_eq!(jar.header("/"), "theme=dark; short=1");
    clock.advance(Duration::from_secs(20));
    assert_eq!(jar.header("/"), "theme=dark");
    jar.take(["theme=light; Path=/"]);
    assert_eq!(jar.get("theme"), Some("light"));
    assert_eq!(format!("{jar:?}"), r#"{"admin", "theme"}"#);
    jar.clear();
    assert_eq!(jar.header("/admin"), "");
}
