//! Form tokens against cross-site request forgery, as Flask-WTF makes and checks them.
//!
//! The session has a random text under the key [`KEY`]. A form carries the same text, signed with the
//! time. A form that Flask-WTF rendered is accepted here, and the reverse:
//!
//! ```
//! use hipflask_core::csrf::{CsrfError, FormTokens, raw_token};
//! use hipflask_core::time::UnixTime;
//! use hipflask_core::value::Value;
//!
//! let tokens = FormTokens::new("the SECRET_KEY of the Flask app")?;
//! let now = UnixTime::from_secs(1_700_000_000);
//! let in_session = raw_token(&[7; 64]); // 64 bytes of your random number generator
//!
//! let in_form = tokens.sign(&in_session, now)?;
//! let in_session = Value::from(in_session);
//! assert_eq!(tokens.verify(Some(in_form.as_bytes()), Some(&in_session), now), Ok(()));
//! assert_eq!(tokens.verify(None, Some(&in_session), now), Err(CsrfError::TokenMissing));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Formats, order of the checks and texts are those of Flask-WTF 1.3.0.

use core::time::Duration;
use std::collections::HashSet;

use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq as _;

use crate::hex;
use crate::signing::{
    Age, DumpError, KeyRing, LoadError, SignatureError, Signer, SignerConfigError, TimestampSigner,
    UrlSafeTimedSerializer,
};
use crate::time::UnixTime;
use crate::value::Value;

/// The key of the random text in the session, and the name of the form field: `WTF_CSRF_FIELD_NAME`.
pub const KEY: &str = "csrf_token";

/// The request headers that may carry a token, in the order in which they are tried:
/// `WTF_CSRF_HEADERS`.
pub const HEADERS: [&str; 2] = ["x-csrftoken", "x-csrf-token"];

/// The greatest age of a token: `WTF_CSRF_TIME_LIMIT`.
pub const TIME_LIMIT: Duration = Duration::from_secs(3600);

/// The reason for refusing a request that changes something.
///
/// The texts are Flask-WTF's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CsrfError {
    /// The request carries no token.
    #[error("The CSRF token is missing.")]
    TokenMissing,
    /// The session has no token: it is new, or the form is older than the login.
    #[error("The CSRF session token is missing.")]
    SessionTokenMissing,
    /// The token is too old, or from the future.
    #[error("The CSRF token has expired.")]
    Expired,
    /// The token was not signed by this application.
    #[error("The CSRF token is invalid.")]
    Invalid,
    /// The token belongs to another session.
    #[error("The CSRF tokens do not match.")]
    Mismatch,
    /// A request over https has no `Referer`.
    #[error("The referrer header is missing.")]
    ReferrerMissing,
    /// A request over https comes from a page of another origin.
    #[error("The referrer does not match the host.")]
    ReferrerMismatch,
    /// The browser says that the request comes from another site. Only the strict profile checks it,
    /// and Flask-WTF does not.
    #[error("The request comes from another site.")]
    CrossSite,
}

/// Signs and verifies form tokens.
#[derive(Debug, Clone)]
pub struct FormTokens {
    serializer: UrlSafeTimedSerializer,
    age: Age,
}

impl FormTokens {
    /// Signs with the first of `keys` and accepts all of them. Flask-WTF knows a single key:
    /// `WTF_CSRF_SECRET_KEY`, otherwise `SECRET_KEY`.
    ///
    /// # Errors
    /// [`SignerConfigError::EmptyKey`] if a key is empty.
    pub fn new(keys: impl Into<KeyRing>) -> Result<Self, SignerConfigError> {
        let signer = Signer::builder(keys).salt("wtf-csrf-token").build()?;
        let serializer = UrlSafeTimedSerializer::new(TimestampSigner::new(signer));
        Ok(Self { serializer, age: Age::at_most(TIME_LIMIT) })
    }

    /// Accepts tokens by `age` instead of up to [`TIME_LIMIT`]. [`Age::any`] is `WTF_CSRF_TIME_LIMIT = None`.
    #[must_use]
    pub const fn age(mut self, age: Age) -> Self {
        self.age = age;
        self
    }

    /// Returns the token for a form; `in_session` is the text in the session.
    ///
    /// # Errors
    /// [`DumpError`] if the text is too long to be read back.
    pub fn sign(&self, in_session: &str, now: UnixTime) -> Result<String, DumpError> {
        self.serializer.dumps(in_session, now)
    }

    /// Checks the token of a request against the session's value of [`KEY`].
    ///
    /// # Errors
    /// [`CsrfError`], in the order of its first five variants.
    pub fn verify(
        &self,
        token: Option<&[u8]>,
        in_session: Option<&Value>,
        now: UnixTime,
    ) -> Result<(), CsrfError> {
        let token = token.filter(|token| !token.is_empty()).ok_or(CsrfError::TokenMissing)?;
        let in_session = in_session.ok_or(CsrfError::SessionTokenMissing)?;
        let token = core::str::from_utf8(token).map_err(|_| CsrfError::Invalid)?;
        let (signed, _) = self.serializer.loads::<Value>(token, now, self.age).map_err(reason)?;
        match (in_session.as_str(), signed.as_str()) {
            (Some(ours), Some(theirs))
                if ours.is_ascii() && ours.as_bytes().ct_eq(theirs.as_bytes()).into() =>
            {
                Ok(())
            }
            _ => Err(CsrfError::Mismatch),
        }
    }
}

fn reason(error: LoadError) -> CsrfError {
    match error {
        LoadError::Signature(SignatureError::Expired { .. } | SignatureError::Future { .. }) => {
            CsrfError::Expired
        }
        _ => CsrfError::Invalid,
    }
}

/// Returns a new text for the session, as Flask-WTF makes it: the SHA-1 of 64 random bytes in hex.
#[must_use]
pub fn raw_token(random: &[u8; 64]) -> String {
    hex::encode(&Sha1::digest(random))
}

/// Returns the token among the fields of a form and the headers of a request.
///
/// The first field named `name` is used unless it is empty; then the first field whose name ends with
/// `name`; then the first of [`HEADERS`]. Fields of the same name count once, with the first value.
pub fn find_token<'r>(
    name: &str,
    fields: impl Iterator<Item = (&'r str, &'r str)> + Clone,
    header: impl Fn(&str) -> Option<&'r [u8]>,
) -> Option<&'r [u8]> {
    let by_name = fields.clone().find(|(field, _)| *field == name).map(|(_, value)| value);
    let mut seen = HashSet::new();
    let by_suffix = || {
        fields
            .filter(|(field, _)| field.ends_with(name) && seen.insert(*field))
            .map(|(_, value)| value)
            .find(|value| !value.is_empty())
    };
    let in_form = by_name.filter(|value| !value.is_empty()).or_else(by_suffix).map(str::as_bytes);
    in_form.or_else(|| HEADERS.iter().filter_map(|name| header(name)).find(|value| !value.is_empty()))
}

/// Checks the `Referer` of a request over https: it must have the origin `https://host/`.
///
/// `host` is the `Host` header without the port 443. Other ports are compared as they are written.
///
/// # Errors
/// [`CsrfError::ReferrerMissing`] if `referrer` is missing or empty, [`CsrfError::ReferrerMismatch`] if
/// its origin differs or if it is not a URL.
pub fn check_referrer(referrer: Option<&[u8]>, host: &str) -> Result<(), CsrfError> {
    let referrer = referrer.filter(|text| !text.is_empty()).ok_or(CsrfError::ReferrerMissing)?;
    let theirs = core::str::from_utf8(referrer).ok().and_then(Origin::parse);
    let ours = Origin::parse(&format!("https://{host}/"));
    match (theirs, ours) {
        (Some(theirs), Some(ours)) if theirs == ours => Ok(()),
        _ => Err(CsrfError::ReferrerMismatch),
    }
}

/// Scheme, host name and port of a URL, as Python's `urlsplit` reads them.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: Option<String>,
    port: Option<u16>,
}

impl Origin {
    /// Returns `None` for a text on which `urlsplit` raises, and for a host that is not ASCII.
    fn parse(url: &str) -> Option<Self> {
        let url = url.trim_start_matches(|c: char| c <= ' ');
        let url: String = url.chars().filter(|c| !matches!(c, '\t' | '\r' | '\n')).collect();
        let (scheme, rest) = split_scheme(&url);
        let authority =
            rest.strip_prefix("//").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or(rest));
        let authority = authority.unwrap_or_default();
        if !authority.is_ascii() || authority.contains('[') != authority.contains(']') {
            return None;
        }
        let (host, port) = split_host(authority.rsplit('@').next().unwrap_or(authority))?;
        let host = match host.split_once('%') {
            Some((address, zone)) => format!("{}%{zone}", address.to_ascii_lowercase()),
            None => host.to_ascii_lowercase(),
        };
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        Some(Self {
            scheme: scheme.to_ascii_lowercase(),
            host: Some(host).filter(|host| !host.is_empty()),
            port,
        })
    }
}

fn split_scheme(url: &str) -> (&str, &str) {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    url.split_once(':').filter(|(scheme, _)| is_scheme(scheme)).unwrap_or(("", url))
}

/// Splits `host:port` or `[address]:port`. Returns `None` for brackets in other places.
fn split_host(text: &str) -> Option<(&str, &str)> {
    let Some((before, bracketed)) = text.split_once('[') else {
        return Some(text.split_once(':').unwrap_or((text, "")));
    };
    let (address, rest) = bracketed.split_once(']')?;
    let is_address = address.parse::<core::net::Ipv6Addr>().is_ok() || address.contains('%');
    if !before.is_empty() || !is_address || !(rest.is_empty() || rest.starts_with(':')) {
        return None;
    }
    Some((address, rest.trim_start_matches(':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: UnixTime = UnixTime::from_secs(1_700_000_000);
    const RAW: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

    fn after(seconds: u64) -> UnixTime {
        UnixTime::from_secs(CLOCK.as_secs() + seconds)
    }

    /// Flask-WTF 1.3.0, clock 1_700_000_000.
    #[test]
    fn tokens_equal_those_of_flask_wtf() {
        let value = "ImRhMzlhM2VlNWU2YjRiMGQzMjU1YmZlZjk1NjAxODkwYWZkODA3MDki.ZVPxAA";
        for (key, signature) in [
            ("k", "BgXZ8KV3SdOXfbsLkEclUz4B39E"),
            ("the secret", "KUFE7ECeVxcOgJ58-R8TY48Y778"),
            ("schüssel", "wu8VefpVsJ9or_88wNnm6Pl-rpQ"),
        ] {
            let tokens = FormTokens::new(key).unwrap();
            assert_eq!(tokens.sign(RAW, CLOCK).unwrap(), format!("{value}.{signature}"));
        }
    }

    #[test]
    fn refusals_come_in_the_order_of_flask_wtf() {
        let tokens = FormTokens::new("k").unwrap();
        let token = tokens.sign(RAW, CLOCK).unwrap();
        let session = Value::from(RAW);
        let verify =
            |token: &str, session: Option<&Value>, now| tokens.verify(Some(token.as_bytes()), session, now);
        assert_eq!(verify("", None, CLOCK), Err(CsrfError::TokenMissing));
        assert_eq!(verify("x", None, CLOCK), Err(CsrfError::SessionTokenMissing));
        assert_eq!(verify("x", Some(&session), CLOCK), Err(CsrfError::Invalid));
        assert_eq!(tokens.verify(Some(b"\xff"), Some(&session), CLOCK), Err(CsrfError::Invalid));
        assert_eq!(verify(&token, Some(&session), after(3600)), Ok(()));
        assert_eq!(verify(&token, Some(&session), after(3601)), Err(CsrfError::Expired));
        assert_eq!(verify(&token, Some(&session), UnixTime::from_secs(1)), Err(CsrfError::Expired));
        for other in [Value::from("a"), Value::from("é"), Value::from(1), Value::None] {
            assert_eq!(verify(&token, Some(&other), CLOCK), Err(CsrfError::Mismatch), "{other:?}");
        }
        // Flask-WTF fails with a 500.
        let token = tokens.sign("é", CLOCK).unwrap();
        assert_eq!(verify(&token, Some(&Value::from("é")), CLOCK), Err(CsrfError::Mismatch));
    }

    #[test]
    fn without_a_limit_no_age_is_checked() {
        let tokens = FormTokens::new("k").unwrap().age(Age::any());
        let token = tokens.sign(RAW, after(1_000_000)).unwrap();
        assert_eq!(tokens.verify(Some(token.as_bytes()), Some(&Value::from(RAW)), CLOCK), Ok(()));
    }

    /// Flask-WTF 1.3.0: the text of 40 zeros is deflated by nothing but a rule of its own, and read.
    #[test]
    fn deflated_tokens_are_read() {
        let token = b".eJxTMiASKAEApyAHxQ.ZVPxAA.r1McOKBdWtQwDgzbdi-TrbW_wWU";
        let tokens = FormTokens::new("k").unwrap();
        assert_eq!(tokens.verify(Some(token), Some(&Value::from("0".repeat(40))), CLOCK), Ok(()));
    }

    #[test]
    fn raw_token_is_a_sha1_in_hex() {
        assert_eq!(raw_token(&[0; 64]), "c8d7d0ef0eedfa82d2ea1aa592845b9a6d4b02b7");
    }

    #[test]
    fn form_fields_are_found_before_headers() {
        let headers = [("x-csrf-token", "second"), ("x-csrftoken", "")];
        let header = |name: &str| {
            headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_bytes())
        };
        let find = |fields: &'static [(&str, &str)]| {
            find_token(KEY, fields.iter().copied(), header)
                .map(|token| String::from_utf8_lossy(token).into_owned())
        };
        assert_eq!(find(&[("csrf_token", "a"), ("x-csrf_token", "b")]).as_deref(), Some("a"));
        assert_eq!(find(&[("csrf_token", ""), ("x-csrf_token", "b")]).as_deref(), Some("b"));
        assert_eq!(find(&[("csrf_token", ""), ("csrf_token", "late")]).as_deref(), Some("second"));
        assert_eq!(find(&[("other", "a")]).as_deref(), Some("second"));
        assert_eq!(find_token(KEY, core::iter::empty(), |_| None), None);
    }

    #[test]
    fn referrers_are_compared_by_origin() {
        let check = |referrer: &str, host| check_referrer(Some(referrer.as_bytes()), host);
        for (referrer, host) in [
            ("https://h/", "h"),
            ("https://H/path?x#y", "h"),
            ("HTTPS://user:pw@h", "h"),
            ("https://h:8443/a", "h:8443"),
            ("https://[::1]:8443/a", "[::1]:8443"),
            (" https://h\t/", "h"),
            ("https://h:/", "h"),
        ] {
            assert_eq!(check(referrer, host), Ok(()), "{referrer}");
        }
        for referrer in [
            "http://h/",
            "https://h:443/",
            "https://h.evil/",
            "https://h@evil/",
            "https://h:99999/",
            "https://[::1/",
            "https://h:1x/",
            "//h/",
            "h",
            "https:h",
            "https://hé/",
        ] {
            assert_eq!(check(referrer, "h"), Err(CsrfError::ReferrerMismatch), "{referrer}");
        }
        assert_eq!(check("", "h"), Err(CsrfError::ReferrerMissing));
        assert_eq!(check_referrer(None, "h"), Err(CsrfError::ReferrerMissing));
    }
}
