//! Why a request gets no page: what the client is told, and what only the log gets.

use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use billing_model::{ErrorBody, QueryError};

use crate::answer::{JSON, whole_body};

/// The reason for an answer without a page. Every one is answered as JSON, also where CSV was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No key, several, an unknown or a revoked one: the client is not told which.
    #[error("Authentication failed")]
    Unauthenticated,
    /// A key that may only infer.
    #[error("Admin API key required")]
    AdminKeyRequired,
    #[error("Not found")]
    NotFound,
    #[error("Method not allowed")]
    MethodNotAllowed,
    #[error("Not acceptable: this endpoint serves application/json and text/csv")]
    NotAcceptable,
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A cursor that was not issued here, to this account, lately: the client is not told which.
    #[error("Invalid or expired cursor; restart from the first page")]
    Cursor,
    /// What the client cannot help.
    #[error("Internal server error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated | Self::AdminKeyRequired => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::Query(_) | Self::Cursor => StatusCode::BAD_REQUEST,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn body(&self) -> ErrorBody {
        match self {
            Self::Query(refused) => ErrorBody::from(refused),
            other => ErrorBody::new(other.to_string()),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Self::Internal(cause) = &self {
            tracing::error!(cause = describe(&**cause), "a request failed");
        }
        // A struct of strings always has a JSON form.
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        let mut response = whole_body(self.status(), JSON, body);
        if self.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An error and all its causes on one line, for the log.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
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
        assert_eq!(error.body(), ErrorBody::new("Internal server error"));
    }
}
