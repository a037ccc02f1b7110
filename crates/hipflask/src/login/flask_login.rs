//! [`FlaskLogin`]: the settings of logins, shared by all requests.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hipflask_core::login::{Client, Identifier, identifier};

use super::remember::RememberCookie;
use crate::engine::Protection;
use crate::error::Cause;
use crate::request::RequestInfo;

/// Logins that a Flask app with Flask-Login shares. Clones are cheap and are the same.
///
/// Build one with [`builder`](Self::builder), then add its layer or middleware inside of the session's.
#[derive(Clone)]
#[doc(alias = "LoginManager")]
pub struct FlaskLogin(pub(super) Arc<Settings>);

pub(crate) struct Settings {
    pub(super) loader: Loader,
    pub(super) protection: Protection,
    pub(super) identify: Identify,
    pub(super) remember: RememberCookie,
    pub(super) views: Views,
    #[cfg(feature = "templates")]
    pub(super) shown: Option<Shown>,
}

/// The pages for users that are not logged in.
#[derive(Debug, Clone)]
pub(crate) struct Views {
    pub(super) login: Option<String>,
    pub(super) login_message: Option<String>,
    pub(super) refresh: Option<String>,
    pub(super) refresh_message: Option<String>,
    pub(super) message_category: String,
    pub(super) next_in_session: bool,
}

/// A user of the app, of a type that only the app knows.
pub(crate) type AnyUser = Arc<dyn Any + Send + Sync>;
pub(super) type Loading = Pin<Box<dyn Future<Output = Result<Option<AnyUser>, Cause>> + Send>>;

/// The app's function that finds a user by id.
pub(crate) struct Loader(pub(super) Box<dyn Fn(String) -> Loading + Send + Sync>);

/// The app's function that shows a user in templates. `None` for a user of another type.
#[cfg(feature = "templates")]
pub(crate) struct Shown(pub(super) Box<Show>);

#[cfg(feature = "templates")]
type Show = dyn Fn(&AnyUser) -> Option<minijinja::Value> + Send + Sync;

/// The way to identify a client.
pub(crate) enum Identify {
    FlaskLogin(Identifier),
    App(Box<dyn Fn(&RequestInfo) -> String + Send + Sync>),
}

impl Identify {
    /// Returns the identifier of the client of a request.
    pub(super) fn of(&self, info: &RequestInfo) -> String {
        let version = match self {
            Self::App(identify) => return identify(info),
            Self::FlaskLogin(version) => *version,
        };
        // Flask-Login 0.6 uses the peer or the header, even if the sender of the header is not trusted.
        let address = match version {
            Identifier::V06 => info.peer(),
            _ => info.address(),
        };
        let address = address.map(|address| address.to_string());
        let client = Client::new(address.as_deref().map(str::as_bytes), info.user_agent());
        identifier(version, &client.forwarded_for(info.forwarded_for()))
    }

    /// Returns `true` if the identifier depends on an address that is not known.
    pub(super) fn lacks_address(&self, info: &RequestInfo) -> bool {
        match self {
            Self::FlaskLogin(Identifier::V06) => info.peer().is_none() && info.forwarded_for().is_none(),
            Self::FlaskLogin(_) => info.peer().is_none(),
            Self::App(_) => false,
        }
    }

    /// Returns `true` for Flask-Login before 0.7, which sets the remember cookie in every response of
    /// a user if it is to be refreshed, even if the user did not ask to be remembered.
    pub(super) const fn remembers_everyone(&self) -> bool {
        matches!(self, Self::FlaskLogin(Identifier::V06))
    }
}

impl fmt::Debug for FlaskLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlaskLogin")
            .field("protection", &self.0.protection)
            .field("remember", &self.0.remember)
            .field("views", &self.0.views)
            .finish_non_exhaustive()
    }
}
