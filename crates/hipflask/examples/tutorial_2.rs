//! Tutorial 2: login and logout.
//!
//! Where the tutorial is wrong about Flask: its logout does not clear the session. It takes one key
//! out of it, and the cookie goes only because nothing else was in it.

use axum::routing::{get, post};
use hipflask::{App, Form, Response, Result, redirect, session, url_for};
use serde::Deserialize;

#[tokio::main]
async fn main() -> Result<()> {
    app().run_from_args().await?;
    Ok(())
}

/// The program of the tutorial.
pub(crate) fn app() -> App {
    App::new("tutorial_2")
        .secret_key(std::env::var("SECRET_KEY").unwrap_or_else(|_| "supersecretkey".into()))
        .route("index", "/", get(index))
        .route("login", "/login", post(login))
        .route("logout", "/logout", get(logout))
}

async fn index() -> Result<String> {
    let session = session().await?;
    // `in` asks if the key is there: an empty name counts as logged in.
    Ok(match session.get::<String>("username")? {
        // In Flask this is HTML, and the name is not escaped: a name can be a script. Here a String
        // is plain text.
        Some(username) => format!("Logged in as {username}"),
        None => "You are not logged in".to_owned(),
    })
}

#[derive(Deserialize)]
struct Login {
    username: String,
}

async fn login(form: Form<Login>) -> Result<Response> {
    session().await?.set("username", &form.username)?;
    Ok(redirect(url_for("index")?))
}

async fn logout() -> Result<Response> {
    session().await?.pop::<String>("username")?;
    Ok(redirect(url_for("index")?))
}
