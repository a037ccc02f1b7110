//! [`SessionDict`]: Flask's session dict with its flags.

use core::ops::Range;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::changes::Changes;
use super::error::EntryError;
use super::flash::Flash;
use crate::plan::SessionFlags;
use crate::tagged::{
    self, JsonError, JsonErrorKind, KeyOrder, Member, Style, is_registered, read_member, read_typed,
    write_key, write_value,
};
use crate::value::{AsKey, Dict, Int, MAX_DEPTH, Text, Value, ValueError, from_value, to_value};

const PERMANENT: &str = "_permanent";

/// The session of a handler: a dict that knows whether it was changed.
///
/// It follows Flask's rules of [`modified`](Self::is_modified). Setting a key counts as a change,
/// even to the same value. So do [`clear`](Self::clear), and [`update`](Self::update) without
/// entries. Removing a missing key does not. Changes inside a value are made with
/// [`edit`](Self::edit), which notices them.
///
/// A session from a cookie keeps the JSON and reads a value when it is requested. Values that were
/// not changed are written back as they are.
///
/// ```
/// use hipflask_core::session::SessionDict;
/// let mut session = SessionDict::new();
/// session.set("username", "ada")?;
/// session.set("cart", vec![("pear", 2), ("fig", 1)])?;
/// assert_eq!(session.get::<String>("username")?.as_deref(), Some("ada"));
/// assert_eq!(session.pop::<Vec<(String, u32)>>("cart")?.unwrap().len(), 2);
/// assert!(session.is_modified());
/// # Ok::<(), hipflask_core::session::EntryError>(())
/// ```
#[derive(Clone, Default)]
pub struct SessionDict {
    source: Source,
    members: Dict<Slot>,
    modified: bool,
    accessed: bool,
    new: bool,
    changes: Changes,
    pub(super) flashed: Option<Vec<Flash>>,
}

/// The data that a session was loaded from, with the values that have not been read.
#[derive(Clone)]
enum Source {
    /// Flask's tagged JSON.
    Json(String),
    /// A store's record. It is small, because each session from a cookie has room for it.
    Record(Arc<Record>),
}

/// The bytes of a record, and the function that reads a value in them.
struct Record {
    bytes: Box<[u8]>,
    read: fn(&[u8]) -> Value,
}

impl Default for Source {
    fn default() -> Self {
        Self::Json(String::new())
    }
}

/// A value of a session that came from a store's record.
#[derive(Clone, Copy)]
pub enum Part<'s> {
    /// The bytes in the record, which were not changed.
    Raw(&'s [u8]),
    /// A value that was set since, or that came from elsewhere.
    Value(&'s Value),
}

/// Shows the size or the type, never the value.
impl core::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Raw(bytes) => f.debug_tuple("Raw").field(&bytes.len()).finish(),
            Self::Value(value) => f.debug_tuple("Value").field(&value.kind()).finish(),
        }
    }
}

/// The value of a key: read, or still in the source.
#[derive(Clone)]
struct Slot {
    /// The position of the value in the source; `None` after a change.
    member: Option<Member>,
    value: Reading,
}

/// A lock costs more than reading a short value, so short values have none.
#[derive(Clone)]
enum Reading {
    Done(Value),
    WhenAsked(OnceLock<Value>),
}

impl From<(Member, Option<Value>)> for Slot {
    #[inline]
    fn from((member, value): (Member, Option<Value>)) -> Self {
        let value = value.map_or_else(|| Reading::WhenAsked(OnceLock::new()), Reading::Done);
        Self { member: Some(member), value }
    }
}

impl From<Value> for Slot {
    fn from(value: Value) -> Self {
        Self { member: None, value: Reading::Done(value) }
    }
}

impl Slot {
    #[inline]
    fn value(&self, source: &Source) -> &Value {
        match &self.value {
            Reading::Done(value) => value,
            Reading::WhenAsked(value) => value.get_or_init(|| read(self.member, source)),
        }
    }

    /// Returns the JSON of the value, if it has not been read.
    fn text<'s>(&self, source: &'s Source) -> Option<&'s str> {
        match (&self.value, self.member, source) {
            (Reading::WhenAsked(value), Some(member), Source::Json(json)) if value.get().is_none() => {
                Some(&json[member.range()])
            }
            _ => None,
        }
    }

    fn part<'s>(&'s self, source: &'s Source) -> Part<'s> {
        match (self.member, source) {
            (Some(member), Source::Record(record)) => Part::Raw(&record.bytes[member.range()]),
            _ => Part::Value(self.value(source)),
        }
    }

    fn into_value(self, source: &Source) -> Value {
        match self.value {
            Reading::Done(value) => value,
            Reading::WhenAsked(value) => value.into_inner().unwrap_or_else(|| read(self.member, source)),
        }
    }

    /// Detaches the value from the source and returns it, to change in place.
    fn own(&mut self, source: &Source) -> Option<&mut Value> {
        let held = core::mem::replace(self, Self::from(Value::None));
        *self = Self::from(held.into_value(source));
        match &mut self.value {
            Reading::Done(value) => Some(value),
            Reading::WhenAsked(_) => None,
        }
    }
}

fn read(member: Option<Member>, source: &Source) -> Value {
    match (member, source) {
        (Some(member), Source::Json(json)) => read_member(&json[member.range()]),
        (Some(member), Source::Record(record)) => (record.read)(&record.bytes[member.range()]),
        (None, _) => Value::None,
    }
}

/// Shows the keys and flags, but never a value, because sessions end up in logs.
impl core::fmt::Debug for SessionDict {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SessionDict")
            .field("keys", &self.keys().collect::<Vec<_>>())
            .field("modified", &self.modified)
            .field("accessed", &self.accessed)
            .field("new", &self.new)
            .finish_non_exhaustive()
    }
}

impl SessionDict {
    /// Creates an empty session that was not loaded: [`is_new`](Self::is_new).
    #[must_use]
    pub fn new() -> Self {
        Self { new: true, ..Self::default() }
    }

    /// Creates an unmodified session with the content of `dict`, as if it had been loaded.
    #[must_use]
    pub fn from_dict(dict: Dict) -> Self {
        let slots = dict.into_entries().into_iter().map(|(key, value)| (key, Slot::from(value))).collect();
        Self { members: Dict::from_distinct(slots), ..Self::default() }
    }

    /// Returns the session of the same request with the content of `dict`, unmodified, as it is
    /// after a save. The flags stay. So do the messages that the request has taken, because Flask
    /// stores them with the request.
    #[must_use]
    pub fn resumed(&self, dict: Dict) -> Self {
        let (accessed, new, flashed) = (self.accessed, self.new, self.flashed.clone());
        Self { accessed, new, flashed, ..Self::from_dict(dict) }
    }

    /// Applies the changes to `newest`, which another request has saved. They still have to be
    /// saved.
    #[must_use]
    pub fn rebased(&self, mut newest: Dict) -> Self {
        self.changes.replay(&self.to_dict(), &mut newest);
        Self { changes: self.changes.clone(), modified: self.modified, ..self.resumed(newest) }
    }

    /// Returns a copy to save. From now on the session logs only changes made while that copy is
    /// being saved. Call [`finish_save`](Self::finish_save) or [`abandon_save`](Self::abandon_save)
    /// after that.
    #[must_use]
    pub fn begin_save(&mut self) -> Self {
        let copy = self.clone();
        self.changes = Changes::default();
        copy
    }

    /// Replaces the content by the saved session. Changes made since
    /// [`begin_save`](Self::begin_save) stay and still have to be saved.
    pub fn finish_save(&mut self, saved: Self) {
        let later = core::mem::replace(self, saved);
        if !later.changes.is_empty() {
            let mut changes = core::mem::take(&mut self.changes);
            *self = Self { modified: true, ..later.rebased(self.to_dict()) };
            changes.append(later.changes);
            self.changes = changes;
        }
        self.accessed |= later.accessed;
        self.flashed = later.flashed.or_else(|| self.flashed.take());
    }

    /// Restores the changes of the copy from [`begin_save`](Self::begin_save), before those made
    /// since.
    pub fn abandon_save(&mut self, unsaved: Changes) {
        let later = core::mem::replace(&mut self.changes, unsaved);
        self.changes.append(later);
    }

    /// Reads a session from Flask's tagged JSON. It is unmodified, as if it had been loaded.
    ///
    /// Like Flask it accepts an object, a list of pairs, and `null` or an empty list for an empty
    /// session.
    ///
    /// # Errors
    /// [`JsonError`] if the text is not such JSON. All of it is checked here, so that reading a key
    /// later cannot fail.
    pub fn from_json(json: impl Into<String>) -> Result<Self, JsonError> {
        let json = json.into();
        match tagged::index(&json)? {
            Some(members) => Ok(Self { source: Source::Json(json), members, ..Self::default() }),
            None => dict_from_json(&json).map(Self::from_dict),
        }
    }

    /// Creates an unmodified session from a store's record. `members` has the position of each
    /// key's value in `bytes`; the last of equal keys counts. `read` reads a value when it is
    /// requested. All values must have been checked.
    #[must_use]
    pub fn from_record(
        bytes: Box<[u8]>,
        members: impl IntoIterator<Item = (Text, Range<u32>)>,
        read: fn(&[u8]) -> Value,
    ) -> Self {
        let members = members.into_iter();
        let mut slots = Dict::with_capacity(members.size_hint().0);
        for (key, at) in members {
            slots.insert(key, (Member::at(at), None));
        }
        let source = Source::Record(Arc::new(Record { bytes, read }));
        Self { source, members: slots, ..Self::default() }
    }

    /// Iterates over keys and values in the order of [`keys`](Self::keys), for a store that writes
    /// them. A value from a record that was not changed is not read.
    pub fn parts(&self) -> impl Iterator<Item = (&Text, Part<'_>)> + '_ {
        self.members.iter().map(|(key, slot)| (key, slot.part(&self.source)))
    }

    /// Writes the session as Flask's tagged JSON, for a cookie.
    ///
    /// # Errors
    /// [`TooDeep`](JsonErrorKind::TooDeep) if changes in place have nested values too deep.
    pub fn to_json(&self, order: KeyOrder) -> Result<Vec<u8>, JsonError> {
        let length = match &self.source {
            Source::Json(json) => json.len(),
            Source::Record(record) => record.bytes.len(),
        };
        let mut out = Vec::with_capacity((length + 128).max(USUAL_LENGTH));
        if self.members.only_key().is_some_and(is_registered) {
            write_value(&mut out, &Value::Dict(self.to_dict()), Style::flask(order), MAX_DEPTH)?;
            return Ok(out);
        }
        out.push(b'{');
        if order == KeyOrder::Insertion || self.members.is_sorted() {
            self.write_members(&mut out, self.members.iter(), order)?;
        } else {
            let mut members: Vec<_> = self.members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            self.write_members(&mut out, members.into_iter(), order)?;
        }
        out.push(b'}');
        Ok(out)
    }

    fn write_members<'s>(
        &'s self,
        out: &mut Vec<u8>,
        members: impl Iterator<Item = (&'s Text, &'s Slot)>,
        order: KeyOrder,
    ) -> Result<(), JsonError> {
        for (at, (key, slot)) in members.enumerate() {
            write_key(out, key, at == 0);
            match (slot.member, &self.source) {
                (Some(member), Source::Json(json)) if member.canonical => {
                    out.extend_from_slice(json[member.range()].as_bytes())
                }
                _ => write_value(out, slot.value(&self.source), Style::flask(order), MAX_DEPTH - 1)?,
            }
        }
        Ok(())
    }

    /// Copies all values: Python's `dict(session)`.
    #[must_use]
    pub fn to_dict(&self) -> Dict {
        let entries = self.items().map(|(key, value)| (key.clone(), value.clone())).collect();
        Dict::from_distinct(entries)
    }

    /// Returns the value of `key` as a Rust type. Returns `None` if the key is missing, or if it is
    /// None and `T` does not accept that.
    ///
    /// # Errors
    /// [`EntryError`] if the value has another type. It names the key, the type found and the
    /// requested type.
    pub fn get<T: DeserializeOwned>(&self, key: impl AsKey) -> Result<Option<T>, EntryError> {
        let Some(slot) = self.members.get(&key) else { return Ok(None) };
        match slot.text(&self.source).and_then(read_typed) {
            Some(value) => Ok(Some(value)),
            None => convert(key.as_key(), slot.value(&self.source)).map(Some),
        }
    }

    /// Returns the value of `key`.
    #[must_use]
    pub fn value(&self, key: impl AsKey) -> Option<&Value> {
        self.members.get(key).map(|slot| slot.value(&self.source))
    }

    /// Returns `true` if the session has `key`: Python's `in`.
    #[doc(alias = "in")]
    #[must_use]
    pub fn contains(&self, key: impl AsKey) -> bool {
        self.members.contains(key)
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns `true` if the session has no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns `true` if the session has no keys but `_permanent`: Flask-Session's `bool(session)`.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.keys().all(|key| *key == PERMANENT)
    }

    /// Iterates over the keys: first those of a loaded session in the order of the cookie, which is
    /// alphabetical, then new ones.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Text> + '_ {
        self.members.keys()
    }

    /// Iterates over keys and values, in the order of [`keys`](Self::keys).
    pub fn items(&self) -> impl DoubleEndedIterator<Item = (&Text, &Value)> + '_ {
        self.members.iter().map(|(key, slot)| (key, slot.value(&self.source)))
    }

    /// Iterates over the values, in the order of [`keys`](Self::keys).
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + '_ {
        self.items().map(|(_, value)| value)
    }

    /// Sets `key`: Python's `session[key] = value`. Counts as a change even if the value is the
    /// same.
    ///
    /// # Errors
    /// [`EntryError`] if a session cannot store the value. Then nothing is changed.
    pub fn set(&mut self, key: impl Into<Text>, value: impl Serialize) -> Result<(), EntryError> {
        let key = key.into();
        let value = to_value(&value).map_err(|problem| EntryError::new(key.as_bytes(), problem))?;
        self.insert(key, value)
    }

    /// Sets `key` to a [`Value`], without a conversion.
    ///
    /// # Errors
    /// [`EntryError`] with [`ValueError::TooDeep`] if it nests too deep. Then nothing is changed.
    pub fn insert(&mut self, key: impl Into<Text>, value: impl Into<Value>) -> Result<(), EntryError> {
        let (key, value) = (key.into(), value.into());
        check_value(&key, &value, 0)?;
        self.changes.set(key.clone());
        self.put(key, value);
        Ok(())
    }

    /// Sets a key without logging it.
    pub(super) fn put(&mut self, key: Text, value: Value) {
        self.members.insert(key, value);
        self.modified = true;
    }

    /// Removes `key` and returns its value as a Rust type: Python's `session.pop(key, None)`.
    /// Removing a missing key is not a change.
    ///
    /// # Errors
    /// [`EntryError`] if the value has another type. Then it stays.
    pub fn pop<T: DeserializeOwned>(&mut self, key: impl AsKey) -> Result<Option<T>, EntryError> {
        let value = self.get(&key)?;
        self.remove(key);
        Ok(value)
    }

    /// Removes `key` and returns its value. Removing a missing key is not a change.
    #[doc(alias = "del")]
    pub fn remove(&mut self, key: impl AsKey) -> Option<Value> {
        let slot = self.members.remove(&key)?;
        self.modified = true;
        self.changes.remove(Text::from_bytes(key.as_key())?);
        Some(slot.into_value(&self.source))
    }

    /// Removes the last key and returns it with its value: Python's `popitem`. Not a change if the
    /// session is empty.
    #[doc(alias = "popitem")]
    pub fn pop_item(&mut self) -> Option<(Text, Value)> {
        let (key, slot) = self.members.pop_item()?;
        self.modified = true;
        self.changes.remove(key.clone());
        Some((key, slot.into_value(&self.source)))
    }

    /// Removes all keys. Counts as a change even if the session is empty.
    pub fn clear(&mut self) {
        self.members.clear();
        if let Source::Json(json) = &mut self.source {
            json.clear();
        }
        self.changes.clear();
        self.modified = true;
    }

    /// Sets `key` if it is missing, and returns its value: Python's `setdefault`. Not a change if
    /// the key exists.
    ///
    /// # Errors
    /// [`EntryError`] if a session cannot store the value.
    #[doc(alias = "setdefault")]
    pub fn set_default(&mut self, key: impl Into<Text>, value: impl Serialize) -> Result<&Value, EntryError> {
        let key = key.into();
        if !self.contains(&key) {
            self.set(key.clone(), value)?;
        }
        match self.members.get(&key) {
            Some(slot) => Ok(slot.value(&self.source)),
            None => Err(EntryError::new(key.as_bytes(), ValueError::no_such_key(key.as_bytes()))),
        }
    }

    /// Sets all of `entries`: Python's `update`. Counts as a change even without entries.
    ///
    /// # Errors
    /// [`EntryError`] for the first value that a session cannot store. The values before it are
    /// set.
    pub fn update<K: Into<Text>, T: Serialize>(
        &mut self,
        entries: impl IntoIterator<Item = (K, T)>,
    ) -> Result<(), EntryError> {
        self.modified = true;
        entries.into_iter().try_for_each(|(key, value)| self.set(key, value))
    }

    /// Adds `by` to a number, which is 0 if the key is missing, and returns the sum. Concurrent
    /// increments of a session in a store add up.
    ///
    /// # Errors
    /// [`EntryError`] if the value is not an `int`.
    pub fn increment(&mut self, key: impl Into<Text>, by: impl Into<Int>) -> Result<Int, EntryError> {
        let (key, by) = (key.into(), by.into());
        let sum = match self.value(&key) {
            None => by.clone(),
            Some(Value::Int(number)) => number + &by,
            Some(other) => return Err(mismatch(&key, other, "an int to add to")),
        };
        if !sum.is_readable() {
            return Err(EntryError::new(key.as_bytes(), ValueError::TooManyDigits));
        }
        self.changes.add(key.clone(), &by);
        self.put(key, sum.clone().into());
        Ok(sum)
    }

    /// Appends to a list, which is created if the key is missing. All concurrent pushes to a
    /// session in a store are kept.
    ///
    /// # Errors
    /// [`EntryError`] if the value is not a `list`, or if a session cannot store the item.
    pub fn push(&mut self, key: impl Into<Text>, item: impl Serialize) -> Result<(), EntryError> {
        let key = key.into();
        let item = to_value(&item).map_err(|problem| EntryError::new(key.as_bytes(), problem))?;
        self.push_value(key, item)
    }

    pub(super) fn push_value(&mut self, key: Text, item: Value) -> Result<(), EntryError> {
        check_value(&key, &item, 1)?;
        match self.value(&key) {
            None => self.put(key.clone(), Value::List(Vec::new())),
            Some(Value::List(_)) => {}
            Some(other) => return Err(mismatch(&key, other, "a list to add to")),
        }
        if let Some(Value::List(items)) = self.lend(&key) {
            items.push(item.clone());
        }
        self.modified = true;
        self.changes.push(key, item);
        Ok(())
    }

    /// Removes a list and logs that its items were taken, so that items which another request
    /// appends meanwhile stay.
    pub(super) fn take_list(&mut self, key: &str) -> Option<Value> {
        let value = self.members.remove(key)?.into_value(&self.source);
        self.modified = true;
        match &value {
            Value::List(items) => self.changes.take(key.into(), items.len()),
            _ => self.changes.remove(key.into()),
        }
        Some(value)
    }

    /// Removes every key that is missing in `kept`, and logs that.
    pub(super) fn keep(&mut self, kept: &Dict) {
        let gone: Vec<Text> = self.keys().filter(|key| !kept.contains(key)).cloned().collect();
        if !gone.is_empty() {
            self.members.retain(|key| kept.contains(key));
            self.modified = true;
            gone.into_iter().for_each(|key| self.changes.remove(key));
        }
    }

    /// Sorts the keys by an order that contains all of them.
    pub(super) fn arrange(&mut self, order: &[Text]) {
        if self.keys().ne(order) {
            let places: Dict<usize> = order.iter().cloned().zip(0_usize..).collect();
            let mut members = core::mem::take(&mut self.members).into_entries();
            members.sort_by_key(|(key, _)| places.get(key).copied());
            self.members = Dict::from_distinct(members);
        }
    }

    /// Returns the reason why the value of `key`, which was changed in place, could not be read
    /// back.
    pub(super) fn problem(&self, key: &Text) -> Option<ValueError> {
        self.value(key)?.unreadable(MAX_DEPTH - 2).map(ValueError::from)
    }

    /// Returns the value of `key`, to change in place; for [`edit`](Self::edit).
    pub(super) fn lend(&mut self, key: impl AsKey) -> Option<&mut Value> {
        self.members.get_mut(key)?.own(&self.source)
    }

    /// Restores the previous value of a key without logging it.
    pub(super) fn restore(&mut self, key: Text, value: Option<Value>) {
        match value {
            Some(value) => drop(self.members.insert(key, value)),
            None => drop(self.members.remove(key)),
        }
    }

    /// Logs that `key` was changed in place or removed.
    pub(super) fn note_change(&mut self, key: Text) {
        self.modified = true;
        if self.contains(&key) { self.changes.set(key) } else { self.changes.remove(key) }
    }

    /// Returns `true` if the session was changed. The response saves it then.
    #[doc(alias = "modified")]
    #[must_use]
    pub const fn is_modified(&self) -> bool {
        self.modified
    }

    /// Overrides the modified flag. `false` suppresses the save.
    pub const fn set_modified(&mut self, modified: bool) {
        self.modified = modified;
    }

    /// Returns `true` if the request used the session. The response has `Vary: Cookie` then.
    #[doc(alias = "accessed")]
    #[must_use]
    pub const fn is_accessed(&self) -> bool {
        self.accessed
    }

    /// Sets the accessed flag. The fronts set it at each use, as Flask's request context does.
    pub const fn set_accessed(&mut self, accessed: bool) {
        self.accessed = accessed;
    }

    /// Returns `true` if the request came without a valid session. (Flask has this flag, but it is
    /// always false there.)
    #[doc(alias = "new")]
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.new
    }

    /// Sets the flag of a session that was not loaded.
    pub const fn set_new(&mut self, new: bool) {
        self.new = new;
    }

    /// Returns `true` if the session outlives the browser: if the key `_permanent` is true.
    #[doc(alias = "permanent")]
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.value(PERMANENT).is_some_and(Value::is_true)
    }

    /// Sets the key `_permanent`, so that the session outlives the browser for the configured
    /// lifetime, or does not. It is a change.
    pub fn set_permanent(&mut self, permanent: bool) {
        self.changes.set(PERMANENT.into());
        self.put(PERMANENT.into(), permanent.into());
    }

    /// Marks all changes as saved: nothing is left to replay, but the response still sees that the
    /// session was changed.
    pub fn set_saved(&mut self) {
        self.changes = Changes::default();
        self.modified = true;
    }

    /// Returns the changes for a store to replay.
    #[must_use]
    pub const fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Returns the flags for [`plan`](crate::plan::plan).
    #[must_use]
    pub fn flags(&self) -> SessionFlags {
        SessionFlags {
            empty: self.is_empty(),
            modified: self.modified,
            accessed: self.accessed,
            permanent: self.is_permanent(),
        }
    }
}

/// Sessions are equal if their content is, whatever their flags.
impl PartialEq for SessionDict {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.items().all(|(key, value)| other.value(key) == Some(value))
    }
}

fn convert<T: DeserializeOwned>(key: &[u8], value: &Value) -> Result<T, EntryError> {
    from_value(value).map_err(|problem| EntryError::new(key, problem))
}

/// Checks that a value can be read back. The value is nested in `inside` lists of its key.
fn check_value(key: &Text, value: &Value, inside: usize) -> Result<(), EntryError> {
    // One level is the session itself, and one is the escape of a key that looks like a tag.
    match value.unreadable(MAX_DEPTH - 2 - inside) {
        None => Ok(()),
        Some(why) => Err(EntryError::new(key.as_bytes(), why.into())),
    }
}

fn mismatch(key: &Text, found: &Value, wanted: &str) -> EntryError {
    let problem = ValueError::Mismatch { found: found.kind(), wanted: wanted.into() };
    EntryError::new(key.as_bytes(), problem)
}

/// Reads all values in the JSON of a session.
pub(crate) fn dict_from_json(json: &str) -> Result<Dict, JsonError> {
    dict_of(tagged::from_str(json)?)
}

/// Converts as Python's `dict(value)`, which Flask calls on the value that it has read.
fn dict_of(value: Value) -> Result<Dict, JsonError> {
    let not_a_session = |value: &Value| JsonError::from(JsonErrorKind::NotASession { found: value.kind() });
    match value {
        Value::Dict(dict) => Ok(dict),
        Value::None => Ok(Dict::new()),
        Value::List(ref items) | Value::Tuple(ref items) => {
            items.iter().map(|item| pair(item).ok_or_else(|| not_a_session(&value))).collect()
        }
        value => Err(not_a_session(&value)),
    }
}

fn pair(item: &Value) -> Option<(Text, Value)> {
    match item.as_items()? {
        [Value::Str(key), value] => Some((key.clone(), value.clone())),
        _ => None,
    }
}

/// The length of the JSON of most sessions, so that the buffer does not grow. The allocator is as
/// fast for less.
const USUAL_LENGTH: usize = 1000;

const _: () = {
    const fn is_shareable<T: Send + Sync>() {}
    is_shareable::<SessionDict>();
};
