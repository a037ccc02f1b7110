//! [`SessionData`]: a struct under one key of the session.

use std::fmt;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::handle::Session;
use crate::error::SessionError;

/// A struct of yours under one key of the session: the key is the type's [`KEY`](SessionKey::KEY).
///
/// An extractor. A session without the key gives the type's default, which is not written by that.
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
/// async fn empty(cart: SessionData<Cart>) {
///     cart.remove();
/// }
/// ```
pub struct SessionData<T> {
    session: Session,
    data: T,
}

/// Under which key of the session a type is kept.
pub trait SessionKey {
    /// The key.
    const KEY: &'static str;
}

impl<T: SessionKey + DeserializeOwned + Default> SessionData<T> {
    /// The data of a session, without an extractor.
    ///
    /// # Errors
    /// [`SessionError::Value`] if the key holds something else.
    pub fn of(session: Session) -> Result<Self, SessionError> {
        let data = session.get(T::KEY)?.unwrap_or_default();
        Ok(Self { session, data })
    }
}

impl<T: SessionKey + Serialize> SessionData<T> {
    /// Changes the data and keeps it in the session.
    ///
    /// # Errors
    /// [`SessionError::Value`] if it cannot live in a session, which then keeps what it had.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Result<R, SessionError> {
        let result = change(&mut self.data);
        self.session.set(T::KEY, &self.data)?;
        Ok(result)
    }
}

impl<T: SessionKey> SessionData<T> {
    /// Takes the key out of the session and gives what was in it.
    pub fn remove(self) -> T {
        self.session.remove(T::KEY);
        self.data
    }
}

impl<T> SessionData<T> {
    /// The session that it is a part of.
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

/// Shows nothing of the data.
impl<T> fmt::Debug for SessionData<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionData").finish_non_exhaustive()
    }
}
