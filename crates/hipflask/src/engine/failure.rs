//! What becomes of a request whose session cannot be loaded because the store failed.

use std::fmt;

use hipflask_store::StoreError;

/// What becomes of a request whose session cannot be loaded. A session that was loaded and cannot be saved is an error in any
/// case: what the handler meant to keep is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnStoreFailure {
    /// Opening the session is an error, [`SessionError::Store`](crate::SessionError::Store): a 503, or what the handler makes
    /// of it.
    #[default]
    Refuse,
    /// The request goes on with an empty session that cannot be changed, as an anonymous visitor's; see
    /// [`Session::is_read_only`](crate::Session::is_read_only). Nothing is written and the cookie stays as it is, so the
    /// visitor is logged in again once the store is back.
    ///
    /// Setting a value is [`SessionError::ReadOnly`](crate::SessionError::ReadOnly). So is ending the session, because
    /// nobody must be told that they are logged out when they are not. After a change by a method that returns no error,
    /// such as `clear`, the response is a 503.
    ReadOnly,
}

/// What the application wants.
pub(crate) struct FailureHook(pub(crate) Box<dyn Fn(&StoreError) -> OnStoreFailure + Send + Sync>);

impl FailureHook {
    pub(crate) fn decide(&self, error: &StoreError) -> OnStoreFailure {
        (self.0)(error)
    }
}

impl Default for FailureHook {
    fn default() -> Self {
        Self(Box::new(|_| OnStoreFailure::Refuse))
    }
}

impl fmt::Debug for FailureHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FailureHook(..)")
    }
}
