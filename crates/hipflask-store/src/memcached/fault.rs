//! Failures of a call.

use async_memcached::{Error, ErrorKind as ServerSays, Status};

/// The reason why a call has no reply.
#[derive(Debug)]
pub(super) enum Fault {
    /// No reply arrived in time.
    TimedOut,
    /// The server is unreachable, or the connection broke.
    Lost(Error),
    /// The server replied with an error.
    Says(ServerSays),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Protocol(Status::Error(says)) => Self::Says(says),
            Error::Protocol(_) | Error::ParseError(_) => Self::Says(ServerSays::Protocol(None)),
            error => Self::Lost(error),
        }
    }
}
