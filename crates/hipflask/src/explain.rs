//! Explanations of error responses, for developers only.

use std::error::Error;

/// The cause of an error response, as an extension for the debugging page. Extensions are not sent.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "app"), allow(dead_code, reason = "only an app has pages that explain"))]
pub(crate) struct Explanation(pub(crate) Vec<String>);

impl Explanation {
    /// The error and its causes, one per line.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut lines = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            lines.push(error.to_string());
            cause = error.source();
        }
        // An error may already show the text of its cause.
        lines.dedup_by(|cause, error| error.contains(&**cause));
        Self(lines)
    }
}

/// A bare 500 that carries the error as an extension, and logs it.
#[cfg(feature = "axum")]
pub(crate) fn internal_error(error: &(dyn Error + 'static)) -> axum_core::response::Response {
    internal_error_of(Explanation::of(error))
}

/// [`internal_error`] for an explanation that is not an error type.
#[cfg(feature = "axum")]
pub(crate) fn internal_error_of(explanation: Explanation) -> axum_core::response::Response {
    tracing::error!(error = %explanation.0.join(": "), "the handler failed");
    let mut response = axum_core::response::Response::default();
    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    response.extensions_mut().insert(explanation);
    response
}

/// [`internal_error`] with another status.
#[cfg(feature = "axum")]
pub(crate) fn error_with(
    error: &(dyn Error + 'static),
    status: http::StatusCode,
) -> axum_core::response::Response {
    let mut response = internal_error(error);
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{SessionError, WriteError};

    #[test]
    fn explanation_shows_each_cause_once() {
        let mismatch = hipflask_core::value::to_value(&u8::MAX)
            .and_then(|value| hipflask_core::value::from_value::<String>(&value))
            .unwrap_err();
        let entry = hipflask_core::session::EntryError::about("n".into(), mismatch.clone());
        assert_eq!(entry.source().unwrap().downcast_ref(), Some(&mismatch));
        let error = SessionError::NotWritten(WriteError::encoding(entry.clone()));
        assert_eq!(Explanation::of(&error).0, [error.to_string()]);
        assert_eq!(Explanation::of(&SessionError::Value(entry.clone())).0, [entry.to_string()]);
    }
}
