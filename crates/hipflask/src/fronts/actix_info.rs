//! [`RequestInfo`] of a request of actix-web.

use actix_web::HttpRequest;
use http::{HeaderName, HeaderValue, Uri};

use crate::engine::Sessions;
use crate::request::{RequestInfo, join};

/// The facts of a request that forms and logins use.
pub(crate) fn request_info(sessions: &Sessions, request: &HttpRequest) -> RequestInfo {
    let peer = request.peer_addr().map(|address| address.ip());
    let uri = Uri::try_from(request.uri().to_string()).unwrap_or_default();
    let header = |name: &HeaderName| lines(request, name.as_str());
    RequestInfo::collect(sessions, peer, request.app_config().secure(), uri, header)
}

fn lines(request: &HttpRequest, name: &str) -> Option<HeaderValue> {
    let mut lines = request.headers().get_all(name).map(actix_web::http::header::HeaderValue::as_bytes);
    let first = lines.next()?;
    join(first, lines)
}
