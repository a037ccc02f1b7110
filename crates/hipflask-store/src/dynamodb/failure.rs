//! From what the SDK says to what an operator can do.

use core::error::Error;
use core::time::Duration;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ConnectorError, ProvideErrorMetadata, SdkError};

use crate::store::{ErrorKind, StoreError};

/// The name of this kind of store.
pub(super) const NAME: &str = "dynamodb";

/// What DynamoDB meant. The text of an answer is not kept where it can quote a key.
pub(super) fn explain<E>(error: SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata,
{
    let of = |kind, what: &str| StoreError::new(NAME, kind, what);
    match &error {
        SdkError::TimeoutError(_) => of(ErrorKind::Timeout, "no answer in time"),
        SdkError::DispatchFailure(failure) => failure.as_connector_error().map_or_else(no_request, not_sent),
        SdkError::ConstructionFailure(_) => no_request(),
        SdkError::ServiceError(service) => {
            let status = service.raw().status();
            let service = service.err();
            if service.code().is_none() {
                let kind = if status.is_server_error() { ErrorKind::Unavailable } else { ErrorKind::Corrupt };
                return of(kind, &format!("the answer was the status {}", status.as_u16()));
            }
            said(service.code().unwrap_or_default(), service.message().unwrap_or_default())
        }
        _ => of(ErrorKind::Corrupt, NOT_ITS_ANSWER),
    }
}

fn no_request() -> StoreError {
    let what = "no request could be made; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or bring a client";
    StoreError::new(NAME, ErrorKind::Misconfigured, what)
}

/// Why a request was not sent, or its answer is none of HTTP's.
fn not_sent(error: &ConnectorError) -> StoreError {
    let of = |kind, what: &str| StoreError::new(NAME, kind, what);
    let http = error.source().and_then(|source| source.downcast_ref::<hyper_util::client::legacy::Error>());
    match http {
        _ if error.is_timeout() => of(ErrorKind::Timeout, "no answer in time"),
        Some(http) if http.is_connect() => {
            of(ErrorKind::Unavailable, "nothing answers at its endpoint").caused_by(deepest(http))
        }
        _ if error.is_io() || error.as_other().is_some() => {
            of(ErrorKind::Unavailable, "the connection broke")
        }
        Some(_) => of(ErrorKind::Corrupt, NOT_ITS_ANSWER),
        None => no_request(),
    }
}

fn deepest(mut error: &dyn Error) -> String {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

fn said(code: &str, message: &str) -> StoreError {
    let of = |kind, what: &str| StoreError::new(NAME, kind, what);
    match code {
        "ResourceNotFoundException" => of(ErrorKind::Misconfigured, "there is no such table in this region"),
        "AccessDeniedException" | "NotAuthorized" => {
            of(ErrorKind::Refused, "the user may not use the table").caused_by(message)
        }
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch" => of(ErrorKind::Refused, "the access key is not accepted"),
        "ExpiredTokenException" | "ExpiredToken" => of(ErrorKind::Refused, "the access key has expired"),
        code if BUSY.contains(&code) => of(ErrorKind::Timeout, "the table takes no more requests now"),
        "ValidationException" if message.contains("size") => {
            of(ErrorKind::Full, "the record is longer than an item may be, 400 KB")
        }
        "ValidationException" => of(ErrorKind::Misconfigured, "its table is not a session table"),
        "InternalServerError" | "InternalFailure" | "ServiceUnavailable" => {
            of(ErrorKind::Unavailable, "DynamoDB failed")
        }
        code => of(ErrorKind::Corrupt, &format!("the answer was the error `{code}`")),
    }
}

/// Whether DynamoDB did not look at the request at all.
pub(super) fn is_busy<E, R>(error: &SdkError<E, R>) -> bool
where
    E: ProvideErrorMetadata,
{
    error.as_service_error().and_then(|error| error.code()).is_some_and(|code| BUSY.contains(&code))
}

/// The tries of one call that DynamoDB was too busy for.
#[derive(Default)]
pub(super) struct Attempt(u32);

impl Attempt {
    /// Waits, longer each time; false after the last try.
    pub(super) async fn again(&mut self) -> bool {
        self.0 += 1;
        if self.0 > MOST_TRIES {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(25 << self.0)).await;
        true
    }
}

const NOT_ITS_ANSWER: &str = "its answer is none of DynamoDB's";

const BUSY: &[&str] = &[
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
];

const MOST_TRIES: u32 = 4;
