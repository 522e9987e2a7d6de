//! `billing check`: what it reports, and that it changes nothing.

use std::fs;
use std::path::Path;

use crate::billing::{Run, run};
use crate::host::Host;
use crate::ledger::{Ledger, REAL, noted};
use crate::place::Place;

fn check(path: &str, args: &[&str]) -> Run {
    run(&[&["check", "--ledger", path], args].concat())
}

/// Finds nothing that differs in a ledger, served or not.
#[track_caller]
pub(crate) fn is_clean(path: &str) {
    let run = check(path, &[]);
    assert_eq!((run.code, run.text()), (Some(0), ""), "{}", run.stderr);
    assert!(run.stderr.starts_with(&format!("{path} is clean: ")), "{}", run.stderr);
}

/// Puts other bytes of the same length in the place of these, wherever they stand in the file.
fn put(path: &str, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(path).unwrap();
    let places: Vec<_> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "{from} is not in the file");
    for at in places {
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    }
    fs::write(path, bytes).unwrap();
}

/// A ledger whose entry and sums do not agree: what is in the file as `-0.1` is the entry's amount, and its own sums.
fn spoilt() -> Ledger {
    let first = noted("2026-05-01T00:00:00Z", "");
    let mut second = noted("2026-05-01T00:00:01Z", "");
    second.amount = billing_model::parse_decimal("-0.25").unwrap();
    let ledger = Ledger::of(&[first, second]);
    // The sum is -0.35, which is nowhere changed.
    put(&ledger.path(), "-0.25", "-0.26");
    ledger
}

#[test]
fn a_clean_ledger_is_told_so_and_left_as_it_is() {
    let ledger = Ledger::from_file(REAL);
    let path = ledger.path();
    let before = fs::read(&path).unwrap();
    let run = check(&path, &[]).done();
    assert_eq!(run.text(), "", "nothing differs, and nothing is listed");
    let (first, rest) = run.stderr.split_once('\n').unwrap();
    assert!(first.starts_with(&format!("{path} is clean: 43,635 entries in ")), "{first}");
    assert!(rest.starts_with("1 account, ") && rest.contains(" rollups, "), "{rest}");
    let names: Vec<_> = fs::read_dir(Path::new(&path).parent().unwrap())
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert!(names == ["ledger.db"] && fs::read(&path).unwrap() == before);

    // While it is served; then it has a log, which stays as well.
    let host = Host::start(&path, &[]);
    let _ = ledger.key("default", "admin");
    let log = format!("{path}-wal");
    let (before, log_before) = (fs::read(&path).unwrap(), fs::read(&log).unwrap());
    is_clean(&path);
    assert!(fs::read(&path).unwrap() == before && fs::read(&log).unwrap() == log_before);
    host.stop();
}

#[test]
fn what_differs_is_listed_and_the_code_is_3() {
    let ledger = spoilt();
    let path = ledger.path();
    let run = check(&path, &[]);
    insta::assert_snapshot!(run.text(), @"
    rollup, account `default`, day 20574, 2026-05-01, `zai-org-glm-5-1-llm-output-mtoken`, `USD`, no API key, charges: `amount` is -0.35 and should be -0.36
    balance, account `default`, `USD`, charges: `amount` is -0.35 and should be -0.36
    block, account `default`, block 1: `entry_set` is v1:2:6e422dd1fcea648397a3e5ee59a99ff5 and should be v1:2:1100b05faadb65b2d3c0cdcea125ec37
    block, account `default`, block 1: `whole_set` is v1:2:3bed4b567e437568bc0c25089ae04a00 and should be v1:2:fad4741ab0f8a30d5f1f42efcae7a5c0
    block, account `default`, block 1, `USD`: `amount` is -0.35 and should be -0.36
    ");
    assert_eq!(run.code, Some(3));
    insta::assert_snapshot!(run.stderr.replace(&path, "LEDGER"), @"
    error: `LEDGER` differs from its entries in 5 places
    hint: keep this ledger, and go on with a backup that is clean or import the entries from their source
    hint: an account in step with a service is mended by `billing verify --repair`
    ");
}

#[test]
fn a_program_reads_it_as_json() {
    let ledger = spoilt();
    let path = ledger.path();
    let run = check(&path, &["--json"]);
    assert_eq!(run.code, Some(3));
    insta::assert_snapshot!(run.text().replace(&path, "LEDGER"), @r#"
    {
      "ledger": "LEDGER",
      "clean": false,
      "checked": {
        "accounts": 1,
        "entries": 2,
        "hiddenEntries": 0,
        "removedEntries": 0,
        "counts": 4,
        "rollups": 1,
        "balances": 1,
        "blocks": 1,
        "sources": 0,
        "coverage": 0,
        "receipts": 0,
        "files": 1,
        "keys": 0,
        "texts": 3
      },
      "found": {
        "balance": 1,
        "block": 3,
        "rollup": 1
      },
      "differences": [
        {
          "kind": "rollup",
          "account": "default",
          "place": "day 20574, 2026-05-01, `zai-org-glm-5-1-llm-output-mtoken`, `USD`, no API key, charges",
          "field": "amount",
          "held": "-0.35",
          "expected": "-0.36"
        },
        {
          "kind": "balance",
          "account": "default",
          "place": "`USD`, charges",
          "field": "amount",
          "held": "-0.35",
          "expected": "-0.36"
        },
        {
          "kind": "block",
          "account": "default",
          "place": "block 1",
          "field": "entry_set",
          "held": "v1:2:6e422dd1fcea648397a3e5ee59a99ff5",
          "expected": "v1:2:1100b05faadb65b2d3c0cdcea125ec37"
        },
        {
          "kind": "block",
          "account": "default",
          "place": "block 1",
          "field": "whole_set",
          "held": "v1:2:3bed4b567e437568bc0c25089ae04a00",
          "expected": "v1:2:fad4741ab0f8a30d5f1f42efcae7a5c0"
        },
        {
          "kind": "block",
          "account": "default",
          "place": "block 1, `USD`",
          "field": "amount",
          "held": "-0.35",
          "expected": "-0.36"
        }
      ]
    }
    "#);
    let whole = Ledger::of(&[]);
    let run = check(&whole.path(), &["--json"]).done();
    assert!(run.text().contains("\"clean\": true,") && run.text().ends_with("\"differences\": []\n}\n"));
}

#[test]
fn damage_is_a_difference_and_no_panic() {
    let ledger = Ledger::from_file(REAL);
    let path = ledger.path();
    let whole = fs::read(&path).unwrap();
    let place = Place::new();
    // Pages in the middle; the tree's own, at the start; the end cut off.
    for (from, to, is_cut) in [(1 << 20, 3 << 20, false), (4096, 8192, false), (1 << 20, whole.len(), true)] {
        let mut bytes = whole.clone();
        if is_cut {
            bytes.truncate(from)
        } else {
            bytes[from..to].fill(0xa5)
        }
        let damaged = place.write("damaged.db", bytes);
        for args in [&[][..], &["--json"]] {
            let run = check(&damaged, args);
            assert_eq!(run.code, Some(3), "{}", run.stderr);
            assert!(run.text().contains("integrity") && !run.stderr.contains("panicked"), "{}", run.stderr);
        }
    }
}

#[test]
fn what_is_no_ledger_is_refused() {
    let place = Place::new();
    let missing = place.path("missing.db");
    check(&missing, &[]).failed(1, "there is no ledger at");
    check(&place.write("text", "a,b\n".repeat(1000)), &["--json"]).failed(1, "is not a ledger");
    assert_eq!(check(&missing, &["--fast"]).code, Some(2));
    assert_eq!(place.names(), ["text"], "nothing is left behind");
}
