//! Which entries a report is of: windows by the clocks of a zone, filters, and what it is compared with.

use billing_model::Timestamp;
use billing_report::{Dimension, Zone};
use chrono::Utc;

use super::{charge, of, read, report, spend_by};
use crate::billing::{command, finish, run};
use crate::ledger::Ledger;

const SKU: &str = "a-llm-input-mtoken";

/// Charges around the night in which clocks in Berlin are put back, each of another amount.
fn autumn() -> Ledger {
    Ledger::of(&[
        charge("2026-10-24T21:59:59Z", SKU, "1"),
        charge("2026-10-24T22:00:00Z", SKU, "2"),
        // 02:30 by the clock, twice.
        charge("2026-10-25T00:30:00Z", SKU, "4"),
        charge("2026-10-25T01:30:00Z", SKU, "8"),
        charge("2026-10-25T22:59:59Z", SKU, "16"),
        charge("2026-10-25T23:00:00Z", SKU, "32"),
    ])
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(label, spend)| ((*label).to_owned(), (*spend).to_owned())).collect()
}

#[test]
fn days_are_those_of_the_zone_and_one_has_25_hours() {
    let ledger = autumn();
    let berlin = ["--timezone", "Europe/Berlin"];
    let days = of(&ledger, &[&berlin[..], &["--by", "day"]].concat());
    let expect = pairs(&[("2026-10-24", "1"), ("2026-10-25", "30"), ("2026-10-26", "32")]);
    assert_eq!(spend_by(&days, Dimension::Day), expect);
    assert_eq!(days.meta.time_zone, "Europe/Berlin");
    // The window takes the same days.
    let args = ["--by", "hour", "--since", "2026-10-25", "--until", "2026-10-26"];
    let hours = of(&ledger, &[&berlin[..], &args].concat());
    assert_eq!(spend_by(&hours, Dimension::Hour), pairs(&[("00", "2"), ("02", "12"), ("23", "16")]));
    assert_eq!(hours.meta.window.since.as_deref(), Some("2026-10-24T22:00:00.000Z"));
    assert_eq!(hours.meta.window.until.as_deref(), Some("2026-10-25T23:00:00.000Z"));
    let utc = of(&ledger, &["--by", "day", "--month", "2026-10"]);
    assert_eq!(spend_by(&utc, Dimension::Day), pairs(&[("2026-10-24", "3"), ("2026-10-25", "60")]));
}

#[test]
fn the_zone_may_stand_in_the_environment() {
    let ledger = autumn();
    let path = ledger.path();
    let with = |variable: &str, args: &[&str]| {
        let mut command = command(&[&["report", "--ledger", &path, "--format", "json"], args].concat());
        command.env("BILLING_TIMEZONE", variable);
        finish(command, b"")
    };
    assert_eq!(read(with("Asia/Tokyo", &[])).meta.time_zone, "Asia/Tokyo");
    assert_eq!(read(with("Asia/Tokyo", &["--tz", "UTC"])).meta.time_zone, "UTC");
    assert_eq!(read(with("", &[])).meta.time_zone, "UTC");
    with("Berlin", &[]).failed(2, "`Berlin` is no time zone of the IANA database");
}

#[test]
fn weeks_begin_on_the_day_that_is_asked_for() {
    let ledger =
        Ledger::of(&[charge("2026-06-13T00:00:00Z", SKU, "1"), charge("2026-06-14T00:00:00Z", SKU, "2")]);
    for (start, weeks) in [
        ("monday", &[("2026-06-08", "3")][..]),
        ("sunday", &[("2026-06-07", "1"), ("2026-06-14", "2")]),
        ("saturday", &[("2026-06-13", "3")]),
    ] {
        let report = of(&ledger, &["--by", "week", "--week-start", start]);
        assert_eq!(spend_by(&report, Dimension::Week), pairs(weeks), "{start}");
        assert_eq!(report.meta.week_start, start);
    }
    let path = ledger.path();
    run(&["report", "--ledger", &path, "--week-start", "funday"]).failed(2, "invalid value 'funday'");
}

#[test]
fn a_report_is_of_what_the_filter_takes() {
    let ledger = Ledger::of(&[
        charge("2026-06-01T00:00:00Z", "claude-opus-4-5-llm-input-mtoken", "1"),
        charge("2026-06-01T00:00:00Z", "claude-opus-4-5-llm-output-mtoken", "2"),
        charge("2026-06-01T00:00:00Z", "zai-org-glm-5-1-llm-input-mtoken", "4"),
    ]);
    let models =
        |args: &[&str]| spend_by(&of(&ledger, &[&["--by", "model"], args].concat()), Dimension::Model);
    assert_eq!(models(&["--model", "claude-*"]), pairs(&[("claude-opus-4-5", "3")]));
    assert_eq!(models(&["--model", "*", "--currency", "usd"]).len(), 2);
    assert_eq!(models(&["--currency", "DIEM"]), pairs(&[]));
    assert_eq!(models(&["--key", "none"]), pairs(&[]));
    let path = ledger.path();
    run(&["report", "--ledger", &path, "--model", "claude-***"])
        .failed(2, "--model `claude-***` is no pattern");
}

#[test]
fn a_month_is_compared_with_the_month_before() {
    let ledger = Ledger::of(&[
        charge("2026-04-30T23:00:00Z", SKU, "1"),
        charge("2026-05-01T00:00:00Z", SKU, "2"),
        charge("2026-05-31T23:00:00Z", SKU, "4"),
        charge("2026-06-30T00:00:00Z", SKU, "8"),
    ]);
    let report = of(&ledger, &["--month", "2026-06", "--compare", "previous", "--by", "model"]);
    let [row] = &report.rows[..] else { panic!("{:?}", report.rows) };
    assert_eq!(
        (row.sums.spend.to_string(), row.previous.as_ref().unwrap().spend.to_string()),
        ("8".into(), "6".into())
    );
    let previous = report.meta.previous.unwrap();
    assert_eq!(previous.since.as_deref(), Some("2026-05-01T00:00:00.000Z"));
    assert_eq!(previous.until.as_deref(), Some("2026-06-01T00:00:00.000Z"));
    let path = ledger.path();
    let failed = run(&["report", "--ledger", &path, "--compare", "previous"]);
    failed.failed(2, "--compare needs a window that has a start");
}

#[test]
fn what_has_not_ended_is_compared_with_as_much_of_the_time_before() {
    let before = Timestamp::from(Utc::now());
    let report = report(&["-", "--days", "30", "--compare", "previous"]);
    let previous = report.meta.previous.unwrap();
    let until: Timestamp = previous.until.unwrap().parse().unwrap();
    let thirty_days = std::time::Duration::from_secs(30 * 24 * 60 * 60);
    let time = |at: Timestamp| chrono::DateTime::<Utc>::from(at);
    let elapsed = time(until) + thirty_days;
    assert!(time(before.floor_s()) <= elapsed && elapsed <= Utc::now());
    let local = Zone::UTC.local(previous.since.unwrap().parse().unwrap());
    assert_eq!((local.second, Zone::UTC.local(until).day.0 - local.day.0), (0, 29));
}

#[test]
fn short_forms_are_the_common_questions() {
    let ledger = autumn();
    let path = ledger.path();
    let shown = |command: &str| read(run(&[command, "--ledger", &path, "--format", "json"]));
    let day = |text: Option<&str>| {
        text.unwrap().split_once('T').unwrap().0.parse::<billing_model::Day>().unwrap().0
    };
    for (command, by, days) in [
        ("daily", Dimension::Day, 30..31),
        ("models", Dimension::Model, 30..31),
        ("weekly", Dimension::Week, 84..85),
        ("monthly", Dimension::Month, 365..367),
    ] {
        let report = shown(command);
        assert_eq!(report.meta.by, [by]);
        let window = &report.meta.window;
        assert!(
            days.contains(&(day(window.until.as_deref()) - day(window.since.as_deref()))),
            "{command}: {window:?}"
        );
        assert!(!report.meta.is_final);
    }
    run(&["daily", "june.csv"]).failed(2, "unexpected argument 'june.csv'");
}

#[test]
fn what_is_wrong_with_a_window_is_said() {
    for (args, said) in [
        (&["--since", "June"][..], "--since: `June` is not a time"),
        (&["--month", "6"], "--month: `6` is not a month"),
        (&["--days", "0"], "it is a number of days from 1 to 20000"),
        (&["--month", "2026-06", "--days", "3"], "cannot be used with"),
        (&["--days", "3", "--since", "2026-06"], "cannot be used with"),
        (&["--since", "2026-06", "--until", "2026-05"], "the window is empty"),
        (&["--by", "price"], "`price` is no dimension of a report"),
        (&["--by", "day,day"], "`day` is given twice"),
        (&["--by", "model", "--sort", "time"], "--sort time needs rows of time"),
        (&["--rate", "VCU"], "`VCU` is not a rate"),
        (&["--rate", "VCU=-1"], "is below zero"),
        (&["--top", "0"], "invalid value '0' for '--top <N>'"),
    ] {
        let failed = run(&[&["report", "-"], args].concat());
        failed.failed(2, said);
        assert!(failed.stderr.contains("hint: ") || args.len() > 1, "{}", failed.stderr);
    }
}

#[test]
fn the_last_day_of_a_month_as_the_end_is_noted() {
    let ledger = autumn();
    let path = ledger.path();
    let shown = run(&[
        "report",
        "--ledger",
        &path,
        "--since",
        "2026-10",
        "--until",
        "2026-10-31",
        "--format",
        "json",
    ])
    .done();
    assert!(shown.stderr.contains("--until 2026-11-01 takes it in"), "{}", shown.stderr);
}

/// Who finds nothing is told where there is something.
#[test]
fn a_report_of_nothing_says_what_there_is() {
    let entries = ["a", "b", "c", "d", "e", "f"]
        .map(|model| charge("2026-06-30T10:00:00Z", &format!("{model}-llm-input-mtoken"), "1"));
    let ledger = Ledger::of(&entries);
    let path = ledger.path();
    let last = "note: the last entry is of 2026-06-30; `billing report` shows all\n";
    for args in [&["daily"][..], &["models"], &["today"], &["report", "--month", "2025-01"]] {
        let found = run(&[args, &["--ledger", &path]].concat()).done();
        assert_eq!(found.stderr, last, "{args:?}");
    }
    for (args, said) in [
        (["--model", "nope"], "note: no entry fits; the models are a, b, c, d, e and others\n"),
        (["--currency", "eur"], "note: no entry fits; the currencies are USD\n"),
    ] {
        let found = run(&[&["report", "--ledger", &path], &args[..]].concat()).done();
        assert_eq!(found.stderr, said);
    }
    run(&["report", "--ledger", &path, "--rate", "DIEM=1", "--rate", "DIEM=2"])
        .failed(2, "two rates for DIEM");
    run(&["report", "-", "-"]).failed(2, "given twice");
    for top in ["0", "-1"] {
        run(&["report", "--ledger", &path, "--top", top]).failed(2, "it is a number of rows, 1 or more");
    }
    let until = run(&["report", "--ledger", &path, "--until", "9999-12-31"]).done();
    assert_eq!(until.stderr, "");
    let mut nowhere = command(&["report", "--ledger", &path]);
    nowhere.env("BILLING_TIMEZONE", "Nowhere");
    finish(nowhere, b"").failed(2, "for BILLING_TIMEZONE: ");
}
