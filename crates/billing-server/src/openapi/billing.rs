//! The billing routes: what they do, what they take, what they answer.

use billing_model::{HistoryQuery, Timestamp};
use utoipa::openapi::Required;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::SecurityRequirement;

use super::headers::{CSV, ENDING, PAGINATION, rated_answer, with};
use super::responses::{error, share};
use super::values::{body, json_body, list, named, text_body};
use super::{examples, parameters};
use crate::config::Config;
use crate::error::Error;
use crate::routes::{BALANCE, USAGE, USAGE_ANALYTICS, USAGE_HISTORY};
use crate::trouble::Trouble;

/// The scheme of the keys that read.
pub(super) const ADMIN_KEY: &str = "adminKey";
/// The scheme of the keys that record.
pub(super) const INGEST_KEY: &str = "ingestKey";

/// What a CSV page is, in words: JSON Schema has none for it.
const CSV_PAGE: &str = "RFC 4180 with `\\n`: a header row, then one row an entry.";

/// Adds the billing routes.
pub(super) fn add(paths: PathsBuilder) -> PathsBuilder {
    let get = |path, operation: Operation| (path, PathItem::new(HttpMethod::Get, operation));
    let mut usage = PathItem::new(HttpMethod::Get, usage());
    usage.post = Some(record());
    [
        (USAGE, usage),
        get(USAGE_HISTORY, usage_history()),
        get(USAGE_ANALYTICS, usage_analytics()),
        get(BALANCE, balance()),
    ]
    .into_iter()
    .fold(paths, |paths, (path, item)| paths.path(path, item))
}

fn usage() -> Operation {
    let page = rated_answer("A page of the ledger. In CSV its numbers are in the headers.")
        .content("application/json", json_body("UsagePage", &examples::usage_page()))
        .content("text/csv", text_body(CSV_PAGE, examples::CSV));
    let page = with(CSV, with(PAGINATION, with(ENDING, page)));
    let operation = reading("listUsage", "The ledger by page number", &parameters::usage())
        .description(Some(
            "A page of the entries that a filter leaves, with the size of the whole. `Accept: text/csv` gives it as CSV.\n\n\
             Parameters that are not known are ignored. To walk the ledger, ask for `sortOrder=asc` and an `endDate` that \
             lies behind; or use `usage-history`, whose pages do not move.\n\n\
             A server may be set up to call this route deprecated, which `Deprecation` and `warningMessage` then say, or \
             to have ended it, which is a `410`.",
        ))
        .response("200", page)
        .response("400", refused_query())
        .extensions(curl("curl -H \"Authorization: Bearer $BILLING_API_KEY\" \\\n  \"$BILLING_BASE_URL/billing/usage?startDate=2026-06-01T00:00:00Z&limit=50&sortOrder=asc\""));
    share(operation, &["Gone"]).build()
}

fn usage_history() -> Operation {
    let next = LinkBuilder::new()
        .operation_id("listUsageHistory")
        .parameter("cursor", "$response.body#/nextCursor")
        .description("The page after this one, unless `nextCursor` is null.");
    let page = rated_answer("A page of the ledger. In CSV the next cursor is in a header.")
        .content("application/json", json_body("HistoryPage", &examples::history_page()))
        .content("text/csv", text_body(CSV_PAGE, examples::CSV))
        .link("nextPage", next.build());
    let page = with(CSV, with(&["x-next-cursor"], page));
    let operation = reading("listUsageHistory", "The ledger by cursor", &parameters::usage_history())
        .description(Some(format!(
            "The entries of a window, oldest first, {} at a time. Follow `nextCursor`, sent alone, until it is null. Pages \
             stay as they are while new entries are recorded, and windows that share a boundary join without gap or \
             overlap. `Accept: text/csv` gives them as CSV.\n\n\
             Parameters that are not known are refused. A cursor that is expired, altered or another account's, or of a walk from which entries were taken out, is a `400`: \
             start again from the first page.",
            HistoryQuery::MAX_PAGE_SIZE
        )))
        .response("200", page)
        .response("400", refused_query())
        .extensions(curl("curl -H \"Authorization: Bearer $BILLING_API_KEY\" -H \"Accept: text/csv\" \\\n  \"$BILLING_BASE_URL/billing/usage-history?startTimestamp=2026-06-01T00:00:00Z&pageSize=1000\""));
    share(operation, &[]).build()
}

fn usage_analytics() -> Operation {
    let sums = with(
        &["Cache-Control", "Age"],
        rated_answer("The sums.").content("application/json", json_body("Analytics", examples::ANALYTICS)),
    );
    let operation = reading("summarizeUsage", "Sums by day, model and API key", &parameters::usage_analytics())
        .description(Some(
            "What was spent in a span of UTC days: `lookback`, or `startDate` and `endDate` together, which go before it. Spend \
             is positive here. Sums are kept for some minutes: `Age` says how old they are.\n\n\
             Three things are extensions of this server, which Venice's API does not have: `topN`, spans of dates of more \
             than 90 days, and a row `Other` that sums what would be too much for a list. Of tokens, units are those of the \
             ledger, in which one is a million. A parameter that is malformed is refused, also where it would count for \
             nothing, and so is one that is not known.",
        ))
        .response("200", sums)
        .response("400", refused_query())
        .extensions(curl("curl -H \"Authorization: Bearer $BILLING_API_KEY\" \\\n  \"$BILLING_BASE_URL/billing/usage-analytics?lookback=30d&topN=10\""));
    share(operation, &[]).build()
}

fn balance() -> Operation {
    let left =
        rated_answer("What is left.").content("application/json", json_body("Balance", examples::BALANCE));
    let operation = reading("readBalance", "What is left to spend", &[])
        .description(Some(
            "The balance of each currency, and which of them pays for the next request. What is owed is not told: a balance \
             in USD or credits that is not positive is null.",
        ))
        .response("200", left)
        .extensions(curl(
            "curl -H \"Authorization: Bearer $BILLING_API_KEY\" \"$BILLING_BASE_URL/billing/balance\"",
        ));
    share(operation, &[]).build()
}

fn record() -> Operation {
    let batch = RequestBodyBuilder::new()
        .description(Some(
            "A batch, in one of three forms, which `Content-Type` names. `Content-Encoding: gzip` is taken. A batch is one \
             body: what is too large for one goes in several, each under a key of its own.",
        ))
        .content("application/json", body(list(named("NewEntry"), "The entries.").into(), &examples::batch()))
        .content("application/x-ndjson", text_body("One entry a line, each as JSON.", &examples::batch_lines()))
        .content("text/csv", text_body("RFC 4180 with a header row; columns by name, in any order.", examples::CSV))
        .required(Some(Required::True))
        .build();
    let receipt = rated_answer("All of it is recorded, durably, now or when the key came first.")
        .content("application/json", json_body("IngestReceipt", examples::RECEIPT));
    let refused = rated_answer("Rows that cannot be recorded. None was.")
        .content("application/json", json_body("IngestRefused", examples::REFUSED_BATCH));
    let other_body = rated_answer(
        "Another body was recorded under this key; or, with `syncedWith`, the account is kept in step with a service and takes no \
         batches.",
    )
        .content("application/json", json_body("IngestConflict", examples::CONFLICTING_BATCH));
    let no_form =
        error("`Content-Type` or `Content-Encoding` is none that the route takes.", &Error::MediaType);
    let disk_is_full =
        error("The disk of the ledger is full. The batch was not stored.", &Error::Unwritable(Trouble::Full));
    let limit = Config::new(|| Timestamp::from_unix_ns(0)).body_limit;
    let operation = OperationBuilder::new()
        .tag("Record")
        .operation_id(Some("recordUsage"))
        .summary(Some("Record a batch of entries, once"))
        .description(Some(
            "Stores all entries of a batch, or none. A batch that was sent before, with the same `Idempotency-Key` and the \
             same body, is not stored again and not refused: its receipt is what it gets. So whoever did not hear of the \
             outcome sends it again as it was.\n\n\
             Numbers are kept to the last digit. Each entry keeps the place that it has in its batch. Of several things that \
             are wrong the first is said, in this order: the key, `Accept`, `Content-Encoding`, `Content-Type`, \
             `Idempotency-Key`, the body, its rows.",
        ))
        .parameter(parameters::idempotency_key())
        .request_body(Some(batch))
        .security(SecurityRequirement::new(INGEST_KEY, [""; 0]))
        .response("201", with(&["Idempotency-Replayed"], receipt))
        .response(
            "400",
            error("`Idempotency-Key` is missing or not good, or the body is damaged.", &Error::IdempotencyKey),
        )
        .response("408", error("The body did not arrive whole in time.", &Error::BodyTimeout))
        .response("409", other_body)
        .response("413", error("The body is larger than the server takes.", &Error::BodyTooLarge(limit)))
        .response("415", with(&["Accept-Encoding"], no_form))
        .response("422", refused)
        .response("507", with(&["Retry-After"], disk_is_full))
        .extensions(curl("gzip -c june.ndjson | curl -H \"Authorization: Bearer $(cat ingest-key)\" \\\n  -H \"Content-Type: application/x-ndjson\" -H \"Content-Encoding: gzip\" \\\n  -H \"Idempotency-Key: 2026-06/1\" --data-binary @- \"$BILLING_BASE_URL/billing/usage\""));
    share(operation, &[]).build()
}

/// An operation that reads.
fn reading(id: &str, summary: &str, parameters: &[Parameter]) -> OperationBuilder {
    let operation = OperationBuilder::new()
        .tag("Read")
        .operation_id(Some(id))
        .summary(Some(summary))
        .security(SecurityRequirement::new(ADMIN_KEY, [""; 0]));
    parameters.iter().cloned().fold(operation, OperationBuilder::parameter)
}

fn refused_query() -> utoipa::openapi::ResponseBuilder {
    rated_answer("The query is refused; every fault of it is said at once.")
        .content("application/json", json_body("Error", examples::REFUSED_QUERY))
}

/// A line for the shell, under the name that viewers of documents read.
pub(super) fn curl(line: &str) -> Option<utoipa::openapi::extensions::Extensions> {
    let samples = serde_json::json!([{ "lang": "Shell", "label": "curl", "source": line }]);
    Some(ExtensionsBuilder::new().add("x-codeSamples", samples).build())
}
