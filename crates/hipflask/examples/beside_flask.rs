//! A Rust service that shares its logins with a Flask app. Both keep their sessions in one Redis with
//! one `SECRET_KEY`, so a user who logs in to one is logged in to the other. Flask's half is
//!
//! ```python
//! app.config.update(SESSION_TYPE="redis", SESSION_USE_SIGNER=True)
//! hipflask.Session(app)
//! ```
//!
//! An upload shows the purpose of the save protocol. The handler reads the session when the upload
//! begins, and writes it at the end. Meanwhile Flask changes the same session or logs the user out: no
//! change is lost, and no logout is undone. If the Flask app uses plain Flask-Session, this holds only
//! for the changes that Flask makes.

use std::env;

use axum::body::{Body, to_bytes};
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use hipflask::{App, Form, Response, Result, Session, Sessions, redirect, session, url_for};
use serde::Deserialize;

#[tokio::main]
async fn main() -> Result<()> {
    let redis = env::var("SESSION_REDIS").unwrap_or_else(|_| "redis://127.0.0.1:6379/0".into());
    let secret_key = env::var("SECRET_KEY").unwrap_or_else(|_| "the secret key of the Flask app".into());
    let sessions = Sessions::builder().secret_key(secret_key).use_signer(true).store_url(&redis).await?;
    app(sessions.build()?).run_from_args().await?;
    Ok(())
}

fn app(sessions: Sessions) -> App {
    App::new("beside_flask")
        .sessions(sessions)
        .route("index", "/", get(index))
        .route("login", "/login", post(login))
        .route("logout", "/logout", get(logout))
        .route("upload", "/uploads/{name}", post(upload))
        .route("measure", "/measure", post(measure))
}

async fn index() -> Result<String> {
    Ok(match user(&session().await?)? {
        Some(user) => format!("Logged in as {user}"),
        None => "You are not logged in".to_owned(),
    })
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

async fn login(form: Form<Login>) -> Result<Response> {
    session().await?.set("user", &form.user)?;
    Ok(redirect(url_for("index")?))
}

async fn logout() -> Result<Response> {
    session().await?.clear()?;
    Ok(redirect(url_for("index")?))
}

/// Stores the length of the upload in the session, and counts the upload.
///
/// The handler takes the body as a stream, not as `Bytes`. So it can reject a user who is not logged in
/// before the client sends the body.
async fn upload(Path(name): Path<String>, body: Body) -> Result<Response> {
    let session = session().await?;
    if user(&session)?.is_none() {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    }
    let length = to_bytes(body, LONGEST).await?.len();
    session.set(name, length)?;
    // Adds to the count of other requests meanwhile.
    session.increment("uploads", 1)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Returns the length of the upload. It only reads the session.
async fn measure(body: Body) -> Result<Response> {
    if user(&session().await?)?.is_none() {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    }
    let length = to_bytes(body, LONGEST).await?.len();
    Ok(length.to_string().into_response())
}

fn user(session: &Session) -> Result<Option<String>> {
    Ok(session.get("user")?)
}

/// Of an upload, in bytes.
const LONGEST: usize = 1 << 20;
