//! Entries in one line each, and reports in one line a row.

use billing_model::{InferenceDetails, TimeWindow, UsageEntry, parse_decimal};
use billing_report::{By, Meta, Question, Report, ReportBuilder, Row};

/// A time, a sku, a currency and an amount; then what is not usual: `u=` units, `p=` a price, `k=` a key, `r=` a request, `n=` notes.
pub(crate) fn entry(line: &str) -> UsageEntry {
    let mut words = line.split(' ');
    let mut next = || words.next().unwrap();
    let (at, sku, currency, amount) = (next(), next(), next(), next());
    let mut entry = UsageEntry {
        timestamp: at.parse().unwrap(),
        sku: sku.to_owned(),
        price_per_unit_usd: parse_decimal("1").unwrap(),
        units: parse_decimal(amount.trim_start_matches('-')).unwrap(),
        amount: parse_decimal(amount).unwrap(),
        currency: currency.into(),
        notes: String::new(),
        inference_details: None,
        api_key_id: None,
        other_fields: None,
    };
    for word in words {
        let (name, value) = word.split_once('=').unwrap();
        match name {
            "u" => entry.units = parse_decimal(value).unwrap(),
            "p" => entry.price_per_unit_usd = parse_decimal(value).unwrap(),
            "k" => entry.api_key_id = Some(value.to_owned()),
            "n" => entry.notes = value.to_owned(),
            "r" => {
                let request_id = Some(value.to_owned());
                entry.inference_details =
                    Some(InferenceDetails { request_id, ..InferenceDetails::default() });
            }
            _ => panic!("{word}"),
        }
    }
    entry
}

pub(crate) fn question(by: &str) -> Question {
    Question::new(by.parse::<By>().unwrap())
}

pub(crate) fn window(since: &str, until: &str) -> TimeWindow {
    TimeWindow::new(Some(since.parse().unwrap()), Some(until.parse().unwrap())).unwrap()
}

/// The report of entries in lines.
pub(crate) fn report(question: &Question, lines: &[&str]) -> Report {
    let mut builder = ReportBuilder::new(question.clone());
    lines.iter().for_each(|line| builder.add_entry(&entry(line)));
    builder.finish(Meta::default())
}

/// The currency, the labels (`-` is none), how many rows it is the sum of, and the spend.
pub(crate) fn brief(row: &Row) -> String {
    let labels = row.labels.iter().map(|(_, label)| label.as_deref().unwrap_or("-"));
    let mut words = vec![row.currency.as_str()];
    words.extend(labels);
    let rest = row.rest.map_or(String::new(), |rest| format!(" rest of {rest}"));
    format!("{}{rest}: {}", words.join(" "), row.sums.spend)
}

pub(crate) fn briefs(rows: &[Row]) -> Vec<String> {
    rows.iter().map(brief).collect()
}
