//! The answers of the billing routes against the schemas in `tests/data/schemas`, which are written from the documented
//! facts and not from the server.

mod generated;

use std::sync::LazyLock;

use jsonschema::{Registry, Validator};

use crate::conversation::{Answer, Request};
use crate::host::{ANALYTICS, BALANCE, HISTORY, Host, USAGE};
use crate::ledger::Ledger;

/// JSON as a validator takes it. Numbers are judged by their kind and sign only.
#[expect(clippy::disallowed_types, reason = "a validator takes nothing else, and no amount is read from it")]
pub(crate) type Json = serde_json::Value;

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Usage,
    History,
    Analytics,
    Balance,
    Error,
    Receipt,
    RefusedBatch,
    Conflict,
}

/// The files, in the order of the shapes.
const FILES: [&str; 8] = [
    include_str!("../data/schemas/usage.json"),
    include_str!("../data/schemas/usage-history.json"),
    include_str!("../data/schemas/usage-analytics.json"),
    include_str!("../data/schemas/balance.json"),
    include_str!("../data/schemas/error.json"),
    include_str!("../data/schemas/receipt.json"),
    include_str!("../data/schemas/refused-batch.json"),
    include_str!("../data/schemas/conflict.json"),
];

/// What pages refer to.
const ENTRY: &str = include_str!("../data/schemas/usage-entry.json");

/// Where the files are to each other. Nothing is fetched from there.
const PLACE: &str = "file:///schemas/";

static VALIDATORS: LazyLock<[Validator; 8]> = LazyLock::new(|| {
    let read = |text: &str| -> Json { serde_json::from_str(text).unwrap() };
    let registry = Registry::new().add(format!("{PLACE}usage-entry.json"), read(ENTRY)).unwrap();
    let registry = registry.prepare().unwrap();
    FILES.map(|text| {
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        options.with_base_uri(PLACE).with_registry(&registry).build(&read(text)).unwrap()
    })
});

/// Holds a body against the schema of a shape. What is wrong with it, and where.
pub(crate) fn check(shape: Shape, body: &str) -> Result<(), String> {
    let body: Json =
        serde_json::from_str(&with_small_exponents(body)).map_err(|error| format!("no JSON: {error}"))?;
    let faults: Vec<_> = VALIDATORS[shape as usize]
        .iter_errors(&body)
        .map(|error| format!("{}: {error:.200}", error.instance_path()))
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(format!("not as {shape:?}:\n{}", faults.join("\n"))) }
}

/// The same text with exponents of up to 300: the validator's numbers are doubles, which do not hold all of ours. What it
/// judges of them is their kind and sign.
fn with_small_exponents(text: &str) -> String {
    let (mut out, mut rest, mut in_string) = (String::with_capacity(text.len()), text, false);
    while let Some(at) = rest.find(['"', '\\', 'e', 'E']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut taken = 1;
        match rest.as_bytes()[0] {
            b'"' => in_string = !in_string,
            b'\\' => taken = rest.len().min(2),
            _ if !in_string && out.ends_with(|c: char| c.is_ascii_digit()) => {
                let end = rest[1..].find(|c: char| !matches!(c, '0'..='9' | '+' | '-'));
                let end = end.map_or(rest.len(), |end| end + 1);
                if let Ok(exponent @ (..-300 | 301..)) = rest[1..end].parse::<i64>() {
                    out.push_str(if exponent < 0 { "e-300" } else { "e300" });
                    rest = &rest[end..];
                    continue;
                }
            }
            _ => {}
        }
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out + rest
}

/// What a billing route answers to a request with this status; `None` of what is no business of a schema.
fn shape(method: &str, path: &str, status: u16) -> Option<Shape> {
    match (method, path, status) {
        _ if !path.starts_with("/api/v1/billing/") => None,
        // The answer to a preflight has no body.
        ("OPTIONS", _, 200) => None,
        ("GET", USAGE, 200) => Some(Shape::Usage),
        ("GET", HISTORY, 200) => Some(Shape::History),
        ("GET", ANALYTICS, 200) => Some(Shape::Analytics),
        ("GET", BALANCE, 200) => Some(Shape::Balance),
        ("POST", USAGE, 201) => Some(Shape::Receipt),
        ("POST", USAGE, 409) => Some(Shape::Conflict),
        ("POST", USAGE, 422) => Some(Shape::RefusedBatch),
        (_, _, 400..) => Some(Shape::Error),
        _ => panic!("{method} {path} has no answer {status}"),
    }
}

/// Every answer of a billing route that is JSON, and every error is, has the form that is documented for it.
#[track_caller]
pub(crate) fn hold(request: &Request, answer: &Answer) {
    let (method, target) = request.method_and_target();
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let Some(shape) = shape(method, path, answer.status) else { return };
    match answer.header("content-type") {
        Some("application/json") => {}
        Some(csv) if csv.starts_with("text/csv") && matches!(shape, Shape::Usage | Shape::History) => return,
        other => panic!("{method} {target}: {} as {other:?}", answer.status),
    }
    // Compressed answers are checked by the tests of compression.
    if answer.header("content-encoding").is_none()
        && let Err(wrong) = check(shape, answer.text())
    {
        panic!("{method} {target}: {} is {wrong}\n{:.2000}", answer.status, answer.text());
    }
}

#[test]
fn examples_in_the_document_are_such_answers() {
    let ledger = Ledger::of(&[]);
    let document = Host::start(&ledger.path(), &[]).ask(&Request::get("/openapi.json"));
    let document: Json = serde_json::from_str(document.text()).unwrap();
    for (method, path, status) in [
        ("GET", USAGE, 200),
        ("GET", USAGE, 400),
        ("GET", HISTORY, 200),
        ("GET", ANALYTICS, 200),
        ("GET", BALANCE, 200),
        ("POST", USAGE, 201),
        ("POST", USAGE, 409),
        ("POST", USAGE, 422),
    ] {
        let (key, route) = (method.to_ascii_lowercase(), path.replace('/', "~1"));
        let place = format!("/paths/{route}/{key}/responses/{status}/content/application~1json/example");
        let example = document.pointer(&place).unwrap_or_else(|| panic!("there is no {place}"));
        check(shape(method, path, status).unwrap(), &example.to_string()).unwrap();
    }
}

#[test]
fn numbers_beyond_a_double_are_numbers_to_a_validator() {
    for (text, same) in [
        ("[1e400,-2.5E-400,3e+301,4e300,5e-300,1e9999]", "[1e300,-2.5e-300,3e300,4e300,5e-300,1e300]"),
        (
            "{\"1e400\":\"a\\\"2e400\",\"b\":[true,false,3e400]}",
            "{\"1e400\":\"a\\\"2e400\",\"b\":[true,false,3e300]}",
        ),
        ("1e", "1e"),
        ("\"\\", "\"\\"),
    ] {
        assert_eq!(with_small_exponents(text), same);
    }
}

/// A schema that takes everything would pass every test.
#[test]
fn what_is_not_as_documented_is_refused() {
    for shape in [Shape::Usage, Shape::History, Shape::Analytics, Shape::Balance, Shape::Error] {
        for wrong in ["{}", "[]", "null", "\"\"", r#"{"error":{"message":"x"}}"#] {
            check(shape, wrong).unwrap_err();
        }
    }
    let balance = r#"{"canConsume":true,"consumptionCurrency":"DIEM","balances":{"diem":-1,"usd":3,"bundledCredits":null,"earnedCredits":null},"diemEpochAllocation":10}"#;
    let analytics = r#"{"lookback":"1d","byDate":[{"date":"2026-05-01","USD":0.5,"DIEM":0}],"byModel":[{"modelName":"a","unitType":"tokens","modelType":"LLM","totalUsd":0.5,"totalDiem":0,"totalUnits":2,"breakdown":[{"type":"Input","usd":0.25,"diem":0,"units":1},{"type":"Output","usd":0.25,"diem":0,"units":1}]}],"byModelDaily":[{"date":1777593600000,"a":0.5}],"topModels":["a"],"byKey":[],"byKeyDaily":[{"date":1777593600000}],"topKeyNames":[]}"#;
    let usage = include_str!("../data/pages/usage.json");
    let history = &usage
        .replace(r#""pagination":{"limit":200,"page":1,"total":2,"totalPages":1}"#, r#""nextCursor":"a_-9""#);
    let error = r#"{"error":"e","details":{"_errors":[],"limit":{"_errors":["x"]}},"issues":[{"code":"custom","path":["limit"],"message":"x"}]}"#;
    for (shape, right, changes) in [
        (
            Shape::Balance,
            balance,
            &[
                ("3", "0"),
                ("3", "-3"),
                ("3", "\"3\""),
                ("\"DIEM\"", "\"GOLD\""),
                ("\"DIEM\"", "null"),
                ("true", "false"),
                ("true", "1"),
                ("-1", "\"-1\""),
                (":10", ":null"),
                ("\"usd\":3,", ""),
                ("\"earnedCredits\"", "\"earned\""),
                ("{\"canConsume", "{\"x\":1,\"canConsume"),
            ][..],
        ),
        (
            Shape::Analytics,
            analytics,
            &[
                ("\"1d\"", "\"91d\""),
                ("\"1d\"", "\"1 day\""),
                ("2026-05-01", "2026-02-30"),
                ("tokens", "mtoken"),
                ("LLM", "llm"),
                ("\"LLM\"", "7"),
                (",{\"type\":\"Output\",\"usd\":0.25,\"diem\":0,\"units\":1}", ""),
                ("0.5", "-0.5"),
                ("1777593600000", "1777593600"),
                ("\"a\":0.5", "\"a\":null"),
                ("[\"a\"]", "[\"a\",\"a\"]"),
                (",\"topKeyNames\":[]", ""),
                (",\"topKeyNames\"", ",\"x\":1,\"topKeyNames\""),
            ],
        ),
        (
            Shape::Usage,
            usage,
            &[
                ("\"limit\":200", "\"limit\":501"),
                ("\"page\":1", "\"page\":0"),
                ("\"total\":2", "\"total\":2.5"),
                ("-0.1,", "\"-0.1\","),
                ("52:45.087Z", "52:45Z"),
                ("06-14T", "06-31T"),
                ("\"inferenceDetails\":null,", ""),
                ("\"notes\"", "\"note\""),
                ("\"requestId\":\"chatcmpl", "\"x\":\"chatcmpl"),
                ("2964", "\"2964\""),
            ],
        ),
        (Shape::History, history, &[("a_-9", ""), ("a_-9", "a.b"), (",\"nextCursor\":\"a_-9\"", "")]),
        (
            Shape::Error,
            error,
            &[
                ("\"e\"", "\"\""),
                ("\"error\"", "\"message\""),
                ("\"_errors\":[],", ""),
                ("[\"x\"]", "\"x\""),
                (",\"issues\":[{\"code\":\"custom\",\"path\":[\"limit\"],\"message\":\"x\"}]", ""),
                ("\"custom\"", "7"),
            ],
        ),
    ] {
        check(shape, right).unwrap();
        for (from, to) in changes {
            assert!(right.contains(from), "{from}");
            let wrong = right.replacen(from, to, 1);
            assert!(check(shape, &wrong).is_err(), "{shape:?} with {to} for {from}: {wrong}");
        }
    }
}
