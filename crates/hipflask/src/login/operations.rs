//! [`Session::log_in`], [`Session::confirm`] and [`Session::log_out`].

use std::sync::Arc;
use std::time::Duration;

use hipflask_core::login::{FRESH, IDENTIFIER, REMEMBER_SECONDS, USER_ID};
use hipflask_core::plan::Profile;
use hipflask_core::session::SessionDict;
use hipflask_core::value::Text;

use super::error::LoginError;
use super::request::{LoginRequest, Order};
use crate::error::SessionError;
use crate::session::Session;

/// The session's key for the time at which the user entered the password.
const AUTHENTICATED_AT: &str = "_auth_at";

/// A login to make: Flask-Login's arguments of `login_user`.
///
/// ```
/// use std::time::Duration;
/// use hipflask::login::Login;
///
/// let login = Login::of("7").remember(true).duration(Duration::from_secs(14 * 24 * 60 * 60));
/// ```
#[derive(Debug, Clone)]
#[must_use = "give it to `Session::log_in`"]
#[doc(alias = "login_user")]
pub struct Login {
    user_id: String,
    remember: bool,
    duration: Option<Duration>,
    fresh: bool,
}

impl Login {
    /// A fresh login of the user with this id.
    pub fn of(user_id: impl Into<String>) -> Self {
        Self { user_id: user_id.into(), remember: false, duration: None, fresh: true }
    }

    /// Sets if the user stays logged in when the browser is closed, by the remember cookie. The
    /// default is `false`.
    pub const fn remember(mut self, remember: bool) -> Self {
        self.remember = remember;
        self
    }

    /// Sets how long the user is remembered. The default is the configured time.
    pub const fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Sets if the login is fresh: if the user has just entered the password. The default is `true`.
    pub const fn fresh(mut self, fresh: bool) -> Self {
        self.fresh = fresh;
        self
    }
}

/// A logout to make, for [`Session::log_out_with`].
#[derive(Debug, Clone, Default)]
#[must_use = "give it to `Session::log_out_with`"]
pub struct LogOut {
    keep: Vec<Text>,
}

impl LogOut {
    /// A logout that ends the session in the strict profile.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps these keys in the strict profile. The other profile keeps all keys but those of the login.
    pub fn keep<K: Into<Text>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.keep.extend(keys.into_iter().map(Into::into));
        self
    }
}

impl Session {
    /// Logs a user in: Flask-Login's `login_user`. A Flask app that shares the session sees the login.
    ///
    /// The session gets a new id, and its form token is dropped, so that neither can have been planted
    /// by somebody else. All other data stays.
    ///
    /// # Errors
    /// [`LoginError::NoLayer`] outside of the login layer; [`LoginError::Session`] if the session cannot
    /// be changed.
    #[doc(alias = "login_user")]
    pub async fn log_in(&self, login: Login) -> Result<(), LoginError> {
        let request = self.login()?;
        self.regenerate()?;
        let (identifier, now) = (request.identifier(), self.now().as_secs());
        self.edit_login(|data| {
            data.insert(USER_ID, login.user_id.as_str())?;
            data.insert(FRESH, login.fresh)?;
            data.insert(IDENTIFIER, identifier)?;
            data.insert(AUTHENTICATED_AT, now)?;
            if let Some(duration) = login.duration.filter(|_| login.remember) {
                data.insert(REMEMBER_SECONDS, duration.as_secs_f64())?;
            }
            Ok(())
        })?;
        self.drop_form_token()?;
        if login.remember {
            request.order(Order::Set);
        }
        request.reload();
        Ok(())
    }

    /// Makes the login fresh again, after the user has entered the password: Flask-Login's
    /// `confirm_login`. The session gets a new id.
    ///
    /// # Errors
    /// As [`log_in`](Self::log_in).
    #[doc(alias = "confirm_login")]
    pub async fn confirm(&self) -> Result<(), LoginError> {
        let request = self.login()?;
        self.regenerate()?;
        let (identifier, now) = (request.identifier(), self.now().as_secs());
        self.edit_login(|data| {
            data.insert(FRESH, true)?;
            data.insert(IDENTIFIER, identifier)?;
            data.insert(AUTHENTICATED_AT, now)
        })
    }

    /// Logs the user out and removes the remember cookie: Flask-Login's `logout_user`.
    ///
    /// Only the keys of the login go, as in Flask-Login, and the session gets a new id. In the strict
    /// profile the whole session is [destroyed](Self::destroy); see [`log_out_with`](Self::log_out_with).
    ///
    /// # Errors
    /// As [`log_in`](Self::log_in); [`LoginError::Load`] if the app's function fails that loads the user.
    #[doc(alias = "logout_user")]
    pub async fn log_out(&self) -> Result<(), LoginError> {
        self.log_out_with(LogOut::new()).await
    }

    /// [`log_out`](Self::log_out) with the choice of keys that stay in the strict profile.
    ///
    /// ```
    /// # use hipflask::Session;
    /// use hipflask::login::{LogOut, LoginError};
    ///
    /// async fn logout(session: Session) -> Result<(), LoginError> {
    ///     session.log_out_with(LogOut::new().keep(["language"])).await
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`log_out`](Self::log_out).
    pub async fn log_out_with(&self, log_out: LogOut) -> Result<(), LoginError> {
        let request = self.login()?;
        // Flask-Login loads the user first, with the changes that this makes.
        request.user(self).await?;
        match (self.engine().rules().profile, log_out.keep.as_slice()) {
            (Profile::Strict, []) => self.destroy()?,
            (Profile::Strict, keep) => {
                self.regenerate()?;
                self.edit_login(|data| retain(data, keep))?;
            }
            (Profile::Flask, _) => {
                self.regenerate()?;
                self.edit_login(remove_login)?;
            }
        }
        if request.remember_cookie(self).is_some() {
            request.order(Order::Clear);
            self.edit_login(|data| {
                data.remove(REMEMBER_SECONDS);
                Ok(())
            })?;
        }
        request.end();
        Ok(())
    }

    fn login(&self) -> Result<Arc<LoginRequest>, LoginError> {
        LoginRequest::of(self.shared()).ok_or(LoginError::NoLayer)
    }

    /// Changes keys of the login in one step.
    fn edit_login(
        &self,
        change: impl FnOnce(&mut SessionDict) -> Result<(), hipflask_core::session::EntryError>,
    ) -> Result<(), LoginError> {
        self.shared().check_writable()?;
        Ok(self.with(change)?.map_err(SessionError::from)?)
    }

    #[cfg(feature = "csrf")]
    fn drop_form_token(&self) -> Result<(), LoginError> {
        let field = self.engine().surroundings().csrf.field_name.as_str();
        Ok(self.with(|data| drop(data.remove(field)))?)
    }

    #[cfg(not(feature = "csrf"))]
    fn drop_form_token(&self) -> Result<(), LoginError> {
        Ok(self.with(|data| drop(data.remove(hipflask_core::csrf::KEY)))?)
    }
}

/// Removes what a login has put into the session.
fn remove_login(data: &mut SessionDict) -> Result<(), hipflask_core::session::EntryError> {
    for key in [USER_ID, FRESH, IDENTIFIER, AUTHENTICATED_AT] {
        data.remove(key);
    }
    Ok(())
}

/// Removes all keys but these.
fn retain(data: &mut SessionDict, keep: &[Text]) -> Result<(), hipflask_core::session::EntryError> {
    let gone: Vec<Text> =
        data.keys().filter(|key| !keep.contains(key) && **key != *"_permanent").cloned().collect();
    for key in &gone {
        data.remove(key);
    }
    Ok(())
}
