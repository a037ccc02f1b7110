//! What went wrong, in the words of [`StoreError`]: no key, no data.

use ::redis::{ErrorKind as ClientKind, RedisError, ServerErrorKind};

use crate::unreachable;
use crate::store::{ErrorKind, Key, StoreError};

/// The name of this kind of store.
pub(super) const KIND: &str = "redis";

/// Why a command has no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing came within the time allowed; whether the command arrived is not known.
    TimedOut(Phase),
    /// The client or the server says no.
    Refused(RedisError),
}

/// What took too long.
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
    /// As the contract reports it. `key` is what the text must not hold.
    pub(super) fn into_error(self, key: Option<&Key>) -> StoreError {
        match self {
            Self::TimedOut(Phase::Connecting) => {
                StoreError::new(KIND, ErrorKind::Timeout, "no connection in time")
            }
            Self::TimedOut(Phase::Waiting) => StoreError::new(KIND, ErrorKind::Timeout, "no answer in time"),
            Self::Refused(error) => {
                let (kind, what) = describe(&error);
                StoreError::new(KIND, kind, what).caused_by(without_secrets(&error, key))
            }
        }
    }

    /// Whether the server does not know the script.
    pub(super) fn is_no_script(&self) -> bool {
        matches!(self, Self::Refused(error) if error.kind() == ClientKind::Server(ServerErrorKind::NoScript))
    }

    /// Whether the server does not know the command or its option, so that nothing was done.
    pub(super) fn is_not_known(&self) -> bool {
        let Self::Refused(error) = self else { return false };
        let detail = error.detail().unwrap_or_default();
        error.code() == Some("ERR")
            && (detail.starts_with("syntax error") || detail.starts_with("unknown command"))
    }

    /// Whether this account may not do that.
    pub(super) fn is_not_permitted(&self) -> bool {
        matches!(self, Self::Refused(error) if error.code() == Some("NOPERM"))
    }
}

/// Whether the server said that it did nothing because it is not, or not yet, the one to ask.
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
                    | ServerErrorKind::Request
            )
        )
}

/// Before Redis 7 a script's error is wrapped in another.
pub(super) fn is_read_only(error: &RedisError) -> bool {
    error.kind() == ClientKind::Server(ServerErrorKind::ReadOnly)
        || error.detail().is_some_and(|detail| detail.contains("-READONLY"))
}

/// Whether the address or the account is at fault, so that waiting does not help.
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
        Some("NOPERM") => return (ErrorKind::Refused, "this account may not do that"),
        Some("OOM") => return (ErrorKind::Full, "the server has no memory left"),
        Some("WRONGTYPE") => return (ErrorKind::Corrupt, "the key holds something that is no record"),
        Some("MISCONF" | "NOREPLICAS") => {
            return (ErrorKind::Unavailable, "the server takes no writes at the moment");
        }
        _ => {}
    }
    match error.kind() {
        ClientKind::AuthenticationFailed => (ErrorKind::Refused, "the server does not accept this account"),
        ClientKind::InvalidClientConfig | ClientKind::RESP3NotSupported => {
            (ErrorKind::Misconfigured, "the connection is set up in a way that cannot work")
        }
        ClientKind::Io => {
            (ErrorKind::Unavailable, unreachable::reason(&error.to_string()).unwrap_or("the connection broke"))
        }
        ClientKind::MasterNameNotFoundBySentinel | ClientKind::NoValidReplicasFoundBySentinel => {
            (ErrorKind::Unavailable, "no Sentinel knows a master of that name that answers")
        }
        ClientKind::ClusterConnectionNotFound => {
            (ErrorKind::Unavailable, "no node of the cluster is connected")
        }
        ClientKind::Server(ServerErrorKind::ResponseError) => {
            (ErrorKind::Refused, "the server refused the command")
        }
        ClientKind::Server(_) => (ErrorKind::Unavailable, "the server cannot answer yet"),
        ClientKind::Parse | ClientKind::UnexpectedReturnType => {
            (ErrorKind::Corrupt, "the server's answer makes no sense")
        }
        _ => (ErrorKind::Refused, "the server refused the command"),
    }
}

/// The error's text without key and data: servers quote a command's arguments.
fn without_secrets(error: &RedisError, key: Option<&Key>) -> String {
    let text = error.to_string();
    let text = text.find("args beginning with").map_or(text.as_str(), |at| &text[..at]);
    key.map_or_else(|| text.to_owned(), |key| text.replace(key.as_str(), "(key)"))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use ::redis::{ErrorKind as ClientKind, RedisError, make_extension_error};

    use super::Fault;
    use crate::store::{ErrorKind, Key};

    #[test]
    fn an_error_quotes_neither_key_nor_arguments() {
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
    fn what_the_server_says_decides_the_kind() {
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
