//! `session._get_current_object()`.

use axum::Router;
use axum::routing::get;
use hipflask::SessionError;

pub(crate) const KEY: &str = "secret_key";

pub(crate) fn router() -> Router {
    Router::new().route("/set_session", get(set_session)).route("/get_session", get(get_session))
}

async fn set_session() -> Result<&'static str, SessionError> {
    let session = hipflask::session().await?;
    session.set("username", "GeekforGeeks")?;
    session.set("logged_in", true)?;
    Ok("Session variables set")
}

async fn get_session() -> Result<String, SessionError> {
    let session = hipflask::session().await?;
    let username = session.get::<String>("username")?.unwrap_or("Guest".into());
    let logged_in = if session.get("logged_in")?.unwrap_or(false) { "True" } else { "False" };
    Ok(format!("Username: {username}, Logged in: {logged_in}"))
}
