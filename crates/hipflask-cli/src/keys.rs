//! Reads keys from the environment or from files, never from arguments.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use hipflask_core::signing::{KeyRing, SecretKey};

use crate::failure::Failure;

/// The place of the key that signs.
#[derive(Debug, Args)]
#[group(id = "key", required = true, multiple = false)]
#[command(next_help_heading = "Keys")]
pub(crate) struct CurrentKey {
    /// The environment variable with the key, whose bytes are used unchanged
    #[arg(long, value_name = "NAME")]
    key_env: Option<OsString>,
    /// The file with the key: any bytes, at most 64 KiB; a newline at the end is ignored
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// The places of older keys: Flask's `SECRET_KEY_FALLBACKS`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Keys")]
pub(crate) struct FallbackKeys {
    /// A variable with an older key that is still accepted (SECRET_KEY_FALLBACKS); can be repeated
    #[arg(long, value_name = "NAME")]
    fallback_env: Vec<OsString>,
    /// A file with an older key that is still accepted; can be repeated
    #[arg(long, value_name = "FILE")]
    fallback_file: Vec<PathBuf>,
}

/// The keys, and where they were found.
#[derive(Debug)]
pub(crate) struct Keys {
    /// The first key signs, and all verify.
    pub(crate) ring: KeyRing,
    /// The place of each key, for people, in the order of the ring.
    pub(crate) places: Vec<String>,
    /// A sentence about each weak key.
    pub(crate) warnings: Vec<String>,
}

impl Keys {
    /// Reads the keys that the options name.
    pub(crate) fn load(current: &CurrentKey, fallbacks: Option<&FallbackKeys>) -> Result<Self, Failure> {
        let mut found = Vec::new();
        if let Some(name) = &current.key_env {
            found.push(from_env("--key-env", name)?);
        }
        if let Some(path) = &current.key_file {
            found.push(from_file("--key-file", path)?);
        }
        for name in fallbacks.into_iter().flat_map(|keys| &keys.fallback_env) {
            found.push(from_env("--fallback-env", name)?);
        }
        for path in fallbacks.into_iter().flat_map(|keys| &keys.fallback_file) {
            found.push(from_file("--fallback-file", path)?);
        }
        let warnings = found.iter().filter_map(|found| found.warning.clone()).collect();
        let places = found.iter().map(|found| found.place.clone()).collect();
        let mut keys = found.into_iter().map(|found| found.key);
        let first = keys.next().unwrap_or_else(|| SecretKey::from(Vec::new()));
        Ok(Self { ring: keys.fold(KeyRing::new(first), KeyRing::accept), places, warnings })
    }
}

struct Found {
    key: SecretKey,
    place: String,
    warning: Option<String>,
}

impl Found {
    fn new(bytes: Vec<u8>, place: String) -> Result<Self, Failure> {
        if bytes.is_empty() {
            return Err(Failure::EmptyKey { place });
        }
        let key = SecretKey::from(bytes);
        let warning =
            key.weakness().map(|why| format!("{place} {why}; `hipflask key new` generates a good one"));
        Ok(Self { key, place, warning })
    }
}

fn from_env(option: &'static str, name: &OsStr) -> Result<Found, Failure> {
    let bytes = std::env::var_os(name).map(OsString::into_encoded_bytes);
    let bytes = bytes.ok_or_else(|| Failure::NoVariable { option, name: variable_name(name) })?;
    Found::new(bytes, format!("the variable {}", printable(name)))
}

fn from_file(option: &'static str, path: &Path) -> Result<Found, Failure> {
    let place = printable(path.as_os_str());
    // A path to nothing may be the key, passed by mistake.
    let known = || path.exists().then(|| place.clone());
    let no_file = |source| Failure::NoFile { option, path: known(), source };
    // Allocated at once, because a vector that grows leaves copies of the key behind.
    let mut bytes = Vec::with_capacity(LARGEST_FILE + 1);
    let file = File::open(path).map_err(no_file)?;
    file.take(LARGEST_FILE as u64 + 1).read_to_end(&mut bytes).map_err(no_file)?;
    if bytes.len() > LARGEST_FILE {
        return Err(Failure::LargeFile { path: place, limit: LARGEST_FILE });
    }
    let newline = if bytes.ends_with(b"\r\n") { 2 } else { usize::from(bytes.ends_with(b"\n")) };
    bytes.truncate(bytes.len() - newline);
    Found::new(bytes, format!("the file {place}"))
}

/// Returns `name` if it looks like the name of a variable and not like a key: capitals, digits, underscores.
fn variable_name(name: &OsStr) -> Option<String> {
    let name = name.to_str().filter(|name| name.len() <= 64)?;
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    (name.starts_with(|first: char| !first.is_ascii_digit()) && name.bytes().all(fits))
        .then(|| name.to_owned())
}

fn printable(text: &OsStr) -> String {
    text.to_string_lossy().escape_debug().to_string()
}

/// Fails if the arguments seem to contain a key. Runs before clap, whose messages repeat wrong arguments.
pub(crate) fn refuse_on_the_command_line(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<(), Failure> {
    let mut options = arguments.into_iter().take_while(|argument| argument != "--");
    let names_a_key = |argument: OsString| {
        let argument = argument.to_string_lossy().replace('_', "-");
        NOT_OPTIONS.contains(&argument.split('=').next().unwrap_or_default())
    };
    if options.any(names_a_key) { Err(Failure::KeyOnCommandLine) } else { Ok(()) }
}

/// Options that people try.
const NOT_OPTIONS: [&str; 6] =
    ["--key", "--secret", "--secret-key", "--fallback", "--fallback-key", "--password"];

const LARGEST_FILE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(arguments: &[&str]) -> bool {
        refuse_on_the_command_line(arguments.iter().map(OsString::from)).is_err()
    }

    #[test]
    fn keys_in_arguments_are_refused() {
        assert!(refuses(&["cookie", "verify", "--key", "hush"]));
        assert!(refuses(&["--secret-key=hush"]));
        assert!(refuses(&["--secret_key=hush"]));
        assert!(!refuses(&["--key-env", "KEY", "--key-file=x", "--fallback-env", "OLD"]));
        assert!(!refuses(&["--", "--key"]));
    }

    #[test]
    fn only_names_of_variables_are_repeated() {
        assert_eq!(variable_name("SECRET_KEY2".as_ref()).as_deref(), Some("SECRET_KEY2"));
        for other in ["", "2A", "deadbeefdeadbeef", "MixedCase", "A B", "A\u{1b}", &"A".repeat(65)] {
            assert_eq!(variable_name(other.as_ref()), None, "{other:?}");
        }
    }
}
