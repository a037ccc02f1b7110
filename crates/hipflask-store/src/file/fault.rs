//! Failures of a call.

use std::io;
use std::time::Duration;

use crate::store::{ErrorKind, StoreError};

/// The reason why a call failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The system refused.
    Io(io::Error),
    /// Another user could write the sessions. The text says what to do.
    Untrusted(String),
    /// Another process or thread held the record's lock for this long.
    Locked(Duration),
    /// The queue of the record is full.
    Crowded,
    /// A new record's name belongs to something that is not a session file.
    NameTaken,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Fault {
    pub(super) fn into_error(self, store: &'static str) -> StoreError {
        let error = |kind, what: String| StoreError::new(store, kind, what);
        match self {
            Self::Io(cause) => {
                let (kind, what) = meaning(&cause);
                StoreError::new(store, kind, what).caused_by(cause)
            }
            Self::Untrusted(what) => error(ErrorKind::Refused, what),
            Self::Locked(waited) => error(
                ErrorKind::Timeout,
                format!("another process or thread held the lock of the session's file for {waited:?}"),
            ),
            Self::Crowded => {
                error(ErrorKind::Timeout, "too many callers wait to write the same session".to_owned())
            }
            Self::NameTaken => error(
                ErrorKind::Corrupt,
                "a file that this process must not use has the name of a new session".to_owned(),
            ),
        }
    }
}

fn meaning(error: &io::Error) -> (ErrorKind, &'static str) {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::Refused, "no permission to use the session directory")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            (ErrorKind::Full, "the disk of the session directory is full")
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            (ErrorKind::Misconfigured, "the session directory does not exist")
        }
        io::ErrorKind::InvalidData => (ErrorKind::Corrupt, "a session file is larger than a session may be"),
        _ => (ErrorKind::Unavailable, "the session directory cannot be used"),
    }
}
