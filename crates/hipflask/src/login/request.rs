//! [`LoginRequest`]: the login of one request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hipflask_core::login::{FRESH, REMEMBER, USER_ID};
use hipflask_core::session::{EntryError, SessionDict};
use hipflask_core::value::Value;

use super::error::LoginError;
use super::flask_login::{AnyUser, FlaskLogin, Settings};
use super::protection::{Verdict, protect};
use crate::request::{RequestInfo, RequestSession};
use crate::session::{Session, Shared};

/// The login of one request: found out when it is first needed.
pub(crate) struct LoginRequest {
    settings: Arc<Settings>,
    info: RequestInfo,
    progress: Mutex<Progress>,
}

/// The state of the login.
#[derive(Default)]
struct Progress {
    /// The user; `None` before it was looked for.
    user: Option<Option<LoadedUser>>,
    /// The change of the remember cookie that the response makes.
    order: Option<Order>,
}

/// A change of the remember cookie. Flask-Login keeps it in the session under `_remember`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Set,
    Clear,
}

/// A user that the app's loader knows.
#[derive(Clone)]
pub(crate) struct LoadedUser {
    pub(crate) id: String,
    pub(crate) user: AnyUser,
}

/// The remember cookie of a response.
pub(crate) enum Closing {
    /// The `Set-Cookie` value, if any.
    Now(Option<String>),
    /// The session has to be opened to decide.
    NeedsSession,
}

impl LoginRequest {
    /// Gives a request its login. Nothing is read yet.
    pub(crate) fn begin(login: &FlaskLogin, session: &RequestSession, info: RequestInfo) -> Arc<Self> {
        let request = Self { settings: login.0.clone(), info, progress: Mutex::default() };
        let request = Arc::new(request);
        // Within a second layer, the login is that of the first.
        let _ = session.shared().login.set(request.clone());
        Self::of(session.shared()).unwrap_or(request)
    }

    /// The login of a request below the layer.
    pub(crate) fn of(shared: &Shared) -> Option<Arc<Self>> {
        shared.login.get()?.clone().downcast().ok()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) const fn info(&self) -> &RequestInfo {
        &self.info
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Each change is one assignment, so a panic elsewhere leaves no half.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The part of a user that templates can use.
    #[cfg(feature = "templates")]
    pub(crate) fn shown(&self, user: &AnyUser) -> Option<minijinja::Value> {
        (self.settings.shown.as_ref()?.0)(user)
    }

    /// Orders a change of the remember cookie.
    pub(super) fn order(&self, order: Order) {
        self.progress().order = Some(order);
    }

    /// Forgets the user that was loaded, so that the next use loads the one in the session.
    pub(super) fn reload(&self) {
        self.progress().user = None;
    }

    /// Nobody is logged in for the rest of the request.
    pub(super) fn end(&self) {
        self.progress().user = Some(None);
    }

    /// Returns the user, loaded at the first call: Flask-Login's `current_user`. `None` if nobody is
    /// logged in.
    pub(crate) async fn user(&self, session: &Session) -> Result<Option<LoadedUser>, LoginError> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let user = self.load(session).await?;
        self.progress().user = Some(user.clone());
        Ok(user)
    }

    /// Returns the user if it was looked for already.
    pub(crate) fn known(&self) -> Option<Option<LoadedUser>> {
        self.progress().user.clone()
    }

    /// Finds out who is logged in, in the order of Flask-Login's `_load_user`.
    async fn load(&self, session: &Session) -> Result<Option<LoadedUser>, LoginError> {
        let (verdict, id) = self.protect(session)?;
        if verdict == Verdict::Ended {
            self.order(Order::Clear);
            return Ok(None);
        }
        if let Some(id) = id
            && let Some(user) = self.ask(id).await?
        {
            return Ok(Some(user));
        }
        let Some(cookie) = self.remember_cookie(session) else { return Ok(None) };
        if self.is_to_clear(session)? {
            return Ok(None);
        }
        let Some(remembered) = self.settings.remember.verify(&cookie) else {
            tracing::debug!("a remember cookie was refused; nobody is logged in");
            return Ok(None);
        };
        session.insert(USER_ID, remembered.user_id.as_str())?;
        session.insert(FRESH, false)?;
        if remembered.is_old {
            self.order(Order::Set);
        }
        self.ask(remembered.user_id).await
    }

    /// Protects the session against another client. Returns the id of the user that is left in it.
    fn protect(&self, session: &Session) -> Result<(Verdict, Option<String>), LoginError> {
        let is_stored = session.engine().is_stored();
        let protected = session.with(|data| {
            let is_empty = data.is_empty() || is_stored && data.is_blank();
            let verdict = protect(data, self.settings.protection, is_empty, || self.identifier())?;
            Ok::<_, EntryError>((verdict, user_id(data)))
        })?;
        Ok(protected.map_err(crate::error::SessionError::from)?)
    }

    /// The identifier of the client.
    pub(super) fn identifier(&self) -> String {
        static IS_WARNED: AtomicBool = AtomicBool::new(false);
        let identify = &self.settings.identify;
        if identify.lacks_address(&self.info) && !IS_WARNED.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the address of a client is unknown, so logins at the Flask app are not fresh here, and the reverse; with \
                 axum, serve `app.into_make_service_with_connect_info::<SocketAddr>()`"
            );
        }
        identify.of(&self.info)
    }

    async fn ask(&self, id: String) -> Result<Option<LoadedUser>, LoginError> {
        let user = (self.settings.loader.0)(id.clone()).await.map_err(LoginError::Load)?;
        Ok(user.map(|user| LoadedUser { id, user }))
    }

    /// The value of the request's remember cookie, valid or not.
    pub(super) fn remember_cookie(&self, session: &Session) -> Option<String> {
        self.settings.remember.find(session.shared().cookies.iter())
    }

    fn is_to_clear(&self, session: &Session) -> Result<bool, LoginError> {
        let in_session = session.with(|data| order_in(data) == Some(Some(Order::Clear)))?;
        Ok(in_session || self.progress().order == Some(Order::Clear))
    }

    /// Decides which remember cookie the response sets, as Flask-Login does after each request. Call
    /// it when the handler has returned, before the session is finished.
    pub(crate) fn close(&self, request: &RequestSession) -> Closing {
        let remember = &self.settings.remember;
        let is_opened = request.shared().is_touched() && request.is_opened();
        if !is_opened && remember.refresh_each_request && self.may_refresh(request) {
            return Closing::NeedsSession;
        }
        if !is_opened {
            return Closing::Now(None);
        }
        let own = self.progress().order;
        let in_session = request.shared().peek(order_in).flatten();
        let session = Session::new(request.shared().clone());
        if in_session.is_some() {
            // A name that only Flask-Login knows must not stay in the session. It was just read, so it
            // can also be removed.
            drop(session.remove(REMEMBER));
        }
        let refresh = remember.refresh_each_request && self.may_refresh(request);
        let order = own.or(in_session.flatten()).or((in_session.is_none() && refresh).then_some(Order::Set));
        Closing::Now(order.and_then(|order| self.cookie(order, request)))
    }

    /// Returns `true` if the remember cookie may be sent again to this client.
    fn may_refresh(&self, request: &RequestSession) -> bool {
        let remember = &self.settings.remember;
        self.settings.identify.remembers_everyone()
            || remember.find(request.shared().cookies.iter()).is_some()
    }

    /// The `Set-Cookie` value of an order.
    fn cookie(&self, order: Order, request: &RequestSession) -> Option<String> {
        let remember = &self.settings.remember;
        match order {
            Order::Clear => Some(remember.removal()),
            Order::Set => {
                let (id, duration) = request
                    .shared()
                    .peek(|data| Some((user_id(data)?, remember.duration_in(data))))
                    .flatten()?;
                Some(remember.set(&id, duration, request.shared().now()))
            }
        }
    }
}

/// The order in a session: `None` without one, `Some(None)` for one that does nothing.
#[expect(clippy::option_option, reason = "an order of an unknown name is removed as well")]
fn order_in(data: &SessionDict) -> Option<Option<Order>> {
    data.value(REMEMBER).map(|order| match order.as_str() {
        Some("set") => Some(Order::Set),
        Some("clear") => Some(Order::Clear),
        _ => None,
    })
}

/// The id of the user in a session: a text, or the text of a number.
fn user_id(data: &SessionDict) -> Option<String> {
    match data.value(USER_ID)? {
        Value::Str(id) => id.as_str().map(ToOwned::to_owned),
        Value::Int(id) => Some(id.to_string()),
        _ => None,
    }
}
