//! Reports for the page, made of entries by a plain loop.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};

use billing_model::{Decimal, Sku, Total, UsageEntry, UsageKind, is_credit};
use billing_report::{Breakdown, Dimension, Meta, Report, Row, SCHEMA, Source, Span, Sums, Usd, Zone};
use flate2::read::GzDecoder;

use crate::ledger::REAL;

/// How many models or keys a chart has apart from the rest.
const TOP: usize = 8;

/// A currency, and the labels.
type Key = (String, Vec<Option<String>>);

/// By day, of two months in three currencies, with charts.
pub(super) fn of_real_entries() -> Report {
    let entries: Vec<UsageEntry> = BufReader::new(GzDecoder::new(File::open(REAL).unwrap()))
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let rates = [("DIEM", "1"), ("USD", "1")];
    let mut report = report(&entries, vec![Dimension::Day]);
    let ids: BTreeSet<_> = entries.iter().filter_map(|entry| entry.api_key_id.clone()).collect();
    let names = ["production", "staging", "notebooks", "nightly evaluation of all models", "support bot"];
    report.meta.key_names = ids.into_iter().zip(names.map(str::to_owned)).collect();
    let mut usd = Usd {
        rates: rates.map(|(currency, rate)| (currency.to_owned(), rate.to_owned())).into(),
        spend: Total::default(),
        unrated: vec!["BUNDLED_CREDITS".to_owned()],
    };
    let rated = report.totals.iter().filter(|total| usd.rates.contains_key(&total.currency));
    rated.for_each(|total| usd.spend.merge(&total.sums.spend));
    report.meta.usd = Some(usd);
    report.meta.mismatched = Some(12);
    report
}

/// The same with names that try to be run, of keys and models, in a currency of such a name.
pub(super) fn hostile() -> Report {
    // Of all sizes, and two that differ beyond what binary floating point can tell.
    let amounts =
        ["-9", "-12", "-1e-30", "-5e-324", "-1.7976931348623157e308", "-0.1", "-0.1000000000000000000000001"];
    let names = [
        "\"><img src=x onerror=\"window.__hit=1\">",
        "</script><script>window.__hit=1</script>",
        "<!--<script>window.__hit=1//",
        "&lt;b&gt;javascript:window.__hit=1",
        "\u{202e}evil\u{2066}\u{2028}\u{0}\u{1b}[2J",
        "' onmouseover='window.__hit=1",
        &"<b>".repeat(33_000),
    ];
    let entries = names.iter().zip(amounts).enumerate().map(|(n, (name, amount))| {
        let json = serde_json::json!({
            "amount": amount, "currency": name, "notes": name, "pricePerUnitUsd": "1", "sku": name, "units": "1",
            "timestamp": format!("2026-05-0{}T00:00:00.000Z", n + 1), "apiKeyId": name,
        });
        serde_json::from_str(&json.to_string()).unwrap()
    });
    let mut report = report(&entries.collect::<Vec<_>>(), vec![Dimension::Model, Dimension::Key]);
    report.meta.notes = names.map(str::to_owned).into();
    report.meta.source.files = names.map(str::to_owned).into();
    report
}

fn report(entries: &[UsageEntry], by: Vec<Dimension>) -> Report {
    let totals = rows(entries, &[], &[]);
    let charts = [
        vec![Dimension::Day, Dimension::Model],
        vec![Dimension::Key],
        vec![Dimension::Weekday, Dimension::Hour],
    ];
    let charts = charts.into_iter().map(|by| {
        let rows = rows(entries, &by, &totals);
        Breakdown { rows: rest_of(rows, by[by.len() - 1]), by }
    });
    Report {
        schema: SCHEMA.to_owned(),
        meta: Meta {
            by: by.clone(),
            created: "2026-07-01T08:00:00.000Z".to_owned(),
            source: Source {
                ledger: Some("ledger.db".to_owned()),
                accounts: vec!["default".to_owned()],
                ..Source::default()
            },
            window: Span {
                since: Some("2026-05-01T00:00:00.000Z".to_owned()),
                until: Some("2026-07-01T00:00:00.000Z".to_owned()),
            },
            time_zone: "UTC".to_owned(),
            week_start: "monday".to_owned(),
            entries: entries.len().try_into().unwrap(),
            compared: Some(entries.len().try_into().unwrap()),
            ..Meta::default()
        },
        rows: rows(entries, &by, &totals),
        charts: Some(charts.collect()),
        totals,
    }
}

/// The rows by some dimensions.
fn rows(entries: &[UsageEntry], by: &[Dimension], totals: &[Row]) -> Vec<Row> {
    let mut groups: BTreeMap<Key, Sums> = BTreeMap::new();
    for entry in entries {
        let labels = by.iter().map(|dimension| label(entry, *dimension)).collect();
        add(groups.entry((entry.currency.to_string(), labels)).or_default(), entry);
    }
    let row = |((currency, labels), sums): (Key, Sums)| {
        let total = totals.iter().find(|total| total.currency == currency);
        Row {
            labels: by.iter().copied().zip(labels).collect(),
            rest: None,
            share: total.and_then(|total| sums.spend.divided_by(&total.sums.spend, 6)),
            currency,
            sums,
            usd: None,
            previous: None,
            trend: Vec::new(),
        }
    };
    groups.into_iter().map(row).collect()
}

fn label(entry: &UsageEntry, dimension: Dimension) -> Option<String> {
    let local = Zone::UTC.local(entry.timestamp);
    match dimension {
        Dimension::Day => Some(local.day.to_string()),
        Dimension::Hour => Some(format!("{:02}", local.hour())),
        Dimension::Weekday => {
            let names = ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];
            Some(names[usize::try_from(local.day.0.rem_euclid(7)).unwrap()].to_owned())
        }
        Dimension::Model => Some(Sku::parse(&entry.sku).model().unwrap_or(&entry.sku).to_owned()),
        Dimension::Key => entry.api_key_id.clone(),
        other => unreachable!("no report here is by {other}"),
    }
}

fn add(sums: &mut Sums, entry: &UsageEntry) {
    sums.entries += 1;
    if is_credit(entry.amount) {
        return sums.credits.add(entry.amount);
    }
    let spend = -Total::from(entry.amount);
    sums.spend.merge(&spend);
    let tokens = &mut sums.tokens;
    let place = match Sku::parse(&entry.sku).kind() {
        Some(UsageKind::Input) => &mut tokens.input,
        Some(UsageKind::CacheRead) => &mut tokens.cached_input,
        Some(UsageKind::CacheWrite) => &mut tokens.cache_write,
        Some(UsageKind::Output) => &mut tokens.output,
        _ => return,
    };
    place.merge(&Total::from(entry.units).times(Decimal::from(1_000_000u32)));
    sums.token_spend.merge(&spend);
}

/// The rows with all models or keys but the first ones of each currency as one.
fn rest_of(rows: Vec<Row>, dimension: Dimension) -> Vec<Row> {
    if dimension == Dimension::Hour {
        return rows;
    }
    let name = |row: &Row| (row.currency.clone(), row.label(dimension).flatten().map(str::to_owned));
    let mut sums: BTreeMap<_, Total> = BTreeMap::new();
    rows.iter().for_each(|row| sums.entry(name(row)).or_default().merge(&row.sums.spend));
    let place = |row: &Row| {
        let name = name(row);
        sums.iter().filter(|(other, sum)| other.0 == name.0 && **sum > sums[&name]).count()
    };
    let (mut found, rest): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| place(row) < TOP);
    for mut row in rest {
        row.labels.iter_mut().filter(|(other, _)| *other == dimension).for_each(|(_, label)| *label = None);
        let is_same = |other: &&mut Row| {
            other.rest.is_some() && other.currency == row.currency && other.labels[0] == row.labels[0]
        };
        match found.iter_mut().find(is_same) {
            Some(rest) => {
                rest.rest = rest.rest.map(|count| count + 1);
                rest.sums.entries += row.sums.entries;
                for (sum, other) in [
                    (&mut rest.sums.spend, &row.sums.spend),
                    (&mut rest.sums.credits, &row.sums.credits),
                    (&mut rest.sums.token_spend, &row.sums.token_spend),
                    (&mut rest.sums.tokens.input, &row.sums.tokens.input),
                    (&mut rest.sums.tokens.cached_input, &row.sums.tokens.cached_input),
                    (&mut rest.sums.tokens.cache_write, &row.sums.tokens.cache_write),
                    (&mut rest.sums.tokens.output, &row.sums.tokens.output),
                ] {
                    sum.merge(other);
                }
            }
            None => found.push(Row { rest: Some(1), ..row }),
        }
    }
    found
}
