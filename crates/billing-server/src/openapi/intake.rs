//! The shapes of what is recorded: entries as an ingest takes them, its receipt and its refusals.

use utoipa::openapi::schema::{AnyOfBuilder, ComponentsBuilder, RefBuilder, Type};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema};

use super::patterns;
use super::values::{count_from, formed, list, named, object, of, or_null, text, text_or_null};
use crate::row_rules::{MAX_CURRENCY_LEN, MAX_OTHER_FIELDS_BYTES, MAX_SKU_LEN, MAX_TEXT_BYTES};

/// Adds every shape of an ingest.
pub(super) fn add(components: ComponentsBuilder) -> ComponentsBuilder {
    components
        .schema("NewEntry", new_entry())
        .schema("NewInferenceDetails", new_inference_details())
        .schema("ExactNumber", exact_number())
        .schema("TokenCount", token_count())
        .schema("IngestReceipt", ingest_receipt())
        .schema("IngestRefused", ingest_refused())
        .schema("IngestConflict", ingest_conflict())
}

fn new_entry() -> ObjectBuilder {
    object(
        &format!(
            "An entry to record. What is missing from a field that may be null is null; what is not known is kept as it came. `unit` is \
             taken for `units`, and beside it must say the same. The texts of an entry have {MAX_TEXT_BYTES} bytes of UTF-8 \
             at most, all together; the JSON of what is not known has {MAX_OTHER_FIELDS_BYTES} bytes at most."
        ),
        [
            (
                "timestamp",
                formed(
                    KnownFormat::DateTime,
                    patterns::recordable_instant(),
                    "When the entry was created, to the nanosecond. A server may be set up to refuse entries of long ago, or \
                     of a time to come; it names its own time then.",
                )
                .into(),
            ),
            ("sku", sku().into()),
            ("pricePerUnitUsd", exact("The price of one unit in USD, also when another currency is charged.")),
            ("units", exact("Units consumed; of a `…-mtoken` sku one unit is a million tokens.")),
            ("amount", exact("What was charged, in `currency`: negative is a charge, positive a credit.")),
            ("currency", currency().into()),
            ("notes", short_or_null("Free text; null is the empty text.").into()),
        ],
    )
    .property("inferenceDetails", or_null_too(named("NewInferenceDetails"), "The request behind the entry."))
    .property("apiKeyId", short_or_null("The API key that was charged."))
}

fn new_inference_details() -> ObjectBuilder {
    let number = |description| or_null_too(named("ExactNumber"), description);
    let tokens = |description| or_null_too(named("TokenCount"), description);
    of(Type::Object)
        .description(Some(
            "The request behind an entry. Each of its fields may be null or missing, `requestId` too: the rest is kept.",
        ))
        .property("requestId", short_or_null("The inference request."))
        .property("inferenceExecutionTime", number("How long it took, in milliseconds."))
        .property("promptTokens", tokens("Tokens read; LLM usage only."))
        .property("completionTokens", tokens("Tokens written; LLM usage only."))
}

/// Numbers as JSON or as text. When a number can be kept exactly is said in words: limits of its size would refuse good
/// numbers and still let bad ones pass.
fn exact_number() -> AnyOfBuilder {
    let digits = text("The number in digits, plain or with an exponent.").pattern(Some(patterns::DECIMAL));
    AnyOfBuilder::new()
        .description(Some(
            "A decimal number, kept to the last digit or refused: its digits without the point stay below 2⁹⁶, and the power \
             of ten of the last one is from -350 to 350. Every text of up to 28 digits is such a number, and so is every \
             double.",
        ))
        .item(of(Type::Number))
        .item(digits)
}

/// A whole number, otherwise like any number of an entry.
fn token_count() -> AnyOfBuilder {
    let digits = text("The number in digits, plain or with an exponent.").pattern(Some(patterns::COUNT));
    AnyOfBuilder::new()
        .description(Some("A whole number from 0, kept to the last digit or refused."))
        .item(of(Type::Integer).minimum(Some(0)))
        .item(digits)
}

fn sku() -> ObjectBuilder {
    text("The product, without control characters.")
        .min_length(Some(1))
        .max_length(Some(MAX_SKU_LEN))
        .pattern(Some(patterns::SKU))
}

fn currency() -> ObjectBuilder {
    text("What `amount` counts: `USD`, `DIEM` or any other name in capitals.")
        .max_length(Some(MAX_CURRENCY_LEN))
        .pattern(Some(patterns::CURRENCY))
}

fn ingest_receipt() -> ObjectBuilder {
    object(
        "What was recorded.",
        [
            ("idempotencyKey", text("The key under which it was recorded.").into()),
            ("recorded", count_from(0, "Entries of the batch.").into()),
        ],
    )
}

fn ingest_refused() -> ObjectBuilder {
    let row = || count_from(1, "A row, from 1.");
    let range =
        list(row(), "The first and the last row of a run of bad ones.").min_items(Some(2)).max_items(Some(2));
    let field = or_null(Type::String).description(Some("The field; null when the row as a whole is wrong."));
    let wrong_row = or_null(Type::Integer)
        .minimum(Some(1))
        .description(Some("The row, from 1; null when it is the body as a whole."));
    let issue = object(
        "What is wrong with a row, or with the body.",
        [
            ("row", wrong_row.into()),
            ("field", field.into()),
            ("message", text("What is wrong, in words.").into()),
        ],
    );
    object(
        "Why a batch was refused. Nothing of it was stored.",
        [
            ("error", text("The reason, in words.").into()),
            ("rows", count_from(0, "Rows of the batch.").into()),
            ("badRows", list(range, "The bad rows, as inclusive ranges.").into()),
            ("issues", list(issue, "The faults in the order of the rows; of very many, the first.").into()),
        ],
    )
}

fn ingest_conflict() -> ObjectBuilder {
    let synced_with = text(
        "The base URL of the service that the account is kept in step with. It is there when the account takes no batches, \
         under any key.",
    );
    object(
        "Another batch has the key, or the account takes no batches. This one was not stored.",
        [
            ("error", text("The reason, in words.").into()),
            (
                "idempotencyKey",
                text("The key. A 409 without it is not this server's, and says nothing of what was stored.")
                    .into(),
            ),
        ],
    )
    .property("syncedWith", synced_with)
}

/// A text. It alone may be as long as all texts of an entry together.
fn short_or_null(description: &str) -> ObjectBuilder {
    text_or_null(description).max_length(Some(MAX_TEXT_BYTES))
}

/// A number of an entry, described where it stands.
fn exact(description: &str) -> RefOr<Schema> {
    RefBuilder::new().ref_location_from_schema_name("ExactNumber").description(Some(description)).into()
}

fn or_null_too(schema: RefOr<Schema>, description: &str) -> AnyOfBuilder {
    AnyOfBuilder::new().description(Some(description)).item(schema).item(of(Type::Null))
}
