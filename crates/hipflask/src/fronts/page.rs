//! The pages that Flask answers with when a request is refused.

use http::StatusCode;

/// Flask's page for an HTTP error. `description` must be HTML.
pub(crate) fn page(status: StatusCode, description: &str) -> String {
    let name = status.canonical_reason().unwrap_or_default();
    let code = status.as_u16();
    format!(
        "<!doctype html>\n<html lang=en>\n<title>{code} {name}</title>\n<h1>{name}</h1>\n<p>{description}</p>\n"
    )
}

pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// Werkzeug's description of a 401.
#[cfg(feature = "login")]
pub(crate) const UNAUTHORIZED: &str = "The server could not verify that you are authorized to access the URL requested. \
                                       You either supplied the wrong credentials (e.g. a bad password), or your browser \
                                       doesn&#39;t understand how to supply the credentials required.";
