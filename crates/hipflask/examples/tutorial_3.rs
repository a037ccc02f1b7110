//! Tutorial 3: Flask-Session with `SESSION_TYPE = "filesystem"`.
//!
//! The session is a file. The cookie contains only its id, and the app needs no secret key.
//!
//! The tutorial is wrong about Flask: its program is on one line, which is not valid Python, and does
//! not show the indentation of the last `return` of `set_session`. Inside the `if`, a GET would return
//! nothing, and Flask would answer 500; so here it is outside. And the session object is Flask's own:
//! Flask-Session only changes where it is stored.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use hipflask::store::file::FileStore;
use hipflask::{App, Form, Result, session};
use serde::Deserialize;

#[tokio::main]
async fn main() -> Result<()> {
    app().run_from_args().await?;
    Ok(())
}

/// The program of the tutorial.
pub(crate) fn app() -> App {
    let directory = env::var_os("SESSION_FILE_DIR").unwrap_or_else(|| "flask_session".into());
    App::new("tutorial_3")
        .configure(|sessions| sessions.store(Arc::new(FileStore::new(directory))))
        // Files stay when their sessions have expired.
        .purge_every(Duration::from_secs(60 * 60))
        .route("set_session", "/set_session", get(nothing_to_set).post(set_session))
        .route("get_session", "/get_session", get(get_session))
}

#[derive(Deserialize)]
struct Name {
    username: String,
}

/// `if request.method == 'POST':`
async fn set_session(form: Form<Name>) -> Result<&'static str> {
    session().await?.set("username", &form.username)?;
    Ok(nothing_to_set().await)
}

/// A GET gets the same answer, but sets nothing.
async fn nothing_to_set() -> &'static str {
    "Session data set successfully!"
}

async fn get_session() -> Result<String> {
    Ok(match session().await?.get::<String>("username")? {
        // In Flask this is HTML, and the name is not escaped: a name can be a script. Here a String
        // is plain text.
        Some(username) => format!("Session username: {username}"),
        None => "No session data found.".to_owned(),
    })
}
