//! Where numbers, calendars and clocks end.

use billing_model::UsageEntry;
use billing_report::{Meta, Question, Report, ReportBuilder, Sort};
use chrono::{DateTime, Utc};

use crate::lent::{brief, briefs, entry, question, report};

#[test]
fn an_hour_that_clocks_show_twice_is_one_and_a_day_that_never_was_has_no_row() {
    let in_zone = |by: &str, zone: &str, lines: &[&str]| {
        briefs(&report(&Question { zone: zone.parse().unwrap(), ..question(by) }, lines).rows)
    };
    let back = [
        "2026-10-25T00:30:00Z a USD -1",
        "2026-10-25T01:30:00Z a USD -2",
        "2026-10-24T22:00:00Z a USD -4",
        "2026-10-25T22:59:59.999Z a USD -8",
    ];
    assert_eq!(in_zone("day", "Europe/Berlin", &back), ["USD 2026-10-25: 15"]);
    assert_eq!(in_zone("hour", "Europe/Berlin", &back), ["USD 00: 4", "USD 02: 3", "USD 23: 8"]);
    // Half past two in India is not on the hour of UTC.
    assert_eq!(in_zone("hour", "Asia/Kolkata", &back[..1]), ["USD 06: 1"]);
    let skipped = ["2011-12-30T09:59:59Z a USD -1", "2011-12-30T10:00:00Z a USD -2"];
    assert_eq!(in_zone("day", "Pacific/Apia", &skipped), ["USD 2011-12-29: 1", "USD 2011-12-31: 2"]);
    assert_eq!(in_zone("weekday", "Pacific/Apia", &skipped), ["USD thursday: 1", "USD saturday: 2"]);
}

#[test]
fn the_ends_of_the_calendar_have_rows() {
    let at =
        |at: DateTime<Utc>| UsageEntry { timestamp: at.into(), ..entry("2026-01-01T00:00:00Z a USD -1") };
    let entries = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC].map(at);
    for (by, zone, expect) in [
        ("day", "UTC", ["USD -262143-01-01: 1", "USD +262142-12-31: 1"]),
        ("month", "UTC", ["USD -262143-01: 1", "USD +262142-12: 1"]),
        ("hour", "UTC", ["USD 00: 1", "USD 23: 1"]),
        ("month", "America/New_York", ["USD -262143-01: 1", "USD +262142-12: 1"]),
        ("hour", "America/New_York", ["USD 18: 1", "USD 19: 1"]),
    ] {
        let mut builder =
            ReportBuilder::new(Question { zone: zone.parse().unwrap(), charts: true, ..question(by) });
        entries.iter().for_each(|entry| builder.add_entry(entry));
        assert_eq!(briefs(&builder.finish(Meta::default()).rows), expect, "{by} {zone}");
    }
    let mut builder = ReportBuilder::new(question("model"));
    entries.iter().for_each(|entry| builder.add_entry(entry));
    let report = builder.finish(Meta::default());
    // 191 million days in 31 points.
    assert_eq!((report.meta.trend_days, report.rows[0].trend.len()), (Some(6_177_147), 31));
}

#[test]
fn sums_of_the_largest_and_the_smallest_numbers_are_exact() {
    let lines = [
        "2026-06-01T00:00:00Z a-llm-input-mtoken USD -1e308 u=1e308",
        "2026-06-01T00:00:00Z a-llm-input-mtoken USD -5e-324 u=5e-324",
        "2026-06-01T00:00:00Z b-llm-input-mtoken USD 0 u=0",
        "2026-06-01T00:00:00Z c-llm-output-mtoken USD -1 u=1",
        "2026-06-01T00:00:00Z c-llm-output-mtoken USD 1.7976931348623157e308",
    ];
    let report = report(&Question { sort: Sort::Tokens, ..question("model") }, &lines);
    let spend = report.rows[0].sums.spend.to_string();
    assert!(spend.starts_with("1.000") && spend.ends_with("0005e+308") && spend.len() == 639, "{spend}");
    let shares: Vec<_> = report.rows.iter().map(|row| row.share.as_ref().unwrap().to_string()).collect();
    assert_eq!(shares, ["1", "0", "0"]);
    assert_eq!(report.rows[1].sums.tokens.output.to_string(), "1000000");
    assert_eq!(report.rows[1].sums.credits.to_string(), "1.7976931348623157e+308");
    assert_eq!(Report::from_json(&report.to_json().unwrap()).unwrap(), report);
    let nothing = crate::lent::report(&question("model"), &["2026-06-01T00:00:00Z b USD 0 u=0"]);
    assert_eq!(
        (nothing.rows[0].share.clone(), nothing.totals[0].sums.price_per_million_tokens()),
        (None, None)
    );
}

#[test]
fn strange_names_are_labels_as_they_are() {
    let long = "x".repeat(1 << 20);
    for sku in ["<script>\"&'", "\u{1b}[31m", "\u{202e}gpj", "=1+1", "-llm-input-mtoken", "🦀", "", &long] {
        let entry = UsageEntry {
            sku: sku.to_owned(),
            notes: sku.to_owned(),
            currency: sku.into(),
            api_key_id: Some(sku.to_owned()),
            ..entry("2026-06-01T00:00:00Z a USD -1")
        };
        for by in ["sku", "model", "key", "notes", "model,notes"] {
            let mut builder = ReportBuilder::new(question(by));
            builder.add_entry(&entry);
            let report = builder.finish(Meta::default());
            let row = &report.rows[0];
            assert!(row.labels.iter().all(|(_, label)| label.as_deref() == Some(sku)), "{by}");
            assert_eq!((row.currency.as_str(), row.sums.spend.to_string().as_str()), (sku, "1"));
            assert_eq!(Report::from_json(&report.to_json().unwrap()).unwrap(), report);
        }
    }
}

#[test]
fn rows_by_many_names_have_no_lines_and_are_all_there() {
    let of = |count: usize| {
        let mut builder = ReportBuilder::new(question("sku"));
        let mut entry = entry("2026-06-01T00:00:00Z a USD -1");
        for number in 0..count {
            entry.sku = format!("sku-{number:05}");
            builder.add_entry(&entry);
        }
        builder.finish(Meta::default())
    };
    let (lines, none) = (of(1_000), of(20_000));
    assert_eq!((lines.rows[999].trend.len(), lines.meta.trend_days), (1, Some(1)));
    assert_eq!((none.rows[999].trend.len(), none.meta.trend_days), (0, None));
    assert_eq!((none.rows.len(), brief(&none.rows[19_999])), (20_000, "USD sku-19999: 1".to_owned()));
    assert_eq!(none.totals[0].sums.spend.to_string(), "20000");
}
