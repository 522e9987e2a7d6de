//! The document against the model: limits, examples, names and patterns.

use billing_model::{
    Analytics, AnalyticsQuery, Balance, Currency, ErrorBody, HistoryQuery, HistoryRequest, InferenceDetails,
    Page, Paging, QueryError, Timestamp, UsageEntry, UsageQuery, ValueErrorKind, parse_decimal,
};
use billing_testkit::entry_at;
use proptest::prelude::*;
use proptest::string::string_regex;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{Content, Object, RefOr, Schema};

use super::*;
use crate::row_rules::{MAX_CURRENCY_LEN, MAX_SKU_LEN, RowRules};

const USAGE: &str = "/api/v1/billing/usage";
const HISTORY: &str = "/api/v1/billing/usage-history";
const ANALYTICS: &str = "/api/v1/billing/usage-analytics";

fn get(path: &str) -> Operation {
    document().paths.paths[path].get.clone().unwrap()
}

fn inline<T: Clone>(item: &RefOr<T>) -> T {
    match item {
        RefOr::T(item) => item.clone(),
        RefOr::Ref(_) => panic!("a reference where the thing itself belongs"),
    }
}

fn query_parameters(operation: &Operation) -> impl Iterator<Item = Parameter> {
    let all: Vec<_> = operation.parameters.iter().flatten().map(inline).collect();
    all.into_iter().filter(|parameter| parameter.parameter_in == ParameterIn::Query)
}

fn schema_of(path: &str, name: &str) -> Object {
    let parameter = query_parameters(&get(path)).find(|parameter| parameter.name == name).unwrap();
    match inline(&parameter.schema.unwrap()) {
        Schema::Object(object) => object,
        _ => panic!("{name} is a plain value"),
    }
}

/// The example of an answer, as the text of its value.
fn example(path: &str, status: &str, form: &str) -> String {
    example_in(&inline(&inline(&get(path).responses.responses[status]).content[form]))
}

fn example_in(content: &Content) -> String {
    let value = content.example.as_ref().unwrap();
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn the_document_is_as_agreed() {
    insta::assert_snapshot!(document().to_pretty_json().unwrap());
}

#[test]
fn what_is_served_is_the_document() {
    assert_eq!(json(), document().to_json().unwrap());
    assert!(json().starts_with(r#"{"openapi":"3.1.0","#));
}

#[test]
fn every_reference_leads_somewhere() {
    let components = document().components.unwrap();
    let references: Vec<&str> = json()
        .split(r##""$ref":"#/components/"##)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(references.len() > 100);
    for reference in references {
        let (kind, name) = reference.split_once('/').unwrap();
        assert!(
            match kind {
                "schemas" => components.schemas.contains_key(name),
                "headers" => components.headers.contains_key(name),
                "responses" => components.responses.contains_key(name),
                _ => false,
            },
            "{reference}"
        );
    }
}

#[test]
fn limits_are_those_of_the_checks() {
    let limits = |path, name| {
        let schema = schema_of(path, name);
        (schema.minimum, schema.maximum, schema.default.map(|value| value.to_string()))
    };
    let expect = |least: u32, most: u32, default: u32| {
        (Some(least.into()), Some(most.into()), Some(default.to_string()))
    };
    assert!(limits(USAGE, "limit") == expect(1, UsageQuery::MAX_LIMIT, UsageQuery::DEFAULT_LIMIT));
    assert!(limits(USAGE, "page") == expect(1, u32::MAX, 1));
    let most = HistoryQuery::MAX_PAGE_SIZE;
    assert!(limits(HISTORY, "pageSize") == expect(HistoryQuery::MIN_PAGE_SIZE, most, most));
    assert_eq!(schema_of(HISTORY, "cursor").max_length, Some(billing_model::Cursor::MAX_LEN));
    assert!(
        limits(ANALYTICS, "topN") == (Some(1u32.into()), Some(AnalyticsQuery::MAX_TOP_N.into()), None),
        "without a default: 8 asked for and 8 not asked for differ in `Other`"
    );
}

#[test]
fn a_lookback_that_is_not_asked_for_is_the_default() {
    let default = schema_of(ANALYTICS, "lookback").default.unwrap();
    let asked = AnalyticsQuery::parse(&format!("lookback={}", default.as_str().unwrap())).unwrap();
    assert_eq!(asked, AnalyticsQuery::parse("").unwrap());
}

#[test]
fn a_balance_pays_in_any_currency_that_has_a_name() {
    let Some(RefOr::T(Schema::Object(balance))) = document().components.unwrap().schemas.remove("Balance")
    else {
        panic!("a balance is an object");
    };
    let Schema::Object(paying) = inline(&balance.properties["consumptionCurrency"]) else {
        panic!("a currency is a word")
    };
    let names: Vec<_> =
        paying.enum_values.unwrap().into_iter().map(|name| name.as_str().map(str::to_owned)).collect();
    let expect = parameters::CURRENCIES.map(|name| Some(name.to_owned())).into_iter().chain([None]);
    assert_eq!(names, expect.collect::<Vec<_>>());
}

/// Whatever goes wrong between the client and the handler can go wrong on the way to every route.
#[test]
fn every_route_may_fail_or_take_too_long() {
    for (path, item) in document().paths.paths {
        for operation in [item.get, item.post].into_iter().flatten() {
            let statuses: Vec<_> = operation.responses.responses.keys().map(String::as_str).collect();
            let is_watching = crate::routes::OPERATIONAL.contains(&&*path);
            for status in ["500", "503", "504"] {
                assert!(is_watching && status == "503" || statuses.contains(&status), "{path} {status}");
            }
        }
    }
}

#[test]
fn a_timestamp_has_as_many_characters_as_the_check_takes() {
    let zeros = |count: usize| format!("startTimestamp=2026-05-01T00:00:00.{}Z", "0".repeat(count));
    let longest = parameters::MAX_TIMESTAMP_LEN - "2026-05-01T00:00:00.Z".len();
    assert!(HistoryRequest::parse(&zeros(longest)).is_ok());
    assert!(HistoryRequest::parse(&zeros(longest + 1)).is_err());
    assert_eq!(schema_of(HISTORY, "startTimestamp").max_length, Some(parameters::MAX_TIMESTAMP_LEN));
}

#[test]
fn currencies_are_those_that_each_route_takes() {
    for name in parameters::CURRENCIES {
        assert!(!matches!(Currency::from(name), Currency::Other(_)), "{name}");
    }
    let listed = |path| {
        let values = schema_of(path, "currency").enum_values.unwrap();
        values.iter().map(|value| value.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(USAGE), ["DIEM", "BUNDLED_CREDITS", "USD", "VCU"]);
    assert_eq!(listed(HISTORY), ["DIEM", "EARNED_CREDITS", "BUNDLED_CREDITS", "USD"]);
}

#[test]
fn every_parameter_is_one_that_the_check_knows() {
    type Check = fn(&str) -> Option<QueryError>;
    let routes: [(&str, Check); 3] = [
        (USAGE, |raw| UsageQuery::parse(raw).err()),
        (HISTORY, |raw| HistoryRequest::parse(raw).err()),
        (ANALYTICS, |raw| AnalyticsQuery::parse(raw).err()),
    ];
    for (path, check) in routes {
        for Parameter { name, .. } in query_parameters(&get(path)) {
            let refused =
                check(&format!("{name}=!")).unwrap_or_else(|| panic!("{path} does not read {name}"));
            let fields: Vec<_> = refused.faults().iter().map(|fault| fault.field).collect();
            // It is the first fault: when one of two dates is missing, that is a fault too.
            assert_eq!(fields.first(), Some(&Some(&*name)), "{path}");
            assert!(!fields.contains(&None), "{path} does not know {name}");
        }
    }
}

#[test]
fn examples_of_pages_are_pages() {
    let usage = Page::from_usage_json(&example(USAGE, "200", "application/json")).unwrap();
    assert!(matches!(usage.paging, Paging::ByNumber(numbers) if numbers.total == 2));
    let history = Page::from_history_json(&example(HISTORY, "200", "application/json")).unwrap();
    assert_eq!(history.entries.len(), 2);
    for path in [USAGE, HISTORY] {
        let csv = example(path, "200", "text/csv");
        let mut without_keys = history.entries.clone();
        without_keys.iter_mut().for_each(|entry| entry.api_key_id = None);
        assert_eq!(billing_csv::decode(csv.as_bytes()).unwrap(), without_keys);
    }
}

#[test]
fn examples_of_sums_and_balances_are_those() {
    let sums = Analytics::from_json(&example(ANALYTICS, "200", "application/json")).unwrap();
    assert_eq!((sums.by_date.len(), sums.top_models.len()), (2, 1));
    let left = Balance::from_json(&example("/api/v1/billing/balance", "200", "application/json")).unwrap();
    assert_eq!(left.consumption_currency, Some(Currency::Diem));
}

#[test]
fn the_example_of_metrics_is_of_this_server() {
    let example = example("/metrics", "200", crate::metrics::CONTENT_TYPE);
    let (metrics, account) = (crate::metrics::Metrics::new(), billing_ledger::AccountId(1));
    let batch: Vec<UsageEntry> = serde_json::from_str(&examples::batch()).unwrap();
    let mut amounts = crate::metrics::Amounts::default();
    batch.iter().for_each(|entry| amounts.add(entry));
    metrics.batch(account, &amounts, billing_ledger::Receipt::Stored(2));
    let counts = metrics.text_of(account).unwrap();
    for line in example.lines() {
        assert!(counts.contains(line), "{line} is not in {counts}");
    }
}

#[test]
fn examples_of_batches_are_entries() {
    let body = document().paths.paths[USAGE].post.clone().unwrap().request_body.unwrap();
    let body = inline(&body);
    let of = |form: &str| example_in(&inline(&body.content[form]));
    let batch: Vec<UsageEntry> = serde_json::from_str(&of("application/json")).unwrap();
    let lines: Vec<UsageEntry> =
        of("application/x-ndjson").lines().map(|line| UsageEntry::from_json(line).unwrap()).collect();
    assert_eq!((batch.len(), &batch), (2, &lines));
    assert_eq!(billing_csv::decode(of("text/csv").as_bytes()).unwrap().len(), 2);
}

#[test]
fn the_example_of_a_refused_query_is_what_the_model_says() {
    let refused = UsageQuery::parse("limit=0").unwrap_err();
    assert_eq!(serde_json::to_string(&ErrorBody::from(&refused)).unwrap(), examples::REFUSED_QUERY);
}

#[test]
fn the_example_of_a_conflict_is_what_a_batch_gets() {
    let error = crate::error::Error::IdempotencyConflict { idempotency_key: "2026-06-27/1".to_owned() };
    assert_eq!(String::from_utf8(error.body()).unwrap(), examples::CONFLICTING_BATCH);
}

#[test]
fn every_answer_names_its_request() {
    for (path, item) in document().paths.paths {
        for operation in [item.get, item.post].into_iter().flatten() {
            for (status, response) in operation.responses.responses {
                let has_id = match response {
                    RefOr::T(response) => response.headers.contains_key("x-request-id"),
                    // Shared answers are checked below.
                    RefOr::Ref(_) => continue,
                };
                assert!(has_id, "{path} {status}");
            }
        }
    }
    for (name, response) in document().components.unwrap().responses {
        assert!(inline(&response).headers.contains_key("x-request-id"), "{name}");
    }
}

/// Texts that a pattern matches. The generator knows no anchors: its texts are whole anyway.
fn matching(pattern: &str) -> impl Strategy<Value = String> + use<> {
    string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap()
}

proptest! {
    #[test]
    fn an_instant_that_matches_is_one_that_is_read(
        utc in matching(&patterns::utc_instant()),
        any in matching(&patterns::instant()),
        recordable in matching(&patterns::recordable_instant()),
        date in matching(&patterns::date()),
    ) {
        prop_assert!(HistoryRequest::parse(&format!("startTimestamp={utc}")).is_ok(), "{}", utc);
        let any = any.replace('+', "%2B");
        prop_assert!(UsageQuery::parse(&format!("startDate={any}")).is_ok(), "{}", any);
        let at = recordable.parse::<Timestamp>();
        prop_assert!(at.is_ok_and(|at| at.unix_ns().is_some()), "{}", recordable);
        prop_assert!(format!("{date}T00:00:00Z").parse::<Timestamp>().is_ok(), "{}", date);
    }

    #[test]
    fn a_span_that_matches_is_one_that_is_summed_up(
        date in matching(&patterns::date_of_our_era()),
        lookback in matching(patterns::LOOKBACK),
    ) {
        let day = AnalyticsQuery::parse(&format!("startDate={date}&endDate={date}"));
        prop_assert!(day.is_ok(), "{}", date);
        prop_assert!(AnalyticsQuery::parse(&format!("lookback={lookback}")).is_ok(), "{}", lookback);
    }

    #[test]
    fn a_cursor_that_matches_is_one_that_is_read(token in matching(patterns::CURSOR)) {
        prop_assert!(HistoryRequest::parse(&format!("cursor={token}")).is_ok(), "{}", token);
    }

    #[test]
    fn a_number_that_matches_is_one_though_perhaps_too_long(text in matching(patterns::DECIMAL)) {
        let refused = parse_decimal(&text).err().map(|error| error.kind());
        prop_assert!(matches!(refused, None | Some(ValueErrorKind::DecimalOutOfRange)), "{}", text);
    }

    /// No pattern says how long each of them may be.
    #[test]
    fn what_matches_is_recorded(
        sku in matching(patterns::SKU), currency in matching(patterns::CURRENCY), count in matching(patterns::COUNT),
    ) {
        let now = Timestamp::from_unix_ns(0);
        let Ok(tokens) = parse_decimal(&count) else { return Ok(()) };
        let details = InferenceDetails { prompt_tokens: Some(tokens), ..Default::default() };
        let entry = UsageEntry {
            sku: sku.chars().take(MAX_SKU_LEN).collect(),
            currency: Currency::from(&currency[..currency.len().min(MAX_CURRENCY_LEN)]),
            inference_details: Some(details),
            ..entry_at(now, "-0.1")
        };
        let rules = RowRules { now, max_age: None, max_future: None };
        prop_assert!(rules.check(&entry).is_ok(), "{} {} {}", sku, currency, count);
    }

    /// As the document promises.
    #[test]
    fn twenty_eight_plain_digits_are_exact(text in "-?[0-9]{1,28}|-?[0-9]{1,14}\\.[0-9]{1,14}|-?0\\.[0-9]{1,27}") {
        prop_assert!(parse_decimal(&text).is_ok(), "{}", text);
    }

    /// As the document promises: the digits that a double is printed with, over all sizes between the limits.
    #[test]
    fn a_double_between_the_limits_is_exact(
        negative: bool,
        first in 1u8..=7,
        rest in 0u64..=8_999_999_999_999_999,
        exponent in -11i8..=28,
    ) {
        let sign = if negative { "-" } else { "" };
        let text = format!("{sign}{first}.{rest:016}e{exponent}");
        prop_assert!(parse_decimal(&text).is_ok(), "{}", text);
    }

    #[test]
    fn an_instant_as_the_model_writes_it_matches(ns: i64) {
        // The pattern's meaning written in Rust, because no regex engine is a dependency here.
        let text = Timestamp::from_unix_ns(ns).to_string();
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let fraction = shape.strip_prefix("0000-00-00T00:00:00.").and_then(|rest| rest.strip_suffix('Z'));
        prop_assert!(fraction.is_some_and(|digits| matches!(digits.len(), 3 | 6 | 9)), "{}", text);
    }
}
