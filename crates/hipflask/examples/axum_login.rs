//! Login and logout with plain axum. `SECRET_KEY` must be set: with the key of a Flask app, both
//! share the login.

use std::env;

use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Form, Router};
use hipflask::{Session, SessionError, Sessions};
use serde::Deserialize;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret_key = env::var("SECRET_KEY").map_err(|_| "set SECRET_KEY; `hipflask key new` makes one")?;
    let sessions = Sessions::builder().secret_key(secret_key).build()?;
    let port = env::args().nth(1).map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, app(&sessions)).await?;
    Ok(())
}

pub(crate) fn app(sessions: &Sessions) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(sessions.layer())
}

async fn index(session: Session) -> Result<String, SessionError> {
    Ok(match session.get::<String>("username")? {
        Some(username) => format!("Logged in as {username}"),
        None => "You are not logged in".to_owned(),
    })
}

#[derive(Deserialize)]
struct Login {
    username: String,
}

async fn login(session: Session, Form(login): Form<Login>) -> Result<Redirect, SessionError> {
    // An app checks a password here.
    session.set("username", login.username)?;
    Ok(Redirect::to("/"))
}

async fn logout(session: Session) -> Result<Redirect, SessionError> {
    session.clear()?;
    Ok(Redirect::to("/"))
}
