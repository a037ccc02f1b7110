//! Reads the values of settings.

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
