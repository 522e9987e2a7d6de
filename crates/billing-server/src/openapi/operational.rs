//! The routes for whoever runs a server: how it is, and what it speaks. They have no rate, and but for the metrics need
//! no key.

use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, ContentBuilder, Ref, ResponseBuilder};

use super::billing::{ADMIN_KEY, curl};
use super::examples;
use super::headers::{PAGE, answer, with};
use super::responses::{unrated, unrated_busy};
use super::values::{json_body, of, text_body};
use crate::metrics;
use crate::routes::{DOCS, HEALTHZ, METRICS, OPENAPI, OPERATIONAL, READYZ};

/// Adds the operational routes.
pub(super) fn add(paths: PathsBuilder) -> PathsBuilder {
    let good = |description: &str| ("200", json(description, "Health", r#"{"status":"ok"}"#));
    let not_ready = json(
        "The server cannot answer, or will not for long.",
        "Health",
        r#"{"status":"the disk of the ledger is full"}"#,
    );
    let document = of(Type::Object).description(Some("An OpenAPI document."));
    let document: Content = ContentBuilder::new().schema(Some(document)).build();
    let page = answer("The page.").content("text/html", Content::new(Some(of(Type::String))));
    let page = with(PAGE, page);
    [
        route(
            HEALTHZ,
            "checkHealth",
            "Whether the server runs",
            "Looks at nothing else: an answer is all it says.",
            vec![good("The server runs.")],
        ),
        route(
            READYZ,
            "checkReadiness",
            "Whether the server can answer",
            "The ledger can be read, its last write worked, and the server is not about to end. While writes fail it is \
             tried every second whether they would work.",
            vec![good("The server can answer."), ("503", not_ready)],
        ),
        counts(),
        route(
            OPENAPI,
            "readDocument",
            "This document",
            "For tools.",
            vec![("200", answer("The document.").content("application/json", document))],
        ),
        route(
            DOCS,
            "readPage",
            "This document, as a page",
            "For people. It needs no script and nothing from elsewhere.",
            vec![("200", page)],
        ),
    ]
    .into_iter()
    .fold(paths, |paths, (path, item)| paths.path(path, item))
}

fn counts() -> (&'static str, PathItem) {
    let counters = text_body("OpenMetrics, which Prometheus reads.", examples::METRICS);
    let operation = OperationBuilder::new()
        .tag("Operate")
        .operation_id(Some("readMetrics"))
        .summary(Some("What the server counts of an account"))
        .description(Some(
            "For Prometheus: the batches of the account that came since the server's start, their entries, and the exact \
             sums of spend and credit, each currency apart. An entry of another currency is in the count alone.\n\n\
             What the server counts of all accounts together (these, requests, times, connections, transactions) is on an \
             address of its own, when it was told one.",
        ))
        .securities(Some([SecurityRequirement::new(ADMIN_KEY, [""; 0])]))
        .extensions(curl(
            "curl -H \"Authorization: Bearer $BILLING_API_KEY\" \\\n  \"${BILLING_BASE_URL%/api/v1}/metrics\"",
        ))
        .response("200", answer("The counters.").content(metrics::CONTENT_TYPE, counters))
        .response("401", Ref::from_response_name("Unauthorized"));
    (METRICS, PathItem::new(HttpMethod::Get, unrated(operation)))
}

fn json(description: &str, schema: &str, example: &str) -> ResponseBuilder {
    answer(description).content("application/json", json_body(schema, example))
}

fn route(
    path: &'static str,
    id: &str,
    summary: &str,
    description: &str,
    responses: Vec<(&str, ResponseBuilder)>,
) -> (&'static str, PathItem) {
    let operation = OperationBuilder::new()
        .tag("Operate")
        .operation_id(Some(id))
        .summary(Some(summary))
        .description(Some(description))
        // An empty list says that no key is needed.
        .securities(Some([]))
        .extensions(curl(&format!("curl \"${{BILLING_BASE_URL%/api/v1}}{path}\"")));
    let operation = responses
        .into_iter()
        .fold(operation, |operation, (status, response)| operation.response(status, response));
    // Routes that watch the server answer even when it is busy.
    let operation = if OPERATIONAL.contains(&path) { operation } else { unrated_busy(operation) };
    let operation = unrated(operation);
    (path, PathItem::new(HttpMethod::Get, operation))
}
