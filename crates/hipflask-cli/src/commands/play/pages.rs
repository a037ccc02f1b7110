//! Decides what is answered, and to whom.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode};

/// An answer, before its headers.
pub(super) struct Page {
    status: u16,
    kind: &'static str,
    body: String,
}

impl Page {
    pub(super) fn text(status: u16, body: &str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: body.to_owned() }
    }

    fn found(kind: &'static str, body: impl Into<String>) -> Self {
        Self { status: 200, kind, body: body.into() }
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        for (name, value) in HEADERS {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        response
    }
}

/// Returns the page at `path`, or the answer to `body`. Only after [`refusal`].
pub(super) fn page(path: &str, body: &str) -> Page {
    match path {
        "/" => Page::found("text/html; charset=utf-8", HTML.replace("{form}", FORM)),
        "/play.css" => Page::found("text/css", [LOCAL_CSS, CSS].concat()),
        "/play.js" => Page::found("text/javascript", JS),
        "/answer" => Page::found("application/json", hipflask_explain::play::answer(body)),
        _ => Page::text(404, "not found"),
    }
}

/// Refuses what the page itself does not send.
///
/// A name that another site has pointed at this machine (DNS rebinding) is in `Host`, and the other
/// site is in `Origin`. A form of another site cannot send JSON's type.
pub(super) fn refusal(request: &Parts, port: u16) -> Option<Page> {
    let header = |name| only(&request.headers, &name);
    let host = header(HOST).filter(|host| is_ours(host, port));
    let Some(host) = host else {
        return Some(Page::text(421, "open this page by the address that `hipflask play` printed"));
    };
    let is_question = request.uri.path() == "/answer";
    match request.method {
        Method::GET if !is_question => None,
        Method::POST if is_question => {
            let is_from_page = header(ORIGIN) == Some(&*format!("http://{host}"));
            let is_json = header(CONTENT_TYPE) == Some("application/json");
            (!is_from_page || !is_json).then(|| Page::text(403, "only the page itself may ask"))
        }
        _ => Some(Page::text(405, "method not allowed")),
    }
}

fn is_ours(host: &str, port: u16) -> bool {
    ["127.0.0.1", "localhost"].iter().any(|name| host == format!("{name}:{port}"))
}

/// The value of a header that is sent once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.to_str().ok()).flatten()
}

const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cache-control", "no-store"),
];
const HTML: &str = include_str!("page.html");
const FORM: &str = include_str!("form.html");
const CSS: &str = include_str!("play.css");
const LOCAL_CSS: &str = include_str!("local.css");
const JS: &str = include_str!("play.js");

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    /// The status for a request, with 200 if nothing refuses it.
    fn status(method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        refusal(&parts, 4000).map_or(200, |page| page.status)
    }

    const HOST: (&str, &str) = ("host", "127.0.0.1:4000");
    const ORIGIN: (&str, &str) = ("origin", "http://127.0.0.1:4000");
    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn rebound_names_do_not_reach_the_page() {
        assert_eq!(status("GET", "/", &[HOST]), 200);
        assert_eq!(status("GET", "/", &[("host", "localhost:4000")]), 200);
        for host in
            ["evil.example:4000", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:4000.evil.example", "", "localhost"]
        {
            assert_eq!(status("GET", "/", &[("host", host)]), 421, "{host}");
        }
        assert_eq!((status("GET", "/", &[]), status("GET", "/", &[HOST, HOST])), (421, 421));
    }

    #[test]
    fn pages_of_other_sites_cannot_ask() {
        assert_eq!(status("POST", "/answer", &[HOST, ORIGIN, JSON]), 200);
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost:4000",
            "http://127.0.0.1:4001",
            "https://127.0.0.1:4000",
        ] {
            assert_eq!(status("POST", "/answer", &[HOST, ("origin", origin), JSON]), 403, "{origin}");
        }
        assert_eq!(status("POST", "/answer", &[HOST, JSON]), 403);
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=x"] {
            assert_eq!(status("POST", "/answer", &[HOST, ORIGIN, ("content-type", kind)]), 403, "{kind}");
        }
        for method in ["GET", "OPTIONS", "HEAD", "PUT"] {
            assert_eq!(status(method, "/answer", &[HOST, ORIGIN, JSON]), 405, "{method}");
        }
    }

    #[test]
    fn every_answer_has_the_strict_headers() {
        for path in ["/", "/play.js", "/play.css", "/missing"] {
            let response = page(path, "").into_response();
            for (name, value) in HEADERS {
                assert_eq!(response.headers()[name], value, "{path}");
            }
            assert!(!response.headers().keys().any(|name| name.as_str().starts_with("access-control")));
        }
        assert!(!HTML.contains("<script>") && !FORM.contains(" style=") && !FORM.contains("\n\n"));
    }
}
