//! The reports of an import, and of a dry run.

use std::fs;

use billing_model::{UsageEntry, parse_decimal};

use crate::billing::{Run, ndjson, run, run_reading};
use crate::ledger::{Ledger, noted};
use crate::place::Place;

fn some() -> Vec<UsageEntry> {
    let amount = |text: &str, notes: &str, at: &str| UsageEntry {
        amount: parse_decimal(text).unwrap(),
        ..noted(at, notes)
    };
    vec![
        amount("-0.1", "a", "2026-05-01T00:00:00Z"),
        amount("-0.0000000000000000000000002", "b", "2026-05-02T00:00:00Z"),
        amount("25", "top-up", "2026-05-03T00:00:00Z"),
        UsageEntry { currency: "DIEM".into(), ..amount("-3", "c", "2026-05-02T12:00:00Z") },
    ]
}

/// All that was said, at any pace.
fn said(run: &Run, place: &Place) -> String {
    let text = run.stderr.replace(&place.path(""), "");
    let (before, after) = text.split_once(" entries, ").unwrap();
    let (_, after) = after.split_once("entries/s").unwrap();
    format!("{before} entries, PACE{after}")
}

/// What `--json` printed, with no other digest or time than there is.
fn json(run: &Run, place: &Place) -> String {
    run.text().replace(&place.path(""), "")
}

#[test]
fn an_import_says_what_it_came_to_as_an_export_does() {
    let place = Place::new();
    let (file, path) = (place.write("may.ndjson", ndjson(&some())), place.path("ledger.db"));
    let imported = run(&["import", &file, "--ledger", &path]).done();
    assert_eq!(imported.text(), "");
    insta::assert_snapshot!(said(&imported, &place), @"
    note: account `default` was not there and was made
    imported into account `default`: 4 entries, PACE
    first 2026-05-01T00:00:00.000Z, last 2026-05-03T00:00:00.000Z
    DIEM  entries                             1
          spend                               3
          credits                             0
          net                                -3
    USD   entries                             3
          spend     0.1000000000000000000000002
          credits                            25
          net      24.8999999999999999999999998
    ");
    let exported = Ledger::of(&some()).serve().export(&["-o", &place.path("out.csv")]).done();
    let line = |run: &Run| run.stderr.lines().find(|line| line.starts_with("first ")).unwrap().to_owned();
    assert_eq!(line(&imported), line(&exported));
}

#[test]
fn a_dry_run_says_the_same_and_makes_no_ledger() {
    let place = Place::new();
    let (file, path) = (place.write("may.ndjson", ndjson(&some())), place.path("ledger.db"));
    let tried = run(&["import", "--dry-run", &file, "--ledger", &path]).done();
    insta::assert_snapshot!(said(&tried, &place), @"
    nothing was recorded, this was a dry run for account `default`: 4 entries, PACE
    first 2026-05-01T00:00:00.000Z, last 2026-05-03T00:00:00.000Z
    DIEM  entries                             1
          spend                               3
          credits                             0
          net                                -3
    USD   entries                             3
          spend     0.1000000000000000000000002
          credits                            25
          net      24.8999999999999999999999998
    ");
    assert_eq!(place.names(), ["may.ndjson"]);
    // It refuses what cannot be imported.
    let bad = place.write("bad.ndjson", "{\n");
    run(&["import", "--dry-run", &file, &bad, "--ledger", &path]).failed(1, "bad.ndjson`");
    run(&["import", "--dry-run", &file, "--ledger", &path, "--account", " "]).failed(2, "is no name");
    run(&["import", "--dry-run", &file, "--ledger", &file]).failed(1, "is not a ledger");
    let mut beyond = some();
    beyond[0].timestamp = "1600-01-01T00:00:00Z".parse().unwrap();
    run_reading(&["import", "--dry-run", "-", "--ledger", &path], &ndjson(&beyond)).failed(1, "1600-01-01");
    assert_eq!(place.names(), ["bad.ndjson", "may.ndjson"]);
}

#[test]
fn a_dry_run_says_what_was_imported_before_and_what_overlaps_and_changes_nothing() {
    let place = Place::new();
    let (file, path) = (place.write("may.ndjson", ndjson(&some())), place.path("ledger.db"));
    let more = place.write("more.ndjson", ndjson(&some()[1..]));
    run(&["import", &file, "--ledger", &path]).done();
    let before = fs::read(&path).unwrap();
    let tried = run(&["import", "--dry-run", &file, &more, "--ledger", &path]);
    assert_eq!(tried.code, Some(1), "as the import would");
    assert!(fs::read(&path).unwrap() == before);
    assert_eq!(place.names(), ["ledger.db", "may.ndjson", "more.ndjson"]);
    let warnings: Vec<_> = tried.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    let refused = "; without --again an import refuses that";
    assert!(
        warnings[0]
            .starts_with(&format!("warning: `{file}` was imported into account `default` before: on "))
    );
    assert!(warnings[0].ends_with(&format!(", as `{file}`, 4 entries{refused}")), "{}", warnings[0]);
    assert_eq!(
        warnings[1],
        format!(
            "warning: `{file}` and `{more}` both have 3 equal entries from 2026-05-02T00:00:00.000Z to \
             2026-05-03T00:00:00.000Z{refused}"
        )
    );
    assert_eq!(warnings.len(), 2);
    assert!(
        tried
            .stderr
            .contains("\nnothing was recorded, this was a dry run for account `default`: 7 entries, ")
    );
    run(&["import", &file, &more, "--ledger", &path])
        .failed(1, "was imported into account `default` before: ");
    // Another account has none of it.
    let theirs = ["import", "--dry-run", &file, "--ledger", &path, "--account", "theirs"];
    assert!(!run(&theirs).done().stderr.contains("warning"));
}

#[test]
fn a_program_reads_what_was_imported_as_json() {
    let place = Place::new();
    let (file, path) = (place.write("may.ndjson", ndjson(&some())), place.path("ledger.db"));
    let empty = place.write("empty.ndjson", "");
    let imported = run(&["import", &file, &empty, "--ledger", &path, "--json"]).done();
    assert!(
        imported.stderr.contains("was made\nimported into account `default`: 4 entries, "),
        "{}",
        imported.stderr
    );
    insta::assert_snapshot!(json(&imported, &place), @r#"
    {
      "ledger": "ledger.db",
      "account": "default",
      "dryRun": false,
      "entries": 4,
      "first": "2026-05-01T00:00:00.000Z",
      "last": "2026-05-03T00:00:00.000Z",
      "amounts": {
        "DIEM": {
          "entries": 1,
          "charged": "-3",
          "credited": "0",
          "net": "-3"
        },
        "USD": {
          "entries": 3,
          "charged": "-0.1000000000000000000000002",
          "credited": "25",
          "net": "24.8999999999999999999999998"
        }
      },
      "files": [
        {
          "file": "may.ndjson",
          "sha256": "e4dd494675a09d79ccf1b408a26a637c78b6dffb06a7896ec1ced4b057005acc",
          "entries": 4,
          "first": "2026-05-01T00:00:00.000Z",
          "last": "2026-05-03T00:00:00.000Z",
          "importedBefore": null
        },
        {
          "file": "empty.ndjson",
          "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "entries": 0,
          "first": null,
          "last": null,
          "importedBefore": null
        }
      ],
      "overlaps": [],
      "unknown": [],
      "warnings": [
        "`empty.ndjson` has no entries"
      ],
      "notes": [
        "account `default` was not there and was made"
      ]
    }
    "#);

    let tried = run(&["import", "--dry-run", &file, "--ledger", &path, "--json"]);
    assert_eq!(tried.code, Some(1));
    let text = json(&tried, &place);
    for piece in [
        "\n  \"dryRun\": true,\n",
        "\n      \"importedBefore\": {\n        \"importedAt\": \"20",
        "\",\n        \"file\": \"may.ndjson\",\n        \"entries\": 4\n      }\n",
        "; without --again an import refuses that\"\n  ],\n",
    ] {
        assert!(text.contains(piece), "{piece} is not in {text}");
    }
    // Nothing is printed of an import that was refused.
    run(&["import", &file, "--ledger", &path, "--json"]).failed(1, "before: ");
}

#[test]
fn what_was_not_understood_is_said_with_how_often_it_came() {
    let place = Place::new();
    let header = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes,model,requestId";
    let csv = place.write(
        "1.csv",
        format!(
            "{header}\n2026-05-01T00:00:00Z,s,1,1,-1,USD,n,m,r-1\n2026-05-01T00:00:01Z,s,1,1,-1,USD,n,m,r-2\n"
        ),
    );
    let row = String::from_utf8(ndjson(&some()[..1])).unwrap();
    let lines =
        place.write("2.ndjson", row.replace("{\"amount\"", "{\"model\":\"m\",\"region\":\"eu\",\"amount\""));
    let path = place.path("ledger.db");
    let run = run(&["import", "--dry-run", "--json", &csv, &lines, "--ledger", &path]).done();
    let said: Vec<_> = run.stderr.lines().take(4).map(|line| line.replace(&place.path(""), "")).collect();
    assert_eq!(
        said,
        [
            "warning: `1.csv`: `requestId` was not read; it looks like `inferenceDetails.requestId`, which is not there",
            "note: the column `model` is unknown and was not read: 2 entries of 1 file",
            "note: `model` is not documented and is kept: 1 entry of 1 file",
            "note: `region` is not documented and is kept: 1 entry of 1 file",
        ]
    );
    let unknown = "\"unknown\": [\n    {\n      \"name\": \"model\",\n      \"kept\": false,\n      \"files\": 1,\n      \"entries\": 2\n    },\n";
    assert!(run.text().contains(unknown), "{}", run.text());
}
