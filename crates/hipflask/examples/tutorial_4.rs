//! Tutorial 4: a form that is kept in the session.
//!
//! Where the tutorial is wrong about Flask: the session is not encrypted. Everybody who has the cookie can read it; the
//! key only keeps them from changing it. Two of its lines are no Python (`first name`, `last name`), and it looks for
//! `'last name'` where it has stored `'lastname'`, so that the last name would never be shown.

use axum::routing::{get, post};
use hipflask::{App, Form, Result, session};
use serde::Deserialize;

#[tokio::main]
async fn main() -> Result<()> {
    app().run_from_args().await?;
    Ok(())
}

/// The program of the tutorial.
pub(crate) fn app() -> App {
    App::new("tutorial_4")
        .secret_key(std::env::var("SECRET_KEY").unwrap_or_else(|_| "this-is-a-very-secret-key".into()))
        .route("greeting", "/greeting", post(greeting))
        .route("session_data", "/session-data", get(session_data))
}

#[derive(Deserialize)]
struct Person {
    name: String,
    lastname: String,
}

async fn greeting(form: Form<Person>) -> Result<String> {
    let session = session().await?;
    session.set("name", &form.name)?;
    session.set("lastname", &form.lastname)?;
    Ok(format!("Hello {} {}", form.name, form.lastname))
}

async fn session_data() -> Result<String> {
    let session = session().await?;
    let mut name = String::new();
    let mut lastname = String::new();
    if session.contains("name") {
        name = session.get("name")?.unwrap_or_default();
    }
    if session.contains("lastname") {
        lastname = session.get("lastname")?.unwrap_or_default();
    }
    Ok(format!("Session Data: {name} {lastname}"))
}
