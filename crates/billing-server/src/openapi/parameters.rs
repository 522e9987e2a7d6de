//! The parameters of requests. Their limits are those of the model's own checks.

use billing_model::{AnalyticsQuery, Cursor, HistoryQuery, HistoryRequest, SortOrder, UsageQuery};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{KnownFormat, ObjectBuilder, Required};

use super::patterns;
use super::values::{count_between, formed, one_of, text};
use crate::ingest::MAX_KEY_LEN;

/// The longest timestamp that `usage-history` reads.
pub(super) const MAX_TIMESTAMP_LEN: usize = 40;

/// Every currency that has a name, in the order in which they are spent.
pub(super) const CURRENCIES: [&str; 5] = ["DIEM", "EARNED_CREDITS", "BUNDLED_CREDITS", "USD", "VCU"];

pub(super) fn usage() -> [Parameter; 7] {
    let takes = |query: &str| UsageQuery::parse(query).is_ok();
    let orders = [SortOrder::Asc, SortOrder::Desc].map(SortOrder::as_str);
    let instant = |description| formed(KnownFormat::DateTime, patterns::instant(), description);
    [
        query("currency", currencies(takes)),
        query(
            "startDate",
            instant("Only entries at or after this instant, RFC 3339.")
                .examples(["2026-06-01T00:00:00Z"]),
        ),
        query(
            "endDate",
            instant(
                "Only entries at or before this instant, RFC 3339. It is inclusive, and not before `startDate`.",
            )
            .examples(["2026-06-30T23:59:59.999Z"]),
        ),
        query(
            "limit",
            count_between(1, UsageQuery::MAX_LIMIT, "Entries on a page.")
                .default(Some(UsageQuery::DEFAULT_LIMIT.into())),
        ),
        query(
            "page",
            count_between(1, u32::MAX, "The number of the page. Beyond the last one a page is empty.")
                .default(Some(1.into())),
        ),
        query(
            "sortOrder",
            one_of(
                orders,
                "The order by time of creation. Walk a ledger `asc`: in the other order pages shift when entries arrive.",
            )
            .default(Some(SortOrder::default().as_str().into())),
        ),
        prefer(),
    ]
}

pub(super) fn usage_history() -> [Parameter; 6] {
    let takes = |query: &str| HistoryRequest::parse(query).is_ok();
    let instant = |description| {
        formed(KnownFormat::DateTime, patterns::utc_instant(), description)
            .max_length(Some(MAX_TIMESTAMP_LEN))
    };
    [
        query("currency", currencies(takes)),
        query(
            "startTimestamp",
            instant("Only entries at or after this instant, in UTC with `Z`.")
                .examples(["2026-06-01T00:00:00Z"]),
        ),
        query(
            "endTimestamp",
            instant(
                "Only entries before this instant, in UTC with `Z`. It is exclusive, and later than `startTimestamp`.",
            )
            .examples(["2026-07-01T00:00:00Z"]),
        ),
        query(
            "pageSize",
            count_between(HistoryQuery::MIN_PAGE_SIZE, HistoryQuery::MAX_PAGE_SIZE, "Entries on a page.")
                .default(Some(HistoryQuery::MAX_PAGE_SIZE.into())),
        ),
        query(
            "cursor",
            text(
                "The `nextCursor` of the page before. It carries the filters of the first page and goes alone: beside any \
                 other parameter it is refused.",
            )
            .pattern(Some(patterns::CURSOR))
            .min_length(Some(1))
            .max_length(Some(Cursor::MAX_LEN)),
        ),
        prefer(),
    ]
}

pub(super) fn usage_analytics() -> [Parameter; 4] {
    let date = |description: &str| formed(KnownFormat::Date, patterns::date_of_our_era(), description);
    [
        query(
            "lookback",
            text(&format!(
                "The span, in days back from now, today among them. More than `{most}d` is `{most}d`, which the answer then \
                 says. Beside two dates it counts for nothing.",
                most = AnalyticsQuery::MAX_LOOKBACK_DAYS
            ))
            .pattern(Some(patterns::LOOKBACK))
            .default(Some(format!("{}d", AnalyticsQuery::DEFAULT_LOOKBACK_DAYS).into())),
        ),
        query(
            "startDate",
            date("The first UTC day of the span. Without `endDate` it counts for nothing.").examples(["2026-06-01"]),
        ),
        query(
            "endDate",
            date(&format!(
                "The last UTC day of the span, not before `startDate`. Without that it counts for nothing. A span has {} days \
                 at most; more than {} are an extension of this server, Venice refuses them.",
                AnalyticsQuery::MAX_DATE_RANGE_DAYS,
                AnalyticsQuery::MAX_LOOKBACK_DAYS
            ))
            .examples(["2026-06-30"]),
        ),
        query(
            "topN",
            count_between(
                1,
                AnalyticsQuery::MAX_TOP_N,
                &format!(
                    "How many models and keys the daily series name; the others are one, `Other`. When it is not given, \
                     they name {} and leave the others out. An extension of this server: Venice has no such parameter.",
                    AnalyticsQuery::DEFAULT_TOP
                ),
            ),
        ),
    ]
}

/// The key of an ingest, by which a repetition is recognised.
pub(super) fn idempotency_key() -> Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some(
            "What you call the batch, its own for good: 1 to 255 visible ASCII characters. Sent again with the same body, \
             nothing is recorded twice; with another body it is refused.",
        ))
        .schema(Some(
            text("The key.")
                .pattern(Some(patterns::IDEMPOTENCY_KEY))
                // The length stands beside the pattern, because tools that test limits look for it here.
                .min_length(Some(1))
                .max_length(Some(MAX_KEY_LEN))
                .examples(["2026-06-27/1"]),
        ))
        .build()
}

/// The currencies that the check of a route takes, asked one by one.
fn currencies(takes: fn(&str) -> bool) -> ObjectBuilder {
    let taken = CURRENCIES.into_iter().filter(|name| takes(&format!("currency={name}")));
    one_of(taken, "Only entries charged in this currency; all of them when it is not given.")
}

fn prefer() -> Parameter {
    ParameterBuilder::new()
        .name("Prefer")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "`include=apiKeyId` gives CSV a last column `apiKeyId` (RFC 7240). Other preferences are ignored.",
        ))
        .schema(Some(text("A preference.").examples(["include=apiKeyId"])))
        .build()
}

/// A parameter that may be left out; it takes its description from its schema.
fn query(name: &str, schema: ObjectBuilder) -> Parameter {
    let mut schema = schema.build();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(schema.description.take())
        .schema(Some(schema))
        .build()
}
