//! Finds a session by its short hash, its id, its cookie's value, or its name in the store.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;

use hipflask_store::id::Ids;
use hipflask_store::{Key, Store, Stored};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use super::listing::Listing;
use super::stop::Stop;
use crate::clock::Clock;
use crate::failure::Failure;

/// The result of a search for a name.
pub(super) enum Found {
    One(Key, Stored),
    /// More than one session has the short hash.
    Many(usize),
    /// No session. With the key that it would have, if the name can be one.
    None(Option<Key>),
}

/// Reads the names from the arguments, and for `-` from the lines of standard input.
pub(super) async fn names(arguments: &[OsString], stop: &mut Stop) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for argument in arguments {
        if argument == "-" {
            names.extend(stop.or(lines_of_input()).await??);
        } else {
            names.push(argument.to_string_lossy().trim().to_owned());
        }
    }
    Ok(names)
}

/// Reads the lines of standard input that are not empty.
pub(super) async fn lines_of_input() -> Result<Vec<String>, Failure> {
    let mut lines = BufReader::new(tokio::io::stdin().take(INPUT_LIMIT)).split(b'\n');
    let mut names = Vec::new();
    while let Some(line) = lines.next_segment().await.map_err(Failure::Input)? {
        let name = String::from_utf8_lossy(&line).trim().to_owned();
        if !name.is_empty() {
            names.push(name);
        }
    }
    Ok(names)
}

/// Searches for each name. All short hashes together need one listing.
pub(super) async fn find(
    store: &Arc<dyn Store>,
    prefix: &str,
    names: &[String],
    stop: &mut Stop,
) -> Result<Vec<Found>, Failure> {
    let hashes = names.iter().filter_map(|name| short_hash(name));
    let mut by_hash: HashMap<String, Vec<Key>> = hashes.map(|hash| (hash, Vec::new())).collect();
    if !by_hash.is_empty() {
        let mut listing = Listing::new(store, prefix, false);
        while let Some(page) = listing.page(stop).await? {
            for entry in page {
                if let Some(keys) = by_hash.get_mut(&entry.key.short_hash()) {
                    keys.push(entry.key);
                }
            }
        }
    }
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let candidates = match short_hash(name).and_then(|hash| by_hash.get(&hash)) {
            Some(keys) if keys.len() > 1 => {
                found.push(Found::Many(keys.len()));
                continue;
            }
            Some(keys) => keys.clone(),
            None => candidates(prefix, name),
        };
        found.push(first(store, candidates, stop).await?);
    }
    Ok(found)
}

async fn first(store: &Arc<dyn Store>, candidates: Vec<Key>, stop: &mut Stop) -> Result<Found, Failure> {
    for key in &candidates {
        let stored = stop.or(store.load(key, Clock::new(None).now())).await?.map_err(Failure::Store)?;
        if let Some(stored) = stored {
            return Ok(Found::One(key.clone(), stored));
        }
    }
    Ok(Found::None(candidates.into_iter().next()))
}

/// Reads eight hex digits, with or without a `#` before them. Ids are longer.
fn short_hash(name: &str) -> Option<String> {
    let digits = name.strip_prefix('#').unwrap_or(name);
    let is_hash = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| digits.to_ascii_lowercase())
}

/// Returns the possible keys of a session with this id, cookie or name.
pub(super) fn candidates(prefix: &str, name: &str) -> Vec<Key> {
    // A signed id has a signature after a dot, and ids do not contain dots.
    let ids = [Some(name), name.rsplit_once('.').map(|(id, _)| id)];
    let mut keys = Vec::new();
    for id in ids.into_iter().flatten() {
        keys.extend(Key::new(prefix, id).ok());
        keys.extend(hashed(prefix, id));
    }
    keys.extend(Key::at_rest(name).ok());
    keys
}

/// Returns the key of an id in a store that keeps only hashes of ids.
fn hashed(prefix: &str, id: &str) -> Option<Key> {
    let ids = Ids::builder().bytes(id.len() * 3 / 4).prefix(prefix).hashed_at_rest(true).build();
    let ids = ids.or_else(|_| Ids::builder().prefix(prefix).hashed_at_rest(true).build()).ok()?;
    Some(ids.key(&ids.read(id.as_bytes()).ok()?))
}

/// The limit of standard input in bytes: more than a million ids.
const INPUT_LIMIT: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_hashes_differ_from_ids() {
        assert_eq!(short_hash("#1E00519e").as_deref(), Some("1e00519e"));
        for other in ["", "#", "1e00519", "1e00519ef", "session:", "VE5rPIvv"] {
            assert_eq!(short_hash(other), None, "{other}");
        }
    }

    #[test]
    fn ids_are_searched_in_every_form() {
        let id = "VE5rPIvv2swAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let keys = |name: &str| -> Vec<String> {
            candidates("session:", name).iter().map(|key| key.as_str().to_owned()).collect()
        };
        let bare = keys(id);
        assert_eq!(bare.len(), 3);
        assert_eq!(bare[0], format!("session:{id}"));
        assert!(bare[1].starts_with("session:") && bare[1] != bare[0]);
        let signed = keys(&format!("{id}.XSGSFom5AYgjyEAodiVVWTWyzi0"));
        assert!(signed.contains(&bare[0]) && signed.contains(&bare[1]));
        assert_eq!(keys("two words"), [""; 0]);
    }
}
