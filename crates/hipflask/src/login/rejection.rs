//! [`LoginRejection`]: a request that a page for users refuses.

use std::error::Error;
use std::fmt;

use super::error::LoginError;
use super::redirect::Redirect;

/// A request that a page for users refuses.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LoginRejection {
    /// Nobody is logged in. The response is a redirect to the login page, or a 401.
    Unauthorized(Redirect),
    /// The login is not fresh. The response is a redirect to the page to log in at again, or a 401.
    NeedsRefresh(Redirect),
    /// The login could not be read.
    Failed(LoginError),
}

impl fmt::Display for LoginRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized(_) => f.write_str("nobody is logged in"),
            Self::NeedsRefresh(_) => f.write_str("the login is not fresh"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl Error for LoginRejection {}

impl<E: Into<LoginError>> From<E> for LoginRejection {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
