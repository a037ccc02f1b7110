//! The app on actix-web, with each session library.

use actix_web::web::{ServiceConfig, get};
use hipflask::SessionError;

use crate::operations::{UNTOUCHED, VISITS, WRITE, fill_path, members, read_path};
use crate::payload::{ALL, Payload};
use crate::peer::contents;

async fn untouched() -> &'static str {
    "untouched"
}

pub fn ours(app: &mut ServiceConfig) {
    use hipflask::Session;
    async fn read(session: Session, key: &str) -> Result<String, SessionError> {
        Ok(session.get(key)?.unwrap_or_default())
    }
    async fn write(session: Session) -> Result<String, SessionError> {
        let visits = session.get::<u64>(VISITS)?.unwrap_or(0) + 1;
        session.set(VISITS, visits)?;
        Ok(visits.to_string())
    }
    async fn fill(session: Session, payload: Payload) -> Result<&'static str, SessionError> {
        session.update(contents(payload).into_entries())?;
        Ok("")
    }
    app.route(UNTOUCHED, get().to(untouched)).route(WRITE, get().to(write));
    for payload in ALL {
        app.route(&read_path(payload), get().to(move |session| read(session, payload.last.0)))
            .route(&fill_path(payload), get().to(move |session| fill(session, payload)));
    }
}

pub fn actix_session(app: &mut ServiceConfig) {
    use actix_session::{Session, SessionGetError, SessionInsertError};
    async fn read(session: Session, key: &str) -> Result<String, SessionGetError> {
        Ok(session.get(key)?.unwrap_or_default())
    }
    async fn write(session: Session) -> Result<String, actix_web::Error> {
        let visits = session.get::<u64>(VISITS)?.unwrap_or(0) + 1;
        session.insert(VISITS, visits)?;
        Ok(visits.to_string())
    }
    async fn fill(session: Session, payload: Payload) -> Result<&'static str, SessionInsertError> {
        for (key, value) in members(payload) {
            session.insert(key, value)?;
        }
        Ok("")
    }
    app.route(UNTOUCHED, get().to(untouched)).route(WRITE, get().to(write));
    for payload in ALL {
        app.route(&read_path(payload), get().to(move |session| read(session, payload.last.0)))
            .route(&fill_path(payload), get().to(move |session| fill(session, payload)));
    }
}
