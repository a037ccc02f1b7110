//! Converts the SDK's errors.

use core::error::Error;
use core::time::Duration;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ConnectorError, ProvideErrorMetadata, SdkError};

use crate::store::{BoxError, DriverMessage, ErrorKind, StoreError};

/// The name of this kind of store.
pub(super) const NAME: &str = "dynamodb";

/// Converts an error of the SDK. Drops the text of a reply that may quote a key.
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
                return of(kind, &format!("it replied with the status {}", status.as_u16()));
            }
            said(service.code().unwrap_or_default(), service.message().unwrap_or_default())
        }
        _ => of(ErrorKind::Corrupt, NOT_ITS_ANSWER),
    }
}

fn no_request() -> StoreError {
    let what =
        "the request could not be signed; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or pass a client";
    StoreError::new(NAME, ErrorKind::Misconfigured, what)
}

/// Converts the error of a request that was not sent, or whose reply is not HTTP.
fn not_sent(error: &ConnectorError) -> StoreError {
    let of = |kind, what: &str| StoreError::new(NAME, kind, what);
    let http = error.source().and_then(|source| source.downcast_ref::<hyper_util::client::legacy::Error>());
    match http {
        _ if error.is_timeout() => of(ErrorKind::Timeout, "no answer in time"),
        Some(http) if http.is_connect() => {
            of(ErrorKind::Unavailable, "its endpoint does not answer").caused_by(deepest(http))
        }
        _ if error.is_io() || error.as_other().is_some() => {
            of(ErrorKind::Unavailable, "the connection broke")
        }
        Some(_) => of(ErrorKind::Corrupt, NOT_ITS_ANSWER),
        None => no_request(),
    }
}

/// Returns the root cause: the operating system's error, if it is one.
fn deepest(mut error: &(dyn Error + 'static)) -> BoxError {
    while let Some(cause) = error.source() {
        error = cause;
    }
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => {
            io.raw_os_error().map_or_else(|| io.kind().into(), std::io::Error::from_raw_os_error).into()
        }
        None => DriverMessage::new(error.to_string()).into(),
    }
}

fn said(code: &str, message: &str) -> StoreError {
    let of = |kind, what: &str| StoreError::new(NAME, kind, what);
    match code {
        "ResourceNotFoundException" => {
            of(ErrorKind::Misconfigured, "the table does not exist in this region")
        }
        "AccessDeniedException" | "NotAuthorized" => {
            of(ErrorKind::Refused, "no permission to use the table").caused_by(DriverMessage::new(message))
        }
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch" => of(ErrorKind::Refused, "the access key is not accepted"),
        "ExpiredTokenException" | "ExpiredToken" => of(ErrorKind::Refused, "the access key has expired"),
        code if BUSY.contains(&code) => {
            of(ErrorKind::Timeout, "the table accepts no more requests at the moment")
        }
        "ValidationException" if message.contains("size") => {
            of(ErrorKind::Full, "the record is longer than the maximum item, 400 KB")
        }
        "ValidationException" => of(ErrorKind::Misconfigured, "its table is not a session table"),
        "InternalServerError" | "InternalFailure" | "ServiceUnavailable" => {
            of(ErrorKind::Unavailable, "DynamoDB failed")
        }
        code => of(ErrorKind::Corrupt, &format!("it replied with the error `{code}`")),
    }
}

/// Returns `true` if DynamoDB rejected the request without processing it.
pub(super) fn is_busy<E, R>(error: &SdkError<E, R>) -> bool
where
    E: ProvideErrorMetadata,
{
    error.as_service_error().and_then(|error| error.code()).is_some_and(|code| BUSY.contains(&code))
}

/// The attempts of a call that DynamoDB rejects because of its load.
#[derive(Default)]
pub(super) struct Attempt(u32);

impl Attempt {
    /// Waits, longer each time. Returns `false` after the last attempt.
    pub(super) async fn again(&mut self) -> bool {
        self.0 += 1;
        if self.0 > MAX_ATTEMPTS {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(25 << self.0)).await;
        true
    }
}

const NOT_ITS_ANSWER: &str = "the reply is not one of DynamoDB";

const BUSY: &[&str] = &[
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
];

const MAX_ATTEMPTS: u32 = 4;
