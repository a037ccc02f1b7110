//! The session of the request that the current task handles: Flask's `session` proxy.

use std::cell::RefCell;
use std::mem;

use super::request_session::RequestSession;
use crate::error::SessionError;
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
///
/// The request itself changes places with the one that was current before, which costs less than a clone.
pub(crate) fn enter(request: &mut Option<RequestSession>) -> Entered<'_> {
    CURRENT.with_borrow_mut(|current| mem::swap(current, request));
    Entered { place: request }
}

/// Puts both requests back in their places.
pub(crate) struct Entered<'r> {
    place: &'r mut Option<RequestSession>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| mem::swap(current, self.place));
    }
}
