//! Tutorial 1: the session behind Flask's proxy, `session._get_current_object()`.
//!
//! The tutorial is wrong about Flask: the class is `SecureCookieSession`, which is a `dict`, not the
//! other way round. A session id does not exist, neither in the cookie nor in the URL. The cookie
//! contains all of the data, signed.

use axum::routing::get;
use hipflask::{App, Result, session};

#[tokio::main]
async fn main() -> Result<()> {
    app().run_from_args().await?;
    Ok(())
}

/// The program of the tutorial.
pub(crate) fn app() -> App {
    App::new("tutorial_1")
        .secret_key(std::env::var("SECRET_KEY").unwrap_or_else(|_| "secret_key".into()))
        .route("set_session", "/set_session", get(set_session))
        .route("get_session", "/get_session", get(get_session))
}

async fn set_session() -> Result<&'static str> {
    // session_obj = session._get_current_object()
    let session_obj = session().await?;
    session_obj.set("username", "GeekforGeeks")?;
    session_obj.set("logged_in", true)?;
    Ok("Session variables set")
}

async fn get_session() -> Result<String> {
    let session_obj = session().await?;
    let username = session_obj.get("username")?.unwrap_or("Guest".to_owned());
    let logged_in = session_obj.get("logged_in")?.unwrap_or(false);
    // Python writes True and False.
    let logged_in = if logged_in { "True" } else { "False" };
    Ok(format!("Username: {username}, Logged in: {logged_in}"))
}
