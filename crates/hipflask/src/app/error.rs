//! Errors of an app and of its handlers.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use axum::response::{IntoResponse, Response};

use crate::csrf::CsrfRejection;
use crate::error::SessionError;
use crate::explain;
use crate::login::LoginError;
use crate::settings::ConfigError;
use crate::templates::TemplateError;

/// Any error, for handlers that end in `?`. The log gets it, the visitor a bare 500, and a developer with
/// [`App::debug`](crate::App::debug) a page.
///
/// ```
/// use hipflask::{Session, url_for};
///
/// async fn link(session: Session) -> hipflask::Result<String> {
///     let name = session.get::<String>("name")?.unwrap_or_default();
///     Ok(url_for!("user", name = name)?)
/// }
/// ```
pub struct Error(Box<dyn StdError + Send + Sync>);

/// The result of a handler.
pub type Result<T = Response, E = Error> = std::result::Result<T, E>;

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let error = match self.0.downcast::<SessionError>() {
            Ok(error) => return error.into_response(),
            Err(error) => error,
        };
        let error = match error.downcast::<LoginError>() {
            Ok(error) => return error.into_response(),
            Err(error) => error,
        };
        match error.downcast::<CsrfRejection>() {
            Ok(error) => error.into_response(),
            Err(error) => explain::internal_error(&*error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// For `main`, which prints it so.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let explanation = explain::Explanation::of(&*self.0);
        f.write_str(&explanation.0.join("\n  caused by: "))
    }
}

/// An app that cannot start. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The session's configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A template of the program cannot be parsed.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Pages that explain errors are not for visitors.
    #[error(
        "debug(true) in a release build shows errors to every visitor. Leave it out; or, if nobody else can reach the \
         server, say `danger_debug_in_release(true)`."
    )]
    DebugInRelease,
    /// A path in Flask's spelling.
    #[error("the path {path:?} of the route {endpoint:?} is written {better:?} here")]
    FlaskPath {
        /// The name of the route.
        endpoint: String,
        /// Its path.
        path: String,
        /// The right spelling.
        better: String,
    },
    /// A host to trust is not written as hosts are.
    #[error(
        "{entry:?} in the trusted hosts (TRUSTED_HOSTS) is not a host name; write \"example.org\", or \".example.org\" to \
         include its subdomains, without a scheme, and letters beyond ASCII in their xn-- form"
    )]
    TrustedHost {
        /// The entry.
        entry: String,
    },
    /// The login view is not the name of a route.
    #[error("the login view {view:?} is neither a path nor the name of a route")]
    LoginView {
        /// The name.
        view: String,
    },
    /// A limit of zero, with which the server could not answer any request.
    #[error("{limit} is 0, with which no request could be answered; leave it out for the default")]
    ZeroLimit {
        /// The method that set it.
        limit: &'static str,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}. Is the port taken? Port 0 takes a free one.")]
    Bind {
        /// The address.
        address: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The server stopped.
    #[error("the server stopped: {0}")]
    Serve(#[source] io::Error),
    /// A command line that makes no sense.
    #[error("{0}; there are --host ADDRESS, --port NUMBER (0 takes a free one) and --debug")]
    Arguments(String),
}
