//! Login and logout.

use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use hipflask::{Session, SessionError};
use http::StatusCode;
use http::header::LOCATION;
use serde::Deserialize;

pub(crate) const KEY: &str = "supersecretkey";

pub(crate) fn router() -> Router {
    Router::new().route("/", get(index)).route("/login", post(login)).route("/logout", get(logout))
}

async fn index(session: Session) -> Result<String, SessionError> {
    Ok(match session.get::<String>("username")? {
        Some(username) => format!("Logged in as {username}"),
        None => "You are not logged in".into(),
    })
}

#[derive(Deserialize)]
struct Login {
    username: String,
}

async fn login(session: Session, Form(form): Form<Login>) -> Result<Response, SessionError> {
    session.set("username", form.username)?;
    Ok(to_index())
}

async fn logout(session: Session) -> Result<Response, SessionError> {
    session.remove("username");
    Ok(to_index())
}

fn to_index() -> Response {
    (StatusCode::FOUND, [(LOCATION, "./")]).into_response()
}
