//! [`Session`]: what a handler holds.

use std::fmt;
use std::sync::Arc;

use hipflask_core::session::{DEFAULT_CATEGORY, Editor, EntryError, FLASHES, Flash, SessionDict};
use hipflask_core::value::{AsKey, Dict, Int, Text, Value, ValueError, to_value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::state::{Shared, State};
use crate::error::SessionError;

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
    ///
    /// The closure uses what it is given, never the `Session` around it: that one is locked, and a call on it from inside
    /// fails with [`SessionError::InUse`], or panics with its text if the method has no error to return. The same holds for
    /// [`edit`](Self::edit).
    ///
    /// A change after the response head has left is lost, and a warning names its keys; unless the session is in a store and
    /// [`save_now`](Self::save_now) follows.
    ///
    /// ```
    /// # fn two_steps(session: hipflask::Session) -> Result<(), hipflask::SessionError> {
    /// session.with(|data| match data.contains("basket") {
    ///     true => Ok(()),
    ///     false => data.set("basket", ["pear"]),
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// If the closure of `with` or `edit` on the same session is running on this thread.
    pub fn with<R>(&self, work: impl FnOnce(&mut SessionDict) -> R) -> R {
        self.try_with(work).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn try_with<R>(&self, work: impl FnOnce(&mut SessionDict) -> R) -> Result<R, SessionError> {
        let mut state = self.0.lock()?;
        let State { data, closed, varies, .. } = &mut *state;
        let data = match data {
            // What is in the store must not be taken for empty.
            None if self.0.engine().is_stored() => return Err(SessionError::NotLoaded),
            data => data.get_or_insert_with(SessionDict::new),
        };
        data.set_accessed(true);
        if !*closed {
            return Ok(work(data));
        }
        warn_of_vary(varies);
        #[cfg(feature = "store")]
        if self.0.engine().is_stored() {
            let before = data.changes().clone();
            let result = work(data);
            let is_changed = before != *data.changes();
            state.is_late |= is_changed;
            return Ok(result);
        }
        Ok(warned_of(data, work))
    }

    fn fallible<R, E: Into<SessionError>>(
        &self,
        work: impl FnOnce(&mut SessionDict) -> Result<R, E>,
    ) -> Result<R, SessionError> {
        self.try_with(work)?.map_err(Into::into)
    }

    /// Changes the session, if it can be changed in this request.
    fn change<R, E: Into<SessionError>>(
        &self,
        work: impl FnOnce(&mut SessionDict) -> Result<R, E>,
    ) -> Result<R, SessionError> {
        #[cfg(feature = "store")]
        if self.0.engine().is_stored() {
            self.0.check_writable()?;
        }
        self.fallible(work)
    }

    /// The value that is to be set under `key`, provided that what keeps the session can hold it.
    fn admitted(&self, key: &Text, value: impl Serialize) -> Result<Value, SessionError> {
        let value = to_value(&value).map_err(|problem| EntryError::about(key.clone(), problem))?;
        self.admit(key, &value)?;
        Ok(value)
    }

    #[cfg_attr(
        not(feature = "store"),
        expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "a cookie holds every value")
    )]
    fn admit(&self, key: &Text, value: &Value) -> Result<(), SessionError> {
        #[cfg(feature = "store")]
        self.0.admit(key, value)?;
        #[cfg(not(feature = "store"))]
        let _ = (key, value);
        Ok(())
    }

    /// The value of `key` as a Rust type, `None` if there is no such key.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the value is of another type; it names the key, what was found and what was asked.
    pub fn get<T: DeserializeOwned>(&self, key: impl AsKey) -> Result<Option<T>, SessionError> {
        self.fallible(|data| data.get(key))
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
        let value = self.admitted(&key, value)?;
        self.change(|data| data.insert(key, value))
    }

    /// [`set`](Self::set) for a value that is one already.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn insert(&self, key: impl Into<Text>, value: impl Into<Value>) -> Result<(), SessionError> {
        let (key, value) = (key.into(), value.into());
        self.admit(&key, &value)?;
        self.change(|data| data.insert(key, value))
    }

    /// Removes `key` and returns its value as a Rust type: Python's `session.pop(key, None)`. A key that is not there is no
    /// change.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the value is of another type; then it stays.
    pub fn pop<T: DeserializeOwned>(&self, key: impl AsKey) -> Result<Option<T>, SessionError> {
        self.fallible(|data| data.pop(key))
    }

    /// Removes `key` and returns its value as it is. A key that is not there is no change.
    #[doc(alias = "del")]
    pub fn remove(&self, key: impl AsKey) -> Option<Value> {
        self.with(|data| data.remove(key))
    }

    /// Removes the last key with its value: Python's `popitem`.
    #[doc(alias = "popitem")]
    pub fn pop_item(&self) -> Option<(Text, Value)> {
        self.with(SessionDict::pop_item)
    }

    /// Removes everything; a change even if there was nothing. A session in a store keeps `_permanent`, as Flask-Session's
    /// does.
    pub fn clear(&self) {
        let stored = self.0.engine().is_stored();
        self.with(|data| {
            let permanent =
                if stored && data.contains("_permanent") { Some(data.is_permanent()) } else { None };
            data.clear();
            if let Some(permanent) = permanent {
                data.set_permanent(permanent);
            }
        });
    }

    /// Sets `key` if it is not there and returns what it holds then: Python's `setdefault`.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the value cannot live in a session.
    #[doc(alias = "setdefault")]
    pub fn set_default(&self, key: impl Into<Text>, value: impl Serialize) -> Result<Value, SessionError> {
        let key = key.into();
        if let Some(value) = self.fallible(|data| Ok::<_, SessionError>(data.value(&key).cloned()))? {
            return Ok(value);
        }
        let value = self.admitted(&key, value)?;
        self.change(|data| data.set_default(key, value).cloned())
    }

    /// Sets all of `entries`: Python's `update`. A change even if there are none.
    ///
    /// # Errors
    /// [`SessionError::Value`] for the first value that cannot live in a session; those before it are set.
    pub fn update<K: Into<Text>, T: Serialize>(
        &self,
        entries: impl IntoIterator<Item = (K, T)>,
    ) -> Result<(), SessionError> {
        // The iterator may look into the session, so it runs before the lock is taken.
        let (mut admitted, mut problem) = (Vec::new(), None);
        for (key, value) in entries {
            let key = key.into();
            match self.admitted(&key, value) {
                Ok(value) => admitted.push((key, value)),
                Err(error) => {
                    problem = Some(error);
                    break;
                }
            }
        }
        self.change(|data| data.update(admitted))?;
        problem.map_or(Ok(()), Err)
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
        let mut refused = None;
        let result = self.change(|data| {
            data.edit(|editor| {
                let result = change(editor)?;
                let admit = |key| editor.value(key).map_or(Ok(()), |value| self.admit(key, value));
                match editor.touched().try_for_each(admit) {
                    Ok(()) => Ok(result),
                    Err(error) => {
                        refused = Some(error);
                        Err(ValueError::Custom(String::new()))
                    }
                }
            })
        });
        refused.map_or(result, Err)
    }

    /// Adds `by` to a number, 0 if the key is not there, and returns the sum.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the key holds something else than an `int`.
    pub fn increment(&self, key: impl Into<Text>, by: impl Into<Int>) -> Result<Int, SessionError> {
        let (key, by) = (key.into(), by.into());
        self.change(|data| {
            let sum = match data.value(&key) {
                Some(Value::Int(number)) => number + &by,
                _ => by.clone(),
            };
            self.admit(&key, &sum.into())?;
            Ok::<_, SessionError>(data.increment(key, by)?)
        })
    }

    /// Adds to the end of a list, a new one if the key is not there.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the key holds something else than a `list`.
    pub fn push(&self, key: impl Into<Text>, item: impl Serialize) -> Result<(), SessionError> {
        let key = key.into();
        let item = self.admitted(&key, item)?;
        self.change(|data| data.push(key, item))
    }

    /// Keeps a message for the next page, in the category `message`. Flask reads it, too.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the message cannot live in a session.
    pub fn flash(&self, message: impl Serialize) -> Result<(), SessionError> {
        self.flash_as(DEFAULT_CATEGORY, message)
    }

    /// [`flash`](Self::flash) in a category: Flask's `flash(message, category)`.
    ///
    /// # Errors
    /// As [`flash`](Self::flash).
    pub fn flash_as(&self, category: impl Into<Text>, message: impl Serialize) -> Result<(), SessionError> {
        let (key, category) = (FLASHES.into(), category.into());
        self.admit(&key, &Value::Str(category.clone()))?;
        let message = self.admitted(&key, message)?;
        self.change(|data| data.flash_as(category, message))
    }

    /// The messages that were flashed, which are thereby taken from the session; the same ones at every call of a request.
    #[doc(alias = "get_flashed_messages")]
    #[must_use]
    pub fn flashed_messages(&self) -> Vec<Flash> {
        self.with(|data| data.flashed_messages().to_vec())
    }

    /// Whether it outlives the browser.
    #[doc(alias = "permanent")]
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.with(|data| data.is_permanent())
    }

    /// Makes it outlive the browser for the configured lifetime, or not. Sets the key `_permanent`, so it is a change.
    pub fn set_permanent(&self, permanent: bool) {
        self.with(|data| data.set_permanent(permanent));
    }

    /// Whether it was changed. Decides if the response saves it.
    #[doc(alias = "modified")]
    #[must_use]
    pub fn is_modified(&self) -> bool {
        self.with(|data| data.is_modified())
    }

    /// Says by hand whether it was changed. `false` suppresses the save.
    pub fn set_modified(&self, modified: bool) {
        self.with(|data| data.set_modified(modified));
    }

    /// Whether no valid session came with the request.
    #[doc(alias = "new")]
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.with(|data| data.is_new())
    }

    /// Whether it is empty and cannot be changed because its store failed, and the application lets such requests go on:
    /// [`OnStoreFailure::ReadOnly`](crate::OnStoreFailure::ReadOnly). A page can say so then.
    #[cfg(feature = "store")]
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.0.check_writable().is_err_and(|error| error.is_store_failure())
    }

    /// Saves before the response is sent, where the session is in a store. A new session's cookie still goes with the
    /// response.
    ///
    /// The returned future can be dropped, by a time limit for example: a save that has begun is finished all the same, and
    /// other saves of this request wait for it.
    ///
    /// # Errors
    /// [`SessionError::SavedWithResponse`] for a session in a cookie; [`SessionError::Store`] if the store failed;
    /// [`SessionError::HeadHasLeft`] for a session that needs a new cookie, after the response head has left.
    #[cfg_attr(
        not(feature = "store"),
        expect(clippy::unused_async, reason = "only stores keep anybody waiting")
    )]
    pub async fn save_now(&self) -> Result<(), SessionError> {
        #[cfg(feature = "store")]
        if self.0.engine().is_stored() {
            return self.0.save_now().await;
        }
        Err(SessionError::SavedWithResponse)
    }

    #[cfg(feature = "store")]
    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

fn warn_of_vary(varies: &mut bool) {
    if !std::mem::replace(varies, true) {
        tracing::warn!(
            "the session was first read after its response head had left, so the response does not say `Vary: Cookie`; \
             open it in the handler"
        );
    }
}

/// Work on a cookie's session whose response head has left: it goes on as usual in memory, and what is lost is warned of.
fn warned_of<R>(data: &mut SessionDict, work: impl FnOnce(&mut SessionDict) -> R) -> R {
    let before = data.clone();
    let result = work(data);
    let keys = differences(&before, data);
    if !keys.is_empty() {
        tracing::warn!(
            ?keys,
            "the session was changed after its response head had left; the change is lost. Change it before the handler \
             returns, not in a streaming body or a spawned task."
        );
    }
    result
}

/// The keys that do not hold the same.
fn differences(before: &SessionDict, after: &SessionDict) -> Vec<Text> {
    let gone = before.keys().filter(|key| !after.contains(key));
    let others = after.items().filter(|(key, value)| before.value(key) != Some(value)).map(|(key, _)| key);
    gone.chain(others).cloned().collect()
}

/// Shows keys and flags, never a value.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.lock().as_deref() {
            Ok(State { data: Some(data), .. }) => data.fmt(f),
            Ok(_) => f.write_str("Session(unopened)"),
            Err(_) => f.write_str("Session(in use)"),
        }
    }
}

const _: () = {
    const fn is_shareable<T: Send + Sync>() {}
    is_shareable::<Session>();
};
