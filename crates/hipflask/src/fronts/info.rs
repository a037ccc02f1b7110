//! [`RequestInfo`] of a request in the types of the `http` crate.

use std::net::IpAddr;

#[cfg(any(feature = "csrf", feature = "login"))]
use http::Request;
use http::{Extensions, Uri};

use crate::engine::Sessions;
use crate::request::RequestInfo;

/// The facts of a request that forms and logins use.
#[cfg(any(feature = "csrf", feature = "login"))]
pub(crate) fn request_info<B>(sessions: &Sessions, request: &Request<B>) -> RequestInfo {
    info(sessions, request.uri(), request.headers(), request.extensions())
}

pub(crate) fn info(
    sessions: &Sessions,
    uri: &Uri,
    headers: &http::HeaderMap,
    extensions: &Extensions,
) -> RequestInfo {
    RequestInfo::new(sessions, peer(extensions), false, original(extensions).unwrap_or(uri), headers)
}

/// The address at the other end of the connection, if the server has put it on the request.
#[cfg(feature = "axum")]
fn peer(extensions: &Extensions) -> Option<IpAddr> {
    use axum::extract::ConnectInfo;
    extensions.get::<ConnectInfo<std::net::SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

/// The target of the request before routers cut their prefix off.
#[cfg(feature = "axum")]
fn original(extensions: &Extensions) -> Option<&Uri> {
    extensions.get::<axum::extract::OriginalUri>().map(|uri| &uri.0)
}

#[cfg(not(feature = "axum"))]
const fn peer(_: &Extensions) -> Option<IpAddr> {
    None
}

#[cfg(not(feature = "axum"))]
const fn original(_: &Extensions) -> Option<&Uri> {
    None
}
