//! Logins in an app: the routes of its login views, and `login_required`.

use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;

use super::error::AppError;
use super::urls::{Urls, Values};
use crate::engine::Sessions;
use crate::login::{FlaskLogin, FlaskLoginBuilder, require};
use crate::request::RequestSession;

/// Builds the logins of an app. A view that is not a path is the name of a route.
pub(super) fn build(
    sessions: &Sessions,
    change: impl FnOnce(FlaskLoginBuilder) -> FlaskLoginBuilder,
    urls: &Urls,
    root: &str,
) -> Result<FlaskLogin, AppError> {
    let path_of = |view: &str| {
        let path = urls.build(view, &mut Values::default());
        path.map(|path| format!("{root}{path}")).map_err(|_| AppError::LoginView { view: view.to_owned() })
    };
    Ok(change(FlaskLogin::builder(sessions)).resolve_views(path_of)?.build()?)
}

/// Calls the handlers only if a user is logged in: Flask-Login's `@login_required`. Without a user the
/// response is that of [`LoginUser`](crate::login::LoginUser). `OPTIONS` is not checked.
///
/// ```
/// use axum::routing::get;
/// use hipflask::{App, login_required};
///
/// let app = App::new("shop")
///     .login(|login| login.load(async |id| Some(id)))
///     .route("account", "/account", login_required(get(async || "members only")));
/// ```
pub fn login_required(handlers: MethodRouter) -> MethodRouter {
    handlers.layer(middleware::from_fn(async |request, next| checked(request, next, false).await))
}

/// Calls the handlers only if a user is logged in and the login is fresh: Flask-Login's
/// `@fresh_login_required`. See [`login_required`].
pub fn fresh_login_required(handlers: MethodRouter) -> MethodRouter {
    handlers.layer(middleware::from_fn(async |request, next| checked(request, next, true).await))
}

async fn checked(request: Request, next: Next, fresh: bool) -> Response {
    let session = request.extensions().get::<RequestSession>().cloned();
    if request.method() != Method::OPTIONS
        && let Err(rejection) = require(session, fresh).await
    {
        return rejection.into_response();
    }
    next.run(request).await
}
