//! The request that an [`App`](super::App) is handling: what `url_for`, `render_template` and
//! templates look at.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{MatchedPath, OriginalUri, Request};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, Uri};
use pin_project_lite::pin_project;

use super::hosts::TrustedHosts;
use super::urls::Urls;
use crate::engine::Sessions;
use crate::fronts::request_info;
use crate::request::RequestInfo;
use crate::templates::Templates;

thread_local! {
    static CURRENT: RefCell<Option<Arc<RequestContext>>> = const { RefCell::new(None) };
}

/// The parts of an app that its requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) urls: Urls,
    pub(super) templates: Templates,
    pub(super) debug: bool,
    /// The app's mount point, if the request does not name it.
    pub(super) root: String,
    pub(super) trusted_hosts: TrustedHosts,
    pub(super) sessions: Sessions,
}

/// One request. Its headers have cookies in them, so it cannot be printed.
pub(super) struct RequestContext {
    pub(super) shared: Arc<Shared>,
    pub(super) method: Method,
    /// With the prefix of the routers that the app is nested in.
    pub(super) uri: Uri,
    /// The prefix of the app's paths, without a slash at its end.
    pub(super) prefix: String,
    pub(super) matched: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) info: RequestInfo,
}

impl RequestContext {
    pub(super) fn new(shared: Arc<Shared>, request: &Request) -> Self {
        let extensions = request.extensions();
        let uri = extensions.get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
        let prefix = match prefix(uri.path(), request.uri().path()) {
            "" => shared.root.clone(),
            prefix => prefix.to_owned(),
        };
        Self {
            method: request.method().clone(),
            uri: uri.clone(),
            prefix,
            matched: extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned()),
            headers: request.headers().clone(),
            info: request_info(&shared.sessions, request),
            shared,
        }
    }

    /// Returns the host that the browser sent the request to. Empty if it is not written as hosts
    /// are, as in Flask.
    pub(super) fn host(&self) -> &str {
        self.info.host()
    }

    /// Returns what the request names as its host, without the standard port of the scheme.
    pub(super) fn named_host(&self) -> &str {
        self.info.named_host()
    }

    pub(super) fn scheme(&self) -> &str {
        self.info.scheme()
    }

    /// Returns `true` if the app trusts the host that the request names.
    pub(super) fn has_trusted_host(&self) -> bool {
        self.shared.trusted_hosts.trust(self.host())
    }

    pub(super) fn query(&self) -> &str {
        self.uri.path_and_query().and_then(PathAndQuery::query).unwrap_or_default()
    }
}

/// The request that is being handled on this thread right now, if it is one of an app.
pub(super) fn current() -> Option<Arc<RequestContext>> {
    CURRENT.with_borrow(Clone::clone)
}

/// The prefix that was cut from a path; empty if the path was rewritten in another way.
fn prefix<'p>(whole: &'p str, rest: &str) -> &'p str {
    match whole.strip_suffix(rest) {
        Some(prefix) => prefix,
        // A nested router answers `/prefix` with its route `/`.
        None if rest == "/" => whole,
        None => "",
    }
}

pin_project! {
    /// Makes a request the current one while its handler is polled.
    pub(super) struct Scoped<F> {
        pub(super) request: Arc<RequestContext>,
        #[pin]
        pub(super) handler: F,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = Entered { before: CURRENT.replace(Some(this.request.clone())) };
        this.handler.poll(cx)
    }
}

/// Puts the request that was current before back in its place.
struct Entered {
    before: Option<Arc<RequestContext>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.before.take();
        CURRENT.with_borrow_mut(|current| *current = before);
    }
}
