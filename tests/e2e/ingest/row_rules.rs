//! Entries that are refused in a batch, because its sender can be asked, and are taken from files.

use billing_model::{Decimal, InferenceDetails, UsageEntry};

use crate::billing::{ndjson, run, run_reading};
use crate::conversation::Request;
use crate::host::{Host, USAGE};
use crate::ledger::{Ledger, noted};

use super::batches::{csv, gzip, json, post};
use super::refusals::Rows;

const NDJSON: &str = "application/x-ndjson";

/// An entry with tokens, so that each form has all columns.
fn entry(notes: &str) -> UsageEntry {
    let one = Decimal::ONE;
    let details =
        InferenceDetails { prompt_tokens: Some(one), completion_tokens: Some(one), ..Default::default() };
    UsageEntry {
        sku: "a-sku".to_owned(),
        units: one,
        inference_details: Some(details),
        ..noted("2026-05-01T00:00:00Z", notes)
    }
}

/// Rows in each form; those with a number among `bad` have one piece of JSON replaced, and the cell of CSV that it is.
fn bodies(rows: u64, bad: &[u64], json_piece: Change, csv_piece: Change) -> [(&'static str, Vec<u8>); 3] {
    let entries: Vec<_> = (1..=rows).map(|n| entry(&format!("row {n} of these"))).collect();
    let spoil = |body: Vec<u8>, separator: &str, (from, to): Change| {
        let text = String::from_utf8(body).unwrap();
        let rows =
            text.split(separator).map(|row| match bad.iter().any(|n| row.contains(&format!("row {n} of"))) {
                true => {
                    assert!(row.contains(from), "{from} is not in {row}");
                    row.replacen(from, to, 1)
                }
                false => row.to_owned(),
            });
        rows.collect::<Vec<_>>().join(separator).into_bytes()
    };
    [
        (NDJSON, spoil(ndjson(&entries), "\n", json_piece)),
        ("application/json", spoil(json(&entries), "},{", json_piece)),
        ("text/csv", spoil(csv(&entries), "\n", csv_piece)),
    ]
}

/// A piece of a row, and what is there in its place.
type Change = (&'static str, &'static str);

/// What is refused: the field, and the piece of a row that makes it so in JSON and in CSV.
const RULES: [(&str, Change, Change); 8] = [
    ("currency", (r#""currency":"USD""#, r#""currency":"usd""#), (",USD,", ",usd,")),
    ("currency", (r#""currency":"USD""#, r#""currency":"""#), (",USD,", ",,")),
    ("currency", (r#""currency":"USD""#, r#""currency":"usd; drop table""#), (",USD,", ",usd; drop table,")),
    ("sku", (SKU, r#""sku":"""#), (CSV_SKU, ",,")),
    ("sku", (SKU, r#""sku":"a\u0007b""#), (CSV_SKU, ",a\u{7}b,")),
    ("inferenceDetails.promptTokens", (r#""promptTokens":1"#, r#""promptTokens":-1"#), (",1,1,", ",-1,1,")),
    (
        "inferenceDetails.completionTokens",
        (r#""completionTokens":1"#, r#""completionTokens":0.5"#),
        (",1,1,", ",1,0.5,"),
    ),
    ("timestamp", ("2026-05-01", "1500-05-01"), ("2026-05-01", "1500-05-01")),
];

const SKU: &str = r#""sku":"a-sku""#;
const CSV_SKU: &str = ",a-sku,";

#[test]
fn a_row_that_breaks_a_rule_is_named_wherever_it_is() {
    let ledger = Ledger::of(&[]);
    let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
    // No limit of failures: what is wrong with a batch is none.
    let host = Host::start(&ledger.path(), &["--failed-request-limit", "1"]);
    for (field, in_json, in_csv) in RULES {
        for (rows, bad) in [(1, &[1][..]), (3, &[2]), (2000, &[1, 1001, 2000])] {
            for (content_type, body) in bodies(rows, bad, in_json, in_csv) {
                for is_gzip in [false, true] {
                    let body = if is_gzip { gzip(&body) } else { body.clone() };
                    let request = post(&ingest, "batch", content_type, body);
                    let answer =
                        host.ask(&if is_gzip { request.header("content-encoding", "gzip") } else { request });
                    assert_eq!(answer.status, 422, "{field} in {content_type}: {}", answer.text());
                    let said: Rows = serde_json::from_str(answer.text()).unwrap();
                    let places: Vec<_> = said.issues.iter().filter_map(|issue| issue.row).collect();
                    assert_eq!((said.rows, &*places), (rows, bad), "{field} in {content_type}");
                    assert_eq!(said.issues[0].field.as_deref(), Some(field));
                }
            }
        }
    }
    let read = host.ask(&Request::get(USAGE).bearing(&admin));
    assert!(read.text().contains("\"total\":0,"), "{}", read.text());
}

#[test]
fn units_that_are_said_twice_must_be_the_same() {
    let ledger = Ledger::of(&[]);
    let ingest = ledger.key("default", "ingest");
    let host = Host::start(&ledger.path(), &[]);
    for (unit, status) in [("1.0", 201), ("\"1\"", 201), ("null", 201), ("2", 422), ("\"mtoken\"", 422)] {
        let row = String::from_utf8(ndjson(&[entry("twice")])).unwrap();
        let row = row.replacen("{", &format!("{{\"unit\":{unit},"), 1);
        let table = String::from_utf8(csv(&[entry("twice")])).unwrap();
        let (header, cells) = table.split_once('\n').unwrap();
        let cell = unit.trim_matches('"').replace("null", "");
        let table = format!("unit,{header}\n{cell},{cells}");
        for (content_type, body) in
            [(NDJSON, row.clone()), ("application/json", format!("[{row}]")), ("text/csv", table)]
        {
            let answer = host.ask(&post(
                &ingest,
                &format!("{unit}{content_type}").replace('"', ""),
                content_type,
                body,
            ));
            assert_eq!(answer.status, status, "{unit} in {content_type}: {}", answer.text());
            assert!(
                status == 201 || answer.text().contains(r#""row":1,"field":"unit","#),
                "{}",
                answer.text()
            );
        }
    }
}

#[test]
fn files_are_taken_as_they_are() {
    let ledger = Ledger::of(&[]);
    let mut rows = 0;
    for (_, in_json, in_csv) in &RULES[..RULES.len() - 1] {
        for ((_, body), format) in
            bodies(1, &[1], *in_json, *in_csv).into_iter().zip(["ndjson", "json", "csv"])
        {
            run_reading(&["import", "-", "--format", format, "--ledger", &ledger.path()], &body).done();
            rows += 1;
        }
    }
    let server = ledger.serve();
    assert_eq!(server.export(&["--format", "ndjson"]).done().entries().len(), rows);
}

#[test]
fn rows_of_another_time_are_refused_when_that_is_asked_for() {
    let ledger = Ledger::of(&[]);
    let ingest = ledger.key("default", "ingest");
    let batch = |name: &str, time: &str| post(&ingest, name, NDJSON, ndjson(&[noted(time, "a time")]));
    let host = Host::start(&ledger.path(), &[]);
    for (name, time) in [("old", "1999-01-01T00:00:00Z"), ("new", "2199-01-01T00:00:00Z")] {
        assert_eq!(host.ask(&batch(name, time)).status, 201);
    }
    host.stop();
    let host = Host::start(&ledger.path(), &["--max-age", "52w", "--max-future", "12h"]);
    for (time, says) in [
        ("1999-01-01T00:00:00Z", "1999-01-01T00:00:00.000Z is more than 364d behind the server's time, 20"),
        ("2199-01-01T00:00:00Z", "2199-01-01T00:00:00.000Z is more than 12h ahead of the server's time, 20"),
    ] {
        let answer = host.ask(&batch("another", time));
        assert_eq!(answer.status, 422);
        assert!(
            answer.text().contains(r#""field":"timestamp""#) && answer.text().contains(says),
            "{}",
            answer.text()
        );
    }
    // A stored batch is not refused for having become too old: its sender may not have got the answer.
    for (name, time) in [("old", "1999-01-01T00:00:00Z"), ("new", "2199-01-01T00:00:00Z")] {
        let answer = host.ask(&batch(name, time));
        assert_eq!(
            (answer.status, answer.header("idempotency-replayed")),
            (201, Some("true")),
            "{}",
            answer.text()
        );
        assert_eq!(answer.text(), format!(r#"{{"idempotencyKey":"{name}","recorded":1}}"#));
    }
    assert_eq!(host.ask(&batch("old", "1999-01-01T00:00:01Z")).status, 422, "another body is not stored");
    run(&["serve", "--ledger", &ledger.path(), "--max-age", "1.5h"]).failed(2, "is not a length of time");
}
