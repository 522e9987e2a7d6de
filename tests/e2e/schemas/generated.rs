//! Two thousand made-up answers of each route, as our writers write them, against its schema.

use billing_model::{
    AnalyticsQuery, Balance, BalanceParts, Currency, Day, Decimal, ErrorBody, HistoryRequest, Page,
    Pagination, Paging, Timestamp, Total, UsageQuery, decimal_text, parse_decimal,
};
use billing_report::AnalyticsBuilder;
use billing_testkit::{any_decimal, any_documented_entries};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Shape, check};

const NOW: &str = "2026-06-14T10:00:00Z";

/// A number that is not below zero.
fn any_spend() -> impl Strategy<Value = Total> {
    let size = |number| parse_decimal(decimal_text(number).trim_start_matches('-')).unwrap();
    any_decimal().prop_map(move |number| size(number).into())
}

fn any_total() -> impl Strategy<Value = Total> {
    vec(any_decimal(), 0..4).prop_map(|numbers| {
        numbers.into_iter().fold(Total::default(), |mut sum, number: Decimal| {
            sum.add(number);
            sum
        })
    })
}

/// Skus of every form, of few models, so that some come together; and of none.
fn any_sku() -> impl Strategy<Value = String> {
    let end = prop_oneof![
        4 => "-llm-(extended-)?(input|output|cache-input|cache-write(-5m|-1h)?)-mtoken",
        1 => "-image-unit|-edit-fixed-1img|-fixed-2K-websearch-1img",
        1 => "-text-to-video-duration-rate-1080p|-resolution-720p",
        1 => "-duration-based-60s|-fixed-1min",
        1 => "",
    ];
    let model = select(vec!["a", "b-api", "text-embedding-c", "date", "Other", "é\"\\\u{2028}"]);
    prop_oneof![
        6 => (model, end).prop_map(|(model, end)| format!("{model}{end}")),
        1 => Just("search-augmentation".to_owned()),
        1 => any::<String>(),
    ]
}

fn any_currency() -> impl Strategy<Value = Currency> {
    select(vec!["USD", "DIEM", "BUNDLED_CREDITS", "EARNED_CREDITS", "VCU", "GOLD"]).prop_map(Currency::from)
}

fn any_analytics_query() -> impl Strategy<Value = String> {
    let span = prop_oneof![
        "|lookback=[1-9][0-9]{0,3}d|startDate=2026-06-10|lookback=3d&endDate=2026-06-10",
        "startDate=2026-06-0[1-9]&endDate=2026-06-1[0-9](&lookback=7d)?",
        "startDate=2025-07-01&endDate=2026-06-14",
    ];
    (span, option::of(1u32..=50)).prop_map(|(span, top_n)| match top_n {
        None => span,
        Some(top_n) => format!("{span}&topN={top_n}"),
    })
}

/// The text that a writer appends.
fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn holds(shape: Shape, body: &str) {
    check(shape, body).unwrap_or_else(|wrong| panic!("{wrong}\n{body}"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn pages_by_number(
        entries in any_documented_entries(12), limit in 1u32..=500, page in 1u32.., total: u64,
        warning in option::of(Just("This endpoint ends.".to_owned())),
    ) {
        let page = Page { entries, paging: Paging::ByNumber(Pagination::new(limit, page, total)), warning };
        holds(Shape::Usage, &written(|out| page.write_json(out)));
    }

    #[test]
    fn pages_by_cursor(entries in any_documented_entries(12), cursor in option::of("[A-Za-z0-9_-]{1,512}")) {
        let cursor = cursor.map(|cursor| cursor.parse().unwrap());
        let page = Page { entries, paging: Paging::ByCursor(cursor), warning: None };
        holds(Shape::History, &written(|out| page.write_json(out)));
    }

    #[test]
    fn sums(
        query in any_analytics_query(),
        charges in vec(
            ((-100i64..2, any_sku(), any_currency()), (option::of("[kw][0-9]"), any_spend(), any_decimal())),
            0..40,
        ),
    ) {
        let (query, now) = (AnalyticsQuery::parse(&query).unwrap(), NOW.parse::<Timestamp>().unwrap());
        let mut builder = AnalyticsBuilder::new(&query, now);
        let today = Day::of(now).unwrap();
        for ((day, sku, currency), (key, spend, units)) in charges {
            builder.add(Day(today.0 + day), &sku, &currency, key.as_deref(), spend, units.into());
        }
        let described = |id: &str| id.starts_with('k').then(|| format!("key \"{}\"", id.len()));
        holds(Shape::Analytics, &written(|out| builder.finish(described).write_json(out)));
    }

    #[test]
    fn balances(
        allocation in option::of(any_decimal()),
        (diem_today, usd) in (any_total(), any_total()),
        (bundled_credits, earned_credits) in (any_total(), any_total()),
    ) {
        // No account gets less than nothing.
        let diem_allocation = allocation.filter(|amount| !decimal_text(*amount).starts_with('-'));
        let parts = BalanceParts { diem_allocation, diem_today, usd, bundled_credits, earned_credits };
        holds(Shape::Balance, &written(|out| Balance::of(&parts).write_json(out)));
    }

    #[test]
    fn refusals(
        text in "\\PC{1,40}",
        queries in vec(
            "(limit|page|pageSize|currency|(start|end)(Date|Timestamp)|sortOrder|lookback|topN|cursor|x)=[ -~é]{0,12}",
            0..5,
        ),
    ) {
        // The last of them is good for none of the routes.
        let query = format!("{}&limit=x", queries.join("&"));
        let refused = [
            UsageQuery::parse(&query).unwrap_err(),
            HistoryRequest::parse(&query).unwrap_err(),
            AnalyticsQuery::parse(&query).unwrap_err(),
        ];
        for body in refused.iter().map(ErrorBody::from).chain([ErrorBody::new(text)]) {
            holds(Shape::Error, &serde_json::to_string(&body).unwrap());
        }
    }
}
