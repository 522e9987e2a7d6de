//! Files and pages as people have them: what is reported, and that the same text gives the same entry on every way in.

use std::fs;

use billing_model::UsageEntry;
use billing_testkit::Reply;

use crate::billing::{Run, run, run_reading};
use crate::host::Host;
use crate::ingest::post;
use crate::ledger::Ledger;
use crate::place::Place;
use crate::scripted::Scripted;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/cases");

/// What an import said of a file beside what it imported, how it ended, and how many entries the ledger has then.
fn said_of(bytes: &[u8]) -> String {
    let (place, ledger) = (Place::new(), Ledger::of(&[]));
    let file = place.write("FILE", bytes);
    let run = run(&["import", &file, "--ledger", &ledger.path()]);
    let entries = ledger.serve().export(&["--format", "ndjson"]).done().entries().len();
    let is_of_the_file = |line: &&str| {
        ["error: ", "hint: ", "warning: "].iter().any(|mark| line.starts_with(mark))
            || line.strip_prefix("  ").is_some_and(|line| !line.starts_with(' '))
    };
    let lines: Vec<_> =
        run.stderr.lines().filter(is_of_the_file).map(|line| line.replace(&file, "FILE")).collect();
    let lines = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    format!("{lines}exit code {}, {entries} in the ledger", run.code.unwrap())
}

fn said_of_case(name: &str) -> String {
    said_of(&fs::read(format!("{CASES}/{name}")).unwrap())
}

#[test]
fn files_that_were_refused_are_read() {
    insta::assert_snapshot!(said_of_case("concat_pages.csv"), @"exit code 0, 2 in the ledger");
    insta::assert_snapshot!(said_of_case("notes_null.ndjson"), @"exit code 0, 1 in the ledger");
    insta::assert_snapshot!(said_of_case("lone_surrogate.ndjson"), @"
    warning: `FILE`: 1 text had half a character, which became U+FFFD
    exit code 0, 1 in the ledger
    ");
    let pages = fs::read(format!("{CASES}/concat_pages.csv")).unwrap();
    insta::assert_snapshot!(said_of(&zstd(&pages)), @"exit code 0, 2 in the ledger");
    let blank = [&*pages, b",,,,,,,,,,\r\n,,,,,,,,,,\r\n"].concat();
    insta::assert_snapshot!(said_of(&blank), @"exit code 0, 2 in the ledger");
    let pretty = "{\n  \"amount\": -1,\n  \"currency\": \"USD\",\n  \"notes\": null,\n  \"pricePerUnitUsd\": 1,\n  \
                  \"sku\": \"m\",\n  \"timestamp\": \"2026-06-15T19:05:10.504Z\",\n  \"units\": 1\n}\n";
    insta::assert_snapshot!(said_of(pretty.repeat(3).as_bytes()), @"exit code 0, 3 in the ledger");
}

#[test]
fn files_that_were_refused_without_a_reason_are_told_it() {
    insta::assert_snapshot!(said_of_case("excel_de_semicolon.csv"), @"
    error: `FILE`: header (line 1): the columns are separated by `;`, as spreadsheets write CSV where numbers have decimal commas: save it with `,` between columns and `.` in numbers
    hint: nothing was imported; mend the file and import it again
    exit code 1, 0 in the ledger
    ");
    insta::assert_snapshot!(said_of_case("two_bad_rows.ndjson"), @"
    error: `FILE`: 2 rows cannot be read
      line 1, field `amount`: `x` is not a decimal number (timestamp 2026-06-15T19:05:10.504Z)
      line 2, field `amount`: `y` is not a decimal number (timestamp 2026-06-15T19:05:10.504Z)
    hint: nothing was imported; mend the file and import it again
    exit code 1, 0 in the ledger
    ");
    let pages = String::from_utf8(fs::read(format!("{CASES}/concat_pages.csv")).unwrap()).unwrap();
    for (text, said) in [
        (format!("sep=,\n{pages}"), "header (line 1): the line `sep=,` is for spreadsheets: remove it\n"),
        (
            format!("Usage of June\n\n{pages}"),
            "header (line 1): is no header, but line 3 is: remove what stands above that\n",
        ),
        (
            pages.replace(',', "\t"),
            "header (line 1): the columns are separated by tabs: save it with `,` between columns\n",
        ),
        (
            "PK\u{3}\u{4}".to_owned() + &"\0".repeat(26) + "xl/workbook.xml",
            "is a spreadsheet (xlsx): save it as CSV\n",
        ),
        (pages.chars().flat_map(|c| [c, '\0']).collect(), "is UTF-16 text: save it as UTF-8\n"),
        (
            "{\"error\":\"Authentication failed\"}".to_owned(),
            "line 1: is what a service answers when it fails, and no entry: Authentication failed\n",
        ),
    ] {
        let found = said_of(text.as_bytes());
        assert!(found.starts_with(&format!("error: `FILE`: {said}hint: nothing was imported")), "{found}");
        assert!(found.ends_with("exit code 1, 0 in the ledger"), "{found}");
    }
}

#[test]
fn files_that_were_read_short_are_warned_of() {
    insta::assert_snapshot!(said_of_case("page_with_more.json"), @"
    warning: `FILE`: its `nextCursor` says that more entries follow, which are not there
    exit code 0, 1 in the ledger
    ");
    insta::assert_snapshot!(said_of_case("page_legacy_1_of_28045.json"), @"
    warning: `FILE`: 1 of 28045 pages read; the entries of the others are missing
    exit code 0, 1 in the ledger
    ");
    insta::assert_snapshot!(said_of_case("renamed_columns_dropped.csv"), @"
    warning: `FILE`: `promptTokens` was not read; it looks like `inferenceDetails.promptTokens`, which is not there
    warning: `FILE`: `requestId` was not read; it looks like `inferenceDetails.requestId`, which is not there
    exit code 0, 1 in the ledger
    ");
}

/// A bad row far behind good ones, some of which are already on their way into the ledger; and more bad rows than are
/// named.
#[test]
fn bad_rows_late_in_a_large_file_leave_nothing_behind() {
    let row = |number: usize, amount: &str| {
        format!(
            r#"{{"amount":{amount},"currency":"USD","notes":"","pricePerUnitUsd":1,"sku":"m","timestamp":"2026-06-15T19:05:10.{:03}Z","units":1}}"#,
            number % 1000
        ) + "\n"
    };
    let good: String = (0..25_000).map(|number| row(number, "-1")).collect();
    insta::assert_snapshot!(said_of(format!("{good}{}{good}", row(7, "\"-1,5\"")).as_bytes()), @"
    error: `FILE`: line 25001, field `amount`: `-1,5` is not a decimal number (timestamp 2026-06-15T19:05:10.007Z)
    hint: nothing was imported; mend the file and import it again
    exit code 1, 0 in the ledger
    ");
    let bad: String = (0..25).map(|number| row(number, "\"x\"")).collect();
    let said = said_of(format!("{good}{bad}").as_bytes());
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 24, "{said}");
    assert_eq!(lines[0], "error: `FILE`: 25 rows cannot be read");
    assert_eq!(
        lines[20],
        "  line 25020, field `amount`: `x` is not a decimal number (timestamp 2026-06-15T19:05:10.019Z)"
    );
    assert_eq!(lines[21], "  and 5 more");
    assert_eq!(lines[23], "exit code 1, 0 in the ledger");
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// An entry of one second, whose notes are this JSON.
fn entry(second: usize, notes: &str, amount: &str) -> String {
    format!(
        r#"{{"amount":{amount},"apiKeyId":null,"currency":"USD","inferenceDetails":null,"notes":{notes},"pricePerUnitUsd":1,"sku":"m","timestamp":"2026-06-15T19:05:{second:02}.504Z","units":1}}"#
    )
}

fn page(rows: &[String], cursor: &str) -> Reply {
    Reply::json(200, format!("{{\"data\":[{}],\"nextCursor\":{cursor}}}", rows.join(",")))
}

fn export(replies: Vec<Reply>, args: &[&str]) -> Run {
    let mut number = 0;
    let service = Scripted::start(move |_| {
        number += 1;
        replies[(number - 1).min(replies.len() - 1)].clone()
    });
    service.export(&[&["--format", "ndjson", "--concurrency", "1"], args].concat())
}

#[test]
fn every_bad_entry_of_a_page_is_named_by_an_export() {
    let rows = |bad: usize| {
        (0..40).map(move |second| entry(second, "\"\"", if second < bad { "\"x\"" } else { "-1" }))
    };
    for (bad, more) in [(2, ""), (20, ""), (25, "  and 5 more\n")] {
        let run = export(vec![page(&rows(bad).collect::<Vec<_>>(), "null")], &[]);
        run.failed(
            1,
            &format!("page 1 of the walk: the page cannot be read: {bad} of its entries cannot be read\n"),
        );
        let last = bad.min(20);
        let line = format!(
            "\n  entry {last}, field `amount`: `x` is not a decimal number (timestamp 2026-06-15T19:05:{:02}.504Z)\n{more}hint: ",
            last - 1
        );
        assert!(run.stderr.contains(&line), "{}", run.stderr);
    }
    let run = export(vec![page(&rows(1).collect::<Vec<_>>(), "null")], &[]);
    run.failed(
        1,
        "entry 1, field `amount`: `x` is not a decimal number (timestamp 2026-06-15T19:05:00.504Z)\n",
    );
    // The same in text/csv.
    let header = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n";
    let row =
        |second: usize, amount: &str| format!("2026-06-15T19:05:{second:02}.504Z,m,1,1,{amount},USD,n\n");
    let body = format!("{header}{}{}{}", row(1, "x"), row(2, "-1"), row(3, "y"));
    let run = export(vec![Reply::new(200, "text/csv", body)], &["--wire", "csv"]);
    run.failed(1, "the page cannot be read: 2 of its records cannot be read\n");
    let line = "\n  record 3 (line 4), column `amount`: `y` is not a decimal number (timestamp 2026-06-15T19:05:03.504Z)\n";
    assert!(run.stderr.contains(line), "{}", run.stderr);
}

/// Notes with halves in every place, and what they become.
const HALVES: [(&str, &str, usize); 8] = [
    (r#""whole""#, "whole", 0),
    (r#""cut \ud83d""#, "cut \u{fffd}", 1),
    (r#""\uDE00 cut""#, "\u{fffd} cut", 1),
    (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}", 1),
    (r#""\\ud83d""#, "\\ud83d", 0),
    (r#""\ufffd""#, "\u{fffd}", 0),
    (r#""\uDFFF\uD800""#, "\u{fffd}\u{fffd}", 1),
    ("null", "", 0),
];

#[test]
fn half_a_character_is_the_same_on_every_way_in() {
    let rows: Vec<_> =
        HALVES.iter().enumerate().map(|(second, (notes, ..))| entry(second, notes, "-1")).collect();
    let expect: Vec<_> = HALVES.iter().map(|(_, notes, _)| *notes).collect();
    let notes = |entries: Vec<UsageEntry>| entries.into_iter().map(|entry| entry.notes).collect::<Vec<_>>();
    let count: usize = HALVES.iter().map(|(.., count)| count).sum();
    let said = format!("{count} texts had half a character, which became U+FFFD\n");

    let ledger = Ledger::of(&[]);
    let lines = rows.join("\n") + "\n";
    let imported = run_reading(&["import", "-", "--ledger", &ledger.path()], lines.as_bytes()).done();
    assert!(imported.stderr.contains(&format!("warning: `-`: {said}")), "{}", imported.stderr);
    assert_eq!(notes(ledger.serve().export(&["--format", "ndjson"]).done().entries()), expect);

    for (media_type, body) in
        [("application/x-ndjson", lines), ("application/json", format!("[{}]", rows.join(",")))]
    {
        let ledger = Ledger::of(&[]);
        let (admin, ingest) = (ledger.key("default", "admin"), ledger.key("default", "ingest"));
        let host = Host::start(&ledger.path(), &[]);
        let answer = host.ask(&post(&ingest, "halves", media_type, body));
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(notes(host.export(&admin, &["--format", "ndjson"]).done().entries()), expect);
    }

    let exported = export(vec![page(&rows, "null")], &[]).done();
    assert!(exported.stderr.contains(&format!("\nwarning: {said}")), "{}", exported.stderr);
    assert_eq!(notes(exported.entries()), expect);
}

/// An entry that comes twice because a cursor was lost is written once and counted once.
#[test]
fn half_a_character_counts_once_for_each_entry_that_is_written() {
    let half = |second| entry(second, r#""\ud83d""#, "-1");
    let first = page(&[half(1), half(2)], "\"a\"");
    let again = page(&[half(2), half(3), half(3)], "null");
    let run = export(vec![first, Reply::error(400, "no such cursor"), again], &[]).done();
    assert_eq!(run.entries().len(), 4);
    assert!(run.stderr.contains("warning: 4 texts had half a character"), "{}", run.stderr);
    let run = export(vec![page(&[entry(1, "\"\u{fffd}\"", "-1")], "null")], &[]).done();
    assert!(!run.stderr.contains("half a character"), "{}", run.stderr);
}
