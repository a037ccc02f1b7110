//! Why a session could not be saved.

use crate::id::RngError;
use crate::record::{EncodeError, RecordError};
use crate::store::StoreError;

/// A session could not be saved. Nothing was acknowledged, and nothing else was harmed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The store failed. Whether it had done what it was asked is not known.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session holds what its records cannot hold.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Other requests changed the session again and again.
    #[error(
        "the session was changed by other requests {attempts} times in a row while this one was saving; retry it"
    )]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// Something else has put there what cannot be read; it is left as it is.
    #[error("the session's record was replaced by something that cannot be read")]
    Unreadable(#[source] RecordError),
    /// No id could be made.
    #[error(transparent)]
    NoId(#[from] RngError),
}
