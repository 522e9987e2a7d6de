//! The answers that routes have in common: why a request gets nothing.

use std::time::Duration;

use utoipa::openapi::path::OperationBuilder;
use utoipa::openapi::schema::ComponentsBuilder;
use utoipa::openapi::{Content, Ref, ResponseBuilder};

use super::examples;
use super::headers::{ENDING, answer, rated_answer, with};
use super::values::json_body;
use crate::error::Error;

/// An answer that routes share: its name, and what it is.
struct Shared {
    name: &'static str,
    description: &'static str,
    /// One of the errors that it is answered for.
    error: Error,
    headers: &'static [&'static str],
}

fn shared() -> [Shared; 7] {
    [
        Shared {
            name: "Unauthorized",
            description: "No key, several, one that is not good here, or one of another kind.",
            error: Error::Unauthenticated,
            headers: &["WWW-Authenticate"],
        },
        Shared {
            name: "NotAcceptable",
            description: "`Accept` has none of the forms that the route answers in.",
            error: Error::NotAcceptable("application/json and text/csv"),
            headers: &[],
        },
        Shared {
            name: "Gone",
            description: "The route has ended on this server; the text names its successor and what is renamed there.",
            error: Error::Gone,
            headers: ENDING,
        },
        Shared {
            name: "TooManyRequests",
            description: "More requests than the rate allows, too many failed ones, or more batches than there is room for.",
            error: Error::RateLimited { retry_after: Duration::ZERO },
            headers: &["Retry-After"],
        },
        Shared { name: "InternalError", description: INTERNAL, error: internal(), headers: &[] },
        Shared {
            name: "Unavailable",
            description: "The server or its ledger is busy or away, or the ledger can only be read for now.",
            error: Error::Busy,
            headers: &["Retry-After"],
        },
        Shared { name: "GatewayTimeout", description: TIMED_OUT, error: Error::TimedOut, headers: &[] },
    ]
}

const INTERNAL: &str =
    "What the client cannot help. The cause is in the server's log, under the request's id.";
const TIMED_OUT: &str = "The answer takes too long. Ask for less, or later.";

/// The shared answers that not every billing route gives.
const NOT_EVERYWHERE: &[&str] = &["Gone"];

fn internal() -> Error {
    Error::internal("only its log has the cause")
}

/// Adds the shared answers.
pub(super) fn add(components: ComponentsBuilder) -> ComponentsBuilder {
    shared().into_iter().fold(components, |components, shared| {
        let response = with(shared.headers, error(shared.description, &shared.error));
        components.response(shared.name, response)
    })
}

/// The operation with the answers that every billing route may give, and with these too.
pub(super) fn share(operation: OperationBuilder, beside: &[&str]) -> OperationBuilder {
    let is_given = |name| !NOT_EVERYWHERE.contains(&name) || beside.contains(&name);
    shared().into_iter().filter(|shared| is_given(shared.name)).fold(operation, |operation, shared| {
        operation.response(shared.error.status().as_str(), Ref::from_response_name(shared.name))
    })
}

/// What a route may answer that has no key and no rate.
pub(super) fn unrated(operation: OperationBuilder) -> OperationBuilder {
    [(INTERNAL, internal()), (TIMED_OUT, Error::TimedOut)].into_iter().fold(operation, unrated_error)
}

/// The same for a route that may be refused when the server is busy.
pub(super) fn unrated_busy(operation: OperationBuilder) -> OperationBuilder {
    unrated_error(operation, ("The server is busy.", Error::Busy))
}

fn unrated_error(operation: OperationBuilder, (description, error): (&str, Error)) -> OperationBuilder {
    operation.response(error.status().as_str(), answer(description).content("application/json", said(&error)))
}

/// An answer that is an error.
pub(super) fn error(description: &str, error: &Error) -> ResponseBuilder {
    rated_answer(description).content("application/json", said(error))
}

/// What an error says.
fn said(error: &Error) -> Content {
    json_body("Error", &examples::error(&error.to_string()))
}
