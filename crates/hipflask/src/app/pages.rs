//! The pages that Flask answers with when a handler does not, and `redirect`.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::explain::Explanation;
use crate::fronts;
use crate::quote::quote;
use crate::repr::repr;
use crate::templates::escaped;

/// A 302 to `location`, with the page that Flask sends for browsers that do not follow: Flask's `redirect`.
///
/// ```
/// use hipflask::{Response, Result, redirect, url_for};
///
/// async fn logout() -> Result<Response> {
///     Ok(redirect(url_for("index")?))
/// }
/// # assert_eq!(redirect("/a b").headers()["location"], "/a%20b");
/// ```
pub fn redirect(location: impl AsRef<str>) -> Response {
    let location = location.as_ref();
    let shown = escaped(location);
    let page = format!(
        "<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n<p>You should be \
         redirected automatically to the target URL: <a href=\"{shown}\">{shown}</a>. If not, click the link.\n"
    );
    // What is left is visible ASCII, which every header can hold.
    let location = HeaderValue::try_from(uri(location)).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::FOUND, [(header::LOCATION, location)], Html(page)).into_response()
}

/// Werkzeug's `iri_to_uri`: encodes characters that a URL cannot contain, and keeps what is encoded already.
fn uri(location: &str) -> String {
    let mut uri = String::with_capacity(location.len());
    let location = location.trim_start_matches(|letter: char| letter <= ' ').replace(['\t', '\r', '\n'], "");
    // Only a host has brackets, around an IPv6 address.
    let host = location
        .find("://")
        .map_or(0, |at| location[at + 3..].find('/').map_or(location.len(), |to| at + 3 + to));
    let (host, path) = location.split_at(host);
    quote(&mut uri, host, b"%!#$&'()*+,/:;=?@[]");
    quote(&mut uri, path, b"%!#$&'()*+,/:;=?@");
    uri
}

/// Flask's page for an HTTP error.
fn page(status: StatusCode, description: &str) -> Response {
    (status, Html(fronts::page(status, description))).into_response()
}

pub(super) async fn not_found() -> Response {
    let what = "The requested URL was not found on the server. If you entered the URL manually please check your spelling \
                and try again.";
    page(StatusCode::NOT_FOUND, what)
}

pub(super) async fn method_not_allowed() -> Response {
    page(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed for the requested URL.")
}

/// `why` is for everyone to see.
pub(super) fn bad_request(why: Option<&str>) -> Response {
    let mut what = "The browser (or proxy) sent a request that this server could not understand.".to_owned();
    if let Some(why) = why {
        what.push_str("<br>");
        what.push_str(&escaped(why));
    }
    page(StatusCode::BAD_REQUEST, &what)
}

/// Werkzeug's answer to a host that the app does not trust.
pub(super) fn untrusted_host(host: &str) -> Response {
    let what = format!("Host {} is not trusted.", repr(&host.into()));
    page(StatusCode::BAD_REQUEST, &escaped(&what))
}

pub(super) fn too_large() -> Response {
    page(StatusCode::PAYLOAD_TOO_LARGE, "The data value transmitted exceeds the capacity limit.")
}

/// Replaces what the app has made of a body that arrived too slowly; headers stay, such as the
/// session's cookie.
pub(super) fn too_slow(response: Response) -> Response {
    let what = "The server closed the network connection because the browser didn't finish the request within the \
                specified time.";
    let mut response = with_page(response, page(StatusCode::REQUEST_TIMEOUT, what));
    *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
    // The rest of the body would be taken for the next request.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Gives a failed handler's response its page; headers stay.
pub(super) fn explain(response: Response, debug: bool) -> Response {
    let Some(explanation) = response.extensions().get::<Explanation>() else { return response };
    let explained = match response.status() {
        status if debug => debug_page(status, &explanation.0),
        StatusCode::INTERNAL_SERVER_ERROR => internal_server_error(),
        _ => return response,
    };
    with_page(response, explained)
}

fn with_page(response: Response, page: Response) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(page.headers().clone());
    Response::from_parts(parts, page.into_body())
}

fn internal_server_error() -> Response {
    let what = "The server encountered an internal error and was unable to complete your request. Either the server is \
                overloaded or there is an error in the application.";
    page(StatusCode::INTERNAL_SERVER_ERROR, what)
}

fn debug_page(status: StatusCode, lines: &[String]) -> Response {
    let (first, causes) = lines.split_first().map_or(("", lines), |(first, causes)| (first.as_str(), causes));
    let causes: String = causes.iter().map(|cause| format!("<li>{}</li>", escaped(cause))).collect();
    let causes = if causes.is_empty() { causes } else { format!("<h2>Caused by</h2><ol>{causes}</ol>") };
    let page = format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<title>{status}</title>\n<style>{STYLE}</style>\n\
         <main><h1>{status}</h1>\n<p class=what>{first}</p>\n{causes}<p class=why>You see this because the app has \
         <code>.debug(true)</code>. Without it a visitor gets a bare {code}, and the log has the error.</p></main>\n",
        first = escaped(first),
        code = status.as_u16(),
    );
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    ([no_store], Html(Body::from(page))).into_response()
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f6f5f2;color:#222}\
main{max-width:46rem;margin:4rem auto;padding:0 1.5rem}h1{font-size:1.4rem;color:#8a1c1c}\
.what{background:#fff;border-left:4px solid #8a1c1c;padding:1rem;white-space:pre-wrap;overflow-wrap:anywhere}\
.why{color:#666;font-size:.9rem}";
