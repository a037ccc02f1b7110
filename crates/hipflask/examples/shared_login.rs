//! Half of a site whose other half is a Flask app: both share logins and forms.
//!
//! `SECRET_KEY` must be that of the Flask app. `SESSION_TYPE`, `SESSION_PROTECTION`,
//! `REMEMBER_COOKIE_*`, `WTF_CSRF_*` and `TRUSTED_PROXIES` come from the environment as well, with or
//! without the prefix `FLASK_`. `shared_login_actix.rs` is the same in actix-web.

#![expect(clippy::print_stdout, reason = "its user waits for the address")]

use std::env;
use std::net::SocketAddr;

use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Json, Router};
use hipflask::login::{FlaskLogin, FreshLogin, Login, LoginError, LoginUser};
use hipflask::{Session, SessionError, Sessions};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = Sessions::builder().variables("FLASK", variables())?.connect().await?.build()?;
    let listener = TcpListener::bind(("127.0.0.1", port()?)).await?;
    println!("Listening on http://{}", listener.local_addr()?);
    // Logins depend on the client's address.
    let app = app(&sessions)?.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await?;
    Ok(())
}

fn app(sessions: &Sessions) -> Result<Router, hipflask::ConfigError> {
    let login = FlaskLogin::builder(sessions).load(load_user).build()?;
    let form = get(form).post(async || "ok").layer(sessions.csrf()?.layer());
    let app = Router::new()
        .route("/login", get(login_form).post(log_in))
        .route("/logout", get(log_out).post(log_out))
        .route("/me", get(me))
        .route("/fresh", get(fresh))
        .route("/confirm", get(confirm).post(confirm))
        .route("/form", form);
    Ok(app.layer(login.layer()).layer(sessions.layer()))
}

struct User;

/// An app asks its database here.
async fn load_user(id: String) -> Option<User> {
    (!id.is_empty() && !id.starts_with("gone")).then_some(User)
}

async fn login_form() -> Html<&'static str> {
    Html(
        "<!doctype html>\n<title>Log in</title>\n<form method=post>\n<input name=user required>\n<label><input type=checkbox \
         name=remember value=yes> Remember me</label>\n<button>Log in</button>\n</form>\n",
    )
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    #[serde(default)]
    remember: String,
}

async fn log_in(session: Session, Form(form): Form<Credentials>) -> Result<Response, LoginError> {
    // An app checks a password here.
    session.log_in(Login::of(form.user).remember(!form.remember.is_empty())).await?;
    Ok(to_me())
}

async fn log_out(session: Session) -> Result<Response, LoginError> {
    session.log_out().await?;
    Ok(to_me())
}

async fn me(user: Option<LoginUser<User>>) -> Json<Value> {
    let fresh = user.as_ref().is_some_and(LoginUser::is_fresh);
    Json(json!({"user": user.map(|user| user.id().to_owned()), "fresh": fresh}))
}

async fn fresh(_: FreshLogin<User>) -> Json<Value> {
    Json(json!({"fresh": true}))
}

async fn confirm(_: LoginUser<User>, session: Session) -> Result<Response, LoginError> {
    // An app checks the password again here.
    session.confirm().await?;
    Ok(to_me())
}

async fn form(session: Session) -> Result<Html<String>, SessionError> {
    let field = session.csrf_field()?;
    Ok(Html(format!(
        "<!doctype html>\n<title>Form</title>\n<form method=post>\n{field}\n<button>Send</button>\n</form>\n"
    )))
}

/// A 302, as Flask's `redirect`.
fn to_me() -> Response {
    (StatusCode::FOUND, [(header::LOCATION, HeaderValue::from_static("/me"))]).into_response()
}

/// The settings in the environment, with the prefix `FLASK_` or without.
fn variables() -> impl Iterator<Item = (String, String)> {
    const PLAIN: [&str; 8] = [
        "SECRET_KEY",
        "SESSION_TYPE",
        "SESSION_REDIS",
        "SESSION_PERMANENT",
        "SESSION_PROTECTION",
        "TRUSTED_PROXIES",
        "REMEMBER_COOKIE_",
        "WTF_CSRF_",
    ];
    env::vars().map(|(name, value)| match PLAIN.iter().any(|plain| name.starts_with(plain)) {
        true => (format!("FLASK_{name}"), value),
        false => (name, value),
    })
}

fn port() -> Result<u16, Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip_while(|argument| argument != "--port").skip(1);
    Ok(arguments.next().map_or(Ok(8000), |port| port.parse())?)
}
