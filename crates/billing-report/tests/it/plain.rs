//! What reports must say of the ledger of two months, computed in the plainest way: a loop over its lines, with decimals, skus, dates
//! and zones of its own. Nothing here asks what it is to check.

use std::collections::{HashMap, HashSet};
use std::io::Read as _;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use serde::Deserialize;
use serde_json::value::RawValue;

const LEDGER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/ledger-2026-05-06.ndjson.gz");

/// Zones whose clocks stand still in these two months, and by how many minutes they are ahead of UTC.
pub(crate) const ZONES: [(&str, i64); 3] = [("UTC", 0), ("Europe/Berlin", 120), ("America/St_Johns", -150)];

/// Decimal places of all amounts and units here.
pub(crate) const PLACES: i64 = 28;

/// The text of a line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    amount: Box<RawValue>,
    units: Box<RawValue>,
    price_per_unit_usd: Box<RawValue>,
    sku: String,
    currency: String,
    timestamp: String,
    notes: String,
    api_key_id: Option<String>,
    inference_details: Option<Details>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    request_id: Option<String>,
}

/// A line in numbers, in units of the last of [`PLACES`].
pub(crate) struct Plain {
    pub(crate) text: String,
    pub(crate) minute: i64,
    pub(crate) sku: String,
    pub(crate) currency: String,
    pub(crate) key: Option<String>,
    request: Option<String>,
    notes: String,
    pub(crate) amount: i128,
    pub(crate) units: i128,
    is_product: bool,
}

pub(crate) fn ledger() -> Vec<Plain> {
    let mut text = String::new();
    let file = std::fs::File::open(LEDGER).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines().map(Plain::of).collect()
}

/// A number in units of a decimal place. It must have no more places.
pub(crate) fn scaled(text: &str, places: i64) -> i128 {
    let number: BigDecimal = text.parse().unwrap();
    let (digits, _) = number.with_scale(places).into_bigint_and_exponent();
    assert_eq!(BigDecimal::new(digits.clone(), places), number, "{text} has more places");
    digits.try_into().unwrap()
}

impl Plain {
    fn of(text: &str) -> Self {
        let line: Line = serde_json::from_str(text).unwrap();
        let number = |number: &RawValue| number.get().parse::<BigDecimal>().unwrap();
        let product = number(&line.price_per_unit_usd) * number(&line.units);
        let apart = (number(&line.amount).abs() - &product).abs() * BigInt::from(1_000_000_000);
        let part = |range: std::ops::Range<usize>| line.timestamp[range].parse::<i64>().unwrap();
        assert!(line.timestamp.starts_with("2026-"));
        let day = day_number(usize::try_from(part(5..7)).unwrap(), part(8..10));
        Self {
            text: text.to_owned(),
            minute: (day * 24 + part(11..13)) * 60 + part(14..16),
            amount: scaled(line.amount.get(), PLACES),
            units: scaled(line.units.get(), PLACES),
            is_product: apart <= product,
            sku: line.sku,
            currency: line.currency,
            key: line.api_key_id,
            request: line.inference_details.and_then(|details| details.request_id),
            notes: line.notes,
        }
    }

    /// What the line is under a dimension, by clocks so many minutes ahead of UTC.
    fn label(&self, by: &str, ahead: i64) -> Option<String> {
        const WEEKDAYS: [&str; 7] =
            ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];
        let local = self.minute + ahead;
        let day = local.div_euclid(1_440);
        let (model, kind, _) = sku_parts(&self.sku);
        match by {
            "day" => Some(date(day)),
            // 1970-01-05 was a Monday.
            "week" => Some(date((day - 4).div_euclid(7) * 7 + 4)),
            "month" => Some(date(day)[..7].to_owned()),
            "hour" => Some(format!("{:02}", local.rem_euclid(1_440) / 60)),
            "weekday" => Some(WEEKDAYS[usize::try_from(day.rem_euclid(7)).unwrap()].to_owned()),
            "model" => Some(model.to_owned()),
            "sku" => Some(self.sku.clone()),
            "currency" => Some(self.currency.clone()),
            "key" => self.key.clone(),
            "kind" => kind.map(str::to_owned),
            "request" => self.request.clone(),
            "notes" => Some(self.notes.clone()),
            other => panic!("{other}"),
        }
    }
}

/// The model, what of it was used, and which tokens are counted. By the ends that skus of this ledger have.
fn sku_parts(sku: &str) -> (&str, Option<&'static str>, Option<usize>) {
    for (end, kind, tokens) in [
        ("-llm-input-mtoken", "input", Some(0)),
        ("-llm-cache-input-mtoken", "cache_read", Some(1)),
        ("-llm-output-mtoken", "output", Some(2)),
        ("-image-unit", "unit", None),
        ("-edit-fixed-1img", "edit_fixed", None),
        ("-text-to-video-duration-rate-1080p", "duration_rate", None),
        ("-duration-based-60s", "duration_based", None),
        ("-fixed", "fixed", None),
    ] {
        if let Some(model) = sku.strip_suffix(end) {
            return (model, Some(kind), tokens);
        }
    }
    (sku, (sku == "search-augmentation").then_some("request"), None)
}

/// 2026-01-01 in days since 1970. The ledger is of that year.
const NEW_YEAR: i64 = 56 * 365 + 14;

const MONTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Days since 1970 of a date of 2026.
fn day_number(month: usize, day: i64) -> i64 {
    NEW_YEAR + MONTHS[..month - 1].iter().sum::<i64>() + day - 1
}

fn date(day: i64) -> String {
    let (mut day, mut month) = (day - NEW_YEAR, 0);
    while day >= MONTHS[month] {
        day -= MONTHS[month];
        month += 1;
    }
    format!("2026-{:02}-{:02}", month + 1, day + 1)
}

/// The label of each line under a dimension, as a number, and what each number stands for.
pub(crate) struct Column {
    of_lines: Vec<u32>,
    pub(crate) numbers: HashMap<Option<String>, u32>,
}

impl Column {
    pub(crate) fn new(ledger: &[Plain], by: &str, ahead: i64) -> Self {
        let mut numbers = HashMap::new();
        let mut number = |label| {
            let next = u32::try_from(numbers.len()).unwrap();
            *numbers.entry(label).or_insert(next)
        };
        let of_lines = ledger.iter().map(|line| number(line.label(by, ahead))).collect();
        Self { of_lines, numbers }
    }
}

/// What lines come to.
#[derive(Clone, Default)]
pub(crate) struct Expected {
    pub(crate) entries: u64,
    pub(crate) spend: i128,
    pub(crate) credits: i128,
    /// Millions of tokens: read, from the cache, written.
    pub(crate) tokens: [i128; 3],
    pub(crate) token_spend: i128,
    pub(crate) requests: HashSet<u32>,
    pub(crate) mismatched: u64,
}

/// A line as a loop needs it: what it is of each of them, found once.
pub(crate) struct Counted {
    currency: u32,
    request: u32,
    tokens: Option<usize>,
    amount: i128,
    units: i128,
    is_product: bool,
}

impl Counted {
    pub(crate) fn all(ledger: &[Plain]) -> Vec<Self> {
        let currencies = Column::new(ledger, "currency", 0);
        let requests = Column::new(ledger, "request", 0);
        let numbers = ledger.iter().zip(currencies.of_lines.iter().zip(&requests.of_lines));
        let counted = numbers.map(|(line, (currency, request))| Self {
            currency: *currency,
            request: if line.request.is_some() { *request } else { u32::MAX },
            tokens: sku_parts(&line.sku).2,
            amount: line.amount,
            units: line.units,
            is_product: line.is_product,
        });
        counted.collect()
    }
}

/// Every `step`-th line, from the line `from` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Every {
    pub(crate) from: usize,
    pub(crate) step: usize,
}

impl Every {
    pub(crate) const ONE: Self = Self { from: 0, step: 1 };

    pub(crate) fn of<T>(self, lines: &[T]) -> impl Iterator<Item = (usize, &T)> {
        lines.iter().enumerate().skip(self.from).step_by(self.step)
    }
}

/// The loop: what lines come to that have the same currency and the same labels.
pub(crate) fn add_up(
    lines: &[Counted],
    every: Every,
    columns: &[&Column],
) -> HashMap<(u32, Vec<u32>), Expected> {
    let mut found: HashMap<(u32, Vec<u32>), Expected> = HashMap::new();
    for (place, line) in every.of(lines) {
        let labels = columns.iter().map(|column| column.of_lines[place]).collect();
        let sums = found.entry((line.currency, labels)).or_default();
        sums.entries += 1;
        if line.amount > 0 {
            sums.credits += line.amount;
        } else {
            sums.spend -= line.amount;
            if let Some(kind) = line.tokens {
                sums.tokens[kind] += line.units;
                sums.token_spend -= line.amount;
            }
        }
        if line.request != u32::MAX {
            sums.requests.insert(line.request);
        }
        sums.mismatched += u64::from(!line.is_product);
    }
    found
}
