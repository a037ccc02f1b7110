//! [`LoginUser`] and [`FreshLogin`]: users as arguments of handlers.

use std::any::type_name;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use hipflask_core::login::FRESH;
use hipflask_core::value::Value;

use super::error::LoginError;
use super::redirect::Redirect;
use super::rejection::LoginRejection;
use super::request::{LoadedUser, LoginRequest};
use crate::error::SessionRejection;
use crate::request::RequestSession;
use crate::session::Session;

/// The user that is logged in. `U` is the type that the function of
/// [`FlaskLoginBuilder::load`](super::FlaskLoginBuilder::load) returns.
///
/// Without a user the handler is not called: the response is a redirect to the login page if one is
/// set, or a 401. For pages of both kinds take an `Option<LoginUser<U>>`.
///
/// With actix-web, `Option<LoginUser<U>>` is also `None` if the session cannot be opened.
#[doc(alias("login_required", "current_user"))]
pub struct LoginUser<U> {
    id: String,
    user: Arc<U>,
    is_fresh: bool,
}

impl<U> LoginUser<U> {
    /// The user's id, as it is in the session.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The user, as the app's function returned it.
    #[must_use]
    pub fn user(&self) -> &U {
        &self.user
    }

    /// Returns `true` if the user entered the password in this session, from this client:
    /// Flask-Login's `login_fresh()`.
    #[must_use]
    #[doc(alias = "login_fresh")]
    pub const fn is_fresh(&self) -> bool {
        self.is_fresh
    }
}

/// Shows the id, and nothing of the user.
impl<U> fmt::Debug for LoginUser<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginUser")
            .field("id", &self.id)
            .field("is_fresh", &self.is_fresh)
            .finish_non_exhaustive()
    }
}

impl<U> Clone for LoginUser<U> {
    fn clone(&self) -> Self {
        Self { id: self.id.clone(), user: self.user.clone(), is_fresh: self.is_fresh }
    }
}

/// A user whose login is fresh, for pages where the password must have been entered just now.
///
/// Without a user the response is that of [`LoginUser`]. If the login is not fresh, it is a redirect to
/// the page of [`refresh_view`](super::FlaskLoginBuilder::refresh_view) if one is set, or a 401.
#[doc(alias = "fresh_login_required")]
pub struct FreshLogin<U>(LoginUser<U>);

impl<U> Deref for FreshLogin<U> {
    type Target = LoginUser<U>;

    fn deref(&self) -> &LoginUser<U> {
        &self.0
    }
}

impl<U> fmt::Debug for FreshLogin<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The login of a request, and its session.
struct Opened {
    session: Session,
    login: Arc<LoginRequest>,
}

impl Opened {
    async fn of(request: Option<RequestSession>) -> Result<Self, LoginError> {
        let request = request.ok_or(SessionRejection::NoLayer)?;
        let login = LoginRequest::of(request.shared()).ok_or(LoginError::NoLayer)?;
        Ok(Self { session: request.open().await?, login })
    }

    async fn user<U: Send + Sync + 'static>(&self) -> Result<Option<LoginUser<U>>, LoginError> {
        let Some(LoadedUser { id, user }) = self.login.user(&self.session).await? else { return Ok(None) };
        let user = user.downcast().map_err(|_| LoginError::OtherType { wanted: type_name::<U>() })?;
        Ok(Some(LoginUser { id, user, is_fresh: self.is_fresh()? }))
    }

    fn is_fresh(&self) -> Result<bool, LoginError> {
        Ok(self.session.with(|data| data.value(FRESH).is_some_and(Value::is_true))?)
    }
}

/// Loads the user of a request, if a login layer is around the handler.
#[cfg(feature = "app")]
pub(crate) async fn preload(request: &RequestSession) -> Result<(), LoginError> {
    match LoginRequest::of(request.shared()) {
        Some(login) => login.user(&request.open().await?).await.map(drop),
        None => Ok(()),
    }
}

/// Refuses a request without a user, or with a login that is not fresh, whatever the type of users.
#[cfg(feature = "app")]
pub(crate) async fn require(request: Option<RequestSession>, fresh: bool) -> Result<(), LoginRejection> {
    let opened = Opened::of(request).await?;
    match opened.login.user(&opened.session).await? {
        None => Err(LoginRejection::Unauthorized(Redirect::to_login(opened.session, opened.login))),
        Some(_) if !fresh || opened.is_fresh()? => Ok(()),
        Some(_) => Err(LoginRejection::NeedsRefresh(Redirect::to_refresh(opened.session, opened.login))),
    }
}

/// The user of a request, if one is logged in.
pub(crate) async fn optional_user<U: Send + Sync + 'static>(
    request: Option<RequestSession>,
) -> Result<Option<LoginUser<U>>, LoginError> {
    Opened::of(request).await?.user().await
}

/// The user of a request, or the way to log in.
pub(crate) async fn required_user<U: Send + Sync + 'static>(
    request: Option<RequestSession>,
) -> Result<LoginUser<U>, LoginRejection> {
    let opened = Opened::of(request).await?;
    let user = opened.user().await?;
    user.ok_or_else(|| LoginRejection::Unauthorized(Redirect::to_login(opened.session, opened.login)))
}

/// The user of a request with a fresh login, or the way to log in.
pub(crate) async fn fresh_user<U: Send + Sync + 'static>(
    request: Option<RequestSession>,
) -> Result<FreshLogin<U>, LoginRejection> {
    let opened = Opened::of(request).await?;
    match opened.user().await? {
        None => Err(LoginRejection::Unauthorized(Redirect::to_login(opened.session, opened.login))),
        Some(user) if user.is_fresh() => Ok(FreshLogin(user)),
        Some(_) => Err(LoginRejection::NeedsRefresh(Redirect::to_refresh(opened.session, opened.login))),
    }
}
