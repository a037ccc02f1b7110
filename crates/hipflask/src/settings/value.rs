//! Reads the values of settings.

use std::time::Duration;

use hipflask_core::cookie::SameSite;
use hipflask_core::value::Value;

use super::builder::SessionsBuilder;
use super::error::ConfigError;

/// A setting's name, and the function that applies its value.
pub(crate) type Setting =
    (&'static str, fn(SessionsBuilder, &str, &Value) -> Result<SessionsBuilder, ConfigError>);

pub(crate) fn text<'v>(name: &str, value: &'v Value, wanted: &'static str) -> Result<&'v str, ConfigError> {
    value.as_str().ok_or_else(|| ConfigError::wrong(name, value, wanted))
}

pub(crate) fn truth(name: &str, value: &Value) -> Result<bool, ConfigError> {
    value.as_bool().ok_or_else(|| ConfigError::wrong(name, value, "true or false, spelled so"))
}

pub(crate) fn seconds(name: &str, value: &Value) -> Result<Duration, ConfigError> {
    let number = value.as_i64().and_then(|number| u64::try_from(number).ok());
    number
        .map(Duration::from_secs)
        .ok_or_else(|| ConfigError::wrong(name, value, "a number of seconds, 0 or more"))
}

/// A number of seconds, or none for no limit.
#[cfg(feature = "csrf")]
pub(crate) fn optional_seconds(name: &str, value: &Value) -> Result<Option<Duration>, ConfigError> {
    if *value == Value::None { Ok(None) } else { seconds(name, value).map(Some) }
}

pub(crate) fn same_site(name: &str, value: &Value) -> Result<Option<SameSite>, ConfigError> {
    const WANTED: &str = "'Strict', 'Lax', 'None' in quotes, or null";
    match value {
        Value::None => Ok(None),
        value => text(name, value, WANTED)?.parse().map(Some).map_err(|_| ConfigError::WrongType {
            name: name.into(),
            found: format!("{:?}", value.as_str().unwrap_or_default()),
            wanted: WANTED,
        }),
    }
}

/// A list of texts, or a single one.
pub(crate) fn texts(name: &str, value: &Value, wanted: &'static str) -> Result<Vec<String>, ConfigError> {
    let one = |item: &Value| text(name, item, wanted).map(ToOwned::to_owned);
    match (value, value.as_items()) {
        (Value::None, _) => Ok(Vec::new()),
        (_, Some(items)) => items.iter().map(one).collect(),
        (single, None) => one(single).map(|text| vec![text]),
    }
}
