//! What can be done with a session.

use std::collections::BTreeMap;

use axum::Router;
use axum::routing::get;
use hipflask::{Session, SessionError};

pub(crate) const KEY: &str = "secret key";

pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(show))
        .route("/set", get(set))
        .route("/get", get(read))
        .route("/update", get(update))
        .route("/pop", get(pop))
        .route("/several", get(several))
        .route("/dict", get(dict))
        .route("/nested-pop", get(nested_pop))
        .route("/clear", get(clear))
}

async fn show(session: Session) -> String {
    let mut text = String::new();
    for key in session.keys() {
        text.push_str(&format!("{key} is in the session\n"));
    }
    if text.is_empty() { "The session is empty".into() } else { text }
}

async fn set(session: Session) -> Result<&'static str, SessionError> {
    session.set("msg", "Hello")?;
    Ok("Hello")
}

async fn read(session: Session) -> Result<String, SessionError> {
    Ok(session.get::<String>("msg")?.unwrap_or("None".into()))
}

async fn update(session: Session) -> Result<&'static str, SessionError> {
    session.set("msg", "Hello, Soumitra")?;
    Ok("Hello, Soumitra")
}

async fn pop(session: Session) -> Result<String, SessionError> {
    Ok(session.pop::<String>("msg")?.unwrap_or("None".into()))
}

async fn several(session: Session) -> Result<String, SessionError> {
    session.update([("hi", "Hi"), ("hello", "Hello")])?;
    Ok(session.keys().iter().map(|key| format!("{key}\n")).collect())
}

async fn dict(session: Session) -> Result<&'static str, SessionError> {
    session.set("item", BTreeMap::from([("name", "Soumitra"), ("address", "Earth")]))?;
    Ok("item is set")
}

async fn nested_pop(session: Session) -> Result<&'static str, SessionError> {
    if session.contains("item") {
        session.edit(|session| session.at("item")?.remove("name"))?;
    }
    Ok("name is gone")
}

async fn clear(session: Session) -> &'static str {
    session.clear();
    "The session is empty"
}
