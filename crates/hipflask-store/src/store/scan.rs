//! Pages of records, for the operator.

use core::fmt;

use hipflask_core::time::UnixTime;

use super::Key;

/// What a page should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Only keys that begin so; the session prefix, such as `session:`. A store that knows no keys (see [`Key::at_rest`])
    /// lists all.
    pub prefix: String,
    /// Where the page before ended; `None` for the first.
    pub after: Option<Cursor>,
    /// About how many entries; a page may have more, or fewer, or none and still not be the last.
    pub limit: usize,
    /// Whether the data is wanted, too.
    pub with_data: bool,
}

impl Scan {
    /// The first page of what begins with `prefix`: about 1000 entries, without data.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), after: None, limit: 1000, with_data: false }
    }

    /// The page that `page.next` begins.
    #[must_use]
    pub fn from(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// With the data of each record.
    #[must_use]
    pub const fn with_data(mut self) -> Self {
        self.with_data = true;
        self
    }

    /// With about so many entries to a page.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// Some of the records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The records.
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None` if this is the last.
    pub next: Option<Cursor>,
}

/// One record of a page.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key, good for every method of the store that listed it.
    pub key: Key,
    /// How long its data is.
    pub bytes: usize,
    /// When it ends; `None` if never.
    pub expires: Option<UnixTime>,
    /// The data, if it was asked for.
    pub data: Option<Vec<u8>>,
}

/// Never shows the data.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key)
            .field("bytes", &self.bytes)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// A place in a listing, in the store's own words. It may hold a key, so it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// A place that the store will understand.
    #[must_use]
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// The store's words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(..)")
    }
}
