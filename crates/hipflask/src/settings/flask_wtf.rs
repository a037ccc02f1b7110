//! Flask-WTF's settings of form tokens.

use hipflask_core::value::Value;

use super::value::{Setting, optional_seconds, text, texts, truth};

pub(crate) const SETTINGS: [Setting; 9] = [
    ("WTF_CSRF_SECRET_KEY", |mut b, name, value| {
        if *value != Value::None {
            b.surroundings.csrf.secret_key = Some(text(name, value, "text")?.into());
        }
        Ok(b)
    }),
    ("WTF_CSRF_ENABLED", |mut b, name, value| {
        b.surroundings.csrf.enabled = truth(name, value)?;
        Ok(b)
    }),
    ("WTF_CSRF_CHECK_DEFAULT", |mut b, name, value| {
        b.surroundings.csrf.check_default = truth(name, value)?;
        Ok(b)
    }),
    ("WTF_CSRF_METHODS", |mut b, name, value| {
        b.surroundings.csrf.methods = texts(name, value, "a list of methods: [\"POST\", \"PUT\"]")?;
        Ok(b)
    }),
    ("WTF_CSRF_FIELD_NAME", |mut b, name, value| {
        text(name, value, "text")?.clone_into(&mut b.surroundings.csrf.field_name);
        Ok(b)
    }),
    ("WTF_CSRF_META_NAME", |mut b, name, value| {
        text(name, value, "text")?.clone_into(&mut b.surroundings.csrf.meta_name);
        Ok(b)
    }),
    ("WTF_CSRF_HEADERS", |mut b, name, value| {
        let headers = texts(name, value, "a list of headers: [\"X-CSRFToken\"]")?;
        b.surroundings.csrf.headers = headers.iter().map(|header| header.to_ascii_lowercase()).collect();
        Ok(b)
    }),
    ("WTF_CSRF_TIME_LIMIT", |mut b, name, value| {
        b.surroundings.csrf.time_limit = optional_seconds(name, value)?;
        Ok(b)
    }),
    ("WTF_CSRF_SSL_STRICT", |mut b, name, value| {
        b.surroundings.csrf.ssl_strict = truth(name, value)?;
        Ok(b)
    }),
];
