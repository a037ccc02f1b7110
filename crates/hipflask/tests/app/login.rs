//! Logins and form tokens of an app.

use axum::routing::{get, post};
use hipflask::login::{Login, LoginError, LoginUser};
use hipflask::test::TestClient;
use hipflask::{
    App, Response, Result, Session, Sessions, context, login_required, redirect, render_template, url_for,
};
use http::{StatusCode, header};

struct User {
    name: String,
}

async fn load_user(id: String) -> Option<User> {
    (id != "gone").then(|| User { name: format!("<{id}>") })
}

async fn log_in(session: Session) -> Result<Response> {
    session.log_in(Login::of("ada").remember(true)).await?;
    Ok(redirect(url_for("index")?))
}

async fn log_out(session: Session) -> std::result::Result<(), LoginError> {
    session.log_out().await
}

async fn index() -> Result<axum::response::Html<String>> {
    Ok(render_template("index.html", context! {}).await?)
}

const INDEX: &str = "{% if current_user.is_authenticated %}{{ current_user.name }} {{ current_user.id }} \
                     {{ current_user.get_id() }}{% else %}nobody {{ current_user.is_anonymous }}{% endif %}";

fn client() -> TestClient<axum::Router> {
    let sessions = Sessions::builder().secret_key("a secret key for tests").build().unwrap();
    let app = App::new("login")
        .sessions(sessions.clone())
        .csrf()
        .configure_csrf(|csrf| csrf.exempt("/hooks/"))
        .login(|login| {
            let login = login.load(load_user).login_view("login");
            login.show(|user: &User| context! { name => &user.name })
        })
        .template("index.html", INDEX)
        .template("form.html", "{{ form.hidden_tag() }}")
        .route("index", "/", get(index))
        .route("login", "/login", get(log_in))
        .route("logout", "/logout", get(log_out))
        .route("account", "/account", get(async |user: LoginUser<User>| user.user().name.clone()))
        .route("members", "/members", login_required(get(async || "members")))
        .route("form", "/form", get(form).post(async || "sent"))
        .route("hook", "/hooks/a", post(async || "hooked"));
    TestClient::new(app.into_router().unwrap(), &sessions)
}

async fn form() -> Result<axum::response::Html<String>> {
    Ok(render_template("form.html", context! {}).await?)
}

#[tokio::test]
async fn templates_show_the_user_who_logged_in() {
    let mut client = client();
    assert_eq!(client.get("/").await.text(), "nobody True");
    assert_eq!(client.get("/login").await.status, StatusCode::FOUND);
    assert_eq!(client.get("/").await.text(), "&lt;ada&gt; ada ada");
    assert_eq!(client.get("/account").await.text(), "<ada>");
    assert_eq!(client.get("/members").await.text(), "members");
    assert!(client.jar().get("remember_token").is_some());
    client.get("/logout").await;
    assert_eq!(client.get("/").await.text(), "nobody True");
    assert_eq!(client.jar().header("/"), "");
}

#[tokio::test]
async fn login_view_gets_redirects_with_a_message() {
    let mut client = client();
    for path in ["/account?a=b", "/members"] {
        let response = client.get(path).await;
        let next = path.replace('/', "%2F").replace('?', "%3F").replace('=', "%3D");
        assert_eq!(response.status, StatusCode::FOUND);
        assert_eq!(response.header(header::LOCATION), format!("/login?next={next}"));
    }
    let flashes = client.session(|session| Ok(session.flashed_messages()?.len())).unwrap();
    assert_eq!(flashes, 2);
}

#[tokio::test]
async fn tokens_are_checked_after_the_route_is_found() {
    let mut client = client();
    let refused = client.post_form("/form", &[("a", "b")]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("<p>The CSRF token is missing.</p>"));
    assert_eq!(client.post_form("/missing", &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.post_form("/account", &[]).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(client.post_form("/hooks/a", &[]).await.text(), "hooked");
    let field = client.get("/form").await.text();
    let token = field.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(client.post_form("/form", &[("csrf_token", &token)]).await.text(), "sent");
    // A login makes the token of another tab worthless.
    client.get("/login").await;
    let refused = client.post_form("/form", &[("csrf_token", &token)]).await;
    assert!(refused.text().contains("The CSRF session token is missing."));
}

#[test]
fn unknown_login_view_is_an_error() {
    let app = App::new("login").secret_key("a secret key for tests");
    let error = app.login(|login| login.load(load_user).login_view("lgin")).into_router().unwrap_err();
    assert!(error.to_string().contains("\"lgin\" is neither a path nor the name of a route"), "{error}");
}
