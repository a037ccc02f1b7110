//! The same app on actix-web, without sessions and with each session library.

use std::cell::Cell;
use std::rc::Rc;

use actix_session::SessionMiddleware;
use actix_session::config::CookieContentSecurity;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::web::{ServiceConfig, get};
use hipflask::SessionError;
use hipflask::hipflask_core::session::SessionDict;

use crate::operations::{UNTOUCHED, VISITS, WRITE, fill_path, members, read_path};
use crate::payload::{M, Payload, S};

/// Runs `$body` with `$make`, which makes the app for `$peer`. Each app has its own type.
macro_rules! with_app {
    ($peer:expr, $make:ident => $body:expr) => {
        match $peer {
            $crate::peer::Peer::OursOnActix => {
                let sessions = $crate::visit::sessions();
                let $make = move || {
                    actix_web::App::new().wrap(sessions.middleware()).configure($crate::on_actix::ours)
                };
                $body
            }
            $crate::peer::Peer::ActixSigned | $crate::peer::Peer::ActixPrivate => {
                let is_signed = $peer == $crate::peer::Peer::ActixSigned;
                let $make = move || {
                    actix_web::App::new()
                        .wrap($crate::on_actix::actix_sessions(is_signed))
                        .configure($crate::on_actix::actix_session)
                };
                $body
            }
            _ => {
                let $make = || actix_web::App::new().configure($crate::on_actix::alone);
                $body
            }
        }
    };
}
pub(crate) use with_app;

async fn untouched() -> &'static str {
    "untouched"
}

pub fn alone(app: &mut ServiceConfig) {
    let visits = Rc::new(Cell::new(0_u64));
    app.route(UNTOUCHED, get().to(untouched)).route(
        WRITE,
        get().to(move || {
            let visits = visits.clone();
            async move {
                visits.set(visits.get() + 1);
                visits.get().to_string()
            }
        }),
    );
    for payload in [S, M] {
        app.route(&read_path(payload), get().to(async move || payload.last.1.to_owned()))
            .route(&fill_path(payload), get().to(async || ""));
    }
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
        let filled = SessionDict::from_json(payload.json).expect("the payload is a session");
        session.update(filled.items().map(|(key, value)| (key.clone(), value.clone())))?;
        Ok("")
    }
    app.route(UNTOUCHED, get().to(untouched)).route(WRITE, get().to(write));
    for payload in [S, M] {
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
    for payload in [S, M] {
        app.route(&read_path(payload), get().to(move |session| read(session, payload.last.0)))
            .route(&fill_path(payload), get().to(move |session| fill(session, payload)));
    }
}

pub fn actix_sessions(is_signed: bool) -> SessionMiddleware<CookieSessionStore> {
    let security = if is_signed { CookieContentSecurity::Signed } else { CookieContentSecurity::Private };
    SessionMiddleware::builder(CookieSessionStore::default(), Key::from(&[7; 64]))
        .cookie_content_security(security)
        .cookie_secure(false)
        .build()
}
