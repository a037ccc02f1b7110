//! The session of the request that the current task handles: Flask's `session` proxy.

use std::cell::RefCell;

use crate::error::SessionError;
use crate::request::RequestSession;
use crate::session::Session;

thread_local! {
    static CURRENT: RefCell<Option<RequestSession>> = const { RefCell::new(None) };
}

/// The session of the request that the current task handles: Flask's `session`, or rather its
/// `_get_current_object()`, without an argument to pass around.
///
/// ```
/// # use hipflask::SessionError;
/// async fn greeting() -> Result<String, SessionError> {
///     let session = hipflask::session().await?;
///     Ok(format!("Hello {}", session.get::<String>("name")?.unwrap_or_default()))
/// }
/// # async fn outside() {
/// assert!(hipflask::session().await.unwrap_err().to_string().starts_with("Working outside of request context."));
/// # }
/// ```
///
/// # Errors
/// [`SessionError::OutsideRequest`] where no request is being handled, or no layer is above.
#[doc(alias = "_get_current_object")]
pub async fn session() -> Result<Session, SessionError> {
    match current() {
        Some(request) => request.open().await,
        None => Err(SessionError::OutsideRequest),
    }
}

/// The request whose handler is running on this thread right now, if any.
#[must_use]
pub fn current() -> Option<RequestSession> {
    CURRENT.with_borrow(Clone::clone)
}

/// Makes `request` the current one until the guard is dropped. A front holds it while it polls the handler.
pub(crate) fn enter(request: &RequestSession) -> Entered {
    Entered { before: CURRENT.replace(Some(request.clone())) }
}

/// Puts the request that was current before back in its place.
pub(crate) struct Entered {
    before: Option<RequestSession>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.before.take();
        CURRENT.with_borrow_mut(|current| *current = before);
    }
}
