//! What the rows of small ledgers are, line by line.

use std::num::NonZeroUsize;

use billing_model::{Currency, Day, DayRange, TimeWindow};
use billing_report::{DaySum, Dimension, Meta, Question, Rates, Reading, ReportBuilder, Sort};

use crate::lent::{brief, briefs, entry, question, report, window};

const LINES: [&str; 9] = [
    "2026-06-01T10:00:00Z b-llm-input-mtoken USD -1 u=2 k=k1 r=r1",
    "2026-06-01T10:00:00Z b-llm-output-mtoken USD -2 u=0.5 k=k1 r=r1",
    "2026-06-02T23:30:00Z a-api-llm-cache-input-mtoken USD -4 u=3 k=k2 r=r2",
    "2026-06-02T23:30:00Z a-llm-cache-write-5m-mtoken DIEM -1 u=4 r=r2",
    "2026-06-03T00:00:00Z c-image-unit USD -2 k=k1 r=r3",
    "2026-06-03T00:00:00Z credit-purchase USD 10",
    "2026-06-09T12:00:00Z b-llm-input-mtoken USD 0.5 u=9 k=k1 r=r1",
    "2026-06-09T12:00:00Z b-llm-extended-input-mtoken USD 0 u=1 k=k1 r=r4",
    "2026-07-01T00:00:00Z search-augmentation GOLD -7 n=search",
];

fn check(question: &Question, expect: &[&str]) {
    assert_eq!(briefs(&report(question, &LINES).rows), expect, "{:?} {:?}", question.by, question.sort);
}

#[test]
fn rows_are_by_what_was_asked() {
    for (by, expect) in [
        ("month", &["DIEM 2026-06: 1", "USD 2026-06: 9", "GOLD 2026-07: 7"][..]),
        ("week", &["DIEM 2026-06-01: 1", "USD 2026-06-01: 9", "USD 2026-06-08: 0", "GOLD 2026-06-29: 7"]),
        ("hour", &["DIEM 23: 1", "USD 00: 2", "USD 10: 3", "USD 12: 0", "USD 23: 4", "GOLD 00: 7"]),
        (
            "weekday",
            &["DIEM tuesday: 1", "USD monday: 3", "USD tuesday: 4", "USD wednesday: 2", "GOLD wednesday: 7"],
        ),
        (
            "model",
            &[
                "DIEM a: 1",
                "USD a: 4",
                "USD b: 3",
                "USD c: 2",
                "USD credit-purchase: 0",
                "GOLD search-augmentation: 7",
            ],
        ),
        ("currency", &["DIEM: 1", "USD: 9", "GOLD: 7"]),
        ("key", &["DIEM -: 1", "USD k1: 5", "USD k2: 4", "USD -: 0", "GOLD -: 7"]),
        (
            "kind",
            &[
                "DIEM cache_write_5m: 1",
                "USD cache_read: 4",
                "USD output: 2",
                "USD unit: 2",
                "USD input: 1",
                "USD extended_input: 0",
                "USD -: 0",
                "GOLD request: 7",
            ],
        ),
        (
            "request",
            &["DIEM r2: 1", "USD r2: 4", "USD r1: 3", "USD r3: 2", "USD r4: 0", "USD -: 0", "GOLD -: 7"],
        ),
        ("notes", &["DIEM : 1", "USD : 9", "GOLD search: 7"]),
        (
            "key,month",
            &[
                "DIEM 2026-06 -: 1",
                "USD 2026-06 k1: 5",
                "USD 2026-06 k2: 4",
                "USD 2026-06 -: 0",
                "GOLD 2026-07 -: 7",
            ],
        ),
    ] {
        check(&question(by), expect);
    }
}

#[test]
fn the_order_is_what_was_asked_and_days_of_the_week_begin_with_its_first() {
    let sorted = |by: &str, sort| Question { sort, ..question(by) };
    check(&sorted("month", Sort::Spend), &["DIEM 2026-06: 1", "USD 2026-06: 9", "GOLD 2026-07: 7"]);
    let usd = |question: &Question| {
        let filter = billing_report::Filter { currency: Some(Currency::Usd), ..Default::default() };
        let question = Question { filter, ..question.clone() };
        let rows = report(&question, &LINES).rows;
        rows.iter().map(|row| brief(row).replace("USD ", "")).collect::<Vec<_>>().join(", ")
    };
    for (by, sort, expect) in [
        ("weekday", Sort::Spend, "tuesday: 4, monday: 3, wednesday: 2"),
        ("weekday", Sort::Name, "monday: 3, tuesday: 4, wednesday: 2"),
        ("day", Sort::Spend, "2026-06-02: 4, 2026-06-01: 3, 2026-06-03: 2, 2026-06-09: 0"),
        ("day", Sort::Tokens, "2026-06-02: 4, 2026-06-01: 3, 2026-06-09: 0, 2026-06-03: 2"),
        ("model", Sort::Tokens, "b: 3, a: 4, c: 2, credit-purchase: 0"),
        ("key", Sort::Name, "k1: 5, k2: 4, -: 0"),
        ("key", Sort::Time, "k1: 5, k2: 4, -: 0"),
        (
            "day,key",
            Sort::Spend,
            "2026-06-01 k1: 3, 2026-06-02 k2: 4, 2026-06-03 k1: 2, 2026-06-03 -: 0, 2026-06-09 k1: 0",
        ),
        (
            "key,day",
            Sort::Time,
            "2026-06-01 k1: 3, 2026-06-03 k1: 2, 2026-06-09 k1: 0, 2026-06-02 k2: 4, 2026-06-03 -: 0",
        ),
        (
            "key,day",
            Sort::Spend,
            "2026-06-01 k1: 3, 2026-06-03 k1: 2, 2026-06-09 k1: 0, 2026-06-02 k2: 4, 2026-06-03 -: 0",
        ),
    ] {
        assert_eq!(usd(&sorted(by, sort)), expect, "{by} {sort:?}");
    }
    let sunday = Question { week_start: chrono::Weekday::Wed, ..question("weekday") };
    assert_eq!(usd(&sunday), "wednesday: 2, monday: 3, tuesday: 4");
    let weeks = Question { week_start: chrono::Weekday::Wed, ..question("week") };
    assert_eq!(usd(&weeks), "2026-05-27: 7, 2026-06-03: 2");
}

#[test]
fn spend_credits_tokens_and_requests_are_apart() {
    let question = Question { requests: true, rates: Some(Rates::default()), ..question("key") };
    let report = report(&question, &LINES);
    let usd = report.totals.iter().find(|row| row.currency == "USD").unwrap();
    let sums = &usd.sums;
    assert_eq!((sums.entries, sums.requests), (7, Some(4)));
    assert_eq!(
        [&sums.spend, &sums.credits, &sums.net(), &sums.token_spend].map(ToString::to_string),
        ["9", "10.5", "1.5", "7"]
    );
    // The units of a refund are no tokens that were charged.
    let tokens =
        [&sums.tokens.input, &sums.tokens.cached_input, &sums.tokens.cache_write, &sums.tokens.output];
    assert_eq!(tokens.map(ToString::to_string), ["3000000", "3000000", "0", "500000"]);
    let keys: Vec<_> = report.rows.iter().map(|row| (brief(row), row.sums.requests.unwrap())).collect();
    let expect = [("DIEM -: 1", 1), ("USD k1: 5", 3), ("USD k2: 4", 1), ("USD -: 0", 0), ("GOLD -: 7", 0)];
    assert_eq!(keys, expect.map(|(brief, requests)| (brief.to_owned(), requests)));
    let shares: Vec<_> = report.rows.iter().map(|row| row.share.as_ref().unwrap().to_string()).collect();
    assert_eq!(shares, ["1", "0.555556", "0.444444", "0", "1"]);
    let meta = &report.meta;
    let money = meta.usd.as_ref().unwrap();
    assert_eq!((money.spend.to_string(), &money.unrated[..]), ("10".to_owned(), &["GOLD".to_owned()][..]));
    assert_eq!(money.rates.get("VCU").map(String::as_str), Some("0.1"));
    // One credit-purchase of 10 units at a price of 1 is right; GOLD has no rate.
    assert_eq!((meta.entries, meta.compared, meta.mismatched), (9, Some(8), Some(6)));
}

#[test]
fn the_rest_is_one_row_and_never_of_one() {
    let top = |by: &str, top, sort| {
        let question = Question { top: NonZeroUsize::new(top), sort, requests: true, ..question(by) };
        let rows = report(&question, &LINES).rows;
        let usd = rows.iter().filter(|row| row.currency == "USD");
        usd.map(|row| format!("{} of {}", brief(row), row.sums.requests.unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(top("model", 2, Sort::Spend), ["USD a: 4 of 1", "USD b: 3 of 2", "USD - rest of 2: 2 of 1"]);
    assert_eq!(top("model", 2, Sort::Name), ["USD a: 4 of 1", "USD b: 3 of 2", "USD - rest of 2: 2 of 1"]);
    // The rows are those of the highest spend, in whatever order they stand.
    let dear = ["USD input: 1 of 1", "USD output: 2 of 1"];
    assert_eq!(top("kind", 4, Sort::Name)[1..3], dear);
    let dear = ["USD 2026-06-02: 4 of 1", "USD - rest of 3: 5 of 3"];
    assert_eq!(top("day", 1, Sort::Time), dear);
    assert_eq!(top("model", 1, Sort::Tokens), ["USD b: 3 of 2", "USD - rest of 3: 6 of 2"]);
    assert_eq!(top("model", 3, Sort::Spend).len(), 4);
    assert_eq!(
        top("day", 2, Sort::Time),
        ["USD 2026-06-01: 3 of 1", "USD 2026-06-02: 4 of 1", "USD - rest of 2: 2 of 3"]
    );
    // A request in two of the rows that are summed up is counted once.
    assert_eq!(top("kind", 1, Sort::Spend), ["USD cache_read: 4 of 1", "USD - rest of 5: 5 of 3"]);
    assert_eq!(
        top("month,kind", 2, Sort::Spend),
        ["USD 2026-06 cache_read: 4 of 1", "USD 2026-06 output: 2 of 1", "USD 2026-06 - rest of 4: 3 of 3"]
    );
}

#[test]
fn rows_stand_against_those_of_the_span_before() {
    let lines = [
        "2026-05-01T10:00:00Z a-llm-input-mtoken USD -1",
        "2026-05-02T10:00:00Z gone-llm-input-mtoken USD -2",
        "2026-05-31T10:00:00Z a-llm-input-mtoken USD -4",
        "2026-06-01T10:00:00Z a-llm-input-mtoken USD -8",
        "2026-06-03T10:00:00Z new-llm-input-mtoken USD -16",
    ];
    let compared = |by: &str| {
        let question = Question {
            window: window("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"),
            previous: Some(window("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z")),
            ..question(by)
        };
        let report = report(&question, &lines);
        let text = |row: &billing_report::Row| {
            let before = row.previous.as_ref().map_or("none".to_owned(), |sums| sums.spend.to_string());
            format!("{} before {before}", brief(row))
        };
        report.rows.iter().chain(&report.totals).map(text).collect::<Vec<_>>()
    };
    let total = "USD: 24 before 7";
    assert_eq!(
        compared("model"),
        ["USD new: 16 before none", "USD a: 8 before 5", "USD gone: 0 before 2", total]
    );
    // There is no 31 June, but the total has all of May.
    assert_eq!(
        compared("day"),
        ["USD 2026-06-01: 8 before 1", "USD 2026-06-02: 0 before 2", "USD 2026-06-03: 16 before none", total]
    );
    assert_eq!(compared("month"), ["USD 2026-06: 24 before 7", total]);
    // 1 May is a Friday: the week of 27 April stands against that of 1 June, and that of 25 May against that of 29 June.
    assert_eq!(compared("week"), ["USD 2026-06-01: 24 before 3", "USD 2026-06-29: 0 before 4", total]);
    assert_eq!(
        compared("day,model"),
        [
            "USD 2026-06-01 a: 8 before 1",
            "USD 2026-06-02 gone: 0 before 2",
            "USD 2026-06-03 new: 16 before none",
            total
        ]
    );
}

#[test]
fn a_currency_of_the_span_before_alone_is_in_the_totals() {
    let lines =
        ["2026-05-31T10:00:00Z a DIEM -3", "2026-05-31T10:00:00Z a GOLD -5", "2026-06-02T10:00:00Z a USD -1"];
    for by in ["day", "week", "month", "model", "currency", "day,model", "currency,day"] {
        let question = Question {
            window: window("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"),
            previous: Some(window("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z")),
            rates: Some(Rates::default()),
            ..question(by)
        };
        let report = report(&question, &lines);
        let before = |row: &billing_report::Row| row.previous.as_ref().map(|sums| sums.spend.to_string());
        let totals: Vec<_> = report.totals.iter().map(|row| (brief(row), before(row))).collect();
        let expect = [("DIEM: 0", Some("3")), ("USD: 1", None), ("GOLD: 0", Some("5"))];
        let expect = expect.map(|(brief, before)| (brief.to_owned(), before.map(str::to_owned)));
        assert_eq!(totals, expect, "{by}");
        assert_eq!(report.meta.usd.unwrap().unrated, ["GOLD"], "{by}");
    }
}

#[test]
fn lines_of_a_row_go_from_one_end_of_the_window_to_the_other() {
    let lines = [
        "2026-06-01T22:30:00Z a-llm-input-mtoken USD -1",
        "2026-06-03T10:00:00Z a-llm-input-mtoken USD -2",
        "2026-06-03T10:00:00Z b-llm-input-mtoken USD -4",
        "2026-06-03T10:00:00Z b-llm-input-mtoken USD 9",
        "2026-06-04T10:00:00Z credit USD 9",
    ];
    let trend = |question: &Question| {
        let report = report(question, &lines);
        let text = |row: &billing_report::Row| {
            row.trend.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        (report.meta.trend_days, report.rows.iter().map(text).collect::<Vec<_>>())
    };
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let all = question("model");
    assert_eq!(trend(&all), (Some(1), texts(&["0 0 4 0", "1 0 2 0", "0 0 0 0"])));
    // In Berlin the first one is of the second of June. Sums are of days in UTC, so it is there only where sums are not enough.
    let berlin = Question { zone: "Europe/Berlin".parse().unwrap(), ..all.clone() };
    assert_eq!(trend(&berlin), trend(&all));
    let requests = Question { requests: true, ..berlin };
    assert_eq!(trend(&requests), (Some(1), texts(&["0 4 0", "1 2 0", "0 0 0"])));
    let june = Question { window: window("2026-05-30T12:00:00Z", "2026-07-01T00:00:00Z"), ..all.clone() };
    let (days, rows) = trend(&june);
    // 32 days in steps of two.
    assert_eq!((days, rows[1].as_str()), (Some(2), "0 1 2 0 0 0 0 0 0 0 0 0 0 0 0 0"));
    assert_eq!(trend(&question("currency")), (Some(1), texts(&["1 0 6 0"])));
    assert_eq!(trend(&question("day")).0, None);
    assert_eq!(trend(&question("model,key")).0, None);
}

#[test]
fn nothing_has_no_rows() {
    for by in ["day", "model", "request,key"] {
        let question = Question { charts: true, rates: Some(Rates::default()), ..question(by) };
        let report = report(&question, &[]);
        assert!(report.rows.is_empty() && report.totals.is_empty());
        assert_eq!((report.meta.entries, report.meta.compared), (0, None));
        assert_eq!(report.charts.unwrap().iter().map(|chart| chart.rows.len()).collect::<Vec<_>>(), [0; 3]);
    }
}

#[test]
fn charts_have_eight_models_the_rest_and_every_hour() {
    let mut lines = Vec::new();
    for model in 1..=10 {
        lines.push(format!("2026-06-01T10:00:00Z m{model:02}-image-unit USD -{model} k=k{}", model % 2));
    }
    lines.push("2026-06-02T23:00:00Z m01-image-unit USD -0.5".to_owned());
    lines.push("2026-06-02T23:00:00Z m05-image-unit USD -0.25".to_owned());
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let question = Question { charts: true, ..question("month") };
    let charts = report(&question, &lines).charts.unwrap();
    assert_eq!(charts[0].by, [Dimension::Day, Dimension::Model]);
    let days = briefs(&charts[0].rows);
    let expect = [
        "USD 2026-06-01 m10: 10",
        "USD 2026-06-01 m03: 3",
        "USD 2026-06-01 - rest of 2: 3",
        "USD 2026-06-02 m05: 0.25",
        "USD 2026-06-02 - rest of 1: 0.5",
    ];
    assert_eq!([0, 7, 8, 9, 10].map(|place| days[place].as_str()), expect);
    assert_eq!((days.len(), charts[0].rows[0].share.as_ref().unwrap().to_string()), (11, "0.179372".into()));
    assert_eq!(briefs(&charts[1].rows), ["USD k0: 30", "USD k1: 25", "USD -: 0.75"]);
    assert_eq!(briefs(&charts[2].rows), ["USD 10 monday: 55", "USD 23 tuesday: 0.75"]);
}

#[test]
fn a_report_says_what_was_asked() {
    let filter = billing_report::Filter {
        currency: Some(Currency::Usd),
        model: Some("[bc]*".parse().unwrap()),
        key: Some("k1".into()),
    };
    let june = window("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z");
    let question = Question { filter, window: june, ..question("model") };
    let report = report(&question, &LINES);
    assert_eq!(briefs(&report.rows), ["USD b: 3", "USD c: 2"]);
    let meta = report.meta;
    assert_eq!(meta.filter.model.as_deref(), Some("[bc]*"));
    assert_eq!((meta.filter.currency.as_deref(), meta.filter.key.as_deref()), (Some("USD"), Some("k1")));
    assert_eq!((meta.time_zone.as_str(), meta.week_start.as_str()), ("UTC", "monday"));
    assert_eq!(meta.window.since.as_deref(), Some("2026-06-01T00:00:00.000Z"));
    assert_eq!((meta.by, meta.previous, meta.usd, meta.entries), (vec![Dimension::Model], None, None, 5));
}

#[test]
fn sums_of_days_are_read_where_they_say_enough() {
    let days = |first: &str, last: &str| {
        Some(DayRange { first: first.parse().unwrap(), last: last.parse().unwrap() })
    };
    let read = |by: &str, window: TimeWindow, previous: Option<TimeWindow>| {
        Question { window, previous, ..question(by) }.reading()
    };
    let june = window("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z");
    let only_sums = |sums: Option<DayRange>| Reading { sums: vec![sums], entries: vec![] };
    assert_eq!(read("day,model", TimeWindow::ALL, None), only_sums(None));
    assert_eq!(read("weekday,key", june, None), only_sums(days("2026-06-01", "2026-06-30")));
    assert_eq!(read("hour", june, None), Reading { sums: vec![], entries: vec![june] });
    // Ends within a day are read as entries.
    let apart = read("model", window("2026-06-01T10:00:00Z", "2026-06-04T12:00:00Z"), None);
    let edges = vec![
        window("2026-06-01T10:00:00Z", "2026-06-02T00:00:00Z"),
        window("2026-06-04T00:00:00Z", "2026-06-04T12:00:00Z"),
    ];
    assert_eq!(apart, Reading { sums: vec![days("2026-06-02", "2026-06-03")], entries: edges });
    let short = window("2026-06-01T10:00:00Z", "2026-06-02T12:00:00Z");
    assert_eq!(read("model", short, None), Reading { sums: vec![], entries: vec![short] });
    // Where windows overlap or meet within a day, each instant is read once and lies on one side of each border.
    let before = window("2026-05-30T10:00:00Z", "2026-06-01T10:00:00Z");
    let met = read("model", window("2026-06-01T10:00:00Z", "2026-06-03T00:00:00Z"), Some(before));
    assert_eq!(met.sums, [days("2026-05-31", "2026-05-31"), days("2026-06-02", "2026-06-02")]);
    assert_eq!(met.entries.len(), 3);
    let inside = window("2026-06-10T10:00:00Z", "2026-06-11T10:00:00Z");
    let within = read("model", june, Some(inside));
    assert_eq!(within.sums, [days("2026-06-01", "2026-06-09"), days("2026-06-12", "2026-06-30")]);
    assert_eq!(within.entries.len(), 3);
}

#[test]
fn a_sum_counts_as_its_entries_do() {
    let (usd, day) = (Currency::Usd, "2026-06-02".parse::<Day>().unwrap());
    let zone = "Pacific/Auckland".parse().unwrap();
    let question = Question { zone, ..question("model") };
    let mut builder = ReportBuilder::new(question);
    for (is_credit, amount) in [(false, "-1.5"), (true, "4")] {
        builder.add_sum(&DaySum {
            day,
            sku: "a-llm-output-mtoken",
            currency: &usd,
            api_key_id: None,
            is_credit,
            entries: 3,
            amount: &amount.parse().unwrap(),
            units: &"0.25".parse().unwrap(),
        });
    }
    builder.add_entry(&entry("2026-06-01T23:00:00Z a-llm-output-mtoken USD -1 u=0.5"));
    let report = builder.finish(Meta::default());
    let sums = &report.rows[0].sums;
    assert_eq!(
        (sums.entries, sums.spend.to_string(), sums.credits.to_string()),
        (7, "2.5".into(), "4".into())
    );
    assert_eq!(sums.tokens.output.to_string(), "750000");
    assert_eq!(report.rows[0].trend.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1", "1.5"]);
    assert_eq!((report.meta.compared, report.meta.mismatched), (None, None));
}

#[test]
fn where_sums_are_read_nothing_is_said_of_a_few_entries_beside_them() {
    let sum = DaySum {
        day: "2026-06-02".parse().unwrap(),
        sku: "a",
        currency: &Currency::Usd,
        api_key_id: None,
        is_credit: false,
        entries: 2,
        amount: &"-2".parse().unwrap(),
        units: &"2".parse().unwrap(),
    };
    let question = Question {
        window: window("2026-06-01T12:00:00Z", "2026-06-03T00:00:00Z"),
        previous: Some(window("2026-05-01T00:00:00Z", "2026-06-01T12:00:00Z")),
        ..question("day")
    };
    // The units of the entry are others than its amount says.
    let edge = entry("2026-06-01T13:00:00Z a USD -1 u=5");
    let mut builder = ReportBuilder::new(question.clone());
    builder.add_entry(&edge);
    // A sum of the span before hides nothing.
    builder.add_sum(&DaySum { day: "2026-05-02".parse().unwrap(), ..sum });
    let meta = builder.clone().finish(Meta::default()).meta;
    assert_eq!((meta.entries, meta.compared, meta.mismatched), (1, Some(1), Some(1)));
    let mut fork = builder.fork();
    fork.add_sum(&sum);
    builder.merge(fork);
    let meta = builder.finish(Meta::default()).meta;
    assert_eq!((meta.entries, meta.compared, meta.mismatched), (3, None, None));
}

#[test]
fn a_rate_that_nothing_is_rated_by_is_named() {
    let notes = |rates: &[&str]| {
        let mut table = Rates::default();
        rates.iter().for_each(|rate| table.set(rate.parse().unwrap()));
        report(&Question { rates: Some(table), ..question("model") }, &LINES).meta.notes
    };
    assert_eq!(notes(&["usd=2", "GOLD=3"]), [""; 0]);
    assert_eq!(
        notes(&["vcu=1", "gold=1"]),
        [
            "No entry here is in VCU, for which a rate is given.",
            "No entry here is in gold, for which a rate is given."
        ]
    );
}
