//! Errors of a save.

use crate::id::RngError;
use crate::record::{EncodeError, RecordError};
use crate::store::StoreError;

/// A session could not be saved. Nothing was confirmed, and no other session was affected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The store failed. It may or may not have carried out the request.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session contains a value that the record format does not support.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Other requests changed the session again and again.
    #[error(
        "the session was changed by other requests {attempts} times in a row while this one was saving; retry it"
    )]
    Contended {
        /// The number of attempts.
        attempts: u32,
    },
    /// Something else replaced the record with unreadable data, which is left unchanged.
    #[error("the session's record was replaced by unreadable data")]
    Unreadable(#[source] RecordError),
    /// No id could be generated.
    #[error(transparent)]
    NoId(#[from] RngError),
}
