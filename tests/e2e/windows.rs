//! Which entries are in a window: from its first instant, up to its end and not at it.

use std::time::{SystemTime, UNIX_EPOCH};

use billing_model::{Currency, Timestamp, UsageEntry};
use billing_testkit::entry_at;

use crate::ledger::{Ledger, Server, noted, record};

/// What is exported with these flags, by notes: the same over both endpoints and in both forms of a page.
#[track_caller]
fn check(server: &Server, args: &[&str], expect: &str) {
    for endpoint in ["usage", "usage-history"] {
        for wire in ["json", "csv"] {
            let more = ["--endpoint", endpoint, "--wire", wire, "--format", "ndjson"];
            let run = server.export(&[args, &more].concat()).done();
            let notes: Vec<_> = run.entries().into_iter().map(|entry| entry.notes).collect();
            assert_eq!(notes.join(" "), expect, "{args:?} over {endpoint}, {wire}");
        }
    }
}

#[test]
fn the_start_is_inside_and_the_end_is_not() {
    let entries = [
        noted("2026-05-02T23:59:59.999Z", "a-ms"),
        noted("2026-05-02T23:59:59.999999Z", "a-us"),
        noted("2026-05-02T23:59:59.999999999Z", "a-ns"),
        noted("2026-05-03T00:00:00Z", "a"),
        noted("2026-05-03T00:00:00Z", "a"),
        noted("2026-05-03T00:00:00.000001Z", "a+us"),
        noted("2026-05-03T11:59:59.999999Z", "b-us"),
        noted("2026-05-03T12:00:00Z", "b"),
        noted("2026-05-03T12:00:00Z", "b"),
        noted("2026-05-03T12:00:00.000000001Z", "b+ns"),
        noted("2026-05-03T12:00:00.000001Z", "b+us"),
        noted("2026-05-03T12:00:00.500Z", "b+ms"),
    ];
    let server = Ledger::of(&entries).serve();
    let (a, b) = ("2026-05-03T00:00:00Z", "2026-05-03T12:00:00Z");
    for (since, until, expect) in [
        (a, b, "a a a+us b-us"),
        // Windows that share a border join without gap or overlap.
        ("2026-05-02T00:00:00Z", a, "a-ms a-us a-ns"),
        (b, "2026-05-04T00:00:00Z", "b b b+ns b+us b+ms"),
        (b, "2026-05-03T12:00:00.000001Z", "b b b+ns"),
        ("2026-05-03T12:00:00.000001Z", "2026-05-03T12:00:00.500Z", "b+us"),
        ("2026-05-02T23:59:59.999999Z", "2026-05-03T00:00:00.000001Z", "a-us a-ns a a"),
        ("2026-05-02T23:59:59.9999995Z", a, "a-ns"),
        ("2026-05-03T13:00:00Z", "2026-05-03T14:00:00Z", ""),
    ] {
        check(&server, &["--since", since, "--until", until], expect);
    }
    check(&server, &["--until", a], "a-ms a-us a-ns");
    check(&server, &["--since", "2026-05-03T12:00:00.000001Z"], "b+us b+ms");
}

#[test]
fn times_are_taken_as_people_type_them() {
    let server = Ledger::of(&[
        noted("2026-04-30T23:59:59.999Z", "april"),
        noted("2026-05-01T00:00:00Z", "may"),
        noted("2026-05-02T22:00:00Z", "evening"),
        noted("2026-05-03T00:00:00Z", "third"),
        noted("2026-06-01T00:00:00Z", "june"),
    ])
    .serve();
    for (since, until, expect) in [
        ("2026-05", "2026-06", "may evening third"),
        ("2026-05-03", "2026-06-01", "third"),
        ("2026-05-03T00:00:00+02:00", "2026-05-03", "evening"),
        ("2026-04", "2026-05-01T00:00:00.000000Z", "april"),
        ("2026-06-01T00:00:00Z", "2026-07", "june"),
    ] {
        for (start, end) in
            [("--since", "--until"), ("--start", "--end"), ("--from", "--to"), ("--start-date", "--end-date")]
        {
            check(&server, &[start, since, end, until], expect);
        }
    }
    for (month, expect) in
        [("2026-04", "april"), ("2026-05", "may evening third"), ("2026-06", "june"), ("2026-07", "")]
    {
        check(&server, &["--month", month], expect);
    }
}

/// Spans count back from now. The entries lie far from every border, so a slow run changes nothing.
#[test]
fn spans_count_back_from_now() {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let ago = |hours: i64, notes: &str| UsageEntry {
        notes: notes.to_owned(),
        ..entry_at(Timestamp::from_unix_ns((now - hours * 3600) * 1_000_000_000), "-1")
    };
    let server = Ledger::of(&[
        ago(24 * 30, "month"),
        ago(24 * 3, "days"),
        ago(3, "hours"),
        // Of a clock that is wrong: not there yet.
        ago(-24, "tomorrow"),
    ])
    .serve();
    for (args, expect) in [
        (&["--since", "12h"][..], "hours"),
        (&["--since", "7d"], "days hours"),
        (&["--days", "7"], "days hours"),
        (&["--since", "1h"], ""),
        (&["--since", "10w"], "month days hours"),
        (&["--since", "7d", "--until", "12h"], "days"),
        (&["--until", "7d"], "month"),
        // Without an end the window ends now, and without a start it begins with the first entry.
        (&[], "month days hours"),
    ] {
        check(&server, args, expect);
    }
}

#[test]
fn a_currency_is_a_filter() {
    let row = |currency: &str, notes: &str| UsageEntry {
        currency: Currency::from(currency),
        ..noted("2026-05-01T00:00:00Z", notes)
    };
    let server = Ledger::of(&[
        row("USD", "1"),
        row("DIEM", "2"),
        row("BUNDLED_CREDITS", "3"),
        row("VCU", "4"),
        row("USD", "5"),
        row("EARNED_CREDITS", "6"),
    ])
    .serve();
    for (currency, expect) in [("USD", "1 5"), ("DIEM", "2"), ("diem", "2"), ("BUNDLED_CREDITS", "3")] {
        check(&server, &["--currency", currency], expect);
        check(&server, &["--currency", currency, "--since", "2026-05", "--until", "2026-06"], expect);
        check(&server, &["--currency", currency, "--since", "2026-06"], "");
    }
    check(&server, &[], "1 2 3 4 5 6");
    // The newer endpoint refuses the legacy currency, so `auto` does not ask it.
    for endpoint in ["auto", "usage"] {
        let run = server.export(&["--currency", "VCU", "--endpoint", endpoint, "--format", "ndjson"]).done();
        assert_eq!(run.entries().into_iter().map(|entry| entry.notes).collect::<Vec<_>>(), ["4"]);
        assert!(!run.stderr.contains("note: the service"), "{}", run.stderr);
    }
}

/// The ledger was recorded in another order. The export is in order of time, and within an instant in order of
/// recording.
#[test]
fn an_export_ascends_by_time() {
    let ledger = Ledger::of(&[noted("2026-05-02T00:00:00Z", "3"), noted("2026-05-01T00:00:00Z", "1")]);
    record(
        &ledger.path(),
        &[
            noted("2026-05-02T00:00:00Z", "4"),
            noted("2026-05-01T00:00:00Z", "2"),
            noted("2026-05-03T00:00:00Z", "5"),
        ],
    );
    check(&ledger.serve(), &[], "1 2 3 4 5");
}
