//! Reads a saved report, and refuses one that contradicts itself: what was changed by hand is shown as nothing that it is not.

use std::collections::BTreeSet;

use billing_model::{Day, Total, one_line, parse_decimal};
use serde::Deserialize;

use crate::calendar::{days_from, weekday_name};
use crate::dimension::Dimension;
use crate::form_error::{FormError, SCHEMA};
use crate::report::Report;
use crate::row::Row;
use crate::sums::Sums;

/// Characters of a text that an error shows.
const SHOWN: usize = 40;

impl Report {
    /// Reads an envelope.
    ///
    /// # Errors
    /// [`FormError`] for what is none, is one of another form, or contradicts itself: a currency without a total, a row without its
    /// labels, a day that is none, an amount below zero.
    pub fn from_json(json: &str) -> Result<Self, FormError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let head: Head = serde_json::from_str(json).map_err(FormError::Json)?;
        if head.schema != SCHEMA {
            return Err(FormError::Schema(head.schema));
        }
        let report: Self = serde_json::from_str(json).map_err(FormError::Json)?;
        check(&report).map_err(FormError::Contradiction)?;
        Ok(report)
    }
}

fn check(report: &Report) -> Result<(), String> {
    check_by(&report.meta.by)?;
    let mut rates = report.meta.usd.iter().flat_map(|usd| usd.rates.values());
    if let Some(rate) = rates.find(|rate| parse_decimal(rate).is_err()) {
        return Err(format!("`{}` is no rate", short(rate)));
    }
    let mut totals = BTreeSet::new();
    for total in &report.totals {
        if !totals.insert(total.currency.as_str()) {
            return Err(format!("`{}` has two totals", short(&total.currency)));
        }
        check_sums(total)?;
    }
    check_rows(&report.rows, &report.meta.by, &totals)?;
    for breakdown in report.charts.iter().flatten() {
        check_by(&breakdown.by)?;
        check_rows(&breakdown.rows, &breakdown.by, &totals)?;
    }
    Ok(())
}

fn check_by(by: &[Dimension]) -> Result<(), String> {
    match by {
        [_] => Ok(()),
        [first, second] if first != second => Ok(()),
        _ => Err("its rows are by one dimension, or by two different ones".to_owned()),
    }
}

fn check_rows(rows: &[Row], by: &[Dimension], totals: &BTreeSet<&str>) -> Result<(), String> {
    for row in rows {
        if !totals.contains(row.currency.as_str()) {
            return Err(format!("`{}` has no total", short(&row.currency)));
        }
        for dimension in by {
            match row.label(*dimension) {
                None => return Err(format!("a row has no `{dimension}`")),
                Some(Some(label)) if !is_label(*dimension, label) => {
                    return Err(format!("`{}` is no {dimension}", short(label)));
                }
                Some(_) => {}
            }
        }
        check_sums(row)?;
    }
    Ok(())
}

/// True for a text that can be a label of a dimension. A year of five digits, or before the first one, is only looked at roughly.
fn is_label(dimension: Dimension, label: &str) -> bool {
    let is_day = |text: &str| text.starts_with(['+', '-']) || text.parse::<Day>().is_ok();
    match dimension {
        Dimension::Day | Dimension::Week => is_day(label),
        Dimension::Month => is_day(&format!("{label}-01")),
        Dimension::Hour => label.len() == 2 && label.parse::<u8>().is_ok_and(|hour| hour < 24),
        Dimension::Weekday => days_from(chrono::Weekday::Mon).any(|day| weekday_name(day) == label),
        _ => true,
    }
}

fn check_sums(row: &Row) -> Result<(), String> {
    let zero = Total::default();
    let is_below = |sums: &Sums| sums.spend < zero || sums.credits < zero;
    match is_below(&row.sums) || row.previous.as_deref().is_some_and(is_below) {
        true => Err("spend and credits are zero or positive, and some are below".to_owned()),
        false => Ok(()),
    }
}

fn short(text: &str) -> String {
    one_line(text, SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up;
    use crate::report::Usd;

    #[test]
    fn every_report_is_read_back() {
        for (name, report) in made_up::all() {
            let read = Report::from_json(&report.to_json().unwrap());
            assert_eq!(read.unwrap(), report, "{name}");
        }
    }

    /// A report by day with one row and its total, one part of which somebody has changed.
    #[test]
    fn a_report_that_contradicts_itself_is_refused() {
        let row = || made_up::row("day", "USD", &["2026-06-14"], "1 0 0 0 0 1 0");
        let check = |change: fn(&mut Report), said: &str| {
            let mut report = made_up::report("day", vec![row()]);
            change(&mut report);
            let error = Report::from_json(&report.to_json().unwrap()).unwrap_err();
            assert_eq!(error.to_string(), format!("this is not a report as it was saved: {said}"));
        };
        check(|report| report.meta.by.clear(), "its rows are by one dimension, or by two different ones");
        check(
            |report| report.meta.by = vec![Dimension::Day; 2],
            "its rows are by one dimension, or by two different ones",
        );
        check(
            |report| {
                let rates = [("VCU".to_owned(), "NaN".to_owned())].into();
                report.meta.usd = Some(Usd { rates, spend: Total::default(), unrated: Vec::new() });
            },
            "`NaN` is no rate",
        );
        check(|report| report.totals.clear(), "`USD` has no total");
        check(|report| report.totals.push(report.totals[0].clone()), "`USD` has two totals");
        check(|report| report.meta.by = vec![Dimension::Model], "a row has no `model`");
        check(|report| report.rows[0].labels[0].1 = Some("2026-02-30".to_owned()), "`2026-02-30` is no day");
        check(
            |report| report.rows[0].sums.spend = "-1".parse().unwrap(),
            "spend and credits are zero or positive, and some are below",
        );
        for (dimension, good, bad) in [
            (Dimension::Week, "2026-06-15", "2026-06"),
            (Dimension::Month, "2026-06", "2026-13"),
            (Dimension::Hour, "23", "24"),
            (Dimension::Hour, "00", "0"),
            (Dimension::Weekday, "sunday", "Sunday"),
        ] {
            assert!(is_label(dimension, good) && !is_label(dimension, bad), "{dimension}");
        }
    }
}
