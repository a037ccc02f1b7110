//! Flask-Login's settings.

use hipflask_core::value::Value;

use super::builder::SessionsBuilder;
use super::error::ConfigError;
use super::value::{Setting, same_site, seconds, text, truth};
use crate::engine::Protection;

pub(crate) const SETTINGS: [Setting; 10] = [
    ("SESSION_PROTECTION", |mut b, name, value| {
        b.surroundings.login.protection = protection(name, value)?;
        Ok(b)
    }),
    ("REMEMBER_COOKIE_NAME", |b, name, value| {
        let cookie = text(name, value, "text")?.to_owned();
        Ok(with_cookie(b, |builder| builder.name(cookie)))
    }),
    ("REMEMBER_COOKIE_DURATION", |mut b, name, value| {
        b.surroundings.login.duration = seconds(name, value)?;
        Ok(b)
    }),
    ("REMEMBER_COOKIE_DOMAIN", |b, name, value| {
        let domain = if *value == Value::None { None } else { Some(text(name, value, "text")?.to_owned()) };
        Ok(with_cookie(b, |builder| builder.domain(domain.as_deref())))
    }),
    ("REMEMBER_COOKIE_PATH", |b, name, value| {
        let path = text(name, value, "text")?.to_owned();
        Ok(with_cookie(b, |builder| builder.path(path)))
    }),
    ("REMEMBER_COOKIE_SECURE", |b, name, value| {
        let secure = truth(name, value)?;
        Ok(with_cookie(b, |builder| builder.secure(secure)))
    }),
    ("REMEMBER_COOKIE_HTTPONLY", |b, name, value| {
        let http_only = truth(name, value)?;
        Ok(with_cookie(b, |builder| builder.http_only(http_only)))
    }),
    ("REMEMBER_COOKIE_SAMESITE", |b, name, value| {
        let same_site = same_site(name, value)?;
        Ok(with_cookie(b, |builder| builder.same_site(same_site)))
    }),
    ("REMEMBER_COOKIE_REFRESH_EACH_REQUEST", |mut b, name, value| {
        b.surroundings.login.refresh_each_request = truth(name, value)?;
        Ok(b)
    }),
    ("USE_SESSION_FOR_NEXT", |mut b, name, value| {
        b.surroundings.login.next_in_session = truth(name, value)?;
        Ok(b)
    }),
];

fn with_cookie(
    mut builder: SessionsBuilder,
    change: impl FnOnce(hipflask_core::cookie::CookieConfigBuilder) -> hipflask_core::cookie::CookieConfigBuilder,
) -> SessionsBuilder {
    let login = &mut builder.surroundings.login;
    login.cookie = change(std::mem::take(&mut login.cookie));
    builder
}

/// Flask-Login protects nothing if the mode is mistyped. Here it is an error.
fn protection(name: &str, value: &Value) -> Result<Protection, ConfigError> {
    const WANTED: &str = "\"basic\", \"strong\", or null for no protection";
    match value {
        Value::None | Value::Bool(false) => Ok(Protection::Off),
        value => match text(name, value, WANTED)? {
            "basic" => Ok(Protection::Basic),
            "strong" => Ok(Protection::Strong),
            "" => Ok(Protection::Off),
            other => {
                Err(ConfigError::WrongType { name: name.into(), found: format!("{other:?}"), wanted: WANTED })
            }
        },
    }
}
