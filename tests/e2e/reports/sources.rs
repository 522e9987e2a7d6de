//! What a report is made of: a ledger, accounts of it, or files.

use billing_report::{Dimension, Report, Source};

use super::{charge, of, read, report, spend_by};
use crate::billing::{command, finish, ndjson, run, run_reading};
use crate::ledger::{Ledger, REAL, noted, real_entries};
use crate::place::Place;

/// The same report, without what says where it is from and when it was made.
fn plain(mut report: Report) -> Report {
    report.meta.source = Source::default();
    report.meta.created.clear();
    // Of sums of days nobody knows whether each entry was price times units.
    (report.meta.compared, report.meta.mismatched) = (None, None);
    report
}

#[test]
fn a_ledger_and_files_give_the_same_report() {
    let (ledger, place) = (Ledger::from_file(REAL), Place::new());
    let path = ledger.path();
    let files = ["june.csv", "june.json", "june.ndjson.gz"].map(|name| place.path(name));
    let june = ["--month", "2026-06"];
    for file in &files {
        let with_key = if file.ends_with("csv") { &["--with-api-key-id"][..] } else { &[] };
        run(&[&["export", "--from-ledger", &path, "-o", file], &june[..], with_key].concat()).done();
    }
    for args in [
        &["--by", "day,model"][..],
        &["--by", "key", "--top", "3", "--usd"],
        &["--by", "hour", "--timezone", "Asia/Kolkata"],
        &["--by", "model", "--requests"],
        &["--by", "kind", "--charts"],
    ] {
        // The files have June in UTC, in which these days lie in any zone.
        let args = [args, &["--since", "2026-06-02", "--until", "2026-06-30"]].concat();
        let held = of(&ledger, &args);
        assert!(held.meta.entries > 19_000, "{args:?}");
        let held = plain(held);
        for file in &files {
            let read = report(&[&[file.as_str()], &args[..]].concat());
            assert_eq!(read.meta.source.files, std::slice::from_ref(file));
            assert_eq!(plain(read), held, "{args:?} {file}");
        }
    }
}

#[test]
fn several_files_are_one_report() {
    let place = Place::new();
    let (one, other) = real_entries().split_at(20_000);
    let (one, other) = (place.write("1.ndjson", ndjson(one)), ndjson(other));
    let both = run_reading(&["report", "--format", "json", "--by", "model", &one, "-"], &other);
    let both = read(both);
    assert_eq!(both.meta.source.files, [one, "stdin".to_owned()]);
    assert_eq!(plain(both), plain(of(&Ledger::from_file(REAL), &["--by", "model"])));
}

#[test]
fn an_entry_that_two_files_have_is_said() {
    let place = Place::new();
    let entries: Vec<_> = (10..30).map(|day| noted(&format!("2026-05-{day}T00:00:00Z"), "")).collect();
    let (one, other) =
        (place.write("a.ndjson", ndjson(&entries[..12])), place.write("b.ndjson", ndjson(&entries[8..])));
    let both = report(&[&one, &other]);
    assert_eq!(both.meta.entries, 24);
    let note = format!(
        "`{one}` and `{other}` both have 4 entries from 2026-05-18T00:00:00.000Z to 2026-05-21T00:00:00.000Z, which \
         are counted twice; leave out what is there twice."
    );
    assert_eq!(both.meta.notes.join("\n"), note);
    // What shows the figures alone says it beside them.
    let csv = run(&["report", "--format", "csv", &one, &other]).done();
    assert_eq!(csv.stderr, format!("note: {note}\n"));
}

#[test]
fn a_row_that_is_wrong_is_named_and_nothing_is_shown() {
    let place = Place::new();
    let file = place.write(
        "usage.csv",
        "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n\
         2026-06-14T19:52:45.087Z,venice-sd35-image-unit,0.1,1,-0.1,DIEM,API Inference\n\
         2026-06-14T19:52:46.087Z,venice-sd35-image-unit,0.1,1,-0.1O,DIEM,API Inference\n",
    );
    let failed = run(&["report", &file]);
    failed.failed(1, "usage.csv`: record 2 (line 3), column `amount`");
    assert!(failed.stderr.contains("hint: nothing was reported"), "{}", failed.stderr);
    run(&["report", &place.path("none.csv")]).failed(1, "none.csv`: No such file");
}

#[test]
fn a_ledger_is_no_file_of_entries() {
    let ledger = Ledger::of(&[noted("2026-06-01T00:00:00Z", "")]);
    let failed = run(&["report", &ledger.path()]);
    failed.failed(1, "is an SQLite database");
    let hint = format!("hint: a ledger is named with --ledger {}", ledger.path());
    assert!(failed.stderr.contains(&hint), "{}", failed.stderr);
}

#[test]
fn files_and_a_ledger_are_not_both_typed() {
    for typed in [&["--ledger", "ledger.db"][..], &["--account", "acme"]] {
        let failed = run(&[&["report", "june.csv"], typed].concat());
        failed.failed(2, "cannot be used with '[FILE]...'");
    }
    // One in the environment is there for other commands.
    let (place, ledger) = (Place::new(), Ledger::of(&[]));
    let file = place.write("june.ndjson", ndjson(&[noted("2026-06-01T00:00:00Z", "")]));
    let mut report = command(&["report", "--format", "json", &file]);
    report.env("BILLING_LEDGER", ledger.path());
    assert_eq!(read(finish(report, b"")).meta.entries, 1);
    let mut report = command(&["report", "--format", "json", "--by", "currency"]);
    report.env("BILLING_LEDGER", ledger.path());
    assert_eq!(read(finish(report, b"")).meta.source.ledger, Some(ledger.path()));
}

#[test]
fn accounts_are_all_or_those_that_are_named() {
    let ledger = Ledger::of(&[charge("2026-06-01T10:00:00Z", "a-llm-input-mtoken", "1")]);
    for (account, amount) in [("acme", "2"), ("books", "4")] {
        let entries = ndjson(&[charge("2026-06-01T10:00:00Z", "a-llm-input-mtoken", amount)]);
        run_reading(&["import", "-", "--account", account, "--ledger", &ledger.path()], &entries).done();
    }
    for (args, accounts, spend) in [
        (&[][..], &["acme", "books", "default"][..], "7"),
        (&["--account", "acme"], &["acme"], "2"),
        (&["--account", "books", "--account", "acme", "--account", "books"], &["acme", "books"], "6"),
    ] {
        let report = of(&ledger, args);
        assert_eq!(report.meta.source.accounts, accounts);
        assert_eq!(spend_by(&report, Dimension::Day), [("2026-06-01".to_owned(), spend.to_owned())]);
    }
    let path = ledger.path();
    run(&["report", "--ledger", &path, "--account", "none"]).failed(1, "there is no account `none`");
}

#[test]
fn a_ledger_without_accounts_has_an_empty_report() {
    let place = Place::new();
    let path = place.path("ledger.db");
    drop(billing_sqlite::SqliteLedger::open_or_create(std::path::Path::new(&path)).unwrap());
    let report = report(&["--ledger", &path]);
    assert!(report.rows.is_empty() && report.totals.is_empty() && report.meta.source.accounts.is_empty());
    for form in ["table", "csv", "markdown", "html"] {
        run(&["report", "--ledger", &path, "--format", form, "--charts"]).done();
    }
}

#[test]
fn a_ledger_that_is_not_there_is_not_made() {
    let place = Place::new();
    let failed = run(&["report", "--ledger", &place.path("ledger.db")]);
    failed.failed(1, "ledger.db");
    assert!(failed.stderr.contains("hint: an exported file needs no ledger"), "{}", failed.stderr);
    assert!(place.names().is_empty());
}

#[test]
fn a_file_without_keys_says_so_where_keys_are_asked_for() {
    let place = Place::new();
    let file =
        place.write("keyless.ndjson", ndjson(&[charge("2026-06-01T10:00:00Z", "a-llm-input-mtoken", "1")]));
    let notes = |args: &[&str]| report(&[&[file.as_str()], args].concat()).meta.notes;
    for args in [["--by", "key"], ["--key", "k"]] {
        let said = notes(&args);
        assert!(said[0].starts_with("No entry of `") && said[0].contains("apiKeyId"), "{said:?}");
    }
    assert!(notes(&["--by", "day"]).is_empty());
}

/// One note is one line, whatever the name of a file has.
#[test]
fn notes_beside_figures_are_lines() {
    let place = Place::new();
    let file = place.write("two\nlines.ndjson", ndjson(&[charge("2026-06-01T10:00:00Z", "a", "1")]));
    let shown = run(&["report", &file, "--by", "key", "--format", "csv"]).done();
    assert!(shown.stderr.lines().all(|line| line.starts_with("note: ")), "{}", shown.stderr);
}
