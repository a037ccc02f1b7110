//! [`CookieLine`]: the raw `Cookie` headers of a request.

/// A `Cookie` line of a request, as it came. A header value of the `http` crate, of actix-web, or
/// text becomes one; the first two without a copy.
#[derive(Clone)]
pub struct CookieLine(Line);

#[derive(Clone)]
enum Line {
    Http(http::HeaderValue),
    #[cfg(feature = "actix")]
    Actix(actix_web::http::header::HeaderValue),
    Bytes(Box<[u8]>),
}

impl CookieLine {
    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Line::Http(value) => value.as_bytes(),
            #[cfg(feature = "actix")]
            Line::Actix(value) => value.as_bytes(),
            Line::Bytes(bytes) => bytes,
        }
    }
}

/// Shows no cookie.
impl std::fmt::Debug for CookieLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieLine(..)")
    }
}

impl From<http::HeaderValue> for CookieLine {
    fn from(value: http::HeaderValue) -> Self {
        Self(Line::Http(value))
    }
}

#[cfg(feature = "actix")]
impl From<actix_web::http::header::HeaderValue> for CookieLine {
    fn from(value: actix_web::http::header::HeaderValue) -> Self {
        Self(Line::Actix(value))
    }
}

impl From<&str> for CookieLine {
    fn from(text: &str) -> Self {
        Self(Line::Bytes(text.as_bytes().into()))
    }
}

impl From<Vec<u8>> for CookieLine {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Line::Bytes(bytes.into()))
    }
}

/// The `Cookie` lines of a request. Nearly every request has one at most.
#[derive(Debug, Default)]
pub(crate) struct CookieLines {
    first: Option<CookieLine>,
    more: Vec<CookieLine>,
}

impl CookieLines {
    pub(crate) fn new(lines: impl IntoIterator<Item = impl Into<CookieLine>>) -> Self {
        let mut lines = lines.into_iter().map(Into::into);
        Self { first: lines.next(), more: lines.collect() }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone + '_ {
        self.first.iter().chain(&self.more).map(CookieLine::as_bytes)
    }
}
