//! A form that is kept in the session.

use axum::routing::{get, post};
use axum::{Form, Router};
use hipflask::{Session, SessionError};
use serde::Deserialize;

pub(crate) const KEY: &str = "this-is-a-very-secret-key";

pub(crate) fn router() -> Router {
    Router::new().route("/greeting", post(greeting)).route("/session-data", get(session_data))
}

#[derive(Deserialize)]
struct Names {
    name: String,
    lastname: String,
}

async fn greeting(session: Session, Form(names): Form<Names>) -> Result<String, SessionError> {
    session.set("name", &names.name)?;
    session.set("lastname", &names.lastname)?;
    Ok(format!("Hello {} {}", names.name, names.lastname))
}

async fn session_data(session: Session) -> Result<String, SessionError> {
    let name = session.get::<String>("name")?.unwrap_or_default();
    let lastname = session.get::<String>("lastname")?.unwrap_or_default();
    Ok(format!("Session Data: {name} {lastname}"))
}
