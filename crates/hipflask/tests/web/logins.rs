//! Logins and form tokens where they differ from Flask's on purpose.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{get, post};
use hipflask::login::{FlaskLogin, LogOut, Login, LoginError, LoginUser};
use hipflask::test::{CookieJar, TestClient};
use hipflask::{Profile, Session, Sessions, SessionsBuilder};
use http::StatusCode;
use tower::ServiceExt as _;

use crate::front::{block_on, builder};

const KEY: &str = "a secret key of 32 bytes or more";

fn strict() -> SessionsBuilder {
    Sessions::builder().secret_key(KEY).profile(Profile::Strict)
}

fn app(sessions: &Sessions) -> Router {
    async fn log_in(session: Session) -> Result<(), LoginError> {
        session.log_in(Login::of("ada")).await
    }
    async fn log_out(session: Session) -> Result<(), LoginError> {
        session.log_out().await
    }
    async fn log_out_keeping(session: Session) -> Result<(), LoginError> {
        session.log_out_with(LogOut::new().keep(["cart"])).await
    }
    let login = FlaskLogin::builder(sessions).load(async |id| Some(id)).build().unwrap();
    Router::new()
        .route("/login", get(log_in))
        .route("/logout", get(log_out))
        .route("/logout-keeping", get(log_out_keeping))
        .route(
            "/me",
            get(async |user: Option<LoginUser<String>>| {
                user.map_or("nobody".into(), |user| user.id().to_owned())
            }),
        )
        .layer(login.layer())
        .layer(sessions.layer())
}

#[test]
fn login_renews_the_id_and_drops_the_token() {
    block_on(async {
        let sessions = builder().store_url("memory:").await.unwrap().build().unwrap();
        let mut client = TestClient::new(app(&sessions), &sessions).with("cart", 1).with("csrf_token", "raw");
        let before = client.jar().get("session").unwrap().to_owned();
        client.get("/login").await;
        assert_ne!(client.jar().get("session").unwrap(), before);
        let keys =
            client.session(|session| Ok((session.contains("csrf_token")?, session.get("cart")?))).unwrap();
        assert_eq!(keys, (false, Some(1)));
        assert_eq!(client.session(|session| session.contains("_auth_at")), Ok(true));
        client.get("/logout").await;
        assert_eq!(client.session(|session| session.contains("_auth_at")), Ok(false));
        assert_eq!(client.session(|session| session.get("cart")), Ok(Some(1)));
    });
}

#[test]
fn strict_logout_ends_all_but_kept_keys() {
    let sessions = strict().build().unwrap();
    for (path, cart) in [("/logout", None), ("/logout-keeping", Some(1))] {
        let mut client = TestClient::new(app(&sessions), &sessions).with("cart", 1);
        block_on(client.get("/login"));
        assert_eq!(block_on(client.get("/me")).text(), "ada");
        block_on(client.get(path));
        assert_eq!(block_on(client.get("/me")).text(), "nobody");
        assert_eq!(client.session(|session| session.get("cart")), Ok(cart), "{path}");
    }
}

#[test]
fn fallback_keys_count_only_if_accepted() {
    let old = builder().build().unwrap();
    let new = builder().secret_keys(["new", "k"]).build().unwrap();
    let remembered = {
        let login = FlaskLogin::builder(&old).load(async |id| Some(id)).build().unwrap();
        let view = async |session: Session| session.log_in(Login::of("ada").remember(true)).await;
        let app: Router = Router::new().route("/", get(view)).layer(login.layer()).layer(old.layer());
        let mut client = TestClient::new(app, &old);
        block_on(client.get("/"));
        format!("remember_token={}", client.jar().get("remember_token").unwrap())
    };
    let who =
        async |user: Option<LoginUser<String>>| user.map_or("nobody".into(), |user| user.id().to_owned());
    for (accept, expected) in [(false, "nobody"), (true, "ada")] {
        let login =
            FlaskLogin::builder(&new).load(async |id| Some(id)).accept_fallbacks(accept).build().unwrap();
        let app: Router = Router::new().route("/", get(who)).layer(login.layer()).layer(new.layer());
        let request = Request::get("/").header("cookie", &remembered).body(Body::empty()).unwrap();
        let response = block_on(app.oneshot(request)).unwrap();
        let cookies = response.headers().get_all("set-cookie").iter().count();
        // The session, and the remember cookie signed again.
        assert_eq!(cookies, if accept { 2 } else { 0 });
        let body = block_on(axum::body::to_bytes(response.into_body(), 100)).unwrap();
        assert_eq!(body, expected);
    }
}

/// The status of a form with the session's token in the field or the header.
fn status(sessions: &Sessions, headers: &[(&str, &str)], body: String, limit: usize) -> StatusCode {
    let mut jar = CookieJar::new(sessions);
    let token = jar.session(|session| session.csrf_token()).unwrap();
    let layer = sessions.csrf().unwrap().body_limit(limit).exempt("/hook").layer();
    let app: Router = Router::new()
        .route("/", post(async || "accepted"))
        .route("/hooked", post(async || "accepted"))
        .route("/hook/a", post(async || "accepted"))
        .layer(layer)
        .layer(sessions.layer());
    let mut request = Request::post("/").header("cookie", jar.header("/"));
    request = request.header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        if *name == "path" {
            request = request.uri(*value);
        } else {
            request = request.header(*name, value.replace("TOKEN", &token));
        }
    }
    let request = request.body(Body::from(body.replace("TOKEN", &token))).unwrap();
    block_on(app.oneshot(request)).unwrap().status()
}

#[test]
fn good_header_passes_beside_a_bad_field() {
    let sessions = builder().build().unwrap();
    let form = |headers: &[(&str, &str)], body: &str| status(&sessions, headers, body.to_owned(), 1000);
    assert_eq!(form(&[("x-csrftoken", "TOKEN")], "csrf_token=bad"), 200);
    assert_eq!(form(&[("x-csrftoken", "bad")], "csrf_token=TOKEN"), 400);
}

#[test]
fn large_forms_are_refused_and_exemptions_are_prefixes() {
    let sessions = builder().build().unwrap();
    let form = |headers: &[(&str, &str)], body: &str| status(&sessions, headers, body.to_owned(), 200);
    assert_eq!(form(&[], "csrf_token=TOKEN"), 200);
    assert_eq!(form(&[], &format!("csrf_token=TOKEN&a={}", "a".repeat(200))), 413);
    assert_eq!(form(&[("content-length", "201")], ""), 413);
    assert_eq!(
        (form(&[("path", "/hook/a")], ""), form(&[("path", "/hooked")], "")),
        (200.try_into().unwrap(), 400.try_into().unwrap())
    );
}

#[test]
fn strict_profile_refuses_forms_of_other_sites() {
    let (lax, strict) = (builder().build().unwrap(), strict().build().unwrap());
    for (site, expected) in [("same-origin", 200), ("none", 200), ("cross-site", 400), ("same-site", 400)] {
        let form =
            |sessions| status(sessions, &[("sec-fetch-site", site)], "csrf_token=TOKEN".to_owned(), 1000);
        assert_eq!(form(&strict), expected, "{site}");
        assert_eq!(form(&lax), 200, "{site}");
    }
}

#[test]
fn request_without_login_or_user_stays_untouched() {
    let sessions = builder().build().unwrap();
    let login = FlaskLogin::builder(&sessions).load(async |id| Some(id)).build().unwrap();
    let app: Router =
        Router::new().route("/", get(async || "x")).layer(login.layer()).layer(sessions.layer());
    let jar = CookieJar::new(&sessions).with("_user_id", "7").with("_remember", "clear");
    let request = Request::get("/").header("cookie", jar.header("/")).body(Body::empty()).unwrap();
    let response = block_on(app.oneshot(request)).unwrap();
    assert!(!response.headers().contains_key("vary") && !response.headers().contains_key("set-cookie"));
}

#[test]
fn mistyped_protection_is_an_error() {
    let config = hipflask::Dict::from([("SESSION_PROTECTION", "storng")]);
    let error = builder().settings(&config).unwrap_err().to_string();
    assert!(error.contains("\"storng\"") && error.contains("\"strong\""), "{error}");
}
