//! Every number that JavaScript prints, through every path: the same values, and sums to the last digit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use billing_model::{Analytics, Balance};
use dashu_int::IBig;
use serde::Deserialize;

use crate::billing::run;
use crate::conversation::Request;
use crate::host::{ANALYTICS, BALANCE, Host};
use crate::ingest::batches::{gzip, post};
use crate::ledger::Ledger;
use crate::place::Place;

/// Doubles that are drawn, beside the extremes.
const DRAWN: usize = 100_000;

/// Rows of a batch.
const BATCH: usize = 20_000;

const EXTREMES: [&str; 16] = [
    "5e-324",
    "-5e-324",
    "2.2250738585072014e-308",
    "1.7976931348623157e+308",
    "-1.7976931348623157e+308",
    "-5.551115123125783e-17",
    "0.30000000000000004",
    "-0",
    "1e-7",
    "123456789012345680000",
    "1e+21",
    "1e+29",
    "-9007199254740993",
    "1.0000000000000002",
    "4.9e-324",
    "1e-28",
];

/// An entry as text: what it says is not read by what is tested.
struct Row {
    amount: String,
    units: String,
    price: String,
    currency: &'static str,
}

impl Row {
    fn json(&self, place: usize) -> String {
        let Self { amount, units, price, currency } = self;
        let at = instant(place);
        format!(
            r#"{{"timestamp":"{at}","sku":"a-sku","pricePerUnitUsd":{price},"units":{units},"amount":{amount},"currency":"{currency}","notes":"{place}"}}"#
        )
    }

    fn csv(&self, place: usize) -> String {
        let Self { amount, units, price, currency } = self;
        format!("{},a-sku,{price},{units},{amount},{currency},{place}", instant(place))
    }

    /// What is to come out: the values of amount, units and price.
    fn values(&self) -> [Value; 3] {
        [&self.amount, &self.units, &self.price].map(|text| value(text))
    }
}

/// All within a day.
fn instant(place: usize) -> String {
    let ms = place % 1000;
    let (minutes, seconds) = (place / 60_000, place / 1000 % 60);
    format!("2026-05-01T00:{minutes:02}:{seconds:02}.{ms:03}Z")
}

/// Rows whose every number is one that an engine of JavaScript printed.
#[expect(clippy::disallowed_types, clippy::float_arithmetic, reason = "that is what is printed")]
fn rows() -> Vec<Row> {
    let mut random = fastrand::Rng::with_seed(11);
    let mut buffer = ryu_js::Buffer::new();
    let mut double = |place: usize| {
        if let Some(extreme) = EXTREMES.get(place / 7).filter(|_| place.is_multiple_of(7)) {
            return (*extreme).to_owned();
        }
        let double = match place % 3 {
            0 => (random.f64() - 0.5) * 10f64.powi(random.i32(-20..4)),
            1 => 0.1 * random.f64() + 0.2 - 0.3,
            _ => f64::from_bits(random.u64(..)),
        };
        buffer.format(if double.is_finite() { double } else { 0.5 }).to_owned()
    };
    let currencies = ["USD", "DIEM", "BUNDLED_CREDITS"];
    let row = |place: usize| Row {
        amount: double(place),
        units: double(place + 1),
        price: double(place + 2),
        currency: currencies[place % 3],
    };
    (0..DRAWN).map(row).collect()
}

/// A number by its digits and the power of ten of the last one: one for each value.
type Value = (bool, String, i64);

fn value(text: &str) -> Value {
    let (mantissa, power) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_negative = whole.starts_with('-');
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    let significant = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - significant.len()).unwrap();
    let places = i64::try_from(fraction.len()).unwrap();
    match significant.trim_start_matches('0') {
        "" => (false, String::new(), 0),
        digits => (is_negative, digits.to_owned(), power.parse::<i64>().unwrap() - places + zeros),
    }
}

/// The value in units of 10⁻⁵⁰⁰.
fn units_of((is_negative, digits, power): &Value) -> IBig {
    let digits = digits.parse::<IBig>().unwrap_or(IBig::ZERO);
    let number = digits * IBig::from(10).pow(usize::try_from(power + 500).unwrap());
    if *is_negative { -number } else { number }
}

fn total(text: &str) -> IBig {
    units_of(&value(text))
}

/// The three numbers of each row of a file of JSON, one entry a line.
fn of_json(text: &str) -> Vec<[Value; 3]> {
    let number = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("\"{name}\":")).unwrap();
        value(&rest[..rest.find([',', '}']).unwrap()])
    };
    let lines = text.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| ["amount", "units", "pricePerUnitUsd"].map(|name| number(line, name))).collect()
}

fn of_csv(text: &str) -> Vec<[Value; 3]> {
    let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    rows.map(|cells| [cells[4], cells[3], cells[2]].map(value)).collect()
}

#[derive(Deserialize)]
struct Manifest {
    amounts: BTreeMap<String, Sums>,
}

#[derive(Deserialize)]
struct Sums {
    charged: String,
    credited: String,
}

#[test]
fn every_double_goes_through_every_path() {
    let rows = rows();
    let expect: Vec<_> = rows.iter().map(Row::values).collect();
    let place = Place::new();
    let lines: String = rows.iter().enumerate().fold(String::new(), |mut lines, (place, row)| {
        writeln!(lines, "{}", row.json(place)).unwrap();
        lines
    });
    // From a file, and in batches of each form.
    let ledger = Ledger::from_file(&place.write("doubles.ndjson", lines));
    let host = Host::start(&ledger.path(), &[]);
    let (key, writer) = (ledger.key("default", "admin"), ledger.key("sent", "ingest"));
    let sent = ledger.key("sent", "admin");
    for (nth, batch) in rows.chunks(BATCH).enumerate() {
        let texts = |text: fn(&Row, usize) -> String| {
            batch.iter().enumerate().map(move |(place, row)| text(row, nth * BATCH + place))
        };
        let (content_type, body) = match nth % 3 {
            0 => ("application/x-ndjson", texts(Row::json).collect::<Vec<_>>().join("\n")),
            1 => ("application/json", format!("[{}]", texts(Row::json).collect::<Vec<_>>().join(","))),
            _ => {
                let header = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes".to_owned();
                let lines: Vec<_> = std::iter::once(header).chain(texts(Row::csv)).collect();
                ("text/csv", lines.join("\r\n"))
            }
        };
        let request = post(&writer, &format!("batch-{nth}"), content_type, gzip(body.as_bytes()));
        let answer = host.ask(&request.header("content-encoding", "gzip"));
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    let export = |key: &str, args: &[&str]| {
        let args = [&["--until", "2026-05-02", "--since", "2026-05-01"], args].concat();
        host.export(key, &args).done()
    };
    assert!(of_json(export(&key, &["--format", "json"]).text()) == expect, "as JSON");
    assert!(of_csv(export(&key, &["--wire", "csv"]).text()) == expect, "as CSV");
    let file = place.path("sent.ndjson");
    export(&sent, &["--endpoint", "usage", "-o", &file, "--manifest"]);
    assert!(of_json(&String::from_utf8(place.read("sent.ndjson")).unwrap()) == expect, "as it was sent");

    // Sums of each currency: what was charged, and what was credited.
    let mut sums: BTreeMap<&str, [IBig; 2]> = BTreeMap::new();
    for (row, [amount, ..]) in rows.iter().zip(&expect) {
        let [charged, credited] = sums.entry(row.currency).or_default();
        let number = units_of(amount);
        *(if amount.0 { charged } else { credited }) += number;
    }
    let manifest: Manifest = serde_json::from_slice(&place.read("sent.ndjson.manifest.json")).unwrap();
    assert_eq!(manifest.amounts.len(), sums.len());
    for (currency, [charged, credited]) in &sums {
        let said = &manifest.amounts[*currency];
        assert_eq!((total(&said.charged), total(&said.credited)), (charged.clone(), credited.clone()));
    }
    for key in [&key, &sent] {
        let ask = |path: &str| host.ask(&Request::get(path).bearing(key)).text().to_owned();
        let balance = Balance::from_json(&ask(BALANCE)).unwrap().balances;
        let net = |currency: &str| &sums[currency][0] + &sums[currency][1];
        for (said, net) in [(balance.usd, net("USD")), (balance.bundled_credits, net("BUNDLED_CREDITS"))] {
            assert_eq!(said.map(|said| total(&said.to_string())), Some(net).filter(|net| *net > IBig::ZERO));
        }
        let days = format!("{ANALYTICS}?startDate=2026-05-01&endDate=2026-05-01");
        let analytics = Analytics::from_json(&ask(&days)).unwrap();
        let day = &analytics.by_date[0];
        let usd = &sums["USD"][0] + &sums["BUNDLED_CREDITS"][0];
        assert_eq!((total(&day.usd.to_string()), total(&day.diem.to_string())), (-usd, -&sums["DIEM"][0]));
    }
    host.stop();
    run(&["check", "--ledger", &ledger.path()]).done();
}
