//! [`SessionData`]: a struct under one key of the session.

use std::fmt;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::handle::Session;
use crate::error::SessionError;

/// A struct of yours under one key of the session, as an extractor. The key is the type's
/// [`KEY`](SessionKey::KEY).
///
/// If the session does not have the key, you get the type's default, which is not saved until you change it.
///
/// ```
/// use hipflask::{SessionData, SessionError};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Cart { items: Vec<String> }
///
/// impl hipflask::SessionKey for Cart {
///     const KEY: &'static str = "cart";
/// }
///
/// async fn add(mut cart: SessionData<Cart>) -> Result<(), SessionError> {
///     cart.update(|cart| cart.items.push("pear".into()))
/// }
///
/// async fn empty(cart: SessionData<Cart>) -> Result<(), SessionError> {
///     cart.remove().map(drop)
/// }
/// ```
pub struct SessionData<T> {
    session: Session,
    data: T,
}

/// A type that is kept in the session under a key of its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not have a session key",
    label = "implement `SessionKey` for this type",
    note = "add `impl hipflask::SessionKey for {Self} {{ const KEY: &'static str = \"..\"; }}`"
)]
pub trait SessionKey {
    /// The key.
    const KEY: &'static str;
}

impl<T: SessionKey + DeserializeOwned + Default> SessionData<T> {
    /// Reads the data from a session, without an extractor.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the key holds another type.
    pub fn of(session: Session) -> Result<Self, SessionError> {
        let data = session.get(T::KEY)?.unwrap_or_default();
        Ok(Self { session, data })
    }
}

impl<T: SessionKey + Serialize> SessionData<T> {
    /// Changes the data and sets it in the session.
    ///
    /// # Errors
    /// [`SessionError::Value`] if a session cannot hold the data; the session then keeps its old value.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Result<R, SessionError> {
        let result = change(&mut self.data);
        self.session.set(T::KEY, &self.data)?;
        Ok(result)
    }
}

impl<T: SessionKey> SessionData<T> {
    /// Removes the key from the session and returns the data.
    ///
    /// # Errors
    /// As [`Session::with`].
    pub fn remove(self) -> Result<T, SessionError> {
        self.session.remove(T::KEY)?;
        Ok(self.data)
    }
}

impl<T> SessionData<T> {
    /// The session that holds the data.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl<T> Deref for SessionData<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

/// Hides the data.
impl<T> fmt::Debug for SessionData<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionData").finish_non_exhaustive()
    }
}
