//! Proof that reports add up: each of them of 43,635 entries, against the plainest computation.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use billing_model::{Currency, Day, Total, UsageEntry};
use billing_report::{By, DaySum, Dimension, Filter, Meta, Question, Report, ReportBuilder, Row, Sums};

use crate::lent::window;
use crate::plain::{Column, Counted, Every, Expected, PLACES, Plain, ZONES, add_up, ledger, scaled};

static PROOF: LazyLock<Proof> = LazyLock::new(Proof::new);

const CURRENCIES: [&str; 3] = ["USD", "DIEM", "BUNDLED_CREDITS"];

struct Proof {
    ledger: Vec<Plain>,
    entries: Vec<UsageEntry>,
    counted: Vec<Counted>,
    currencies: Column,
    /// By dimension and zone.
    columns: HashMap<(Dimension, &'static str), Column>,
}

impl Proof {
    fn new() -> Self {
        let ledger = ledger();
        let mut columns = HashMap::new();
        for dimension in Dimension::ALL {
            for zone in zones(By::one(dimension)) {
                let (_, ahead) = ZONES.into_iter().find(|(name, _)| *name == zone).unwrap();
                columns.insert((dimension, zone), Column::new(&ledger, dimension.as_str(), ahead));
            }
        }
        Self {
            entries: ledger.iter().map(|line| serde_json::from_str(&line.text).unwrap()).collect(),
            counted: Counted::all(&ledger),
            currencies: Column::new(&ledger, "currency", 0),
            columns,
            ledger,
        }
    }

    /// The report of these entries, and those of one currency each, equal what they come to.
    fn check(&self, by: By, zone: &'static str, currencies: &[&str], every: Every) {
        let column = |dimension: Dimension| {
            let zone = if dimension.is_time() { zone } else { "UTC" };
            &self.columns[&(dimension, zone)]
        };
        let columns: Vec<_> = by.dimensions().map(column).collect();
        let rows = add_up(&self.counted, every, &columns);
        let totals = add_up(&self.counted, every, &[]);
        for currency in std::iter::once(None).chain(currencies.iter().map(|currency| Some(*currency))) {
            let filter = Filter { currency: currency.map(Currency::from), ..Filter::default() };
            let question =
                Question { zone: zone.parse().unwrap(), requests: true, filter, ..Question::new(by) };
            let mut builder = ReportBuilder::new(question);
            every.of(&self.entries).for_each(|(_, entry)| builder.add_entry(entry));
            let report = builder.finish(Meta::default());

            let what = format!("{by:?} {zone} {currency:?} {every:?}");
            let asked = currency.map(|currency| self.number(currency));
            self.check_rows(&report.rows, by, &columns, asked, &rows, &what);
            let found = self.check_rows(&report.totals, by, &[], asked, &totals, &what);
            let meta = &report.meta;
            let compared = Some(found.entries);
            assert_eq!((found.entries, compared), (meta.entries, meta.compared), "{what}");
            assert_eq!(Some(found.mismatched), meta.mismatched, "{what}");
            in_order(&report);
        }
    }

    fn number(&self, currency: &str) -> u32 {
        self.currencies.numbers[&Some(currency.to_owned())]
    }

    /// There is a row for everything expected of the currency that is asked for, and no other; says what they come to.
    fn check_rows(
        &self,
        rows: &[Row],
        by: By,
        columns: &[&Column],
        asked: Option<u32>,
        expected: &HashMap<(u32, Vec<u32>), Expected>,
        what: &str,
    ) -> Expected {
        let label = |row: &Row, dimension, column: &Column| {
            column.numbers[&row.label(dimension).unwrap().map(str::to_owned)]
        };
        let mut found = Expected::default();
        let mut seen = HashSet::new();
        for row in rows {
            let labels = by.dimensions().zip(columns);
            let labels: Vec<_> = labels.map(|(dimension, column)| label(row, dimension, column)).collect();
            let key = (self.number(&row.currency), labels);
            let sums = &expected[&key];
            equal(row, sums, what);
            found.entries += sums.entries;
            found.mismatched += sums.mismatched;
            assert!(asked.is_none_or(|asked| asked == key.0) && seen.insert(key), "{what} {:?}", row.labels);
        }
        let is_asked = |(currency, _): &&(u32, Vec<u32>)| asked.is_none_or(|asked| asked == *currency);
        assert_eq!(seen.len(), expected.keys().filter(is_asked).count(), "{what}");
        found
    }
}

fn equal(row: &Row, expected: &Expected, what: &str) {
    let Sums { entries, spend, credits, tokens, token_spend, requests } = &row.sums;
    let number = |total: &Total| scaled(&total.to_string(), PLACES);
    let millions = |total: &Total| scaled(&total.to_string(), PLACES - 6);
    let found = (*entries, number(spend), number(credits), number(token_spend));
    let expect = (expected.entries, expected.spend, expected.credits, expected.token_spend);
    assert_eq!(found, expect, "{what} {:?}", row.labels);
    let found = [&tokens.input, &tokens.cached_input, &tokens.output].map(millions);
    assert_eq!(found, expected.tokens, "{what} {:?}", row.labels);
    assert!(tokens.cache_write.is_zero(), "this ledger has none");
    assert_eq!(requests.unwrap(), expected.requests.len() as u64, "{what} {:?}", row.labels);
}

/// Spend does not rise within what rows are sorted by it in, and time does not go back.
fn in_order(report: &Report) {
    let by = &report.meta.by;
    for rows in report.rows.windows(2) {
        let [one, other] = rows else { continue };
        let first = (one.label(by[0]), other.label(by[0]));
        if one.currency != other.currency || (by.len() == 2 && first.0 != first.1) {
            continue;
        }
        let last = by[by.len() - 1];
        match last {
            Dimension::Weekday => {}
            _ if last.is_time() => assert!(one.label(last) < other.label(last), "{by:?}"),
            _ => assert!(one.sums.spend >= other.sums.spend, "{by:?}"),
        }
    }
}

/// The zones that make a difference: one where time is nothing that rows are by.
fn zones(by: By) -> impl Iterator<Item = &'static str> {
    let count = if by.dimensions().any(Dimension::is_time) { ZONES.len() } else { 1 };
    ZONES.into_iter().map(|(zone, _)| zone).take(count)
}

/// Those of each currency in one zone where it is another one for each, and in all others.
#[test]
fn reports_by_one_thing_equal_a_plain_computation() {
    for by in Dimension::ALL.map(By::one) {
        let is_time = by.first.is_time();
        for (place, zone) in zones(by).enumerate() {
            let currencies = if is_time { &CURRENCIES[place..=place] } else { &CURRENCIES[..] };
            PROOF.check(by, zone, currencies, Every::ONE);
        }
    }
}

/// Every pair in one of its two orders, of every sixteenth entry, another sixteenth for each. With `BILLING_TEST_LONG=1` of all
/// entries, which takes a minute.
#[test]
fn reports_by_two_things_equal_a_plain_computation() {
    let step = if std::env::var_os("BILLING_TEST_LONG").is_some() { 1 } else { 16 };
    let mut checked = 0;
    for (place, first) in Dimension::ALL.into_iter().enumerate() {
        for second in Dimension::ALL.into_iter().skip(place + 1) {
            let [first, second] = if checked % 2 == 0 { [first, second] } else { [second, first] };
            let by = By { first, second: Some(second) };
            for zone in zones(by) {
                let every = Every { from: checked % step, step };
                PROOF.check(by, zone, &[CURRENCIES[checked % 3]], every);
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 156);
}

/// What a ledger has at hand of each UTC day, and the entries at the ends of the windows, say the same as all entries do.
#[test]
fn sums_of_days_and_entries_make_the_same_report() {
    let lasting = [
        Dimension::Day,
        Dimension::Week,
        Dimension::Month,
        Dimension::Weekday,
        Dimension::Model,
        Dimension::Sku,
        Dimension::Currency,
        Dimension::Key,
        Dimension::Kind,
    ];
    let sums = PROOF.sums();
    for (place, first) in lasting.into_iter().enumerate() {
        let others = lasting.into_iter().skip(place + 1).map(Some);
        for second in std::iter::once(None).chain(others) {
            let question = Question {
                window: window("2026-06-21T06:30:00Z", "2026-06-25T17:45:00Z"),
                previous: Some(window("2026-06-16T19:15:00Z", "2026-06-21T06:30:00Z")),
                top: std::num::NonZeroUsize::new(3),
                ..Question::new(By { first, second })
            };
            let mut of_sums = PROOF.report(&question, &sums);
            let mut of_entries = PROOF.report(&question, &HashMap::new());
            assert!(of_sums.meta.compared < of_entries.meta.compared, "days were not compared");
            for report in [&mut of_sums, &mut of_entries] {
                (report.meta.compared, report.meta.mismatched) = (None, None);
            }
            assert_eq!(of_sums, of_entries);
        }
    }
}

/// A day, a sku, a currency, a key, and whether it is of credits.
type SumKey = (Day, String, Currency, Option<String>, bool);

impl Proof {
    fn sums(&self) -> HashMap<SumKey, (u64, Total, Total)> {
        let mut sums: HashMap<SumKey, (u64, Total, Total)> = HashMap::new();
        for (entry, line) in self.entries.iter().zip(&self.ledger) {
            let (day, is_credit) = (Day(line.minute / 1_440), line.amount > 0);
            let key = (day, line.sku.clone(), entry.currency.clone(), line.key.clone(), is_credit);
            let (count, amount, units) = sums.entry(key).or_default();
            *count += 1;
            amount.add(entry.amount);
            units.add(entry.units);
        }
        sums
    }

    /// The report of what is to be read for it; of entries alone where there are no sums.
    fn report(&self, question: &Question, sums: &HashMap<SumKey, (u64, Total, Total)>) -> Report {
        let mut builder = ReportBuilder::new(question.clone());
        let reading = question.reading();
        assert!(!reading.sums.is_empty(), "sums say enough");
        for ((day, sku, currency, key, is_credit), (entries, amount, units)) in sums {
            if reading.sums.iter().any(|days| days.is_none_or(|days| days.position(*day).is_some())) {
                builder.add_sum(&DaySum {
                    day: *day,
                    sku,
                    currency,
                    api_key_id: key.as_deref(),
                    is_credit: *is_credit,
                    entries: *entries,
                    amount,
                    units,
                });
            }
        }
        let is_read = |entry: &&UsageEntry| {
            sums.is_empty() || reading.entries.iter().any(|window| window.contains(entry.timestamp))
        };
        self.entries.iter().filter(is_read).for_each(|entry| builder.add_entry(entry));
        builder.finish(Meta::default())
    }
}
