//! [`Session`]: what a handler holds.

use std::fmt;
use std::sync::Arc;

use hipflask_core::session::{Editor, Flash, Session as Data};
use hipflask_core::value::{AsKey, Dict, Int, Text, Value, ValueError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::SessionError;
use crate::request::Shared;

/// The session of a request: Flask's dict. Clones are the same session.
///
/// Every method is synchronous and holds a short lock. Each counts as access, so that the response says `Vary: Cookie`;
/// what counts as a change is what counts in Flask.
///
/// ```
/// # use hipflask::{Session, SessionError};
/// async fn login(session: Session) -> Result<(), SessionError> {
///     session.set("username", "ada")?;
///     session.set_permanent(true);
///     session.flash("Welcome back")
/// }
///
/// async fn logout(session: Session) -> Result<(), SessionError> {
///     session.pop::<String>("username").map(drop)
/// }
/// ```
#[derive(Clone)]
pub struct Session(Arc<Shared>);

impl Session {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Works on the session itself, under its lock: for several steps that belong together, or to borrow a value.
    pub fn with<R>(&self, work: impl FnOnce(&mut Data) -> R) -> R {
        let mut state = self.0.lock();
        let data = state.data.get_or_insert_with(Data::new);
        data.set_accessed(true);
        work(data)
    }

    /// A change: warns if the response has left, for then it is lost.
    fn change<R>(&self, key: &dyn fmt::Display, work: impl FnOnce(&mut Data) -> R) -> R {
        if self.0.lock().closed {
            tracing::warn!(
                %key,
                "the session was changed after its response head had left; the change is lost. Change it before the \
                 handler returns, not in a streaming body or a spawned task."
            );
        }
        self.with(work)
    }

    /// The value of `key` as a Rust type, `None` if there is no such key.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the value is of another type; it names the key, what was found and what was asked.
    pub fn get<T: DeserializeOwned>(&self, key: impl AsKey) -> Result<Option<T>, SessionError> {
        self.with(|data| data.get(key)).map_err(Into::into)
    }

    /// The value of `key` as it is.
    #[must_use]
    pub fn value(&self, key: impl AsKey) -> Option<Value> {
        self.with(|data| data.value(key).cloned())
    }

    /// Whether `key` is in it: Python's `in`.
    #[doc(alias = "in")]
    #[must_use]
    pub fn contains(&self, key: impl AsKey) -> bool {
        self.with(|data| data.contains(key))
    }

    /// How many keys it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.with(|data| data.len())
    }

    /// Whether it has no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.with(|data| data.is_empty())
    }

    /// The keys: those that came with the cookie in alphabetical order, then new ones.
    #[must_use]
    pub fn keys(&self) -> Vec<Text> {
        self.with(|data| data.keys().cloned().collect())
    }

    /// The values, in the order of [`keys`](Self::keys).
    #[must_use]
    pub fn values(&self) -> Vec<Value> {
        self.with(|data| data.values().cloned().collect())
    }

    /// The keys and values, in the order of [`keys`](Self::keys).
    #[must_use]
    pub fn items(&self) -> Vec<(Text, Value)> {
        self.with(|data| data.items().map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    /// A copy of everything in it: Python's `dict(session)`.
    #[must_use]
    pub fn to_dict(&self) -> Dict {
        self.with(|data| data.to_dict())
    }

    /// Sets `key`: Python's `session[key] = value`. Counts as a change even if the value is the same.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the value cannot live in a session; then nothing is changed.
    pub fn set(&self, key: impl Into<Text>, value: impl Serialize) -> Result<(), SessionError> {
        let key = key.into();
        self.change(&key.clone(), |data| data.set(key, value)).map_err(Into::into)
    }

    /// [`set`](Self::set) for a value that is one already.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn insert(&self, key: impl Into<Text>, value: impl Into<Value>) -> Result<(), SessionError> {
        let key = key.into();
        self.change(&key.clone(), |data| data.insert(key, value)).map_err(Into::into)
    }

    /// Removes `key` and returns its value as a Rust type: Python's `session.pop(key, None)`. A key that is not there is no
    /// change.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the value is of another type; then it stays.
    pub fn pop<T: DeserializeOwned>(&self, key: impl AsKey) -> Result<Option<T>, SessionError> {
        self.change(&name(&key), |data| data.pop(key)).map_err(Into::into)
    }

    /// Removes `key` and returns its value as it is. A key that is not there is no change.
    #[doc(alias = "del")]
    pub fn remove(&self, key: impl AsKey) -> Option<Value> {
        self.change(&name(&key), |data| data.remove(key))
    }

    /// Removes the last key with its value: Python's `popitem`.
    #[doc(alias = "popitem")]
    pub fn pop_item(&self) -> Option<(Text, Value)> {
        self.change(&"(the last)", Data::pop_item)
    }

    /// Removes everything; a change even if there was nothing.
    pub fn clear(&self) {
        self.change(&"(all)", Data::clear);
    }

    /// Sets `key` if it is not there and returns what it holds then: Python's `setdefault`.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the value cannot live in a session.
    #[doc(alias = "setdefault")]
    pub fn set_default(&self, key: impl Into<Text>, value: impl Serialize) -> Result<Value, SessionError> {
        let key = key.into();
        self.change(&key.clone(), |data| data.set_default(key, value).cloned()).map_err(Into::into)
    }

    /// Sets all of `entries`: Python's `update`. A change even if there are none.
    ///
    /// # Errors
    /// [`SessionError::Value`] for the first value that cannot live in a session; those before it are set.
    pub fn update<K: Into<Text>, T: Serialize>(
        &self,
        entries: impl IntoIterator<Item = (K, T)>,
    ) -> Result<(), SessionError> {
        self.change(&"(several)", |data| data.update(entries)).map_err(Into::into)
    }

    /// Changes values in place; what really changed is noticed. See [`Editor`].
    ///
    /// ```
    /// # use hipflask::{Session, SessionError};
    /// async fn forget_name(session: Session) -> Result<(), SessionError> {
    ///     session.edit(|s| s.at("item")?.at("key")?.remove("name")).map(drop)
    /// }
    /// ```
    ///
    /// # Errors
    /// What the closure returns; then every key is as it was before.
    pub fn edit<R>(
        &self,
        change: impl FnOnce(&mut Editor<'_>) -> Result<R, ValueError>,
    ) -> Result<R, SessionError> {
        self.change(&"(edited)", |data| data.edit(change)).map_err(Into::into)
    }

    /// Adds `by` to a number, 0 if the key is not there, and returns the sum.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the key holds something else than an `int`.
    pub fn increment(&self, key: impl Into<Text>, by: impl Into<Int>) -> Result<Int, SessionError> {
        let key = key.into();
        self.change(&key.clone(), |data| data.increment(key, by)).map_err(Into::into)
    }

    /// Adds to the end of a list, a new one if the key is not there.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the key holds something else than a `list`.
    pub fn push(&self, key: impl Into<Text>, item: impl Serialize) -> Result<(), SessionError> {
        let key = key.into();
        self.change(&key.clone(), |data| data.push(key, item)).map_err(Into::into)
    }

    /// Keeps a message for the next page, in the category `message`. Flask reads it, too.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the message cannot live in a session.
    pub fn flash(&self, message: impl Serialize) -> Result<(), SessionError> {
        self.change(&"_flashes", |data| data.flash(message)).map_err(Into::into)
    }

    /// [`flash`](Self::flash) in a category: Flask's `flash(message, category)`.
    ///
    /// # Errors
    /// As [`flash`](Self::flash).
    pub fn flash_as(&self, category: impl Into<Text>, message: impl Serialize) -> Result<(), SessionError> {
        self.change(&"_flashes", |data| data.flash_as(category, message)).map_err(Into::into)
    }

    /// The messages that were flashed, which are thereby taken from the session; the same ones at every call of a request.
    #[doc(alias = "get_flashed_messages")]
    #[must_use]
    pub fn flashed_messages(&self) -> Vec<Flash> {
        self.change(&"_flashes", |data| data.flashed_messages().to_vec())
    }

    /// Whether it outlives the browser.
    #[doc(alias = "permanent")]
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.with(|data| data.is_permanent())
    }

    /// Makes it outlive the browser for the configured lifetime, or not. Sets the key `_permanent`, so it is a change.
    pub fn set_permanent(&self, permanent: bool) {
        self.change(&"_permanent", |data| data.set_permanent(permanent));
    }

    /// Whether it was changed. Decides if the response saves it.
    #[doc(alias = "modified")]
    #[must_use]
    pub fn is_modified(&self) -> bool {
        self.with(|data| data.is_modified())
    }

    /// Says by hand whether it was changed. `false` suppresses the save.
    pub fn set_modified(&self, modified: bool) {
        self.change(&"(modified)", |data| data.set_modified(modified));
    }

    /// Whether no valid session came with the request.
    #[doc(alias = "new")]
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.with(|data| data.is_new())
    }

    /// Saves before the response is sent, where the session is in a store.
    ///
    /// # Errors
    /// [`SessionError::SavedWithResponse`] for a session in a cookie.
    #[expect(clippy::unused_async, reason = "a session in a store is saved here")]
    pub async fn save_now(&self) -> Result<(), SessionError> {
        Err(SessionError::SavedWithResponse)
    }
}

fn name(key: &impl AsKey) -> Text {
    Text::from_bytes(key.as_key()).unwrap_or_default()
}

/// Shows keys and flags, never a value.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.lock().data {
            Some(data) => data.fmt(f),
            None => f.write_str("Session(unopened)"),
        }
    }
}
