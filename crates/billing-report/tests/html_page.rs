//! The HTML page, from made reports: how large it is, and that no text of a report leaves its place.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use billing_model::{Day, Total};
use billing_report::{Breakdown, Dimension, Meta, Report, Row, SCHEMA, Span, Sums, Tokens};

const LIMIT: usize = 300_000;

const HOSTILE: [&str; 6] = [
    "\"><img src=x onerror=\"window.__hit=1\">",
    "</script><script>window.__hit=1</script>",
    "<!--<script>",
    "&lt;b&gt;javascript:alert(1)",
    "\u{202e}evil\u{2066}\u{2028}\u{0}\u{1b}[2J",
    "' onmouseover='window.__hit=1",
];

/// Numbers that look as if they were drawn, and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// What a model may cost on a day, to eight decimal places.
    fn amount(&mut self) -> Total {
        format!("{}.{:08}", self.below(40), self.below(100_000_000)).parse().unwrap()
    }

    fn tokens(&mut self) -> Total {
        self.below(30_000_000).to_string().parse().unwrap()
    }

    fn sums(&mut self) -> Sums {
        let spend = self.amount();
        let tokens = Tokens {
            input: self.tokens(),
            cached_input: self.tokens(),
            cache_write: self.tokens(),
            output: self.tokens(),
        };
        Sums { entries: self.below(5_000), token_spend: spend.clone(), spend, tokens, ..Sums::default() }
    }
}

fn add(sum: &mut Sums, other: &Sums) {
    sum.entries += other.entries;
    for (sum, other) in [
        (&mut sum.spend, &other.spend),
        (&mut sum.credits, &other.credits),
        (&mut sum.token_spend, &other.token_spend),
        (&mut sum.tokens.input, &other.tokens.input),
        (&mut sum.tokens.cached_input, &other.tokens.cached_input),
        (&mut sum.tokens.cache_write, &other.tokens.cache_write),
        (&mut sum.tokens.output, &other.tokens.output),
    ] {
        sum.merge(other);
    }
}

fn row(currency: &str, labels: &[(Dimension, &str)], sums: Sums) -> Row {
    Row {
        labels: labels.iter().map(|(dimension, label)| (*dimension, Some((*label).to_owned()))).collect(),
        rest: None,
        currency: currency.to_owned(),
        sums,
        share: Some("0.012345".parse().unwrap()),
        usd: None,
        previous: None,
        trend: Vec::new(),
    }
}

/// A report by day and sku in which every model costs something on every day, in three currencies.
fn full(first: &str, days: i64, models: usize) -> Report {
    use Dimension::{Day as ByDay, Hour, Key, Model, Sku, Weekday};
    let mut numbers = Numbers(16);
    let first: Day = first.parse().unwrap();
    let (mut rows, mut totals) = (Vec::new(), Vec::new());
    let (mut by_day, mut by_key, mut by_hour) = (Vec::new(), Vec::new(), Vec::new());
    for currency in ["DIEM", "USD", "VCU"] {
        let mut total = Sums::default();
        for day in first.0..first.0 + days {
            let day = Day(day).to_string();
            for model in 0..models {
                let name = format!("maker-model-{model}-preview");
                let sums = numbers.sums();
                for kind in ["input", "cache-input", "output"] {
                    let sku = format!("{name}-llm-{kind}-mtoken");
                    rows.push(row(currency, &[(ByDay, &day), (Sku, &sku)], sums.clone()));
                }
                let mut charted = row(currency, &[(ByDay, &day), (Model, &name)], sums);
                if model >= 8 {
                    (charted.rest, charted.labels[1].1) = (Some(1), None);
                }
                add(&mut total, &charted.sums);
                by_day.push(charted);
            }
        }
        for key in 0..12 {
            by_key.push(row(
                currency,
                &[(Key, &format!("1e2feb89-414c-443c-9027-{key:012}"))],
                numbers.sums(),
            ));
        }
        for weekday in ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] {
            for hour in 0..24 {
                let labels = [(Hour, &*format!("{hour:02}")), (Weekday, weekday)];
                by_hour.push(row(currency, &labels, numbers.sums()));
            }
        }
        totals.push(row(currency, &[], total));
    }
    let charts = [(vec![ByDay, Model], by_day), (vec![Key], by_key), (vec![Weekday, Hour], by_hour)];
    Report {
        schema: SCHEMA.to_owned(),
        meta: Meta {
            by: vec![ByDay, Sku],
            created: "2026-06-14T19:52:45.087Z".to_owned(),
            window: Span {
                since: Some(first.start().to_string()),
                until: Some(Day(first.0 + days).start().to_string()),
            },
            time_zone: "UTC".to_owned(),
            week_start: "monday".to_owned(),
            is_final: true,
            ..Meta::default()
        },
        rows,
        totals,
        charts: Some(charts.into_iter().map(|(by, rows)| Breakdown { by, rows }).collect()),
    }
}

#[test]
fn a_year_of_days_is_below_300_kb() {
    let page = full("2024-01-01", 366, 12).to_html();
    assert!(page.len() < LIMIT, "{} bytes", page.len());
    assert!(page.contains("<h3>Spend by day</h3>") && page.contains("2024-12-31"));
    assert!(
        page.contains("The 500 rows with the highest spend are listed. The other 39<i>028</i> are summed")
    );
}

#[test]
fn more_than_a_year_is_drawn_in_weeks_months_or_years() {
    for (first, days, grain) in [
        ("2020-01-01", 5 * 365, "week"),
        ("1990-01-01", 30 * 365, "month"),
        ("1900-01-01", 100 * 365, "year"),
    ] {
        // One model a day is enough here.
        let page = full(first, days, 1).to_html();
        assert!(page.contains(&format!("<h3>Spend by {grain}</h3>")), "{first}");
        assert!(page.contains(&format!("A bar stands for a {grain}: days would be too many.")));
        assert!(page.len() < LIMIT, "{grain}: {} bytes", page.len());
    }
}

/// Every text of a report is one of somebody else's.
fn hostile(text: &str) -> Report {
    let text = text.to_owned();
    let mut report = full("2026-06-01", 3, 10);
    for rows in [&mut report.rows, &mut report.totals]
        .into_iter()
        .chain(report.charts.iter_mut().flatten().map(|chart| &mut chart.rows))
    {
        for row in rows {
            row.currency.clone_from(&text);
            let labels = row.labels.iter_mut().filter(|(dimension, _)| *dimension != Dimension::Day);
            labels.filter(|(_, label)| label.is_some()).for_each(|(_, label)| *label = Some(text.clone()));
        }
    }
    let meta = &mut report.meta;
    for field in [&mut meta.created, &mut meta.time_zone, &mut meta.week_start] {
        field.clone_from(&text);
    }
    meta.window = Span { since: Some(text.clone()), until: Some(text.clone()) };
    meta.previous = Some(meta.window.clone());
    meta.provisional_from = Some(text.clone());
    meta.is_final = false;
    meta.source.ledger = Some(text.clone());
    meta.source.accounts = vec![text.clone()];
    meta.source.files = vec![text.clone(); 20];
    meta.filter.currency = Some(text.clone());
    meta.filter.model = Some(text.clone());
    meta.filter.key = Some(text.clone());
    meta.usd = Some(billing_report::Usd {
        rates: [(text.clone(), text.clone())].into(),
        spend: Total::default(),
        unrated: vec![text.clone()],
    });
    meta.key_names = [(text.clone(), text.clone())].into();
    meta.notes = vec![text];
    report
}

/// The names of all elements of a page, and of their attributes.
fn elements(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let name: String =
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "!/-".contains(*c)).collect();
        // What stands in a script or a style is no element, and neither is a `<` in our own script.
        for raw in ["script", "style"] {
            if name == raw {
                let end = rest.find(&format!("</{raw}")).unwrap();
                rest = &rest[end..];
            }
        }
        found.push(name);
    }
    found
}

#[test]
fn no_text_of_a_report_becomes_an_element() {
    let harmless = hostile("name").to_html();
    let long = "<b>".repeat(50_000);
    for text in HOSTILE.into_iter().chain([long.as_str()]) {
        let page = hostile(text).to_html();
        assert_eq!(elements(&page), elements(&harmless), "{text:.40}");
        assert!(!page.contains("<img") && !page.contains("onerror=\"window"), "{text:.40}");
        assert!(!page.contains(['\u{202e}', '\u{2066}', '\u{2028}', '\u{0}', '\u{1b}']), "{text:.40}");
        assert!(page.len() < LIMIT, "{text:.40}: {} bytes", page.len());
        assert!(!page.contains("://"), "no address is in the page");
    }
}

#[test]
fn a_report_without_charts_says_so() {
    let mut report = full("2026-06-01", 3, 2);
    report.charts = None;
    let page = report.to_html();
    assert!(page.contains("This page has no charts: the report was saved without what they are drawn from."));
    assert!(page.contains("<td>2026-06-03") && !page.contains("<svg"));
}

#[test]
fn strange_reports_are_pages() {
    let empty = Report {
        schema: SCHEMA.to_owned(),
        meta: Meta::default(),
        rows: Vec::new(),
        totals: Vec::new(),
        charts: Some(Vec::new()),
    };
    assert!(empty.to_html().contains("There are no entries in this window."));
    for amount in ["0", "5e-324", "1.7976931348623157e308", "-1", "0.0000000000000000000000000001"] {
        let mut report = full("9999-12-01", 30, 9);
        let amount: Total = amount.parse().unwrap();
        let charts = report.charts.iter_mut().flatten().flat_map(|chart| &mut chart.rows);
        for row in report.rows.iter_mut().chain(&mut report.totals).chain(charts) {
            row.sums.spend = amount.clone();
            row.sums.tokens.output = amount.clone();
        }
        let page = report.to_html();
        assert!(page.contains(&format!(
            "data-field=\"spend\">{}",
            amount.to_string().split('e').next().unwrap().get(..1).unwrap()
        )));
        assert!(!page.contains("NaN") && !page.contains("inf"), "{amount}");
    }
    let mut report = full("2026-06-01", 2, 2);
    let total = report.totals[0].clone();
    report.totals = (0..100_000).map(|n| Row { currency: format!("C{n}"), ..total.clone() }).collect();
    report.rows = report.totals.clone();
    let page = report.to_html();
    assert!(page.contains("99<i>500</i> are summed") && page.contains("99<i>992</i> more currencies"));
    assert!(page.len() < LIMIT, "{} bytes", page.len());
}
