//! A request from its begin to its end, as the inspector follows it under every framework.

use hipflask_core::{cookie, hex};

use super::Inspector;
use super::exchange::{Answer, Came, Exchange, Goes};
use super::pages::{Own, Page};
use super::view::View;
use crate::engine::Sessions;
use crate::request::RequestSession;

/// The way to handle a request.
pub(super) enum Begun {
    /// It is for a page of the inspector: this is the response.
    Page(Own),
    /// It is for the application.
    Watch(Box<Watch>),
}

/// A request while it is being handled.
pub(super) struct Watch {
    exchange: Exchange,
    id: Option<String>,
    inspector: Inspector,
    sessions: Sessions,
}

impl Watch {
    /// Looks at a request.
    pub(super) fn begin(inspector: &Inspector, sessions: &Sessions, came: &Came<'_>) -> Begun {
        let id = cookie::values(came.lines.iter().copied(), COOKIE_NAME).next().map(|id| id.into_owned());
        let exchange = Exchange::begin(came, sessions);
        let Some(page) = Page::at(came.below) else {
            let (inspector, sessions) = (inspector.clone(), sessions.clone());
            return Begun::Watch(Box::new(Self { exchange, id, inspector, sessions }));
        };
        let history = inspector.visitors().history(id.as_deref(), exchange.sent.as_deref());
        let views: Vec<View> =
            history.iter().map(|(number, seen)| View::new(*number, seen, sessions)).collect();
        Begun::Page(page.answer(came.method, &views))
    }

    /// Remembers what was answered. Returns a `Set-Cookie` line for a browser that is not known.
    pub(super) fn finish(self, goes: &Goes<'_>, session: Option<&RequestSession>) -> Option<String> {
        let cookie = self.sessions.cookie();
        let answer = Answer::new(goes, cookie.name(), session);
        let exchange = Exchange { answer, ..self.exchange };
        let fresh = random_id()?;
        let id = self.inspector.visitors().record(self.id.as_deref(), exchange, || fresh)?;
        // Where the session's cookie goes, so that apps below different paths have inspectors of their own.
        Some(format!("{COOKIE_NAME}={id}; HttpOnly; Path={}; SameSite=Lax", cookie.path()))
    }
}

/// A random token of 128 bits; `None` if the system's RNG fails, and then nothing is remembered.
fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(hex::encode(&bytes))
}

const COOKIE_NAME: &str = "_hipflask_inspector";
