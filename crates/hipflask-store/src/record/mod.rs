//! Records: sessions as bytes, as Flask-Session 0.8 writes and reads them.
//!
//! | format | written by | Python reads back |
//! | --- | --- | --- |
//! | [`Msgpack`](Format::Msgpack) | msgspec: Flask-Session's default | tuples as lists, datetimes in UTC, UUIDs as text |
//! | [`Json`](Format::Json) | msgspec, if configured | also bytes and datetimes as text, NaN and infinities as `None` |
//! | [`Pickle`](Format::Pickle) | cachelib: the file store | everything unchanged |
//!
//! All three are always read: the first byte identifies the format. Pickles are read with a closed
//! list of opcodes and globals and are never executed.
//!
//! Values change their types here as they do in msgspec, because the bytes are the same. Values
//! that msgspec refuses (markup, lone surrogates, integers of more than 64 bits in msgpack) are an
//! [`EncodeError`] that names the key.
//!
//! Python supports values that a [`Value`] cannot hold: sets, dates without a time, decimals, dicts
//! with numbers for keys. Such a value is shown as msgspec would write it, and the [`Record`] has
//! the original in its [`OpaqueValues`]. The original is written back as long as its key is
//! unchanged and the format is the same.

mod budget;
mod civil;
mod convert;
mod json;
mod msgpack;
mod pickle;
mod redact;
#[cfg(test)]
mod tests;

use core::fmt;
use std::collections::HashSet;

use hipflask_core::session::Changes;
use hipflask_core::session::SessionDict;
use hipflask_core::value::{Dict, Kind, MAX_DEPTH, Text, Value};

pub use budget::MAX_MEMORY;
use budget::SURELY_READABLE;
use civil::Fields;
pub use convert::{Change, ConvertError, Converted};
pub use msgpack::{MsgpackEvent, MsgpackReader};
pub use redact::{HIDDEN, Redacted, looks_secret, redact};

/// The maximum length of a record, in bytes.
pub const MAX_BYTES: usize = 16 << 20;

/// A record format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Format {
    /// msgspec's MessagePack.
    #[default]
    Msgpack,
    /// msgspec's JSON.
    Json,
    /// Python's pickle.
    Pickle,
}

impl Format {
    /// Returns the format of a record, by its first bytes, which are different in each format.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        match data {
            [0x80] | [0x81..=0x9F | 0xC0 | 0xDC..=0xDF, ..] => Self::Msgpack,
            [b'{' | b'[' | b'n' | b' ' | b'\t' | b'\r' | b'\n', ..] => Self::Json,
            _ => Self::Pickle,
        }
    }

    /// Reads a record in any format.
    ///
    /// ```
    /// use hipflask_core::value::Value;
    /// use hipflask_store::record::Format;
    /// let record = Format::read(b"\x82\xaa_permanent\xc3\xa1a\x01")?;
    /// assert_eq!(record.dict.get("a"), Some(&Value::from(1)));
    /// assert_eq!(Format::read(br#"{"_permanent":true,"a":1}"#)?.dict, record.dict);
    /// # Ok::<(), hipflask_store::record::RecordError>(())
    /// ```
    ///
    /// # Errors
    /// [`RecordError`] if it is not a session, or is too large for one.
    pub fn read(data: &[u8]) -> Result<Record, RecordError> {
        if data.len() > MAX_BYTES {
            return Err(RecordError::TooLarge);
        }
        match Self::of(data) {
            // Flask-Session reads these as "no session".
            _ if matches!(data, b"" | b"\xC0" | b"null") => Err(RecordError::Empty),
            Self::Msgpack => msgpack::read(data),
            Self::Json => json::read(data),
            Self::Pickle => pickle::read(data),
        }
    }

    /// Opens a record in any format as an unmodified session, with the originals that a [`Value`]
    /// cannot hold. All of it is checked here; values of msgpack are read on first use.
    ///
    /// # Errors
    /// Same as [`read`](Self::read).
    pub fn open(data: &[u8]) -> Result<(SessionDict, OpaqueValues), RecordError> {
        if Self::of(data) == Self::Msgpack
            && data.len() <= MAX_BYTES
            && let Some(session) = msgpack::open(data)
        {
            return Ok((session, OpaqueValues::default()));
        }
        let record = Self::read(data)?;
        Ok((SessionDict::from_dict(record.dict), record.opaque))
    }

    /// Writes a session that was [opened](Self::open). Unchanged values are copied without being read.
    ///
    /// # Errors
    /// Same as [`write`](Self::write).
    pub fn write_session(self, session: &SessionDict, opaque: &OpaqueValues) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Msgpack => {
                let written = msgpack::write_parts(session.len(), session.parts(), opaque);
                self.readable(written, || session.to_dict())
            }
            Self::Json | Self::Pickle => self.write_with(&session.to_dict(), opaque),
        }
    }

    /// Writes a session.
    ///
    /// # Errors
    /// [`EncodeError`] names the key whose value the format does not support.
    pub fn write(self, dict: &Dict) -> Result<Vec<u8>, EncodeError> {
        self.write_with(dict, &OpaqueValues::default())
    }

    /// Writes a session, with the originals of values that are unchanged since they were read.
    ///
    /// # Errors
    /// Same as [`write`](Self::write).
    pub fn write_with(self, dict: &Dict, opaque: &OpaqueValues) -> Result<Vec<u8>, EncodeError> {
        self.readable(self.encode(dict, opaque), || dict.clone())
    }

    fn encode(self, dict: &Dict, opaque: &OpaqueValues) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Msgpack => msgpack::write(dict, opaque),
            Self::Json => json::write(dict),
            Self::Pickle => pickle::write(dict, opaque),
        }
    }

    /// Returns a written record if it can be read back. The error names the largest key.
    fn readable(
        self,
        written: Result<Vec<u8>, EncodeError>,
        dict: impl FnOnce() -> Dict,
    ) -> Result<Vec<u8>, EncodeError> {
        match written {
            Ok(data) if data.len() < SURELY_READABLE || self.is_readable(&data) => Ok(data),
            Err(error) if error.problem != Problem::TooLarge => Err(error),
            _ => Err(EncodeError { key: self.largest(&dict()), format: self, problem: Problem::TooLarge }),
        }
    }

    fn is_readable(self, data: &[u8]) -> bool {
        data.len() <= MAX_BYTES
            && match self {
                Self::Msgpack => msgpack::is_readable(data),
                Self::Json | Self::Pickle => Self::read(data).is_ok(),
            }
    }

    /// Returns the key of the largest value.
    fn largest(self, dict: &Dict) -> Text {
        let bytes = |value: &Value| {
            let alone = self.encode(&Dict::from([("", value.clone())]), &OpaqueValues::default());
            alone.map_or(usize::MAX, |data| data.len())
        };
        let largest = dict.iter().max_by_key(|(_, value)| bytes(value));
        largest.map(|(key, _)| key.clone()).unwrap_or_default()
    }

    /// Checks that the format supports `value` under `key`. Callers check this when the value is
    /// set, so that the error shows there.
    ///
    /// ```
    /// use hipflask_core::value::Value;
    /// use hipflask_store::record::Format;
    /// let error = Format::Msgpack.check(&"bio".into(), &Value::Markup("<b>".into())).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "session key \"bio\": msgpack cannot hold Markup; set it as text, or keep the sessions in a file store"
    /// );
    /// ```
    ///
    /// # Errors
    /// Same as [`write`](Self::write).
    pub fn check(self, key: &Text, value: &Value) -> Result<(), EncodeError> {
        if is_plain(value) && key.as_str().is_some() {
            return Ok(());
        }
        self.write(&Dict::from([(key.clone(), value.clone())])).map(drop)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Msgpack => "msgpack",
            Self::Json => "JSON",
            Self::Pickle => "pickle",
        })
    }
}

/// Returns `true` for values that every format supports.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::None | Value::Bool(_) | Value::Float(_) => true,
        Value::Int(number) => number.as_i64().is_some(),
        Value::Str(text) => text.as_str().is_some(),
        _ => false,
    }
}

/// A record that was read.
#[derive(Clone, Default)]
pub struct Record {
    /// The session.
    pub dict: Dict,
    /// The originals of values that a [`Value`] cannot hold.
    pub opaque: OpaqueValues,
}

/// Shows the keys, never a value.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.dict.keys().collect();
        f.debug_struct("Record").field("keys", &keys).field("opaque", &self.opaque).finish()
    }
}

impl Record {
    fn of_pairs(value: Value) -> Result<Dict, RecordError> {
        match value {
            Value::Dict(dict) => Ok(dict),
            // Python's `dict(session)` takes a list of pairs as well.
            Value::List(items) => items.into_iter().map(pair).collect(),
            Value::None => Err(RecordError::Empty),
            other => Err(RecordError::NotADict { found: other.kind() }),
        }
    }
}

fn pair(item: Value) -> Result<(Text, Value), RecordError> {
    let found = item.kind();
    match item {
        Value::List(parts) => match <[Value; 2]>::try_from(parts) {
            Ok([Value::Str(key), value]) => Ok((key, value)),
            _ => Err(RecordError::NotADict { found }),
        },
        _ => Err(RecordError::NotADict { found }),
    }
}

/// The originals of values that a [`Value`] only shows in part.
#[derive(Clone, Default)]
pub struct OpaqueValues(Dict<Original>);

/// An original, under the key that is shown for it.
#[derive(Clone)]
struct Original {
    shown: Value,
    raw: Raw,
}

#[derive(Clone, PartialEq)]
enum Raw {
    /// Key and value in MessagePack.
    Msgpack { key: Box<[u8]>, value: Box<[u8]> },
    /// Key and value of a pickle.
    Pickle { key: pickle::PythonValue, value: pickle::PythonValue },
}

impl OpaqueValues {
    /// Returns `true` if every value is shown completely.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `true` if `key` has another original here than in `other`: a set differs from a
    /// list, although both are shown as a list.
    #[must_use]
    pub fn differs(&self, other: &Self, key: &Text) -> bool {
        self.named(key).map(|original| &original.raw) != other.named(key).map(|original| &original.raw)
    }

    /// Returns these originals, with those of `ours` for the keys that were changed.
    pub(crate) fn overlaid(&self, ours: &Self, changes: &Changes) -> Self {
        if self.is_empty() && ours.is_empty() {
            return Self::default();
        }
        let changed: HashSet<&Text> = changes.iter().map(|(key, _)| key).collect();
        let is_changed = |key: &Text| changes.is_cleared() || changed.contains(key);
        let theirs = self.0.iter().filter(|(key, _)| !is_changed(key));
        let ours = ours.0.iter().filter(|(key, _)| is_changed(key));
        Self(theirs.chain(ours).map(|(key, original)| (key.clone(), original.clone())).collect())
    }

    fn named(&self, key: &Text) -> Option<&Original> {
        self.0.get(key)
    }

    /// Returns the original of a key that still has the shown value.
    fn original(&self, key: &Text, value: &Value) -> Option<&Raw> {
        self.named(key).filter(|original| original.shown == *value).map(|original| &original.raw)
    }
}

/// The originals of a record that is being read. If a key appears twice, its last value counts.
#[derive(Default)]
struct Originals {
    found: Dict<Original>,
    /// Keys whose last value is shown completely.
    overwritten: HashSet<Text>,
}

impl Originals {
    fn insert(&mut self, key: Text, original: Original) {
        self.overwritten.remove(&key);
        self.found.insert(key, original);
    }

    /// Notes a value that is shown completely.
    fn overwrite(&mut self, key: &Text) {
        if self.found.contains(key) {
            self.overwritten.insert(key.clone());
        }
    }

    fn finish(self) -> OpaqueValues {
        if self.overwritten.is_empty() {
            return OpaqueValues(self.found);
        }
        let last = self.found.into_entries().into_iter().filter(|(key, _)| !self.overwritten.contains(key));
        OpaqueValues(last.collect())
    }
}

/// Shows the keys, never a value.
impl fmt::Debug for OpaqueValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Fails if a partly written record has too little room for more bytes. Texts can be shared in
/// memory, so that a value may be far longer once it is written.
fn room_for(written: &[u8], bytes: usize) -> Result<(), Problem> {
    if written.len().saturating_add(bytes) > MAX_BYTES { Err(Problem::TooLarge) } else { Ok(()) }
}

/// Returns the text that is shown for a dict key, which Python's `str` returns for short keys.
fn key_text(key: &Value) -> Text {
    match key {
        Value::Str(text) | Value::Markup(text) => text.clone(),
        Value::Int(number) => number.to_string().into(),
        Value::Float(number) => format!("{number:?}").into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::DateTime(date) => Fields::of(*date).iso().into(),
        Value::Uuid(id) => id.to_string().into(),
        other => other.kind().to_string().into(),
    }
}

/// The bytes are not a readable record. The error never shows their content, except for the name in
/// [`Forbidden`](Self::Forbidden).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is empty, which means "no session" in Flask-Session.
    #[error("the record is empty")]
    Empty,
    /// It is longer than [`MAX_BYTES`], or would take more memory than [`MAX_MEMORY`] allows.
    #[error("the record is larger than a session may be")]
    TooLarge,
    /// Its lists and dicts are nested too deeply.
    #[error("the record is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A list or dict contains itself.
    #[error("the record has a list or dict that contains itself")]
    Cyclic,
    /// It is invalid, or ends too early.
    #[error("invalid {format} at byte {at}; something else may write to the store")]
    Malformed {
        /// The format, by its first byte.
        format: Format,
        /// The position of the error.
        at: usize,
    },
    /// It is not a dict.
    #[error("the record is a {found} instead of a session")]
    NotADict {
        /// Its type.
        found: Kind,
    },
    /// It is a pickle, and pickles are not allowed.
    #[error(
        "the record is neither msgpack nor JSON, and pickles are not read here; the flask profile reads those of Flask-Session"
    )]
    PickleRefused,
    /// A pickle uses an opcode or a global that is not on the closed list. It was not executed.
    #[error(
        "the pickle uses {name:?}, which no session needs; it was not executed: check who can write to the store"
    )]
    Forbidden {
        /// Module and name, or the opcode.
        name: String,
    },
}

/// The format does not support a value. The error names the key, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("session key {key:?}: {format} cannot hold {problem}")]
pub struct EncodeError {
    /// The key of the value in the session.
    pub key: Text,
    /// The format of the records.
    pub format: Format,
    /// The reason.
    #[source]
    pub problem: Problem,
}

/// A kind of value that a format does not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Markup: msgspec refuses it.
    #[error("Markup; set it as text, or keep the sessions in a file store")]
    Markup,
    /// An integer outside -2^63 to 2^64-1.
    #[error("an int of more than 64 bits; set it as text")]
    BigInt,
    /// Text with half of a surrogate pair.
    #[error("text with a lone surrogate; replace it first")]
    Surrogate,
    /// Values that are nested too deeply.
    #[error("values nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A longer value than the format allows.
    #[error("a value of 4 GiB or more")]
    TooLong,
    /// A session that is too large to be read back.
    #[error(
        "sessions of more than {MAX_BYTES} bytes, or with so many values that reading them takes too much memory; store less under this key"
    )]
    TooLarge,
    /// A kind of value that is unknown to this version.
    #[error("a value of this kind")]
    Unknown,
}
