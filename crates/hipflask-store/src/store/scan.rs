//! Pages of records, for operators.

use core::fmt;

use hipflask_core::time::UnixTime;

use super::Key;

/// The query for a page of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Lists only keys with this prefix, such as `session:`. A store that does not know the keys
    /// (see [`Key::at_rest`]) lists all records.
    pub prefix: String,
    /// The end of the previous page; `None` for the first page.
    pub after: Option<Cursor>,
    /// The approximate number of entries. A page may have more or fewer; an empty page need not be the last.
    pub limit: usize,
    /// Lists the data as well.
    pub with_data: bool,
}

impl Scan {
    /// Requests the first page of the keys with this prefix: about 1000 entries, without data.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), after: None, limit: 1000, with_data: false }
    }

    /// Requests the page that begins at `cursor`, which is [`Page::next`].
    #[must_use]
    pub fn from(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Requests the data of each record.
    #[must_use]
    pub const fn with_data(mut self) -> Self {
        self.with_data = true;
        self
    }

    /// Sets the approximate number of entries per page.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// A page of records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The records.
    pub entries: Vec<Entry>,
    /// The beginning of the next page; `None` if this is the last.
    pub next: Option<Cursor>,
}

/// One record of a page.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key, valid in every method of the store that listed it.
    pub key: Key,
    /// The length of its data.
    pub bytes: usize,
    /// When it expires; `None` if never.
    pub expires: Option<UnixTime>,
    /// The data, if requested.
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

/// A position in a listing, in the store's own format. It may contain a key, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// Creates a cursor from the store's own text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the store's own text.
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
