//! Why a request gets no page. The client is told some of it, and the log gets all of it.

use std::time::Duration;

use axum::http::header::{ACCEPT_ENCODING, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use billing_ledger::ErrorKind;
use billing_model::{ErrorBody, QueryError};
use serde::Serialize;

use crate::trouble::Trouble;
use crate::whole_body::{JSON, whole_body};

/// Why an answer does not have what was asked for. Every error is answered as JSON, also when CSV was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No key, several, an unknown or a revoked one: the client is not told which.
    #[error("Authentication failed")]
    Unauthenticated,
    /// A key that may not read billing.
    #[error("Admin API key required")]
    AdminKeyRequired,
    /// A key that may not record usage.
    #[error("Ingest API key required")]
    IngestKeyRequired,
    /// A request of HTTP/1.1 that does not say once which host it is for.
    #[error("Bad request: the Host header must be given once")]
    Host,
    #[error("Not found")]
    NotFound,
    #[error("Method not allowed")]
    MethodNotAllowed,
    #[error("Not acceptable: this endpoint serves {0}")]
    NotAcceptable(&'static str),
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A cursor that was not issued here, or not to this account, or too long ago. The client is not told which.
    #[error("Invalid or expired cursor; restart from the first page")]
    Cursor,
    #[error(
        "GET /billing/usage has ended; use GET /billing/usage-history instead: page and limit become pageSize and the \
         cursor of nextCursor, startDate and endDate become startTimestamp and endTimestamp"
    )]
    Gone,
    #[error("Idempotency-Key must be given once, as 1 to 255 visible ASCII characters")]
    IdempotencyKey,
    #[error("Another batch was sent with this Idempotency-Key before; this one was not stored")]
    IdempotencyConflict { idempotency_key: String },
    /// The account has what its source says, and nothing else.
    #[error(
        "This account is kept in step with {synced_with} and takes no batches; nothing was stored. Record into another account"
    )]
    Synced { idempotency_key: String, synced_with: String },
    #[error("Unsupported media type: a batch is application/json, application/x-ndjson or text/csv")]
    MediaType,
    #[error("Unsupported content coding: a batch is sent as it is or with gzip")]
    ContentCoding,
    #[error("The body could not be read: {0}")]
    Body(&'static str),
    #[error("The body did not come in time")]
    BodyTimeout,
    #[error("The body is too large: a batch has at most {0} bytes, decompressed too")]
    BodyTooLarge(usize),
    /// Bad rows: the client is told what is wrong with which row. `body` is the answer's body, which is made where the
    /// faults are known. `digest` is that of the batch.
    #[error("rows cannot be recorded")]
    Rows { digest: [u8; 32], body: Vec<u8> },
    /// More requests than the key may make.
    #[error("Rate limit exceeded")]
    RateLimited { retry_after: Duration },
    /// Too many failed requests.
    #[error("Too many failed requests")]
    Blocked { retry_after: Duration },
    /// There are more batches than there is room for.
    #[error("Too many batches at the moment; send it again with the same Idempotency-Key")]
    IngestFull,
    /// More requests than are answered at the same time.
    #[error("The server is busy")]
    Busy,
    /// Somebody else writes to the ledger.
    #[error("The ledger is busy; send it again with the same Idempotency-Key")]
    LedgerBusy,
    /// Nobody can write to the ledger until somebody sees to it.
    #[error("{}: {}; send it again with the same Idempotency-Key later", .0.outcome(), .0.text())]
    Unwritable(Trouble),
    /// Nobody can read the ledger at the moment.
    #[error("Not answered: {}; ask again later", .0.text())]
    Unreadable(Trouble),
    #[error("The request took too long")]
    TimedOut,
    /// Sums under more names than there is memory for.
    #[error("These days have more names than the server has memory for; ask for fewer days")]
    TooManyNames,
    /// A fault of the server.
    #[error("Internal server error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// The error for what the ledger refused. A removed account has no keys, so a request that was let in before it was
    /// removed gets 401.
    pub(crate) fn of_ledger(error: billing_ledger::Error) -> Self {
        match error.kind() {
            ErrorKind::UnknownAccount => Self::Unauthenticated,
            // Entries that the walk was still to see were taken out. The client has to begin anew, as with a cursor
            // that is too old.
            ErrorKind::WalkOutdated => Self::Cursor,
            ErrorKind::Busy => {
                tracing::warn!(cause = describe(&error), "a request found the ledger busy");
                Self::Busy
            }
            kind => match Trouble::of_reading(kind) {
                Some(trouble) => {
                    tracing::warn!(cause = describe(&error), "a request was not answered");
                    Self::Unreadable(trouble)
                }
                None => Self::internal(error),
            },
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated | Self::AdminKeyRequired | Self::IngestKeyRequired => {
                StatusCode::UNAUTHORIZED
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::Host | Self::Query(_) | Self::Cursor | Self::IdempotencyKey | Self::Body(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::IdempotencyConflict { .. } | Self::Synced { .. } => StatusCode::CONFLICT,
            Self::Gone => StatusCode::GONE,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType | Self::ContentCoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Rows { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited { .. } | Self::Blocked { .. } | Self::IngestFull => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unwritable(Trouble::Full) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Busy | Self::LedgerBusy | Self::Unwritable(_) | Self::Unreadable(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::TimedOut | Self::TooManyNames => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// When it makes sense to try again.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Blocked { retry_after } => Some(*retry_after),
            // What is full here is free again within fractions of a second.
            Self::IngestFull | Self::Busy | Self::LedgerBusy => Some(Duration::from_secs(1)),
            Self::Unwritable(trouble) | Self::Unreadable(trouble) => Some(trouble.retry_after()),
            _ => None,
        }
    }

    pub(crate) fn body(self) -> Vec<u8> {
        let error = self.to_string();
        let body = match self {
            Self::Rows { body, .. } => return body,
            Self::IdempotencyConflict { idempotency_key } => {
                let conflict = IngestConflict { error, idempotency_key, synced_with: None };
                return serde_json::to_vec(&conflict).unwrap_or_default();
            }
            Self::Synced { idempotency_key, synced_with } => {
                let conflict = IngestConflict { error, idempotency_key, synced_with: Some(synced_with) };
                return serde_json::to_vec(&conflict).unwrap_or_default();
            }
            Self::Query(refused) => ErrorBody::from(&refused),
            _ => ErrorBody::new(error),
        };
        // A struct of strings always has a JSON form.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

/// Names the key, by which a client tells that this server has looked under it. Any proxy may answer 409.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IngestConflict {
    error: String,
    idempotency_key: String,
    /// Only of an account that takes no batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    synced_with: Option<String>,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Self::Internal(cause) = &self {
            tracing::error!(cause = describe(&**cause), "a request failed");
        }
        let (status, retry_after) = (self.status(), self.retry_after());
        let accepts_gzip = matches!(self, Self::ContentCoding);
        let mut response = whole_body(status, JSON, self.body());
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if accepts_gzip {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
        }
        if let Some(retry_after) = retry_after {
            headers.insert(RETRY_AFTER, whole_seconds(retry_after).into());
        }
        response
    }
}

/// Whole seconds, rounded up, so that a client that waits so long is not too early. At least one, because zero would
/// mean at once.
pub(crate) fn whole_seconds(span: Duration) -> u64 {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    seconds.max(1)
}

/// An error and all its causes on one line, for the log.
pub(crate) fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_gets_every_cause_and_the_client_none() {
        let cause = std::io::Error::other(billing_model::UsageQuery::parse("limit=0").unwrap_err());
        let error = Error::internal(cause);
        assert_eq!(
            describe(&error),
            "Internal server error: limit: `0` is out of range: this endpoint takes 1 to 500"
        );
        assert_eq!(error.body(), br#"{"error":"Internal server error"}"#);
    }

    #[test]
    fn whoever_comes_again_is_not_too_early() {
        for (ms, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(ms)), seconds);
        }
    }
}
