//! The shapes of what is answered. Further fields may come with time: a client ignores what it does not know.

use billing_model::{Cursor, FaultCode, HistoryQuery, UsageQuery};
use utoipa::openapi::schema::{AdditionalProperties, AnyOfBuilder, ComponentsBuilder, Type};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema};

use super::values::{
    count_from, formed, list, named, number, number_or_null, object, of, one_of, or_null, text, text_or_null,
};
use super::{parameters, patterns};

/// The faults for which a query can be refused.
const FAULT_CODES: [FaultCode; 7] = [
    FaultCode::InvalidType,
    FaultCode::InvalidEnumValue,
    FaultCode::InvalidString,
    FaultCode::TooSmall,
    FaultCode::TooBig,
    FaultCode::UnrecognizedKeys,
    FaultCode::Custom,
];

/// Adds every shape of an answer.
pub(super) fn add(components: ComponentsBuilder) -> ComponentsBuilder {
    components
        .schema("UsageEntry", usage_entry())
        .schema("InferenceDetails", inference_details())
        .schema("UsagePage", usage_page())
        .schema("Pagination", pagination())
        .schema("HistoryPage", history_page())
        .schema("Analytics", analytics())
        .schema("DaySpend", day_spend())
        .schema("ModelSpend", model_spend())
        .schema("SpendPart", spend_part())
        .schema("KeySpend", key_spend())
        .schema("DaySeries", day_series())
        .schema("Balance", balance())
        .schema("Error", error())
        .schema("Health", health())
}

fn usage_entry() -> ObjectBuilder {
    object(
        "A row of the ledger: one input, cache, output or flat fee of one request, or a credit. An entry has no id, and \
         equal entries are legal: never drop one because an equal one was there before. Members beside these, here and in \
         `inferenceDetails`, are as whoever recorded the entry sent them.",
        [
            ("timestamp", written_instant("When the entry was created.").into()),
            ("sku", text("The product.").into()),
            (
                "pricePerUnitUsd",
                number("The price of one unit in USD, also when another currency is charged.").into(),
            ),
            ("units", number("Units consumed; of a `…-mtoken` sku one unit is a million tokens.").into()),
            (
                "amount",
                number(
                    "What was charged, in `currency`: negative is a charge, positive a top-up, a grant or a refund. It is \
                     authoritative and need not be price times units.",
                )
                .into(),
            ),
            ("currency", currency("What `amount` counts.").into()),
            ("notes", text("Free text, `API Inference` for API calls.").into()),
            ("inferenceDetails", or_none("InferenceDetails", "The request behind it; null for what is not usage.")),
            (
                "apiKeyId",
                text_or_null("The API key that was charged; null for the web app and for what is not usage.")
                    .into(),
            ),
        ],
    )
}

fn inference_details() -> ObjectBuilder {
    object(
        "The request behind an entry. All entries of one request repeat the same details, so take its tokens once.",
        [
            ("requestId", text_or_null("The inference request.").into()),
            ("inferenceExecutionTime", number_or_null("How long it took, in milliseconds.").into()),
            ("promptTokens", number_or_null("Tokens read; LLM usage only.").into()),
            ("completionTokens", number_or_null("Tokens written; LLM usage only.").into()),
        ],
    )
}

fn usage_page() -> ObjectBuilder {
    object(
        "A page of the ledger, by number.",
        [
            ("data", entries(UsageQuery::MAX_LIMIT, "The entries, in the order that was asked for.")),
            ("pagination", named("Pagination")),
        ],
    )
    .property("warningMessage", text("What users of the route should know; there while it is deprecated."))
}

fn pagination() -> ObjectBuilder {
    object(
        "Where a page stands in the whole.",
        [
            ("limit", count_from(1, "Entries on a page.").maximum(Some(UsageQuery::MAX_LIMIT)).into()),
            ("page", count_from(1, "The number of this page.").maximum(Some(u32::MAX)).into()),
            ("total", count_from(0, "Entries in the whole.").into()),
            ("totalPages", count_from(0, "Pages in the whole; 0 of nothing.").into()),
        ],
    )
}

fn history_page() -> ObjectBuilder {
    object(
        "A page of the ledger, by cursor.",
        [
            ("data", entries(HistoryQuery::MAX_PAGE_SIZE, "The entries, oldest first.")),
            (
                "nextCursor",
                text_or_null(
                    "Where the next page begins; null on the last one. An empty page need not be the last.",
                )
                .pattern(Some(patterns::CURSOR))
                .max_length(Some(Cursor::MAX_LEN))
                .into(),
            ),
        ],
    )
}

fn entries(most: u32, description: &str) -> RefOr<Schema> {
    list(named("UsageEntry"), description).max_items(usize::try_from(most).ok()).into()
}

fn analytics() -> ObjectBuilder {
    object(
        "Sums by day, model and API key. Spend is positive here, and gross: refunds are not subtracted.",
        [
            (
                "lookback",
                text(
                    "The span that is summed up, as it was asked for: `7d`, or `2026-05-01:2026-05-31` when it was asked for \
                     by dates. Of more than 90 days back it is `90d`.",
                )
                .into(),
            ),
            ("byDate", list(named("DaySpend"), "Every day of the span, oldest first.").into()),
            ("byModel", list(named("ModelSpend"), "Every model, by spend; beyond 1000 of them one more row, `Other`, with the sums of the rest.").into()),
            (
                "byModelDaily",
                list(named("DaySeries"), "A number for each of `topModels`, day by day.").into(),
            ),
            ("topModels", list(text("A model."), "The models of `byModelDaily`, by spend.").into()),
            ("byKey", list(named("KeySpend"), "Every API key, by spend; beyond 1000 of them one more row, `Other`, with the sums of the rest.").into()),
            (
                "byKeyDaily",
                list(named("DaySeries"), "A number for each of `topKeyNames`, day by day.").into(),
            ),
            ("topKeyNames", list(text("A key."), "The keys of `byKeyDaily`, by spend.").into()),
        ],
    )
}

fn day_spend() -> ObjectBuilder {
    object(
        "The spend of a day; zeros when there was none.",
        [
            ("date", formed(KnownFormat::Date, patterns::date(), "The UTC day.").into()),
            ("USD", number("Spent in USD and credits that count in USD.").into()),
            ("DIEM", number("Spent in DIEM.").into()),
        ],
    )
}

fn model_spend() -> ObjectBuilder {
    object(
        "The spend on a model.",
        [
            ("modelName", text("The model.").into()),
            (
                "unitType",
                text(
                    "What `totalUnits` counts: `tokens`, in millions; `images`; and words of this server, `requests` for \
                     searches and `units` for what a sku does not tell. Venice also says `chars`, `minutes` and `seconds`. \
                     There may be more with time.",
                )
                .into(),
            ),
            (
                "modelType",
                text_or_null(
                    "The kind of model: `LLM`, `IMAGE`, `VIDEO`, and words of this server, `EMBEDDING` and `MUSIC`. Null when \
                     the sku does not tell. Venice also says `TTS` and `ASR`. There may be more with time.",
                )
                .into(),
            ),
            ("totalUsd", number("Spent in USD and credits that count in USD.").into()),
            ("totalDiem", number("Spent in DIEM.").into()),
            ("totalUnits", number("Units consumed, as the ledger has them: of `tokens` one is a million tokens.").into()),
        ],
    )
    .property(
        "breakdown",
        list(named("SpendPart"), "The same by kind of usage; there only when there is more than one."),
    )
}

fn spend_part() -> ObjectBuilder {
    object(
        "A part of the spend on a model.",
        [
            ("type", text("`Input`, `Output`, `Cache Read`, `Cache Write` and others.").into()),
            ("usd", number("Spent in USD and credits that count in USD.").into()),
            ("diem", number("Spent in DIEM.").into()),
            ("units", number("Units consumed, counted as in `totalUnits`.").into()),
        ],
    )
}

fn key_spend() -> ObjectBuilder {
    object(
        "The spend of an API key.",
        [
            ("apiKeyId", text_or_null("The key; null for the web app.").into()),
            ("description", text("What the key is called; `Web App` for none.").into()),
            ("totalUsd", number("Spent in USD and credits that count in USD.").into()),
            ("totalDiem", number("Spent in DIEM.").into()),
            (
                "totalUnits",
                number("Units consumed, of whatever they count; of tokens one is a million.").into(),
            ),
        ],
    )
}

fn day_series() -> ObjectBuilder {
    let of_a_name = number("The spend under that name on that day.").into();
    let date = of(Type::Integer).description(Some("The start of the UTC day, in milliseconds of Unix time."));
    object("A day, and a number for each name of the series.", [("date", date.into())])
        .additional_properties(Some(AdditionalProperties::RefOr(of_a_name)))
}

fn balance() -> ObjectBuilder {
    let names = parameters::CURRENCIES.map(Some).into_iter();
    let currency = or_null(Type::String)
        // Null is one of the values, because the enumeration alone decides what is valid.
        .enum_values(Some(names.chain([None])))
        .description(Some("What the next request is charged in; null when `canConsume` is false."));
    let balances = object(
        "What is left, by currency.",
        [
            (
                "diem",
                number_or_null("Left of the allowance of this epoch; null for an account that gets none.")
                    .into(),
            ),
            ("usd", number_or_null("Left of what was paid in; null when that is nothing, or less.").into()),
            (
                "bundledCredits",
                number_or_null("Left of the credits of the plan; null when that is nothing, or less.").into(),
            ),
            (
                "earnedCredits",
                number_or_null("Left of credits that were earned; null when that is nothing, or less.")
                    .into(),
            ),
        ],
    );
    object(
        "What is left to spend.",
        [
            (
                "canConsume",
                of(Type::Boolean)
                    .description(Some("True while 0.10 USD is left in all, with a DIEM counted as one."))
                    .into(),
            ),
            ("consumptionCurrency", currency.into()),
            ("balances", balances.into()),
            ("diemEpochAllocation", number("The allowance of an epoch, in DIEM.").into()),
        ],
    )
}

fn error() -> ObjectBuilder {
    let messages = || list(text("What is wrong."), "What is wrong with it; empty when nothing is.");
    let of_a_field = object("The faults of one parameter.", [("_errors", messages().into())]);
    let details = object("The faults by parameter.", [("_errors", messages().into())])
        .additional_properties(Some(of_a_field));
    let issue = object(
        "One fault.",
        [
            ("code", one_of(FAULT_CODES.map(FaultCode::as_str), "The kind of fault.").into()),
            ("path", list(text("A parameter."), "The parameter; empty for the query as a whole.").into()),
            ("message", text("What is wrong, in words.").into()),
        ],
    );
    object("Why there is no better answer.", [("error", text("The reason, in words.").into())])
        .property("details", details)
        .property("issues", list(issue, "The same faults as a list."))
}

fn health() -> ObjectBuilder {
    object("How the server is.", [("status", text("`ok`, or what is wrong.").into())])
}

fn currency(description: &str) -> ObjectBuilder {
    let known = "`DIEM`, `EARNED_CREDITS`, `BUNDLED_CREDITS`, `USD`, `VCU`, or one that came later.";
    text(&format!("{description} {known}"))
}

fn written_instant(description: &str) -> ObjectBuilder {
    formed(KnownFormat::DateTime, patterns::WRITTEN_INSTANT, description)
}

/// A schema of `components`, or null.
fn or_none(schema: &str, description: &str) -> RefOr<Schema> {
    AnyOfBuilder::new().description(Some(description)).item(named(schema)).item(of(Type::Null)).into()
}
