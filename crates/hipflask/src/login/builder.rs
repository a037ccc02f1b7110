//! [`FlaskLoginBuilder`]: the settings of logins, checked where they are built.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hipflask_core::cookie::SameSite;
use hipflask_core::login::{Identifier, RememberTokens};
use hipflask_core::plan::Profile;
use hipflask_core::signing::KeyRing;

#[cfg(feature = "templates")]
use super::flask_login::Shown;
use super::flask_login::{AnyUser, FlaskLogin, Identify, Loader, Settings, Views};
use super::remember::RememberCookie;
use crate::engine::{LoginSettings, Protection, Sessions};
use crate::error::Cause;
use crate::request::RequestInfo;
use crate::settings::ConfigError;

/// A builder of [`FlaskLogin`], with Flask-Login's defaults. It needs a function that loads users.
#[must_use = "call `build`"]
pub struct FlaskLoginBuilder {
    sessions: Sessions,
    settings: LoginSettings,
    loader: Option<Loader>,
    identify: Identify,
    accept_fallbacks: bool,
    views: Views,
    #[cfg(feature = "templates")]
    shown: Option<Shown>,
}

impl FlaskLogin {
    /// Returns a builder for logins in these sessions, with the settings that they were built with:
    /// `SESSION_PROTECTION`, `REMEMBER_COOKIE_*` and the secret key.
    pub fn builder(sessions: &Sessions) -> FlaskLoginBuilder {
        let settings = sessions.surroundings().login.clone();
        let views = Views {
            login: None,
            login_message: Some("Please log in to access this page.".to_owned()),
            refresh: None,
            refresh_message: Some("Please reauthenticate to access this page.".to_owned()),
            message_category: "message".to_owned(),
            next_in_session: settings.next_in_session,
        };
        FlaskLoginBuilder {
            sessions: sessions.clone(),
            settings,
            loader: None,
            identify: Identify::FlaskLogin(Identifier::default()),
            accept_fallbacks: false,
            views,
            #[cfg(feature = "templates")]
            shown: None,
        }
    }
}

impl FlaskLoginBuilder {
    /// Sets the function that finds a user by id, or returns `None` if no such user exists:
    /// Flask-Login's `user_loader`. Handlers extract users of this type.
    #[doc(alias = "user_loader")]
    pub fn load<U, F>(self, load: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        U: Send + Sync + 'static,
        F: Future<Output = Option<U>> + Send + 'static,
    {
        self.try_load(move |id| {
            let loading = load(id);
            async { Ok::<_, std::convert::Infallible>(loading.await) }
        })
    }

    /// [`load`](Self::load) with a function that can fail, for example because a database does not
    /// answer. The response is a 500 then.
    pub fn try_load<U, E, F>(mut self, load: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        U: Send + Sync + 'static,
        E: Error + Send + Sync + 'static,
        F: Future<Output = Result<Option<U>, E>> + Send + 'static,
    {
        self.loader = Some(Loader(Box::new(move |id| {
            let loading = load(id);
            Box::pin(async {
                let user = loading.await.map_err(Cause::new)?;
                Ok(user.map(|user| Arc::new(user) as AnyUser))
            })
        })));
        self
    }

    /// Sets the reaction to a session of another client. The default is [`Protection::Basic`].
    #[doc(alias = "SESSION_PROTECTION")]
    pub const fn protection(mut self, protection: Protection) -> Self {
        self.settings.protection = protection;
        self
    }

    /// Sets the version of Flask-Login whose identifier of a client is used. The default is
    /// [`Identifier::V06`]. Logins become stale on each change between apps of two versions.
    pub fn identifier(mut self, version: Identifier) -> Self {
        self.identify = Identify::FlaskLogin(version);
        self
    }

    /// Identifies clients with a function of the app. The Flask app must have the same one.
    #[doc(alias = "_session_identifier_generator")]
    pub fn identify_by(mut self, identify: impl Fn(&RequestInfo) -> String + Send + Sync + 'static) -> Self {
        self.identify = Identify::App(Box::new(identify));
        self
    }

    /// Sets the path of the page to log in at, such as `/login`. Users that are not logged in are
    /// redirected there; without it, the response is a 401.
    pub fn login_view(mut self, path: impl Into<String>) -> Self {
        self.views.login = Some(path.into());
        self
    }

    /// Replaces the pages that are not paths.
    #[cfg(feature = "app")]
    pub(crate) fn resolve_views<E>(mut self, path_of: impl Fn(&str) -> Result<String, E>) -> Result<Self, E> {
        for view in [&mut self.views.login, &mut self.views.refresh].into_iter().flatten() {
            if !is_url(view) {
                *view = path_of(view)?;
            }
        }
        Ok(self)
    }

    /// Shows users of type `U` in templates: `{{ current_user.name }}`. The function returns the part of
    /// a user that templates can use. `current_user.is_authenticated` and `current_user.id` work without it.
    #[cfg(feature = "templates")]
    pub fn show<U: Send + Sync + 'static>(
        mut self,
        show: impl Fn(&U) -> minijinja::Value + Send + Sync + 'static,
    ) -> Self {
        self.shown = Some(Shown(Box::new(move |user| Some(show(user.downcast_ref()?)))));
        self
    }

    /// Sets the message that is flashed with a redirect to the login page, or `None` for no message.
    pub fn login_message<'a>(mut self, message: impl Into<Option<&'a str>>) -> Self {
        self.views.login_message = message.into().map(ToOwned::to_owned);
        self
    }

    /// Sets the path of the page to log in at again, for users whose login is not fresh. Without it,
    /// the response is a 401.
    pub fn refresh_view(mut self, path: impl Into<String>) -> Self {
        self.views.refresh = Some(path.into());
        self
    }

    /// Sets the message that is flashed with a redirect to the page of
    /// [`refresh_view`](Self::refresh_view), or `None` for no message.
    #[doc(alias = "needs_refresh_message")]
    pub fn refresh_message<'a>(mut self, message: impl Into<Option<&'a str>>) -> Self {
        self.views.refresh_message = message.into().map(ToOwned::to_owned);
        self
    }

    /// Sets the category of both messages. The default is `message`.
    #[doc(alias = "login_message_category")]
    pub fn message_category(mut self, category: impl Into<String>) -> Self {
        self.views.message_category = category.into();
        self
    }

    /// Sets how long the remember cookie is kept. The default is 365 days.
    #[doc(alias = "REMEMBER_COOKIE_DURATION")]
    pub const fn remember_duration(mut self, duration: Duration) -> Self {
        self.settings.duration = duration;
        self
    }

    /// Sends the remember cookie with every response to a user, so that it does not expire while it is
    /// used. The default is `false`.
    ///
    /// Flask-Login 0.6 also sends it to users that did not ask to be remembered, and so does this
    /// with [`Identifier::V06`]. With [`Identifier::V07`] only users that sent one get it.
    #[doc(alias = "REMEMBER_COOKIE_REFRESH_EACH_REQUEST")]
    pub const fn remember_refresh_each_request(mut self, refresh: bool) -> Self {
        self.settings.refresh_each_request = refresh;
        self
    }

    /// Also accepts remember cookies that were signed with a fallback key, and signs them again with
    /// the first key. Flask-Login does not accept them. The default is `false`.
    pub const fn accept_fallbacks(mut self, accept: bool) -> Self {
        self.accept_fallbacks = accept;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError::NoUserLoader`] without [`load`](Self::load), [`ConfigError::NoSecretKey`],
    /// [`ConfigError::RememberKey`] for a key with which Flask-Login cannot sign,
    /// [`ConfigError::LoginView`] for a page that is not a path, [`ConfigError::Cookie`].
    pub fn build(self) -> Result<FlaskLogin, ConfigError> {
        let loader = self.loader.ok_or(ConfigError::NoUserLoader)?;
        check_views(&self.views)?;
        let mut cookie = self.settings.cookie;
        if self.sessions.rules().profile == Profile::Strict {
            cookie = cookie.secure(true).same_site(SameSite::Lax);
        }
        let remember = RememberCookie {
            cookie: cookie.build()?,
            duration: self.settings.duration,
            refresh_each_request: self.settings.refresh_each_request,
            tokens: tokens(&self.sessions, self.accept_fallbacks)?,
        };
        Ok(FlaskLogin(Arc::new(Settings {
            loader,
            protection: self.settings.protection,
            identify: self.identify,
            remember,
            views: self.views,
            #[cfg(feature = "templates")]
            shown: self.shown,
        })))
    }
}

/// The signers of the remember cookie. The first one signs.
fn tokens(sessions: &Sessions, accept_fallbacks: bool) -> Result<Vec<RememberTokens>, ConfigError> {
    let Some(keys) = &sessions.surroundings().keys else {
        return Err(ConfigError::NoSecretKey { setting: "SECRET_KEY in the configuration".into() });
    };
    let count = if accept_fallbacks { KeyRing::accepted(keys).len() } else { 1 };
    let tokens = keys.accepted().take(count).map(RememberTokens::new).collect::<Result<_, _>>();
    tokens.map_err(ConfigError::RememberKey)
}

fn is_url(view: &str) -> bool {
    ["/", "https://", "http://"].iter().any(|start| view.starts_with(start))
}

fn check_views(views: &Views) -> Result<(), ConfigError> {
    match views.login.iter().chain(&views.refresh).find(|view| !is_url(view.as_str())) {
        Some(view) => Err(ConfigError::LoginView { view: view.clone() }),
        None => Ok(()),
    }
}

impl fmt::Debug for FlaskLoginBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlaskLoginBuilder")
            .field("settings", &self.settings)
            .field("views", &self.views)
            .finish_non_exhaustive()
    }
}
