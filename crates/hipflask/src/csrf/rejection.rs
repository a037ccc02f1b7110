//! [`CsrfRejection`]: a request whose form token could not be accepted.

use hipflask_core::csrf::CsrfError;
use http::StatusCode;

use crate::error::{SessionError, SessionRejection};

/// A request that the form token's check refuses, or could not check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrfRejection {
    /// The token is missing or wrong. The response is a 400 whose page has the reason.
    #[error(transparent)]
    Refused(#[from] CsrfError),
    /// The form is larger than the layer reads. The response is a 413.
    #[error("the form is larger than {limit} bytes; see `Csrf::body_limit`")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The form could not be read. The response is a 400.
    #[error("the body of the request could not be read")]
    Unreadable,
    /// The session could not be opened, or no session layer is around this one.
    #[error(transparent)]
    Session(#[from] SessionRejection),
}

impl From<SessionError> for CsrfRejection {
    fn from(error: SessionError) -> Self {
        Self::Session(error.into())
    }
}

impl CsrfRejection {
    /// The status of the response.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Refused(_) | Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Session(error) => error.status(),
        }
    }

    /// The text for the user: the reason of a refusal, in the words of Flask-WTF.
    pub(crate) fn description(&self) -> String {
        match self {
            Self::Refused(error) => error.to_string(),
            Self::TooLarge { .. } => "The data value transmitted exceeds the capacity limit.".to_owned(),
            Self::Unreadable => {
                "The browser (or proxy) sent a request that this server could not understand.".to_owned()
            }
            Self::Session(_) => String::new(),
        }
    }
}
