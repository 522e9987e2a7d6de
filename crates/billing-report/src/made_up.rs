//! Reports for tests of their forms, put together by hand.

use std::collections::BTreeMap;

use billing_model::Total;

use crate::dimension::{By, Dimension};
use crate::form_error::SCHEMA;
use crate::report::{FilterText, Meta, Report, Source, Span, Usd};
use crate::row::Row;
use crate::sums::{Sums, Tokens};

pub(crate) fn total(text: &str) -> Total {
    text.parse().unwrap()
}

/// A row of labels and of `entries input cached write output spend credits`. A label `-` is none.
pub(crate) fn row(by: &str, currency: &str, labels: &[&str], sums: &str) -> Row {
    let dimensions = by.parse::<By>().unwrap().dimensions().filter(|by| *by != Dimension::Currency);
    let label = |label: &&str| (*label != "-").then(|| (*label).to_owned());
    Row {
        labels: dimensions.zip(labels.iter().map(label)).collect(),
        rest: None,
        currency: currency.to_owned(),
        sums: self::sums(sums),
        share: None,
        usd: None,
        previous: None,
        trend: Vec::new(),
    }
}

pub(crate) fn sums(text: &str) -> Sums {
    let mut words = text.split_whitespace();
    let entries = words.next().unwrap().parse().unwrap();
    let [input, cached_input, cache_write, output, spend, credits] =
        std::array::from_fn(|_| total(words.next().unwrap_or("0")));
    let tokens = Tokens { input, cached_input, cache_write, output };
    let token_spend = if tokens.all().is_zero() { Total::default() } else { spend.clone() };
    Sums { entries, spend, credits, tokens, token_spend, requests: None }
}

/// A report of these rows, with totals, shares and the sum of the span before.
pub(crate) fn report(by: &str, mut rows: Vec<Row>) -> Report {
    let mut totals: Vec<Row> = Vec::new();
    for of_currency in rows.chunk_by_mut(|row, next| row.currency == next.currency) {
        let mut total = self::row(by, &of_currency[0].currency, &[], "0");
        for row in of_currency.iter() {
            add(&mut total.sums, &row.sums);
            total.sums.requests = row.sums.requests.map(|more| total.sums.requests.unwrap_or(0) + more);
            if let Some(previous) = &row.previous {
                add(total.previous.get_or_insert_default(), previous);
            }
        }
        let spend = total.sums.spend.clone();
        for row in of_currency.iter_mut().chain([&mut total]) {
            row.share = row.sums.spend.divided_by(&spend, 6);
        }
        totals.push(total);
    }
    let meta = Meta {
        by: by.parse::<By>().unwrap().dimensions().collect(),
        created: "2026-06-15T08:00:00.000Z".to_owned(),
        source: Source {
            ledger: Some("ledger.db".to_owned()),
            accounts: vec!["default".to_owned()],
            files: vec![],
        },
        window: span("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"),
        time_zone: "UTC".to_owned(),
        week_start: "monday".to_owned(),
        is_final: true,
        entries: totals.iter().map(|row| row.sums.entries).sum(),
        ..Meta::default()
    };
    Report { schema: SCHEMA.to_owned(), meta, rows, totals, charts: None }
}

fn add(sum: &mut Sums, other: &Sums) {
    let (tokens, others) = (&mut sum.tokens, &other.tokens);
    sum.entries += other.entries;
    for (sum, other) in [
        (&mut sum.spend, &other.spend),
        (&mut sum.credits, &other.credits),
        (&mut sum.token_spend, &other.token_spend),
        (&mut tokens.input, &others.input),
        (&mut tokens.cached_input, &others.cached_input),
        (&mut tokens.cache_write, &others.cache_write),
        (&mut tokens.output, &others.output),
    ] {
        sum.merge(other);
    }
}

pub(crate) fn span(since: &str, until: &str) -> Span {
    Span { since: Some(since.to_owned()), until: Some(until.to_owned()) }
}

/// Ten days of one currency, as most people have them.
pub(crate) fn days() -> Report {
    let rows = [
        ("2026-06-01", "712 348112 1904640 0 98233 1.20394560000000012 0"),
        ("2026-06-02", "655 301877 1640032 0 87021 1.0482113 0"),
        ("2026-06-03", "803 411920 2230112 0 120338 1.41870025 0"),
        ("2026-06-04", "741 366001 1998720 0 101417 1.2500718 0"),
        ("2026-06-05", "498 240113 1288000 0 61209 0.8120034 0"),
        ("2026-06-06", "96 41200 190336 0 10112 0.13119 0"),
        ("2026-06-07", "12 5120 20480 0 1024 0.0312345 0"),
        ("2026-06-08", "918 502113 2790016 0 141871 1.7012344 0"),
        ("2026-06-09", "850 455209 2430208 0 129004 1.5310077 0"),
        ("2026-06-10", "377 190211 1011712 0 50332 0.6400201 0"),
    ];
    report("day", rows.map(|(day, sums)| row("day", "DIEM", &[day], sums)).into())
}

/// Models with everything that a row can have.
pub(crate) fn models() -> Report {
    let rows = [
        (
            "DIEM",
            "zai-org-glm-5-1",
            "15233 5120334 40112128 0 1420117 34.1200457 0",
            "30.55 1 2 3 5 8 9 4 4 5 6 7 8 9 9",
        ),
        (
            "DIEM",
            "claude-opus-4-6",
            "2110 801221 3120064 210944 190441 17.9920113 0",
            "21 9 8 7 4 0 0 0 3 4 2 1 1 0 2",
        ),
        (
            "DIEM",
            "qwen3-coder-480b-a35b-instruct",
            "1044 640112 0 0 88114 0.9120045 0",
            "0 0 0 0 0 0 0 0 0 0 1 2 4 6 9",
        ),
        ("DIEM", "venice-sd35", "212 0 0 0 0 2.12 0", "2.12 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
        ("DIEM", "text-embedding-bge-m3", "88 1200331 0 0 0 0.0180050 0", "- 0 0 0 0 0 0 0 0 0 0 1 0 0 0"),
        (
            "USD",
            "zai-org-glm-5-1",
            "7002 2201184 18002944 0 640011 15.0601123 0",
            "15.0601123 4 4 4 4 4 4 4 4 4 4 4 4 4 4",
        ),
        ("USD", "llama-3.3-70b", "310 120118 0 0 30449 0.1402200 0", "0.20 5 4 3 2 1 0 0 0 0 0 0 0 0 1"),
        ("USD", "top-up", "2 0 0 0 0 0 50", "- 0 0 0 0 0 0 0 0 0 0 0 0 0 0"),
    ];
    let rows = rows.map(|(currency, model, sums, more)| {
        let mut more = more.split_whitespace();
        let before = more.next().filter(|before| *before != "-");
        let previous = before.map(|before| Box::new(self::sums(&format!("9 0 0 0 0 {before} 0"))));
        Row { previous, trend: more.map(total).collect(), ..row("model", currency, &[model], sums) }
    });
    let mut report = report("model", rows.into());
    report.meta.previous = Some(span("2026-05-02T00:00:00Z", "2026-06-01T00:00:00Z"));
    report.meta.is_final = false;
    report.meta.provisional_from = Some("2026-06-30T21:30:00Z".to_owned());
    (report.meta.compared, report.meta.mismatched) = (Some(26_001), Some(3));
    report
}

/// Models as most people have them.
pub(crate) fn usual_models() -> Report {
    let mut rows = models().rows;
    rows.retain(|row| row.currency == "DIEM");
    rows.iter_mut().for_each(|row| row.previous = None);
    report("model", rows)
}

/// The same by day and model, with requests and the highest rows only.
pub(crate) fn days_and_models() -> Report {
    let rows = [
        ("2026-06-01", "zai-org-glm-5-1", "500 300112 1904640 0 88233 1.1 0", 166, None),
        ("2026-06-01", "llama-3.3-70b", "210 48000 0 0 10000 0.1031 0", 105, None),
        ("2026-06-01", "-", "2 0 0 0 0 0.0008456 0", 0, Some(2)),
        ("2026-06-02", "zai-org-glm-5-1", "655 301877 1640032 0 87021 1.0482113 0", 219, None),
    ];
    let rows = rows.map(|(day, model, sums, requests, rest)| {
        let mut row = row("day,model", "DIEM", &[day, model], sums);
        (row.rest, row.sums.requests) = (rest, Some(requests));
        row
    });
    let mut report = report("day,model", rows.into());
    report.meta.filter = FilterText {
        currency: Some("DIEM".to_owned()),
        model: Some("*l*".to_owned()),
        key: Some("1e2feb89-414c-443c-9027-c4d1c386bbc4".to_owned()),
    };
    report
}

/// A row a currency, in USD too.
pub(crate) fn currencies() -> Report {
    let rows = [
        ("DIEM", "27939 9000000 61000000 0 2600000 59.7712893250000000424 0", Some("59.7712893250000000424")),
        ("USD", "14015 2300000 18000000 0 670000 75.0602693550000000216 50", Some("75.0602693550000000216")),
        ("VCU", "1681 1000 0 0 0 19.9999846175000000044 0", Some("1.99999846175000000044")),
        ("GOLD", "1 0 0 0 0 7 0", None),
    ];
    let rows =
        rows.map(|(currency, sums, usd)| Row { usd: usd.map(total), ..row("currency", currency, &[], sums) });
    let mut report = report("currency", rows.into());
    let rates =
        [("BUNDLED_CREDITS", "1"), ("DIEM", "1"), ("EARNED_CREDITS", "1"), ("USD", "1"), ("VCU", "0.1")];
    let rates = rates.map(|(currency, rate)| (currency.to_owned(), rate.to_owned()));
    report.meta.usd = Some(Usd {
        rates: BTreeMap::from(rates),
        spend: total("136.8315571417500000644"),
        unrated: vec!["GOLD".to_owned()],
    });
    report
}

/// Names that would steer a terminal, run in a page, or be a formula.
pub(crate) fn hostile() -> Report {
    let names = [
        "=HYPERLINK(\"http://e.example\",\"x\")",
        "+1|2|`3`\\|",
        "\u{1b}[31mred\u{7}\u{202e}DSU 01\r\nsecond line",
        "<img src=x onerror=alert(1)> @root [x](javascript:alert(1))",
        "模型-通义千问-超大杯",
        "e\u{301}e\u{301}e\u{301}",
        "-",
        "",
    ];
    let rows = names.into_iter().enumerate().map(|(place, name)| {
        row("notes", "US|D`\u{1b}[1m", &[name], &format!("{} 0 0 0 0 0.{:03} 0", place + 1, 999 - place))
    });
    let mut report = report("notes", rows.collect());
    report.meta.source = Source {
        ledger: None,
        accounts: vec![],
        files: ["a<b>.csv", "b\u{1b}.csv", "c", "d"].map(str::to_owned).into(),
    };
    report.meta.notes = vec!["An <i>HTML</i> note\nof two lines, for @all.".to_owned()];
    report
}

/// Amounts at the ends of what a double has.
pub(crate) fn extremes() -> Report {
    let rows = [
        ("BIG", "a", "1 0 0 0 0 1e308 0"),
        ("BIG", "b", "1 0 0 0 0 1.7976931348623157e308 5e-324"),
        ("SMALL", "a", "1 1 0 0 0 5e-324 0"),
        ("SMALL", "b", "1 0.2 0 0 0 0 0"),
    ];
    report("sku", rows.map(|(currency, sku, sums)| row("sku", currency, &[sku], sums)).into())
}

/// API keys, two of which are called the same.
pub(crate) fn keys() -> Report {
    let rows = [
        ("1e2feb89-414c-443c-9027-c4d1c386bbc4", "20 1 1 1 1 3 0"),
        ("77aa0000-414c-443c-9027-c4d1c386bbc4", "10 1 1 1 1 2 0"),
        ("99aa0000-414c-443c-9027-c4d1c386bbc4", "8 1 1 1 1 1 0"),
        ("bbaa0000-414c-443c-9027-c4d1c386bbc4", "8 1 1 1 1 0.5 0"),
        ("-", "1 0 0 0 0 0 25"),
    ];
    let mut report = report("key", rows.map(|(key, sums)| row("key", "USD", &[key], sums)).into());
    let names = [("1e2feb89", "laptop"), ("77aa0000", "ci"), ("99aa0000", "ci")];
    report.meta.key_names =
        names.map(|(id, name)| (format!("{id}-414c-443c-9027-c4d1c386bbc4"), name.to_owned())).into();
    report
}

/// A single day, of a month that is compared with one in which more was spent, on a day that none stands against, and in another
/// currency too.
pub(crate) fn unmatched_before() -> Report {
    let mut report = report("day", vec![row("day", "USD", &["2026-06-01"], "3 100 0 0 20 8.5 0")]);
    report.meta.previous = Some(span("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"));
    report.totals[0].previous = Some(Box::new(sums("2 0 0 0 0 4.25 0")));
    let diem =
        Row { previous: Some(Box::new(sums("1 0 0 0 0 0.0312345 0"))), ..row("day", "DIEM", &[], "0") };
    report.totals.insert(0, diem);
    report
}

/// Nothing at all.
pub(crate) fn empty() -> Report {
    let mut report = report("day", Vec::new());
    report.meta.is_final = false;
    report.meta.notes = vec!["June is not held whole: billing sync".to_owned()];
    report
}

/// A single entry, which was a credit.
pub(crate) fn one_credit() -> Report {
    report("model", vec![row("model", "USD", &["top-up"], "1 0 0 0 0 0 25.5")])
}

/// Every report of this file.
pub(crate) fn all() -> [(&'static str, Report); 11] {
    [
        ("days", days()),
        ("models", usual_models()),
        ("models compared", models()),
        ("days and models", days_and_models()),
        ("currencies", currencies()),
        ("hostile", hostile()),
        ("extremes", extremes()),
        ("keys", keys()),
        ("unmatched before", unmatched_before()),
        ("empty", empty()),
        ("one credit", one_credit()),
    ]
}
