//! [`RequestInfo`]: the facts of a request that forms and logins use, the same for every framework.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Uri, uri};

use super::host;
use crate::engine::{Proxies, Sessions};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The client and the target of a request: address, scheme, host and a few headers.
///
/// Extract it in a handler of axum or actix-web, below the session layer. The address and the scheme
/// are those of the connection. If the connection is from a trusted proxy
/// ([`SessionsBuilder::trusted_proxies`](crate::SessionsBuilder::trusted_proxies)), they are those in
/// `X-Forwarded-For` and `X-Forwarded-Proto`.
///
/// With axum, the address is only known if the server passes it on:
/// `axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())`. The server of
/// `App` and actix-web do so by themselves. Without it, [`address`](Self::address) is `None`, and no
/// proxy is trusted.
#[derive(Clone, Default)]
pub struct RequestInfo {
    peer: Option<IpAddr>,
    proxies: Proxies,
    uri: Uri,
    is_https: bool,
    host: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    referrer: Option<HeaderValue>,
    forwarded_for: Option<HeaderValue>,
    forwarded_proto: Option<HeaderValue>,
    fetch_site: Option<HeaderValue>,
}

impl RequestInfo {
    /// Collects the facts of a request to `uri`. `peer` is the address at the other end of the
    /// connection, and `is_https` is `true` if the connection itself is encrypted.
    #[must_use]
    pub fn new(
        sessions: &Sessions,
        peer: Option<IpAddr>,
        is_https: bool,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Self {
        Self::collect(sessions, peer, is_https, uri.clone(), |name| joined(headers, name))
    }

    /// [`new`](Self::new) for headers of another crate; `header` returns the lines of one, joined by
    /// a comma.
    pub(crate) fn collect(
        sessions: &Sessions,
        peer: Option<IpAddr>,
        is_https: bool,
        uri: Uri,
        header: impl Fn(&HeaderName) -> Option<HeaderValue>,
    ) -> Self {
        Self {
            peer,
            proxies: sessions.surroundings().proxies.clone(),
            is_https: is_https || uri.scheme() == Some(&uri::Scheme::HTTPS),
            uri,
            host: header(&header::HOST),
            user_agent: header(&header::USER_AGENT),
            referrer: header(&header::REFERER),
            forwarded_for: header(&FORWARDED_FOR),
            forwarded_proto: header(&FORWARDED_PROTO),
            fetch_site: header(&FETCH_SITE),
        }
    }

    /// The address of the client: of the connection, or behind trusted proxies the last address in
    /// `X-Forwarded-For` that is not a trusted proxy.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        let mut address = self.peer?;
        let forwarded = self.forwarded_for.as_ref().and_then(|header| header.to_str().ok());
        for entry in forwarded.into_iter().flat_map(|header| header.rsplit(',')) {
            if !self.proxies.contain(address) {
                break;
            }
            let Ok(before) = entry.trim().parse() else { break };
            address = before;
        }
        Some(address)
    }

    /// The address at the other end of the connection.
    #[must_use]
    pub const fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// Returns `true` if the connection is from a trusted proxy.
    fn is_forwarded(&self) -> bool {
        self.peer.is_some_and(|peer| self.proxies.contain(peer))
    }

    /// Returns `true` if the client uses https. Behind a trusted proxy that is what the last value of
    /// `X-Forwarded-Proto` says, if it exists.
    #[must_use]
    pub fn is_https(&self) -> bool {
        let forwarded = self.forwarded_proto.as_ref().filter(|_| self.is_forwarded());
        match forwarded.map(|header| header.to_str().unwrap_or_default().rsplit(',').next()) {
            Some(scheme) => scheme.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https")),
            None => self.is_https,
        }
    }

    /// The scheme that the client uses: `https` or `http`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.is_https() { "https" } else { "http" }
    }

    /// The host that the request names, without the standard port of the scheme. Empty if it is not
    /// written as hosts are, as in Flask.
    #[must_use]
    pub fn host(&self) -> &str {
        host::valid(self.named_host())
    }

    /// [`host`](Self::host), however it is written.
    pub(crate) fn named_host(&self) -> &str {
        let host = match &self.host {
            Some(host) => host.to_str().unwrap_or_default(),
            None => self.uri.authority().map_or("localhost", |authority| authority.as_str()),
        };
        host::without_standard_port(self.scheme(), host)
    }

    /// The path and the query of the request.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        self.uri.path_and_query().map_or("/", |target| target.as_str())
    }

    /// The header `User-Agent`.
    #[must_use]
    pub fn user_agent(&self) -> Option<&[u8]> {
        self.user_agent.as_ref().map(HeaderValue::as_bytes)
    }

    /// The header `Referer`.
    #[must_use]
    pub fn referrer(&self) -> Option<&[u8]> {
        self.referrer.as_ref().map(HeaderValue::as_bytes)
    }

    /// The header `X-Forwarded-For`. Any client can send it: use [`address`](Self::address) instead.
    #[must_use]
    pub fn forwarded_for(&self) -> Option<&[u8]> {
        self.forwarded_for.as_ref().map(HeaderValue::as_bytes)
    }

    /// The header `Sec-Fetch-Site`, in which a browser says where the request comes from.
    #[must_use]
    pub fn fetch_site(&self) -> Option<&[u8]> {
        self.fetch_site.as_ref().map(HeaderValue::as_bytes)
    }
}

/// Shows no header: a `Referer` may have a secret in it.
impl fmt::Debug for RequestInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestInfo")
            .field("address", &self.address())
            .field("scheme", &self.scheme())
            .field("host", &self.host())
            .finish_non_exhaustive()
    }
}

/// The lines of a header, joined by a comma, as WSGI servers do.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    let Some(second) = lines.next() else { return Some(first.clone()) };
    join(first.as_bytes(), std::iter::once(second).chain(lines).map(HeaderValue::as_bytes))
}

/// Joins the lines of a header by a comma.
pub(crate) fn join<'h>(first: &[u8], others: impl Iterator<Item = &'h [u8]>) -> Option<HeaderValue> {
    let mut all = Cow::Borrowed(first);
    for line in others {
        all.to_mut().push(b',');
        all.to_mut().extend_from_slice(line);
    }
    HeaderValue::from_bytes(&all).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(peer: &str, headers: &[(&'static str, &'static str)]) -> RequestInfo {
        let sessions = Sessions::builder()
            .secret_key("a secret key for tests")
            .trusted_proxies(["127.0.0.1", "10.0.0.0/8"])
            .build()
            .unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        RequestInfo::new(&sessions, peer.parse().ok(), false, &Uri::from_static("/a?b"), &map)
    }

    #[test]
    fn forwarded_addresses_are_believed_behind_trusted_proxies_only() {
        let address =
            |peer, header| info(peer, &[("x-forwarded-for", header)]).address().unwrap().to_string();
        assert_eq!(address("192.0.2.1", "203.0.113.9"), "192.0.2.1");
        assert_eq!(address("127.0.0.1", "203.0.113.9"), "203.0.113.9");
        assert_eq!(address("127.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.3"), "203.0.113.9");
        assert_eq!(address("127.0.0.1", "10.0.0.1, 10.0.0.3"), "10.0.0.1");
        assert_eq!(address("127.0.0.1", "203.0.113.9, unknown"), "127.0.0.1");
        assert_eq!(address("::ffff:127.0.0.1", "2001:db8::1"), "2001:db8::1");
        let lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(info("127.0.0.1", &lines).address().unwrap().to_string(), "203.0.113.9");
        assert_eq!(info("unknown", &lines).address(), None);
    }

    #[test]
    fn forwarded_scheme_is_believed_behind_trusted_proxies_only() {
        let is_https = |peer, header| info(peer, &[("x-forwarded-proto", header)]).is_https();
        assert!(is_https("127.0.0.1", "https") && is_https("127.0.0.1", "http, HTTPS"));
        assert!(!is_https("127.0.0.1", "https,http") && !is_https("127.0.0.1", ""));
        assert!(!is_https("192.0.2.1", "https") && !is_https("unknown", "https"));
        let encrypted = Uri::from_static("https://h/");
        let sessions = Sessions::builder().secret_key("a secret key for tests").build().unwrap();
        assert!(RequestInfo::new(&sessions, None, false, &encrypted, &HeaderMap::new()).is_https());
    }

    #[test]
    fn host_is_that_of_the_header() {
        let host = |header| info("127.0.0.1", &[("host", header)]).host().to_owned();
        assert_eq!((host("h:80"), host("h:8080"), host("a b")), ("h".into(), "h:8080".into(), String::new()));
        assert_eq!(info("127.0.0.1", &[("host", "h:443"), ("x-forwarded-proto", "https")]).host(), "h");
        assert_eq!(info("127.0.0.1", &[("host", "a"), ("host", "b")]).host(), "");
        assert_eq!(info("127.0.0.1", &[]).host(), "localhost");
    }
}
