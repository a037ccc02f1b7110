//! The inspector's own paths.

use super::view::View;
use super::{html, json};

/// A response of the inspector itself, for any framework.
pub(super) struct Own {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) body: String,
}

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
    pub(super) fn answer(self, method: &str, history: &[View]) -> Own {
        match method {
            "GET" => Own { status: 200, headers: self.headers(), body: self.body(history) },
            "HEAD" => Own { status: 200, headers: self.headers(), body: String::new() },
            _ => Own { status: 405, headers: vec![("allow", "GET, HEAD")], body: String::new() },
        }
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

    fn headers(self) -> Vec<(&'static str, &'static str)> {
        let kind = match self {
            Self::Whole | Self::Fragment => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Style => "text/css; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
        };
        vec![
            ("content-type", kind),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", POLICY),
        ]
    }
}

/// Nothing but the inspector's own style and script, and no page of another site around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors \
                      'self'; base-uri 'none'; form-action 'none'";
const STYLE: &str = include_str!("inspector.css");
const SCRIPT: &str = include_str!("inspector.js");
