//! Sessions in stores.

mod copying;
mod deleting;
mod interrupted;
mod looking;
mod places;
mod real_flask;
mod servers;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hipflask_core::time::UnixTime;
use hipflask_core::value::{Dict, Value};
use hipflask_store::record::Format;
use hipflask_store::{Created, Key, RecordKind, Scan, Store};
use serde_json::Value as Json;

use crate::support::{Ran, run};

pub(crate) const DAY: u64 = 86_400;

/// A store that a test fills and looks into, and its URL for the command.
pub(crate) struct Filled {
    pub(crate) url: String,
    store: Arc<dyn Store>,
    runtime: tokio::runtime::Runtime,
}

impl Filled {
    pub(crate) fn at(url: impl Into<String>) -> Self {
        let url = url.into();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let store = runtime.block_on(hipflask_store::connect(&url)).unwrap();
        Self { url, store, runtime }
    }

    /// A session with these values in the store's format, which lives for so many seconds.
    pub(crate) fn put(&self, id: &str, values: &[(&str, Value)], ttl: u64) {
        let format = match self.store.describe().records {
            RecordKind::Pickle => Format::Pickle,
            _ => Format::Msgpack,
        };
        let dict: Dict = values.iter().map(|(key, value)| (*key, value.clone())).collect();
        self.put_data(id, &format.write(&dict).unwrap(), ttl);
    }

    pub(crate) fn put_data(&self, id: &str, data: &[u8], ttl: u64) {
        let ttl = Duration::from_secs(ttl);
        let made = self.runtime.block_on(self.store.create(&key(id), data, ttl, now())).unwrap();
        assert!(matches!(made, Created::Created(_)));
    }

    pub(crate) fn end(&self, id: &str) {
        let _ = self.runtime.block_on(self.store.delete(&key(id), now())).unwrap();
    }

    pub(crate) fn data(&self, id: &str) -> Option<Vec<u8>> {
        Some(self.runtime.block_on(self.store.load(&key(id), now())).unwrap()?.data)
    }

    /// Everything that lives there.
    pub(crate) fn all(&self) -> Vec<Listed> {
        let mut scan = Scan::new("").with_data();
        let mut all = Vec::new();
        loop {
            let page = self.runtime.block_on(self.store.scan(&scan, now())).unwrap();
            all.extend(page.entries.into_iter().map(|entry| {
                let session = Format::read(&entry.data.unwrap()).unwrap().dict;
                (entry.key.as_str().to_owned(), format!("{session:?}"), entry.expires.unwrap().as_secs())
            }));
            match page.next {
                Some(next) => scan = scan.from(next),
                None => break,
            }
        }
        all.sort();
        all.dedup_by(|one, other| one.0 == other.0);
        all
    }
}

/// Returns `true` if two stores have the same sessions. Their clocks may differ by a second.
pub(crate) fn alike(one: &[Listed], other: &[Listed]) {
    assert_eq!(one.len(), other.len(), "as many here as there");
    for (one, other) in one.iter().zip(other) {
        let agree = one.2.abs_diff(other.2) <= 2;
        assert!(agree && (&one.0, &one.1) == (&other.0, &other.1), "{one:?} is not {other:?}");
    }
}

/// A key, its session, and when it ends.
pub(crate) type Listed = (String, String, u64);

pub(crate) fn key(id: &str) -> Key {
    Key::new("session:", id).unwrap()
}

pub(crate) fn now() -> UnixTime {
    UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

/// An id as Flask-Session makes them, of a number.
pub(crate) fn id(number: usize) -> String {
    format!("{number:042}A")
}

pub(crate) fn user(number: i64) -> Vec<(&'static str, Value)> {
    vec![
        ("_permanent", Value::Bool(true)),
        ("user_id", Value::from(number)),
        ("csrf_token", Value::from("s3cret")),
    ]
}

/// A directory with sessions in it.
pub(crate) fn directory(sessions: usize) -> (tempfile::TempDir, Filled) {
    let directory = tempfile::tempdir().unwrap();
    let filled = Filled::at(format!("file:{}/sessions", directory.path().display()));
    for number in 0..sessions {
        filled.put(&id(number), &user(number as i64), DAY);
    }
    (directory, filled)
}

/// `hipflask store`, with the URL in the environment as operators should have it.
pub(crate) fn store(filled: &Filled, arguments: &[&str]) -> Ran {
    let mut arguments = arguments.to_vec();
    arguments.insert(0, "store");
    arguments.extend(["--store", &filled.url]);
    run(&arguments)
}

/// The lines of JSON.
pub(crate) fn lines(ran: &Ran) -> Vec<Json> {
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// The last line of a copy, which has the counts.
pub(crate) fn counts(ran: &Ran) -> Json {
    lines(ran).pop().unwrap_or_else(|| panic!("{ran:?}"))
}
