//! [`Session`]: the handle that a handler uses.

use std::fmt;
use std::sync::Arc;

use hipflask_core::session::{DEFAULT_CATEGORY, Editor, EntryError, FLASHES, Flash, SessionDict};
#[cfg(any(feature = "csrf", feature = "login"))]
use hipflask_core::time::UnixTime;
use hipflask_core::value::{AsKey, Dict, Int, Text, Value, ValueError, to_value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::state::{Shared, State};
use super::stored;
#[cfg(any(feature = "csrf", feature = "login"))]
use crate::engine::Sessions;
use crate::error::SessionError;

/// The session of a request: Flask's dict. Clones are handles of the same session.
///
/// Take it as an argument of your handler, or get it with [`session()`](crate::session()). Values
/// are anything that serde can serialize. Changes are saved with the response.
///
/// Every use counts as access, so that the response says `Vary: Cookie`. The same operations count
/// as changes as in Flask. Methods lock the session for a moment; only [`transact`](Self::transact)
/// and [`save_now`](Self::save_now) wait for a store.
///
/// ```
/// # use hipflask::{Session, SessionError};
/// async fn login(session: Session) -> Result<(), SessionError> {
///     session.set("username", "ada")?;
///     session.set_permanent(true)?;
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

    /// The state that all handles of the session share.
    #[cfg(feature = "login")]
    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    /// The engine of the session.
    #[cfg(any(feature = "csrf", feature = "login"))]
    pub(crate) fn engine(&self) -> &Sessions {
        self.0.engine()
    }

    /// The time of the request.
    #[cfg(any(feature = "csrf", feature = "login"))]
    pub(crate) fn now(&self) -> UnixTime {
        self.0.now()
    }

    /// Runs `work` on the session's data under one lock, to combine several steps or to borrow a value.
    ///
    /// Use only the closure's argument inside of it. The `Session` itself is locked: calling it fails with
    /// [`SessionError::InUse`]. The same is true of [`edit`](Self::edit).
    ///
    /// A change after the response head was sent is lost, with a warning that names its keys. If
    /// the session is in a store, [`save_now`](Self::save_now) can still save it.
    ///
    /// ```
    /// # fn two_steps(session: hipflask::Session) -> Result<(), hipflask::SessionError> {
    /// session.with(|data| match data.contains("basket") {
    ///     true => Ok(()),
    ///     false => data.set("basket", ["pear"]),
    /// })??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SessionError::InUse`] if the closure of `with` or `edit` on the same session is running on this
    /// thread; [`SessionError::NotLoaded`] if the session is in a store and was not loaded.
    pub fn with<R>(&self, work: impl FnOnce(&mut SessionDict) -> R) -> Result<R, SessionError> {
        let mut state = self.0.lock()?;
        let State { data, closed, varies, .. } = &mut *state;
        let data = match data {
            // A session in the store must not look empty.
            None if self.0.engine().is_stored() => return Err(SessionError::NotLoaded),
            data => data.get_or_insert_with(SessionDict::new),
        };
        data.set_accessed(true);
        if !*closed {
            return Ok(work(data));
        }
        warn_of_vary(varies);
        if !self.0.engine().is_stored() {
            return Ok(warned_of(data, work));
        }
        let before = data.changes().clone();
        let result = work(data);
        let is_changed = before != *data.changes();
        state.is_late |= is_changed;
        Ok(result)
    }

    fn fallible<R, E: Into<SessionError>>(
        &self,
        work: impl FnOnce(&mut SessionDict) -> Result<R, E>,
    ) -> Result<R, SessionError> {
        self.with(work)?.map_err(Into::into)
    }

    /// Changes the session, unless it is read-only in this request.
    fn change<R, E: Into<SessionError>>(
        &self,
        work: impl FnOnce(&mut SessionDict) -> Result<R, E>,
    ) -> Result<R, SessionError> {
        if self.0.engine().is_stored() {
            self.0.check_writable()?;
        }
        self.fallible(work)
    }

    /// Converts a value for `key`. Fails if the session's store cannot hold it.
    fn admitted(&self, key: &Text, value: impl Serialize) -> Result<Value, SessionError> {
        let value = to_value(&value).map_err(|problem| EntryError::about(key.clone(), problem))?;
        self.admit(key, &value)?;
        Ok(value)
    }

    /// Returns an error if the store cannot hold `value`. A cookie can hold every value.
    fn admit(&self, key: &Text, value: &Value) -> Result<(), SessionError> {
        match self.0.stored() {
            Some(stored) => stored::admit(stored, key, value),
            None => Ok(()),
        }
    }

    /// Returns the value of `key` as a Rust type, or `None` if the key is missing.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the value has another type. The error names the key and both types.
    pub fn get<T: DeserializeOwned>(&self, key: impl AsKey) -> Result<Option<T>, SessionError> {
        self.fallible(|data| data.get(key))
    }

    /// Returns a copy of the value of `key`.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn value(&self, key: impl AsKey) -> Result<Option<Value>, SessionError> {
        self.with(|data| data.value(key).cloned())
    }

    /// Returns `true` if the session has `key`: Python's `in`.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    #[doc(alias = "in")]
    pub fn contains(&self, key: impl AsKey) -> Result<bool, SessionError> {
        self.with(|data| data.contains(key))
    }

    /// Returns the number of keys.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn len(&self) -> Result<usize, SessionError> {
        self.with(|data| data.len())
    }

    /// Returns `true` if the session has no keys.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn is_empty(&self) -> Result<bool, SessionError> {
        self.with(|data| data.is_empty())
    }

    /// Returns the keys. Those in the cookie come first, in alphabetical order, then new ones.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn keys(&self) -> Result<Vec<Text>, SessionError> {
        self.with(|data| data.keys().cloned().collect())
    }

    /// Returns copies of the values, in the order of [`keys`](Self::keys).
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn values(&self) -> Result<Vec<Value>, SessionError> {
        self.with(|data| data.values().cloned().collect())
    }

    /// Returns copies of the keys and values, in the order of [`keys`](Self::keys).
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn items(&self) -> Result<Vec<(Text, Value)>, SessionError> {
        self.with(|data| data.items().map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    /// Returns a copy of the whole session: Python's `dict(session)`.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn to_dict(&self) -> Result<Dict, SessionError> {
        self.with(|data| data.to_dict())
    }

    /// Sets `key`: Python's `session[key] = value`. Counts as a change even if the value is the same.
    ///
    /// # Errors
    /// [`SessionError::Value`] if a session cannot hold the value; nothing is changed then.
    pub fn set(&self, key: impl Into<Text>, value: impl Serialize) -> Result<(), SessionError> {
        let key = key.into();
        let value = self.admitted(&key, value)?;
        self.change(|data| data.insert(key, value))
    }

    /// Sets `key` to a [`Value`], without serializing.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn insert(&self, key: impl Into<Text>, value: impl Into<Value>) -> Result<(), SessionError> {
        let (key, value) = (key.into(), value.into());
        self.admit(&key, &value)?;
        self.change(|data| data.insert(key, value))
    }

    /// Removes `key` and returns its value as a Rust type: Python's `session.pop(key, None)`.
    /// Removing a missing key does not count as a change.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the value has another type; the key stays then.
    pub fn pop<T: DeserializeOwned>(&self, key: impl AsKey) -> Result<Option<T>, SessionError> {
        self.fallible(|data| data.pop(key))
    }

    /// Removes `key` and returns its value. Removing a missing key does not count as a change.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    #[doc(alias = "del")]
    pub fn remove(&self, key: impl AsKey) -> Result<Option<Value>, SessionError> {
        self.with(|data| data.remove(key))
    }

    /// Removes and returns the last key and its value: Python's `popitem`.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    #[doc(alias = "popitem")]
    pub fn pop_item(&self) -> Result<Option<(Text, Value)>, SessionError> {
        self.with(SessionDict::pop_item)
    }

    /// Removes all keys. Counts as a change even if the session is empty. A session in a store
    /// keeps `_permanent`, as in Flask-Session.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn clear(&self) -> Result<(), SessionError> {
        let stored = self.0.engine().is_stored();
        self.with(|data| {
            let permanent =
                if stored && data.contains("_permanent") { Some(data.is_permanent()) } else { None };
            data.clear();
            if let Some(permanent) = permanent {
                data.set_permanent(permanent);
            }
        })
    }

    /// Sets `key` if it is missing, and returns its value: Python's `setdefault`.
    ///
    /// # Errors
    /// [`SessionError::Value`] if a session cannot hold the value.
    #[doc(alias = "setdefault")]
    pub fn set_default(&self, key: impl Into<Text>, value: impl Serialize) -> Result<Value, SessionError> {
        let key = key.into();
        if let Some(value) = self.fallible(|data| Ok::<_, SessionError>(data.value(&key).cloned()))? {
            return Ok(value);
        }
        let value = self.admitted(&key, value)?;
        self.change(|data| data.set_default(key, value).cloned())
    }

    /// Sets all of `entries`: Python's `update`. Counts as a change even without entries.
    ///
    /// # Errors
    /// [`SessionError::Value`] for the first value that a session cannot hold; the entries before it are set.
    pub fn update<K: Into<Text>, T: Serialize>(
        &self,
        entries: impl IntoIterator<Item = (K, T)>,
    ) -> Result<(), SessionError> {
        // The iterator may use the session, so it runs before the lock is taken.
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

    /// Changes values in place. Only a real change counts as one. See [`Editor`].
    ///
    /// ```
    /// # use hipflask::{Session, SessionError};
    /// async fn forget_name(session: Session) -> Result<(), SessionError> {
    ///     session.edit(|s| s.at("item")?.at("key")?.remove("name")).map(drop)
    /// }
    /// ```
    ///
    /// # Errors
    /// The closure's error. Every key then has its old value.
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

    /// [`edit`](Self::edit) with a closure that returns your own error.
    ///
    /// ```
    /// # use hipflask::{Session, SessionError, ValueError};
    /// # #[derive(Debug)]
    /// # enum ShopError { SoldOut, Session(SessionError) }
    /// # impl From<SessionError> for ShopError { fn from(e: SessionError) -> Self { Self::Session(e) } }
    /// # impl From<ValueError> for ShopError {
    /// #     fn from(e: ValueError) -> Self {
    /// #         SessionError::from(hipflask::EntryError::about("basket".into(), e)).into()
    /// #     }
    /// # }
    /// async fn take_pear(session: Session) -> Result<(), ShopError> {
    ///     session.try_edit(|s| match s.at("basket")?.remove("pear")? {
    ///         Some(_) => Ok(()),
    ///         None => Err(ShopError::SoldOut),
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    /// The closure's error, or that of [`edit`](Self::edit). Every key then has its old value.
    pub fn try_edit<R, E: From<SessionError>>(
        &self,
        change: impl FnOnce(&mut Editor<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut own = None;
        let result = self.edit(|editor| change(editor).map_err(|error| kept(&mut own, error)));
        own.map_or(result.map_err(E::from), Err)
    }

    /// Adds `by` to a number and returns the sum. A missing key counts as 0.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the key does not hold an `int`.
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

    /// Appends to a list. Creates the list if the key is missing.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the key does not hold a `list`.
    pub fn push(&self, key: impl Into<Text>, item: impl Serialize) -> Result<(), SessionError> {
        let key = key.into();
        let item = self.admitted(&key, item)?;
        self.change(|data| data.push(key, item))
    }

    /// Flashes a message for the next page, in the category `message`. Flask can read it.
    ///
    /// # Errors
    /// [`SessionError::Value`] if a session cannot hold the message.
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

    /// Takes the flashed messages out of the session. Every call in the same request returns the
    /// same messages.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    #[doc(alias = "get_flashed_messages")]
    pub fn flashed_messages(&self) -> Result<Vec<Flash>, SessionError> {
        self.with(|data| data.flashed_messages().to_vec())
    }

    /// Returns `true` if the session outlives the browser.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    #[doc(alias = "permanent")]
    pub fn is_permanent(&self) -> Result<bool, SessionError> {
        self.with(|data| data.is_permanent())
    }

    /// Sets if the session outlives the browser, for the configured lifetime. Sets the key
    /// `_permanent`, so it counts as a change.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn set_permanent(&self, permanent: bool) -> Result<(), SessionError> {
        self.with(|data| data.set_permanent(permanent))
    }

    /// Returns `true` if the session was changed, so that the response saves it.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    #[doc(alias = "modified")]
    pub fn is_modified(&self) -> Result<bool, SessionError> {
        self.with(|data| data.is_modified())
    }

    /// Overrides the modified flag. `false` suppresses the save.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn set_modified(&self, modified: bool) -> Result<(), SessionError> {
        self.with(|data| data.set_modified(modified))
    }

    /// Returns `true` if the request came without a valid session.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    #[doc(alias = "new")]
    pub fn is_new(&self) -> Result<bool, SessionError> {
        self.with(|data| data.is_new())
    }

    /// Returns `true` if the session is empty and read-only because its store failed and the application
    /// lets such requests go on: see [`SessionsBuilder::on_store_failure`](crate::SessionsBuilder). A page
    /// can say so then.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.0.check_writable().is_err_and(|error| error.is_store_failure())
    }

    /// Returns eight hex digits that identify the session's record, for a support page and for your own log:
    /// `hipflask store show HASH` finds it. The id cannot be recovered from them. They change when
    /// [`regenerate`](Self::regenerate) has given the session another id and the response was sent.
    ///
    /// Returns `None` for a session in a cookie, which has no id, and for one that was not saved yet.
    ///
    /// ```
    /// # use hipflask::{Session, SessionError};
    /// async fn help_page(session: Session) -> Result<String, SessionError> {
    ///     let hash = session.id_hash()?.unwrap_or_else(|| "none".into());
    ///     Ok(format!("If you write to us, please mention session {hash}."))
    /// }
    /// ```
    ///
    /// # Errors
    /// [`SessionError::InUse`].
    #[cfg(feature = "store")]
    pub fn id_hash(&self) -> Result<Option<String>, SessionError> {
        stored::id_hash(&self.0)
    }

    /// Gives the session a new id with the response, so that an id that somebody planted or stole is
    /// worthless. Call it at login and wherever permissions change. Flask-Session's
    /// `session_interface.regenerate(session)`, but it also works on an empty session.
    ///
    /// Restarts the absolute lifetime of the strict profile.
    ///
    /// A session in a cookie does not have an id, so nothing else happens there.
    ///
    /// # Errors
    /// [`SessionError::InUse`]; [`SessionError::ResponseStarted`] if the new id cannot be sent any more.
    pub fn regenerate(&self) -> Result<(), SessionError> {
        if self.0.engine().is_stored() && self.0.lock()?.closed {
            return Err(SessionError::ResponseStarted);
        }
        let (timeouts, now) = (self.0.engine().timeouts(), self.0.now());
        self.with(|data| timeouts.restart(data, now))?;
        match self.0.stored() {
            Some(stored) => stored::regenerate(&self.0, stored),
            None => Ok(()),
        }
    }

    /// Destroys the session, for example at logout. Its record is deleted, whatever other requests
    /// do with it, and the cookie is removed.
    ///
    /// The handler goes on with an empty session. If it sets something there, such as a farewell
    /// message, that begins a new session under a new id.
    ///
    /// ```
    /// # use hipflask::{Session, SessionError};
    /// async fn logout(session: Session) -> Result<(), SessionError> {
    ///     session.destroy()?;
    ///     session.flash("You were logged out")
    /// }
    /// ```
    ///
    /// # Errors
    /// [`SessionError::InUse`], [`SessionError::ReadOnly`].
    pub fn destroy(&self) -> Result<(), SessionError> {
        self.0.check_writable()?;
        let Some(stored) = self.0.stored() else { return self.with(SessionDict::clear) };
        self.with(|data| stored::empty(stored, data))?;
        stored::destroy(&self.0, stored)
    }

    /// Changes the session and saves it at once. If another request saved first, the closure runs again on
    /// the newest data, so a decision ("is one left?") is never made on old data.
    ///
    /// ```
    /// # use hipflask::{Session, SessionError};
    /// async fn buy_the_last_one(session: Session) -> Result<(), SessionError> {
    ///     session.transact(|s| s.increment("bought", 1)).await.map(drop)
    /// }
    /// ```
    ///
    /// A session in a cookie is changed and sent with the response. Two responses then race in the browser.
    ///
    /// The returned future can be dropped: a save that has begun runs to its end.
    ///
    /// # Errors
    /// The closure's error, and nothing is saved; [`SessionError::Store`] if the store failed;
    /// [`SessionError::ResponseStarted`] for a session in a cookie or a new one, after the response
    /// head was sent.
    pub async fn transact<R>(
        &self,
        mut change: impl FnMut(&mut SessionDict) -> Result<R, EntryError>,
    ) -> Result<R, SessionError> {
        if let Some(stored) = self.0.stored() {
            return stored::transact(&self.0, stored, change).await;
        }
        if self.0.lock()?.closed {
            return Err(SessionError::ResponseStarted);
        }
        Ok(self.with(|data| {
            let before = data.clone();
            change(data).inspect_err(|_| *data = before)
        })??)
    }

    /// [`transact`](Self::transact) with a closure that returns your own error.
    ///
    /// ```
    /// # use hipflask::{EntryError, Session, SessionError};
    /// # #[derive(Debug)]
    /// # enum ShopError { SoldOut, Session(SessionError) }
    /// # impl From<SessionError> for ShopError { fn from(e: SessionError) -> Self { Self::Session(e) } }
    /// # impl From<EntryError> for ShopError { fn from(e: EntryError) -> Self { SessionError::from(e).into() } }
    /// async fn buy(session: Session) -> Result<(), ShopError> {
    ///     session
    ///         .try_transact(|s| match s.get::<u32>("left")? {
    ///             None | Some(0) => Err(ShopError::SoldOut),
    ///             Some(left) => Ok(s.set("left", left - 1)?),
    ///         })
    ///         .await
    /// }
    /// ```
    ///
    /// # Errors
    /// The closure's error, and nothing is saved, or that of [`transact`](Self::transact).
    pub async fn try_transact<R, E: From<SessionError>>(
        &self,
        mut change: impl FnMut(&mut SessionDict) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut own = None;
        let result = self.transact(|data| {
            change(data).map_err(|error| EntryError::about(Text::from(""), kept(&mut own, error)))
        });
        let result = result.await;
        own.map_or(result.map_err(E::from), Err)
    }

    /// Saves the session before the response is sent, if it is in a store. The cookie of a new session is
    /// still sent with the response.
    ///
    /// The returned future can be dropped, by a timeout for example: a save that has begun runs to
    /// its end, and other saves of this request wait for it.
    ///
    /// # Errors
    /// [`SessionError::SavedWithResponse`] for a session in a cookie; [`SessionError::Store`] if
    /// the store failed; [`SessionError::ResponseStarted`] for a session that needs a new cookie,
    /// after the response head was sent.
    pub async fn save_now(&self) -> Result<(), SessionError> {
        match self.0.stored() {
            Some(stored) => stored::save_now(&self.0, stored).await,
            None => Err(SessionError::SavedWithResponse),
        }
    }
}

/// Keeps the error of a closure, and returns one that ends the change without being shown.
fn kept<E>(own: &mut Option<E>, error: E) -> ValueError {
    *own = Some(error);
    ValueError::Custom(String::new())
}

fn warn_of_vary(varies: &mut bool) {
    if !std::mem::replace(varies, true) {
        tracing::warn!(
            "the session was first read after its response head was sent, so the response does not say `Vary: Cookie`; \
             open it in the handler"
        );
    }
}

/// Runs `work` on a cookie session whose response head was sent, and warns of the changes, which are lost.
fn warned_of<R>(data: &mut SessionDict, work: impl FnOnce(&mut SessionDict) -> R) -> R {
    let before = data.clone();
    let result = work(data);
    let keys = differences(&before, data);
    if !keys.is_empty() {
        tracing::warn!(
            ?keys,
            "the session was changed after its response head was sent; the change is lost. Change it before the handler \
             returns, not in a streaming body or a spawned task."
        );
    }
    result
}

/// The keys whose values differ.
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
