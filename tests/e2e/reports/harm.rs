//! Entries that mean harm, and those that hardly anybody has: a report says what it can, and steers nothing.

use billing_model::{Currency, UsageEntry};
use billing_testkit::entry_at;

use super::{charge, of, report};
use crate::billing::{ndjson, run};
use crate::ledger::{Ledger, at};
use crate::place::Place;

const FORMS: [&str; 5] = ["table", "json", "csv", "markdown", "html"];

/// Text that would move a cursor, turn the direction of reading, end a cell, a line, a formula's safety or a tag.
const HOSTILE: &str = "<script>alert(1)</script>\u{1b}[2J\u{202e}|`a`\n\"=1+1\" & \u{2028}";

/// The cells of a spreadsheet, without their quotes.
fn cells(csv: &str) -> Vec<String> {
    let (mut cells, mut is_quoted) = (vec![String::new()], false);
    for character in csv.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ',' | '\n' if !is_quoted => cells.push(String::new()),
            other => cells.last_mut().unwrap().push(other),
        }
    }
    cells
}

#[test]
fn hostile_texts_steer_nothing() {
    let hostile = UsageEntry {
        sku: HOSTILE.to_owned(),
        notes: HOSTILE.to_owned(),
        currency: Currency::from(HOSTILE),
        api_key_id: Some(HOSTILE.to_owned()),
        ..entry_at(at("2026-06-01T00:00:00Z"), "-1")
    };
    let formula = UsageEntry { notes: "=cmd|' /C calc'!A0".to_owned(), ..hostile.clone() };
    let ledger = Ledger::of(&[hostile, formula]);
    let path = ledger.path();
    for by in ["model", "sku", "currency", "key", "notes", "day,notes"] {
        for form in FORMS {
            let shown = run(&["report", "--ledger", &path, "--by", by, "--format", form]).done();
            let text = shown.text();
            assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{2028}']), "{by} {form}: {text}");
            assert!(!text.contains("<script>alert") || form != "html", "{by} {form}: {text}");
            if form == "csv" {
                let cells = cells(text);
                assert!(!cells.iter().any(|cell| cell.starts_with(['=', '+', '@'])), "{by}: {cells:?}");
                assert_eq!(
                    cells.iter().any(|cell| cell.contains("=cmd|")),
                    by.contains("notes"),
                    "{by}: {cells:?}"
                );
            }
        }
    }
}

#[test]
fn credits_alone_are_no_spend() {
    let ledger =
        Ledger::of(&[entry_at(at("2026-06-01T00:00:00Z"), "10"), entry_at(at("2026-06-02T00:00:00Z"), "0")]);
    let report = of(&ledger, &["--by", "day"]);
    let [total] = &report.totals[..] else { panic!("{:?}", report.totals) };
    assert_eq!((total.sums.spend.to_string(), total.sums.credits.to_string()), ("0".into(), "10".into()));
    assert_eq!(total.share, None);
    for form in FORMS {
        let shown = run(&["report", "--ledger", &ledger.path(), "--format", form]).done();
        assert!(!shown.text().contains("NaN"), "{form}");
    }
}

#[test]
fn nothing_at_all_is_a_report_too() {
    let place = Place::new();
    let file = place.write("empty.ndjson", "");
    let nothing =
        report(&[&file, "--by", "day,model", "--compare", "previous", "--days", "3", "--usd", "--requests"]);
    assert!(nothing.rows.is_empty() && nothing.totals.is_empty());
    for form in FORMS {
        run(&["report", &file, "--format", form]).done();
    }
}

#[test]
fn any_amount_currency_and_time_is_summed_up() {
    let place = Place::new();
    let mut entries: Vec<UsageEntry> = ["5e-324", "1.7976931348623157e308", "0.1", "0"]
        .iter()
        .map(|amount| charge("2026-06-01T00:00:00Z", "a-llm-input-mtoken", amount))
        .collect();
    entries
        .push(UsageEntry { currency: Currency::from("DOUBLOON"), ..charge("2261-01-01T00:00:00Z", "", "1") });
    entries.push(charge("1700-01-01T00:00:00Z", "unheard-of", "1"));
    let file = place.write("odd.ndjson", ndjson(&entries));
    for by in ["day", "week", "month", "hour,weekday", "model,sku", "kind,key"] {
        for form in FORMS {
            let args = ["report", &file, "--by", by, "--format", form, "--usd", "--timezone", "Pacific/Apia"];
            let shown = run(&args).done();
            assert!(!shown.text().contains("NaN") && !shown.text().contains("inf"), "{by} {form}");
        }
    }
    let report = report(&[&file, "--by", "currency", "--usd"]);
    assert_eq!(report.meta.usd.unwrap().unrated, ["DOUBLOON"]);
    assert!(report.totals.iter().any(|total| total.sums.spend.to_string().len() > 600));
}
