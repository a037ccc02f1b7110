//! Tutorial 4: a form that is stored in the session.
//!
//! The tutorial is wrong about Flask: the session is not encrypted. Everybody with the cookie can read
//! it; the key only prevents changes. Two of its lines are not valid Python (`first name`,
//! `last name`). It also reads `'last name'` but stores `'lastname'`, so it would never show the last
//! name.

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
    if session.contains("name")? {
        name = session.get("name")?.unwrap_or_default();
    }
    if session.contains("lastname")? {
        lastname = session.get("lastname")?.unwrap_or_default();
    }
    Ok(format!("Session Data: {name} {lastname}"))
}
