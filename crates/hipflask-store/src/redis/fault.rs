//! Failures of a command, and how they become a [`StoreError`] without key and data.

use ::redis::{ErrorKind as ClientKind, RedisError, ServerErrorKind};

use crate::store::{DriverMessage, ErrorKind, Key, StoreError};
use crate::unreachable;

/// The name of this kind of store.
pub(super) const KIND: &str = "redis";

/// The reason why a command has no reply.
#[derive(Debug)]
pub(super) enum Fault {
    /// No reply arrived in time. The command may have arrived.
    TimedOut(Phase),
    /// The client or the server reported an error.
    Refused(RedisError),
}

/// The phase of a call that took too long.
#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    Connecting,
    Waiting,
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        Self::Refused(error)
    }
}

impl Fault {
    /// Converts to the error of the contract. Its source must not contain `key`.
    pub(super) fn into_error(self, key: Option<&Key>) -> StoreError {
        match self {
            Self::TimedOut(Phase::Connecting) => {
                StoreError::new(KIND, ErrorKind::Timeout, "no connection in time")
            }
            Self::TimedOut(Phase::Waiting) => StoreError::new(KIND, ErrorKind::Timeout, "no answer in time"),
            Self::Refused(error) => {
                let (kind, what) = describe(&error);
                let store_error = StoreError::new(KIND, kind, what);
                // The client's own errors about sockets quote no command.
                if error.is_io_error() && error.code().is_none() {
                    return store_error.caused_by(error);
                }
                store_error.caused_by(without_secrets(&error, key))
            }
        }
    }

    /// Returns `true` if the server does not know the script.
    pub(super) fn is_no_script(&self) -> bool {
        matches!(self, Self::Refused(error) if error.kind() == ClientKind::Server(ServerErrorKind::NoScript))
    }

    /// Returns `true` if the server does not know the command or its option, so that it did nothing.
    pub(super) fn is_not_known(&self) -> bool {
        let Self::Refused(error) = self else { return false };
        let detail = error.detail().unwrap_or_default();
        error.code() == Some("ERR")
            && (detail.starts_with("syntax error") || detail.starts_with("unknown command"))
    }

    /// Returns `true` if the account lacks the permission.
    pub(super) fn is_not_permitted(&self) -> bool {
        matches!(self, Self::Refused(error) if error.code() == Some("NOPERM"))
    }
}

/// Returns `true` if the server replied that it did nothing because it is not the master, or is
/// still loading.
pub(super) fn is_rejected_for_now(error: &RedisError) -> bool {
    is_read_only(error)
        || matches!(
            error.kind(),
            ClientKind::Server(
                ServerErrorKind::BusyLoading
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::TryAgain
                    | ServerErrorKind::Moved
                    | ServerErrorKind::Ask
            )
        )
}

/// Returns `true` if the server is a read-only replica. Before Redis 7 a script's error is wrapped
/// in another one.
pub(super) fn is_read_only(error: &RedisError) -> bool {
    error.kind() == ClientKind::Server(ServerErrorKind::ReadOnly)
        || error.detail().is_some_and(|detail| detail.contains("-READONLY"))
}

/// Returns `true` if the address or the account is wrong, so that waiting does not help.
pub(super) fn is_permanent(error: &RedisError) -> bool {
    matches!(error.kind(), ClientKind::AuthenticationFailed | ClientKind::InvalidClientConfig)
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
}

fn describe(error: &RedisError) -> (ErrorKind, &'static str) {
    if is_read_only(error) {
        return (ErrorKind::Refused, "the server is a read-only replica");
    }
    if error.is_timeout() {
        return (ErrorKind::Timeout, "no answer in time");
    }
    match error.code() {
        Some("NOAUTH" | "WRONGPASS") => {
            return (ErrorKind::Refused, "the server does not accept this account");
        }
        Some("NOPERM") => return (ErrorKind::Refused, "this account lacks the permission"),
        Some("OOM") => return (ErrorKind::Full, "the server has no memory left"),
        Some("WRONGTYPE") => return (ErrorKind::Corrupt, "the key has a value that is not a session record"),
        Some("MISCONF" | "NOREPLICAS") => {
            return (ErrorKind::Unavailable, "the server accepts no writes at the moment");
        }
        _ => {}
    }
    match error.kind() {
        ClientKind::AuthenticationFailed => (ErrorKind::Refused, "the server does not accept this account"),
        ClientKind::InvalidClientConfig | ClientKind::RESP3NotSupported => {
            (ErrorKind::Misconfigured, "the settings of the connection are invalid")
        }
        ClientKind::Io => (
            ErrorKind::Unavailable,
            unreachable::reason(&error.to_string()).unwrap_or("the connection broke"),
        ),
        ClientKind::MasterNameNotFoundBySentinel | ClientKind::NoValidReplicasFoundBySentinel => {
            (ErrorKind::Unavailable, "no Sentinel knows a reachable master of that name")
        }
        ClientKind::ClusterConnectionNotFound => {
            (ErrorKind::Unavailable, "no node of the cluster is connected")
        }
        ClientKind::Server(ServerErrorKind::ResponseError) => {
            (ErrorKind::Refused, "the server refused the command")
        }
        ClientKind::Server(_) => (ErrorKind::Unavailable, "the server cannot answer yet"),
        ClientKind::Parse | ClientKind::UnexpectedReturnType => (ErrorKind::Corrupt, "malformed reply"),
        _ => (ErrorKind::Refused, "the server refused the command"),
    }
}

/// Returns the error's text without key and data: servers quote a command's arguments.
fn without_secrets(error: &RedisError, key: Option<&Key>) -> DriverMessage {
    let text = error.to_string();
    let text = text.find("args beginning with").map_or(text.as_str(), |at| &text[..at]);
    DriverMessage::new(key.map_or_else(|| text.to_owned(), |key| text.replace(key.as_str(), "(key)")))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use ::redis::{ErrorKind as ClientKind, RedisError, make_extension_error};

    use super::Fault;
    use crate::store::{ErrorKind, Key};

    #[test]
    fn error_quotes_neither_key_nor_arguments() {
        let key = Key::new("session:", "secret-id").unwrap();
        for detail in [
            "unknown command 'DELEX', with args beginning with: 'session:secret-id' 'data'",
            "no session:secret-id",
        ] {
            let error = make_extension_error("ERR".to_owned(), Some(detail.to_owned()));
            let error = Fault::Refused(error).into_error(Some(&key));
            let text = format!("{error} {error:?} {}", error.source().unwrap());
            assert!(!text.contains("secret-id") && !text.contains("data'"), "{text}");
        }
    }

    #[test]
    fn source_is_the_error_of_the_socket() {
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = Fault::Refused(RedisError::from(io)).into_error(None);
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.source().unwrap().downcast_ref::<RedisError>().unwrap().is_connection_refusal());
    }

    #[test]
    fn error_code_decides_the_kind() {
        for (code, kind) in [
            ("OOM", ErrorKind::Full),
            ("WRONGTYPE", ErrorKind::Corrupt),
            ("NOAUTH", ErrorKind::Refused),
            ("NOPERM", ErrorKind::Refused),
            ("MISCONF", ErrorKind::Unavailable),
            ("CLUSTERDOWN", ErrorKind::Unavailable),
            ("READONLY", ErrorKind::Refused),
        ] {
            let answer = ::redis::parse_redis_value(format!("-{code} so it is\r\n").as_bytes()).unwrap();
            let error = answer.extract_error().unwrap_err();
            assert_eq!(Fault::Refused(error).into_error(None).kind(), kind, "{code}");
        }
        let error = RedisError::from((ClientKind::Parse, "garbage"));
        assert_eq!(Fault::Refused(error).into_error(None).kind(), ErrorKind::Corrupt);
    }
}
