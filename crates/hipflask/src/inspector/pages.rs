//! The inspector's own paths.

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode};

use super::view::View;
use super::{html, json};

/// A page of the inspector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Whole,
    Fragment,
    Json,
    Style,
    Script,
}

impl Page {
    /// Which page a path is, if it is one.
    pub(super) fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/_hipflask/session" => Self::Whole,
            "/_hipflask/session/fragment" => Self::Fragment,
            "/_hipflask/session.json" => Self::Json,
            "/_hipflask/inspector.css" => Self::Style,
            "/_hipflask/inspector.js" => Self::Script,
            _ => return None,
        })
    }

    /// The page as a response. It sets no cookie: looking changes nothing.
    pub(super) fn answer<B: Default + From<String>>(self, method: &Method, history: &[View]) -> Response<B> {
        if method != Method::GET && method != Method::HEAD {
            let mut response = Response::new(B::default());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let body = if method == Method::HEAD { B::default() } else { B::from(self.body(history)) };
        let mut response = Response::new(body);
        self.headers(response.headers_mut());
        response
    }

    fn body(self, history: &[View]) -> String {
        match self {
            Self::Whole => html::page(history),
            Self::Fragment => html::fragment(history),
            Self::Json => json::history(history),
            Self::Style => STYLE.into(),
            Self::Script => SCRIPT.into(),
        }
    }

    fn headers(self, headers: &mut HeaderMap) {
        let kind = match self {
            Self::Whole | Self::Fragment => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Style => "text/css; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    }
}

/// Nothing but the inspector's own style and script, and no page of another site around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors \
                      'self'; base-uri 'none'; form-action 'none'";
const STYLE: &str = include_str!("inspector.css");
const SCRIPT: &str = include_str!("inspector.js");
