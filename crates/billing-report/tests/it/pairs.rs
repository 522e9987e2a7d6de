//! Rows of two things that a date has, against those of the span before: the date is what is compared, and a pair that no date has is
//! never made.

use std::collections::BTreeMap;

use billing_report::Question;
use chrono::{Datelike as _, Days, NaiveDate};

use crate::lent::{question, report, window};

const ALL: [&str; 4] = ["day", "week", "month", "weekday"];

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// What a date is under a dimension.
fn label(by: &str, date: NaiveDate) -> String {
    match by {
        "day" => date.to_string(),
        "week" => (date - Days::new(date.weekday().num_days_from_monday().into())).to_string(),
        "month" => date.format("%Y-%m").to_string(),
        _ => date.format("%A").to_string().to_lowercase(),
    }
}

/// The spend of each date: its number from the first one, so that no two sums are equal.
fn spend(from: &str, until: &str) -> Vec<(NaiveDate, u64)> {
    date(from).iter_days().take_while(|day| *day < date(until)).zip(1..).filter(|(_, n)| n % 5 != 2).collect()
}

/// Spend now and before, by the pair of labels, in the plainest way: each date of the span before moved by the days between the starts.
fn expected(by: [&str; 2], [start, end]: [&str; 2], before: [&str; 2]) -> BTreeMap<[String; 2], [u64; 2]> {
    let mut rows: BTreeMap<[String; 2], [u64; 2]> = BTreeMap::new();
    for (day, spend) in spend(start, end) {
        rows.entry(by.map(|by| label(by, day))).or_default()[0] += spend;
    }
    let apart = date(start).signed_duration_since(date(before[0]));
    for (day, spend) in spend(before[0], before[1]) {
        let day = day + apart;
        if by.contains(&"day") && day < date(end) {
            rows.entry(by.map(|by| label(by, day))).or_default()[1] += spend;
        }
    }
    rows
}

#[test]
fn a_pair_of_spans_is_compared_by_its_day() {
    let spans = [
        (["2026-06-01", "2026-07-01"], ["2026-05-01", "2026-06-01"]),
        (["2026-06-10", "2026-06-24"], ["2026-05-27", "2026-06-10"]),
    ];
    for (now, before) in spans {
        let days = spend(now[0], now[1]).into_iter().chain(spend(before[0], before[1]));
        let lines: Vec<String> = days.map(|(day, spend)| format!("{day}T10:00:00Z a USD -{spend}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let span =
            |[since, until]: [&str; 2]| window(&format!("{since}T00:00:00Z"), &format!("{until}T00:00:00Z"));
        for one in ALL {
            for other in ALL.into_iter().filter(|other| *other != one) {
                let by = format!("{one},{other}");
                let question = Question { window: span(now), previous: Some(span(before)), ..question(&by) };
                let report = report(&question, &lines);
                let rows = report.rows.iter().map(|row| {
                    let label = |by: &str| row.label(by.parse().unwrap()).flatten().unwrap().to_owned();
                    let number = |total: &billing_model::Total| total.to_string().parse::<u64>().unwrap();
                    let before = row.previous.as_ref().map_or(0, |sums| number(&sums.spend));
                    ([label(one), label(other)], [number(&row.sums.spend), before])
                });
                assert_eq!(rows.collect::<BTreeMap<_, _>>(), expected([one, other], now, before), "{by}");
                let all: u64 = spend(before[0], before[1]).into_iter().map(|(_, spend)| spend).sum();
                let total = report.totals[0].previous.as_ref().unwrap().spend.to_string();
                assert_eq!(total, all.to_string(), "{by}");
            }
        }
    }
}
