//! Converts the driver's errors.

use mongodb::error::{Error, ErrorKind as Kind, WriteFailure};

use crate::store::{ErrorKind, StoreError};
use crate::unreachable;

/// The name of this kind of store.
pub(super) const NAME: &str = "mongodb";

/// Converts an error of the driver. Drops the server's text, which may quote a key.
pub(super) fn explain(error: Error) -> StoreError {
    let (kind, what) = match &*error.kind {
        Kind::Authentication { .. } => (ErrorKind::Refused, "it refuses the user or the password"),
        Kind::ServerSelection { message, .. } => {
            // The reachable members of a replica set may have no primary.
            let of_one = unreachable::reason(message).filter(|_| !message.contains("ReplicaSet"));
            let what = of_one.unwrap_or("no server of its URL answers, or none is primary");
            (ErrorKind::Unavailable, what)
        }
        Kind::Io(_) | Kind::ConnectionPoolCleared { .. } => (ErrorKind::Unavailable, "the connection broke"),
        Kind::DnsResolve { .. } => (ErrorKind::Unavailable, "its host name cannot be resolved"),
        Kind::InvalidTlsConfig { .. } => (ErrorKind::Misconfigured, "its TLS files are invalid"),
        Kind::InvalidArgument { .. } => (ErrorKind::Misconfigured, "its settings contradict each other"),
        Kind::IncompatibleServer { .. } => (ErrorKind::Unsupported, "the server is older than MongoDB 4.4"),
        Kind::Command(error) => return said(error.code),
        Kind::Write(WriteFailure::WriteError(error)) => return said(error.code),
        Kind::Write(WriteFailure::WriteConcernError(_)) => {
            (ErrorKind::Unavailable, "the write did not reach a majority of the replicas")
        }
        _ => (ErrorKind::Corrupt, "malformed reply"),
    };
    let store_error = StoreError::new(NAME, kind, what);
    match &*error.kind {
        Kind::Io(source) => store_error.caused_by(source.clone()),
        _ => store_error,
    }
}

fn said(code: i32) -> StoreError {
    let (kind, what) = match code {
        13 => (ErrorKind::Refused, "no permission to use the collection; grant readWrite on its database"),
        18 => (ErrorKind::Refused, "it refuses the user or the password"),
        50 | 262 => (ErrorKind::Timeout, "the server ended the command"),
        67 | 85 | 86 => (
            ErrorKind::Misconfigured,
            "the collection has an index on `id` or `expiration` of another kind; drop it",
        ),
        DUPLICATE => (
            ErrorKind::Misconfigured,
            "the collection has several documents with the same `id`, which prevents a unique index; delete them",
        ),
        89 | 91 | 189 | 10107 | 11600 | 11602 | 13435 | 13436 => {
            (ErrorKind::Unavailable, "the server is shutting down, or is no longer primary")
        }
        10334 | 17419 | 17420 => (ErrorKind::Full, "the record is longer than the maximum document, 16 MiB"),
        14031 => (ErrorKind::Full, "the server's disk is full"),
        code => {
            return StoreError::new(NAME, ErrorKind::Corrupt, format!("it replied with the error {code}"));
        }
    };
    StoreError::new(NAME, kind, what)
}

/// Returns `true` if the unique index refused a document.
pub(super) fn is_duplicate(error: &Error) -> bool {
    match &*error.kind {
        Kind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE,
        Kind::Command(error) => error.code == DUPLICATE,
        _ => false,
    }
}

const DUPLICATE: i32 = 11000;
