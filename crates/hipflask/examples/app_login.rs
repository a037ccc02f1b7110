//! A login and a protected form in an [`App`], with the rules of Flask-Login and Flask-WTF.

use axum::response::Html;
use axum::routing::{get, post};
use hipflask::login::{FreshLogin, Login, LoginUser};
use hipflask::{
    App, Form, Response, Result, context, login_required, redirect, render_template, session, url_for,
};
use serde::Deserialize;

#[tokio::main]
async fn main() -> Result<()> {
    // Without a key the app says what to set.
    app(std::env::var("SECRET_KEY").unwrap_or_default()).run_from_args().await?;
    Ok(())
}

pub(crate) fn app(secret_key: String) -> App {
    App::new("app_login")
        .secret_key(secret_key)
        .csrf()
        // A visitor without a session has no token yet.
        .configure_csrf(|csrf| csrf.exempt("/login"))
        .login(|login| login.load(load_user))
        .template("form.html", FORM)
        .route("index", "/", get(index))
        .route("login", "/login", post(log_in))
        .route("logout", "/logout", get(log_out))
        .route("form", "/form", login_required(get(form).post(send)))
        .route("fresh", "/fresh", get(fresh))
        .route("lose_session", "/lose-session", get(lose_session))
}

const FORM: &str = "<!doctype html>
<title>Form</title>
<p>{{ current_user.id }} has a form with a token:</p>
<form method=\"post\">
  {{ form.hidden_tag() }}
  <button>Send</button>
</form>
";

struct User;

/// An app asks its database here.
async fn load_user(id: String) -> Option<User> {
    (!id.is_empty()).then_some(User)
}

async fn index(user: Option<LoginUser<User>>) -> String {
    match user {
        Some(user) if user.is_fresh() => format!("Logged in as {}", user.id()),
        Some(user) => format!("Remembered as {}, without a password", user.id()),
        None => "You are not logged in".to_owned(),
    }
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    #[serde(default)]
    remember: String,
}

async fn log_in(form: Form<Credentials>) -> Result<Response> {
    // An app checks a password here.
    let login = Login::of(form.user.as_str()).remember(!form.remember.is_empty());
    session().await?.log_in(login).await?;
    Ok(redirect(url_for("index")?))
}

async fn log_out() -> Result<Response> {
    session().await?.log_out().await?;
    Ok(redirect(url_for("index")?))
}

async fn form() -> Result<Html<String>> {
    Ok(render_template("form.html", context! {}).await?)
}

async fn send() -> &'static str {
    "The form had the right token"
}

/// A page that asks for the password again if the login is an old one.
async fn fresh(user: FreshLogin<User>) -> String {
    format!("{} has just logged in", user.id())
}

/// As when the browser is closed: the session goes, the cookie that remembers the user stays.
async fn lose_session() -> Result<Response> {
    session().await?.clear()?;
    Ok(redirect(url_for("index")?))
}
