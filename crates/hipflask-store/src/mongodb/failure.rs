//! From what the driver says to what an operator can do.

use mongodb::error::{Error, ErrorKind as Kind, WriteFailure};

use crate::store::{ErrorKind, StoreError};
use crate::unreachable;

/// The name of this kind of store.
pub(super) const NAME: &str = "mongodb";

/// What MongoDB meant. The server's text is not kept: it can quote a key.
pub(super) fn explain(error: Error) -> StoreError {
    let (kind, what) = match &*error.kind {
        Kind::Authentication { .. } => (ErrorKind::Refused, "it refuses the user or the password"),
        Kind::ServerSelection { message, .. } => {
            // The members of a replica set that answer may have none that is primary.
            let of_one = unreachable::reason(message).filter(|_| !message.contains("ReplicaSet"));
            let what = of_one.unwrap_or("no server of its URL answers, or none is primary");
            (ErrorKind::Unavailable, what)
        }
        Kind::Io(_) | Kind::ConnectionPoolCleared { .. } => (ErrorKind::Unavailable, "the connection broke"),
        Kind::DnsResolve { .. } => (ErrorKind::Unavailable, "its name is not found"),
        Kind::InvalidTlsConfig { .. } => {
            (ErrorKind::Misconfigured, "its TLS files are not as they should be")
        }
        Kind::InvalidArgument { .. } => (ErrorKind::Misconfigured, "its settings contradict each other"),
        Kind::IncompatibleServer { .. } => (ErrorKind::Unsupported, "the server is older than MongoDB 4.4"),
        Kind::Command(error) => return said(error.code),
        Kind::Write(WriteFailure::WriteError(error)) => return said(error.code),
        Kind::Write(WriteFailure::WriteConcernError(_)) => {
            (ErrorKind::Unavailable, "the write did not reach a majority of the replicas")
        }
        _ => (ErrorKind::Corrupt, "its answer is none of MongoDB's"),
    };
    StoreError::new(NAME, kind, what)
}

fn said(code: i32) -> StoreError {
    let (kind, what) = match code {
        13 => (ErrorKind::Refused, "the user may not use the collection; grant readWrite on its database"),
        18 => (ErrorKind::Refused, "it refuses the user or the password"),
        50 | 262 => (ErrorKind::Timeout, "the server ended the command"),
        67 | 85 | 86 => (
            ErrorKind::Misconfigured,
            "the collection has an index on `id` or `expiration` of another kind; drop it",
        ),
        DUPLICATE => (
            ErrorKind::Misconfigured,
            "the collection has several documents with one `id`, so that no unique index can be made; delete them",
        ),
        89 | 91 | 189 | 10107 | 11600 | 11602 | 13435 | 13436 => {
            (ErrorKind::Unavailable, "the server stops, or is primary no more")
        }
        10334 | 17419 | 17420 => (ErrorKind::Full, "the record is longer than a document may be, 16 MiB"),
        14031 => (ErrorKind::Full, "the server's disk is full"),
        code => return StoreError::new(NAME, ErrorKind::Corrupt, format!("the answer was the error {code}")),
    };
    StoreError::new(NAME, kind, what)
}

/// Whether the unique index refused a document.
pub(super) fn is_duplicate(error: &Error) -> bool {
    match &*error.kind {
        Kind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE,
        Kind::Command(error) => error.code == DUPLICATE,
        _ => false,
    }
}

const DUPLICATE: i32 = 11000;
