//! Why a response is an error, for the developer and never for the visitor.

use std::error::Error;

/// Rides on a response as an extension, so that a debugging page can say what the log says. Extensions are not sent.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "app"), allow(dead_code, reason = "only an app has pages that explain"))]
pub(crate) struct Explanation(pub(crate) Vec<String>);

impl Explanation {
    /// The error and what it was caused by, each in a line.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut lines = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            lines.push(error.to_string());
            cause = error.source();
        }
        // A transparent error says the same as what it was caused by.
        lines.dedup();
        Self(lines)
    }
}

/// A bare 500. The log gets the error, and so does the extension.
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
