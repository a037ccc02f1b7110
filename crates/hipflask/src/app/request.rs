//! `request` and `url_for` in templates.

use std::sync::Arc;

use axum::http::header;
use minijinja::value::{Kwargs, Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, Value as Jinja};

use super::context::{self, RequestContext};
use super::urls::{UrlError, Values};
use crate::templates::printed;

/// Flask's `request`, as far as a template can use it: not the body, which the handler has read.
#[derive(Debug)]
pub(super) struct RequestObject;

impl Object for RequestObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        attribute(key.as_str()?).unwrap_or_else(|error| Some(Jinja::from(error)))
    }
}

fn attribute(name: &str) -> Result<Option<Jinja>, Error> {
    let request = context::current().ok_or_else(outside)?;
    let uri = &request.uri;
    let root = format!("{}://{}", request.scheme(), request.host());
    let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok()).map(Jinja::from);
    Ok(match name {
        "method" => Some(request.method.as_str().into()),
        "path" => Some(own_path(&request).into()),
        "root_path" | "script_root" => Some(request.prefix.as_str().into()),
        "full_path" => Some(format!("{}?{}", own_path(&request), request.query()).into()),
        "query_string" => Some(Jinja::from_bytes(request.query().as_bytes().to_vec())),
        "scheme" => Some(request.scheme().into()),
        "is_secure" => Some((request.scheme() == "https").into()),
        "host" => Some(request.host().into()),
        "host_url" => Some(format!("{root}/").into()),
        "url_root" | "root_url" => Some(format!("{root}{}/", request.prefix).into()),
        "base_url" => Some(format!("{root}{}", uri.path()).into()),
        "url" if request.query().is_empty() => Some(format!("{root}{}", uri.path()).into()),
        "url" => Some(format!("{root}{}?{}", uri.path(), request.query()).into()),
        "endpoint" => Some(endpoint(&request).map_or_else(|| Jinja::from(()), Jinja::from)),
        "referrer" => Some(header(header::REFERER).unwrap_or_else(|| Jinja::from(()))),
        "user_agent" => Some(header(header::USER_AGENT).unwrap_or_else(|| Jinja::from(""))),
        "args" => Some(args(&request)),
        "headers" => Some(headers(&request)),
        "form" | "values" | "files" | "json" | "data" | "get_json" => {
            let what = format!(
                "request.{name} is not in templates, because the handler has read the body: give what it has read to render_template"
            );
            return Err(Error::new(ErrorKind::InvalidOperation, what));
        }
        _ => None,
    })
}

/// The path within the app, decoded.
fn own_path(request: &RequestContext) -> String {
    let path = request.uri.path().strip_prefix(&request.prefix).unwrap_or(request.uri.path());
    let path = if path.is_empty() { "/" } else { path };
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (first, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn endpoint(request: &RequestContext) -> Option<&str> {
    let matched = request.matched.as_deref()?;
    let urls = &request.shared.urls;
    urls.endpoint_of(matched).or_else(|| urls.endpoint_of(matched.strip_prefix(&request.prefix)?))
}

/// The first value of each name, as `request.args['name']` has it.
fn args(request: &RequestContext) -> Jinja {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in
        serde_urlencoded::from_str::<Vec<(String, String)>>(request.query()).unwrap_or_default()
    {
        if !pairs.iter().any(|(known, _)| *known == name) {
            pairs.push((name, value));
        }
    }
    Jinja::from_pairs(pairs)
}

fn headers(request: &RequestContext) -> Jinja {
    let request = request.headers.clone();
    Jinja::make_object_map(
        request,
        |headers| Box::new(headers.keys().map(|name| Jinja::from(name.as_str()))),
        |headers, name| headers.get(name.as_str()?)?.to_str().ok().map(Jinja::from),
    )
}

fn outside() -> Error {
    failed(UrlError::OutsideRequest)
}

fn failed(error: UrlError) -> Error {
    Error::new(ErrorKind::InvalidOperation, error.to_string()).with_source(error)
}

/// `url_for(endpoint, name=value, _anchor=...)`.
pub(super) fn url_for(endpoint: &str, named: Kwargs) -> Result<String, Error> {
    let mut values = Values::default();
    for name in named.args() {
        let value: Jinja = named.get(name)?;
        values.push(name, texts(&value)?);
    }
    super::build_url(endpoint, values).map_err(failed)
}

/// A list gives its name several times, none gives it not at all.
fn texts(value: &Jinja) -> Result<Vec<String>, Error> {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => Ok(Vec::new()),
        ValueKind::Seq => value.try_iter()?.checked().map(|item| Ok(printed(&item?))).collect(),
        _ => Ok(vec![printed(value)]),
    }
}
