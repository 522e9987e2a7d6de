//! Reports in JSON against the schema in `docs`.

use std::sync::LazyLock;

use jsonschema::Validator;

use crate::billing::{run, run_reading};
use crate::ledger::{Ledger, REAL};
use crate::schemas::Json;

static SCHEMA: LazyLock<Json> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../docs/report.schema.json")).unwrap());

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::options().build(&SCHEMA).unwrap());

#[track_caller]
fn fits(json: &str) {
    let json: Json = serde_json::from_str(json).unwrap();
    let faults: Vec<_> =
        VALIDATOR.iter_errors(&json).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn reports_of_every_kind_fit() {
    let ledger = Ledger::from_file(REAL);
    let path = ledger.path();
    for by in [
        "day",
        "week",
        "month",
        "hour",
        "weekday",
        "model",
        "sku",
        "currency",
        "key",
        "kind",
        "request",
        "notes",
        "weekday,hour",
    ] {
        let args =
            ["report", "--ledger", &path, "--format", "json", "--month", "2026-06", "--by", by, "--top", "3"];
        fits(run(&args).done().text());
    }
    for args in [
        &["--charts"][..],
        &["--requests", "--compare", "previous", "--usd", "--rate", "DOUBLOON=2.5"],
        &["--currency", "DIEM", "--model", "claude-*", "--key", "none", "--timezone", "Asia/Tokyo"],
        &["--until", "2026-06-02", "--by", "key,model"],
    ] {
        let args = [&["report", "--ledger", &path, "--format", "json", "--month", "2026-06"], args].concat();
        let args: Vec<_> = match args.contains(&"--until") {
            true => args.into_iter().filter(|arg| !["--month", "2026-06"].contains(arg)).collect(),
            false => args,
        };
        fits(run(&args).done().text());
    }
    fits(run_reading(&["report", "-", "--format", "json"], b"").done().text());
}

/// The smallest and the largest amounts have exponents, and days may be beyond the year 9999.
#[test]
fn extremes_fit() {
    let line = |at: &str, amount: &str, units: &str| {
        format!(
            "{{\"timestamp\":\"{at}\",\"sku\":\"a-llm-output-mtoken\",\"pricePerUnitUsd\":1,\"units\":{units},\
             \"amount\":{amount},\"currency\":\"USD\",\"notes\":\"\"}}\n"
        )
    };
    let lines = [
        line("9999-12-31T23:00:00Z", "-5e-324", "5e-324"),
        line("9999-12-30T00:00:00Z", "-1.7976931348623157e308", "1.7976931348623157e308"),
        line("9999-12-30T00:00:00Z", "1e40", "0"),
        line("2026-06-15T00:00:00Z", "-1e-29", "1"),
    ]
    .concat();
    for by in ["day", "week", "month", "model", "day,hour"] {
        let args = ["report", "-", "--format", "json", "--by", by, "--timezone", "Europe/Berlin", "--usd"];
        let report = run_reading(&args, lines.as_bytes()).done();
        // In rows of more than one of them the digits of all meet.
        if by == "day" {
            for extreme in ["e+308\"", "\"5e-324\"", "\"1e-29\"", "\"+10000-01-01\""] {
                assert!(report.text().contains(extreme), "{extreme}: {}", report.text());
            }
        }
        fits(report.text());
    }
}

/// Each field is said in words, and one that is not there is refused.
#[test]
fn the_schema_describes_every_field() {
    let mut fields = 0;
    let mut places = vec![&*SCHEMA];
    while let Some(place) = places.pop() {
        let object = place.as_object();
        if let Some(properties) = object.and_then(|object| object.get("properties")).and_then(Json::as_object)
        {
            assert_eq!(place["additionalProperties"], false, "{place}");
            for (name, field) in properties {
                assert!(field["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
                fields += 1;
            }
        }
        places.extend(object.into_iter().flat_map(|object| object.values()));
    }
    assert!(fields > 60, "{fields}");
}

#[test]
fn what_is_no_report_does_not_fit() {
    let report = run_reading(&["report", "-", "--format", "json"], b"").done();
    for (from, to) in [
        ("\"rows\": []", "\"rows\": [{}]"),
        ("\"isFinal\": false", "\"isFinal\": null"),
        ("\"entries\": 0", "\"entries\": \"0\""),
        ("billing-report/1", "billing-report/2"),
        ("\"filter\": {}", "\"filter\": {\"sku\": \"a\"}"),
    ] {
        let other = report.text().replacen(from, to, 1);
        assert_ne!(other, report.text());
        assert!(!VALIDATOR.is_valid(&serde_json::from_str(&other).unwrap()), "{to}");
    }
}
