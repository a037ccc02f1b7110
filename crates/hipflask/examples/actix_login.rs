//! Login and logout with actix-web. `SECRET_KEY` must be set: with the key of a Flask app, both
//! share the login.

use std::env;

use actix_web::web::{Form, Redirect, ServiceConfig, get, post};
use actix_web::{App, HttpServer};
use hipflask::{Session, SessionError, Sessions};
use serde::Deserialize;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret_key = env::var("SECRET_KEY").map_err(|_| "set SECRET_KEY; `hipflask key new` makes one")?;
    // Built once: every worker's app needs the same engine.
    let sessions = Sessions::builder().secret_key(secret_key).build()?;
    let port = env::args().nth(1).map_or(Ok(8000), |port| port.parse())?;
    let server = HttpServer::new(move || App::new().wrap(sessions.middleware()).configure(routes));
    server.bind(("127.0.0.1", port))?.run().await?;
    Ok(())
}

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.route("/", get().to(index)).route("/login", post().to(login)).route("/logout", post().to(logout));
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

async fn login(session: Session, login: Form<Login>) -> Result<Redirect, SessionError> {
    // An app checks a password here.
    session.set("username", login.into_inner().username)?;
    Ok(Redirect::to("/").see_other())
}

async fn logout(session: Session) -> Result<Redirect, SessionError> {
    session.clear()?;
    Ok(Redirect::to("/").see_other())
}
