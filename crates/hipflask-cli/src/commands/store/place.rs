//! The address of a store: a URL in the arguments or in a variable.

use std::sync::Arc;

use clap::Args;
use hipflask_store::Store;

use super::stop::Stop;
use crate::failure::Failure;
use crate::human;

/// The store of the sessions.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where")]
pub(super) struct Place {
    /// The store's URL, such as redis://127.0.0.1:6379/0; `env:NAME` for the URL in the variable NAME
    #[arg(long, value_name = "URL", env = VARIABLE, hide_env_values = true)]
    store: Option<String>,
    #[command(flatten)]
    pub(super) prefix: Prefix,
}

/// The prefix of the keys.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where")]
pub(super) struct Prefix {
    /// The prefix of the keys; without effect on a file store, which does not know its keys
    #[arg(
        long,
        value_name = "TEXT",
        env = "SESSION_KEY_PREFIX",
        hide_env_values = true,
        default_value = "session:"
    )]
    pub(super) prefix: String,
}

impl Place {
    /// Connects to the store, which must exist. Creates nothing in it.
    pub(super) async fn connect(&self, stop: &mut Stop) -> Result<Arc<dyn Store>, Failure> {
        let url = self.store.as_deref().filter(|url| !url.is_empty()).ok_or(Failure::NoStore)?;
        existing(url, stop).await
    }
}

/// Connects to the existing store at a URL.
pub(super) async fn existing(url: &str, stop: &mut Stop) -> Result<Arc<dyn Store>, Failure> {
    let url = known(url)?;
    stop.or(hipflask_store::connect_existing(&url)).await?.map_err(Failure::Store)
}

/// Connects to the store at a URL, and creates its table or directory if it is missing.
pub(super) async fn ready(url: &str, stop: &mut Stop) -> Result<Arc<dyn Store>, Failure> {
    let url = known(url)?;
    stop.or(hipflask_store::connect(&url)).await?.map_err(Failure::Store)
}

/// Returns `true` if two URLs are the same.
pub(super) fn is_same(one: &str, other: &str) -> Result<bool, Failure> {
    Ok(resolved(one)?.trim() == resolved(other)?.trim())
}

/// Returns the URL itself, which may be in a variable.
fn resolved(given: &str) -> Result<String, Failure> {
    let Some(name) = given.strip_prefix("env:") else { return Ok(given.to_owned()) };
    std::env::var(name).ok().filter(|url| !url.is_empty()).ok_or_else(|| {
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        Failure::NoVariable { option: "env:", name: is_name.then(|| name.to_owned()) }
    })
}

/// Returns the URL itself. Warns of a password in the arguments.
fn known(given: &str) -> Result<String, Failure> {
    let url = resolved(given)?;
    let is_argument = |argument: std::ffi::OsString| argument.to_string_lossy().contains(&url);
    if has_password(&url) && std::env::args_os().any(is_argument) {
        human::warn(
            "the URL's password is in the arguments, which everybody on this machine can read: put the URL into the \
             variable HIPFLASK_STORE, or into another variable and pass `env:NAME`",
        );
    }
    if url.trim().to_ascii_lowercase().starts_with("memory:") {
        return Err(Failure::MemoryStore);
    }
    match hipflask_store::missing_feature(&url) {
        Some(feature) => Err(Failure::FeatureMissing { feature }),
        None => Ok(url),
    }
}

/// Returns `true` if a part of a URL may be a password.
pub(in crate::commands) fn has_password(url: &str) -> bool {
    let (front, query) = url.split_once('?').unwrap_or((url, ""));
    let authority = front.split_once("://").map_or("", |(_, rest)| rest);
    let account = authority.rsplit_once('@').map_or("", |(account, _)| account);
    account.split_once(':').is_some_and(|(_, password)| !password.is_empty())
        || query.split('&').any(|pair| {
            pair.split_once('=').is_some_and(|(name, value)| name.contains("password") && !value.is_empty())
        })
}

const VARIABLE: &str = "HIPFLASK_STORE";

#[cfg(test)]
mod tests {
    use super::has_password;

    #[test]
    fn passwords_are_found_everywhere_in_a_url() {
        for url in [
            "redis://:hush@h/0",
            "postgres://app:hu/sh@h/db",
            "redis+sentinel://h/m?sentinel_password=hush",
            "mongodb://u:p%40@a,b/db?x=1",
        ] {
            assert!(has_password(url), "{url}");
        }
        for url in
            ["redis://h:6379/0", "postgres://app@h/db", "redis://:@h", "file:./a@b:c", "sqlite:app.db", "x"]
        {
            assert!(!has_password(url), "{url}");
        }
    }
}
