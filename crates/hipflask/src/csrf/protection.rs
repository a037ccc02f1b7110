//! [`Csrf`]: the check of a request.

use std::time::Duration;

use hipflask_core::csrf::{CsrfError, FormTokens, check_referrer, find_token};
use hipflask_core::plan::Profile;
use hipflask_core::signing::{Age, KeyRing};

use super::rejection::CsrfRejection;
use crate::engine::{CsrfSettings, Sessions};
use crate::request::RequestInfo;
use crate::session::Session;
use crate::settings::ConfigError;

/// The size of a form that the layer reads: Flask's `MAX_FORM_MEMORY_SIZE`.
const BODY_LIMIT: usize = 500_000;

/// The check of form tokens, from [`Sessions::csrf`]. Its layer checks every request; its
/// [`verify`](Self::verify) checks one in a handler.
#[derive(Debug, Clone)]
#[must_use = "add its `layer` or `middleware`, or call `verify`"]
#[doc(alias = "CSRFProtect")]
pub struct Csrf {
    sessions: Sessions,
    settings: CsrfSettings,
    tokens: FormTokens,
    exempt: Vec<String>,
    body_limit: usize,
}

impl Sessions {
    /// The check of form tokens, with the settings that the engine was built with: Flask-WTF's
    /// `CSRFProtect`.
    ///
    /// # Errors
    /// [`ConfigError::NoSecretKey`] if neither the engine nor `WTF_CSRF_SECRET_KEY` has a key.
    #[doc(alias = "CSRFProtect")]
    pub fn csrf(&self) -> Result<Csrf, ConfigError> {
        let settings = self.surroundings().csrf.clone();
        let Some(tokens) = settings.signer.clone() else {
            return Err(ConfigError::NoSecretKey { setting: "WTF_CSRF_SECRET_KEY or SECRET_KEY".into() });
        };
        let csrf =
            Csrf { sessions: self.clone(), settings, tokens, exempt: Vec::new(), body_limit: BODY_LIMIT };
        Ok(csrf.aged())
    }
}

impl Csrf {
    /// Sets the greatest age of a token, or `None` for no limit. The default is an hour.
    #[doc(alias = "WTF_CSRF_TIME_LIMIT")]
    pub fn time_limit(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.time_limit = limit.into();
        self.aged()
    }

    /// Sets if a request over https must have a `Referer` of the same origin. The default is `true`.
    #[doc(alias = "WTF_CSRF_SSL_STRICT")]
    pub const fn ssl_strict(mut self, strict: bool) -> Self {
        self.settings.ssl_strict = strict;
        self
    }

    /// Sets the methods that the layer checks. The default is `POST`, `PUT`, `PATCH` and `DELETE`.
    #[doc(alias = "WTF_CSRF_METHODS")]
    pub fn methods<M: Into<String>>(mut self, methods: impl IntoIterator<Item = M>) -> Self {
        self.settings.methods =
            methods.into_iter().map(|method| method.into().to_ascii_uppercase()).collect();
        self
    }

    /// Does not check requests for `path` and all paths below it: `/hooks/`, or `/hook` for this path
    /// and those that begin with `/hook/`.
    pub fn exempt(mut self, path: impl Into<String>) -> Self {
        self.exempt.push(path.into());
        self
    }

    /// Sets the size in bytes up to which the layer reads a form to look for its token. The default is
    /// 500,000. The response to a larger form is a 413.
    #[doc(alias = "MAX_FORM_MEMORY_SIZE")]
    pub const fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Also accepts tokens that were signed with a fallback key. Flask-WTF does not, so forms are
    /// refused after a rotation of keys. The default is `false`.
    pub fn accept_fallbacks(mut self, accept: bool) -> Self {
        let keys = self.sessions.surroundings().keys.as_ref();
        let own = self.settings.secret_key.clone();
        let ring = match (own, keys, accept) {
            (Some(own), Some(keys), true) => {
                Some(keys.accepted().cloned().fold(KeyRing::new(own), |ring, key| ring.accept(key)))
            }
            (None, Some(keys), true) => Some(keys.clone()),
            (own, keys, _) => own.or_else(|| keys.map(|keys| keys.signing().clone())).map(KeyRing::new),
        };
        if let Some(tokens) = ring.and_then(|ring| FormTokens::new(ring).ok()) {
            self.tokens = tokens;
        }
        self.aged()
    }

    fn aged(mut self) -> Self {
        let leeway = self.sessions.surroundings().leeway;
        let age = self.settings.time_limit.map_or(Age::any(), |limit| Age::at_most(limit).leeway(leeway));
        self.tokens = self.tokens.age(age);
        self
    }

    /// Checks the token of a request in a handler, for a body that the layer does not read, such as
    /// multipart or JSON. Exempt the route from the layer.
    ///
    #[cfg_attr(feature = "axum", doc = "```")]
    #[cfg_attr(not(feature = "axum"), doc = "```ignore")]
    /// use axum::{Json, extract::State};
    /// use hipflask::csrf::{Csrf, CsrfRejection};
    /// use hipflask::{RequestInfo, Session};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Order { csrf_token: String }
    ///
    /// async fn order(
    ///     State(csrf): State<Csrf>,
    ///     session: Session,
    ///     info: RequestInfo,
    ///     Json(order): Json<Order>,
    /// ) -> Result<&'static str, CsrfRejection> {
    ///     csrf.verify(&session, Some(order.csrf_token.as_bytes()), &info)?;
    ///     Ok("accepted")
    /// }
    /// # let _: axum::Router<Csrf> = axum::Router::new().route("/", axum::routing::post(order));
    /// ```
    ///
    /// # Errors
    /// [`CsrfRejection::Refused`] with the reason. It is logged, as in Flask-WTF.
    #[doc(alias = "validate_csrf")]
    pub fn verify(
        &self,
        session: &Session,
        token: Option<&[u8]>,
        info: &RequestInfo,
    ) -> Result<(), CsrfRejection> {
        let token = present(token)?;
        let field = self.settings.field_name.as_str();
        let now = session.now();
        session.with(|data| self.tokens.verify(Some(token), data.value(field), now))?.map_err(logged)?;
        self.check_origin(info).map_err(logged)
    }

    /// Checks that the request comes from a page of the same origin.
    fn check_origin(&self, info: &RequestInfo) -> Result<(), CsrfError> {
        if self.settings.ssl_strict && info.is_https() {
            check_referrer(info.referrer(), info.host())?;
        }
        let is_strict = self.sessions.rules().profile == Profile::Strict;
        match info.fetch_site() {
            Some(b"same-origin" | b"none") | None => Ok(()),
            Some(_) if is_strict => Err(CsrfError::CrossSite),
            Some(_) => Ok(()),
        }
    }

    /// Returns `true` if the layer checks a request.
    pub(crate) fn applies_to(&self, method: &str, path: &str) -> bool {
        self.settings.enabled
            && self.settings.check_default
            && self.settings.methods.iter().any(|checked| checked == method)
            && !self.exempt.iter().any(|exempt| is_below(path, exempt))
    }

    /// The token in the headers of a request.
    pub(crate) fn token_in_headers<'r>(&self, header: impl Fn(&str) -> Option<&'r [u8]>) -> Option<&'r [u8]> {
        self.settings.headers.iter().filter_map(|name| header(name)).find(|token| !token.is_empty())
    }

    /// The token in a form.
    pub(crate) fn token_in_form(&self, body: &[u8]) -> Option<Vec<u8>> {
        let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(body).unwrap_or_default();
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        find_token(&self.settings.field_name, fields, |_| None).map(ToOwned::to_owned)
    }

    pub(crate) const fn form_limit(&self) -> usize {
        self.body_limit
    }
}

/// Refuses a missing token, before the session is opened.
pub(crate) fn present(token: Option<&[u8]>) -> Result<&[u8], CsrfRejection> {
    token.filter(|token| !token.is_empty()).ok_or_else(|| logged(CsrfError::TokenMissing))
}

fn logged(error: CsrfError) -> CsrfRejection {
    tracing::info!(reason = %error, "a request was refused by the check of its form token");
    error.into()
}

/// Returns `true` if `path` is `exempt` or below it. A prefix ends at a slash, so that `/hook` does
/// not exempt `/hooked`.
fn is_below(path: &str, exempt: &str) -> bool {
    let rest = path.strip_prefix(exempt);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || exempt.ends_with('/'))
}
