//! Which store: a URL among the arguments, or in a variable.

use std::sync::Arc;

use clap::Args;
use hipflask_store::Store;

use super::stop::Stop;
use crate::failure::Failure;
use crate::human;

/// Where the sessions are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where")]
pub(super) struct Place {
    /// The store's URL, such as redis://127.0.0.1:6379/0; `env:NAME` for the URL in the variable NAME
    #[arg(long, value_name = "URL", env = VARIABLE, hide_env_values = true)]
    store: Option<String>,
    #[command(flatten)]
    pub(super) prefix: Prefix,
}

/// What the keys of sessions begin with.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where")]
pub(super) struct Prefix {
    /// What the keys of sessions begin with; a file store does not know its keys and takes no notice
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
    /// The store, if it is there and lets us in. Nothing is made in it.
    pub(super) async fn connect(&self, stop: &mut Stop) -> Result<Arc<dyn Store>, Failure> {
        let url = self.store.as_deref().filter(|url| !url.is_empty()).ok_or(Failure::NoStore)?;
        existing(url, stop).await
    }
}

/// The store at a URL that is there already.
pub(super) async fn existing(url: &str, stop: &mut Stop) -> Result<Arc<dyn Store>, Failure> {
    let url = known(url)?;
    stop.or(hipflask_store::connect_existing(&url)).await?.map_err(Failure::Store)
}

/// The store at a URL, whose table or directory is made if need be.
pub(super) async fn ready(url: &str, stop: &mut Stop) -> Result<Arc<dyn Store>, Failure> {
    let url = known(url)?;
    stop.or(hipflask_store::connect(&url)).await?.map_err(Failure::Store)
}

/// Whether two URLs are the same.
pub(super) fn is_same(one: &str, other: &str) -> Result<bool, Failure> {
    Ok(resolved(one)?.trim() == resolved(other)?.trim())
}

/// The URL itself, which may be in a variable.
fn resolved(given: &str) -> Result<String, Failure> {
    let Some(name) = given.strip_prefix("env:") else { return Ok(given.to_owned()) };
    std::env::var(name).ok().filter(|url| !url.is_empty()).ok_or_else(|| {
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        Failure::NoVariable { option: "env:", name: is_name.then(|| name.to_owned()) }
    })
}

/// The URL itself, after a warning if it should not stand where it stands.
fn known(given: &str) -> Result<String, Failure> {
    let url = resolved(given)?;
    let is_argument = |argument: std::ffi::OsString| argument.to_string_lossy().contains(&url);
    if has_password(&url) && std::env::args_os().any(is_argument) {
        human::warn(
            "the URL's password stands among the arguments, where everybody on this machine can read it: put the URL \
             into the variable HIPFLASK_STORE, or into another one and give `env:NAME`",
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

/// Whether something in a URL may be a password.
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
    fn a_password_is_seen_wherever_a_url_can_have_one() {
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
