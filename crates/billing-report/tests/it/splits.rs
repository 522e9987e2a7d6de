//! What holds of every report, whatever the entries: also of the largest and smallest numbers, at the ends of the calendar.

use std::num::NonZeroUsize;

use billing_model::{Decimal, TimeWindow, Timestamp, Total, UsageEntry, parse_decimal};
use billing_report::{By, Dimension, Filter, Meta, Question, Rates, Report, ReportBuilder, Row, Sort, Zone};
use chrono::{DateTime, Utc, Weekday};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::lent::entry;

const SKUS: [&str; 9] = [
    "a-llm-input-mtoken",
    "a-llm-output-mtoken",
    "a-llm-cache-input-mtoken",
    "b-llm-cache-write-1h-mtoken",
    "b-api-llm-extended-output-mtoken",
    "c-image-unit",
    "credit-purchase",
    "<b>\u{202e}\u{1b}[31m",
    "",
];

fn number() -> impl Strategy<Value = Decimal> {
    let usual = (-99_999i64..99_999, 0i32..=9)
        .prop_map(|(digits, places)| Decimal::from_parts(digits.into(), -places).unwrap());
    let texts =
        ["0", "1.7976931348623157e308", "-1.7976931348623157e308", "5e-324", "-5e-324", "-1e28", "9e10"];
    let strange = select(texts.to_vec()).prop_map(|text| parse_decimal(text).unwrap());
    prop_oneof![9 => usual, 1 => strange]
}

/// Mostly some days of October, when clocks change; else any time that there is.
fn time() -> impl Strategy<Value = Timestamp> {
    let near = (0i64..20 * 86_400).prop_map(|s| Timestamp::from_unix_ns((1_792_108_800 + s) * 1_000_000_000));
    let far = any::<i64>().prop_map(Timestamp::from_unix_ns);
    let ends = select(vec![DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC]).prop_map(Timestamp::from);
    prop_oneof![20 => near, 1 => far, 1 => ends]
}

fn any_entry() -> impl Strategy<Value = UsageEntry> {
    let texts = (select(&SKUS[..]), select(vec!["USD", "DIEM", "GOLD"]), 0..4u8, 0..9u8, 0..3u8);
    (time(), texts, number(), number(), number()).prop_map(|(timestamp, texts, amount, units, price)| {
        let (sku, currency, key, request, notes) = texts;
        let mut line = format!("2026-01-01T00:00:00Z sku {currency} 1 n={notes}");
        if key > 0 {
            line += &format!(" k=k{key}");
        }
        if request > 0 {
            line += &format!(" r=r{request}");
        }
        UsageEntry {
            timestamp,
            sku: sku.to_owned(),
            amount,
            units,
            price_per_unit_usd: price,
            ..entry(&line)
        }
    })
}

fn dimension() -> impl Strategy<Value = Dimension> {
    select(Dimension::ALL.to_vec())
}

fn any_question() -> impl Strategy<Value = Question> {
    let zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"];
    let windows = (any::<bool>(), time(), time(), any::<bool>());
    let by = (dimension(), prop::option::of(dimension()));
    let sort = select(vec![Sort::Spend, Sort::Tokens, Sort::Name, Sort::Time]);
    let choice = (select(zones.to_vec()), any::<[bool; 3]>(), prop::option::of(1usize..4), any::<bool>());
    (by, windows, sort, choice).prop_map(|((first, second), windows, sort, choice)| {
        let (zone, [requests, charts, usd], top, sunday) = choice;
        let (is_all, one, other, is_compared) = windows;
        let border = "2026-10-24T22:00:00Z".parse().unwrap();
        let ends = TimeWindow::new(Some(one.min(other)), Some(one.max(other))).ok();
        let before = TimeWindow::new(Some("2026-10-17T22:00:00Z".parse().unwrap()), Some(border)).unwrap();
        Question {
            window: match (is_all, is_compared) {
                (true, _) => TimeWindow::ALL,
                (false, true) => TimeWindow::new(Some(border), None).unwrap(),
                (false, false) => ends.unwrap_or_default(),
            },
            previous: is_compared.then_some(before),
            zone: zone.parse::<Zone>().unwrap(),
            week_start: if sunday { Weekday::Sun } else { Weekday::Mon },
            filter: Filter::default(),
            requests,
            charts,
            sort,
            top: top.and_then(NonZeroUsize::new),
            rates: usd.then(Rates::default),
            ..Question::new(By { first, second: second.filter(|second| *second != first) })
        }
    })
}

fn one_pass(question: &Question, entries: &[UsageEntry]) -> Report {
    let mut builder = ReportBuilder::new(question.clone());
    entries.iter().for_each(|entry| builder.add_entry(entry));
    builder.finish(Meta::default())
}

fn sum<'a>(rows: impl Iterator<Item = &'a Row>, of: fn(&Row) -> Total) -> Total {
    let mut sum = Total::default();
    rows.for_each(|row| sum.merge(&of(row)));
    sum
}

proptest! {
    #[test]
    fn any_split_in_any_order_gives_the_same_report(
        question in any_question(), entries in prop::collection::vec((any_entry(), 0..3usize, any::<Index>()), 0..60),
    ) {
        let expect = one_pass(&question, &entries.iter().map(|(entry, ..)| entry.clone()).collect::<Vec<_>>());
        let mut shuffled: Vec<_> = entries.iter().collect();
        for place in 0..shuffled.len() {
            shuffled.swap(place, entries[place].2.index(entries.len()));
        }
        let builder = ReportBuilder::new(question);
        let mut parts: Vec<_> = (0..3).map(|_| builder.fork()).collect();
        for (entry, part, _) in shuffled {
            parts[*part].add_entry(entry);
        }
        let merged = parts.into_iter().reduce(|mut one, other| {
            one.merge(other);
            one
        });
        prop_assert_eq!(&merged.unwrap().finish(Meta::default()), &expect);
        prop_assert_eq!(&Report::from_json(&expect.to_json().unwrap()).unwrap(), &expect);
    }

    #[test]
    fn rows_and_the_rest_add_up_to_the_totals(
        question in any_question(), entries in prop::collection::vec(any_entry(), 0..60),
    ) {
        let report = one_pass(&question, &entries);
        let all = one_pass(&Question { top: None, ..question.clone() }, &entries);
        prop_assert_eq!(&report.totals, &all.totals);
        for total in &report.totals {
            let rows = || report.rows.iter().filter(|row| row.currency == total.currency);
            let parts: [fn(&Row) -> Total; 8] = [
                |row| row.sums.spend.clone(),
                |row| row.sums.credits.clone(),
                |row| row.sums.token_spend.clone(),
                |row| row.sums.tokens.input.clone(),
                |row| row.sums.tokens.cached_input.clone(),
                |row| row.sums.tokens.cache_write.clone(),
                |row| row.sums.tokens.output.clone(),
                |row| row.usd.clone().unwrap_or_default(),
            ];
            for part in parts {
                prop_assert_eq!(sum(rows(), part), part(total));
            }
            prop_assert_eq!(rows().map(|row| row.sums.entries).sum::<u64>(), total.sums.entries);
            // A request is in one row or more.
            let requests = rows().map(|row| row.sums.requests.unwrap_or(0));
            prop_assert!(requests.clone().max() <= total.sums.requests.or(Some(0)));
            prop_assert!(requests.sum::<u64>() >= total.sums.requests.unwrap_or(0));
            let left_out: u64 = rows().map(|row| row.rest.unwrap_or(1)).sum();
            let others = all.rows.iter().filter(|row| row.currency == total.currency);
            prop_assert_eq!(left_out, others.count() as u64);
            prop_assert!(rows().all(|row| row.rest != Some(1)));
            let points = report.rows.iter().map(|row| row.trend.len());
            prop_assert!(points.max().unwrap_or(0) <= 31);
        }
    }
}
