//! A service that hangs on narrow and empty windows, or has no end: the export is the window, or says what is wrong.

use billing_model::{TimeWindow, UsageEntry};
use billing_testkit::{Book, Endless, Reluctant};

use crate::billing::{Run, export_command, finish, ndjson};
use crate::ledger::{at, noted};
use crate::place::Place;
use crate::scripted::Scripted;

/// 2001-03-15T12:00:00Z, decades away from the clock of the machine.
const NOW_S: u64 = 984_657_600;

/// Six entries a day from 2001-02-01 to the evening before now.
fn entries() -> Vec<UsageEntry> {
    let days = (1..=28).map(|day| format!("02-{day:02}")).chain((1..=14).map(|day| format!("03-{day:02}")));
    days.flat_map(|day| (0..6).map(move |n| noted(&format!("2001-{day}T{:02}:00:00Z", 3 * n), ""))).collect()
}

fn reluctant() -> Scripted {
    let mut service = Reluctant::new(Book::new(entries())).dated(NOW_S);
    Scripted::start(move |request| service.answer(request))
}

fn export(service: &Scripted, args: &[&str]) -> Run {
    finish(export_command(&service.base_url(), "any-key", args), b"")
}

#[test]
fn an_export_gets_through_where_the_cursor_does() {
    for (args, since, until) in [
        (&[][..], None, "2001-03-15T12:00:00Z"),
        (&["--since", "2w"], Some("2001-03-01T12:00:00Z"), "2001-03-15T12:00:00Z"),
        (&["--since", "2001-02-10"], Some("2001-02-10T00:00:00Z"), "2001-03-15T12:00:00Z"),
        (&["--until", "2001-03-15"], None, "2001-03-15T00:00:00Z"),
        // The end lies in the future of the service, and behind all entries.
        (&["--since", "2001-01", "--until", "2001-12"], Some("2001-01-01T00:00:00Z"), "2001-12-01T00:00:00Z"),
        (
            &["--since", "2001-02-10T03:00:00Z", "--until", "2001-02-10T03:01:00Z"],
            Some("2001-02-10T03:00:00Z"),
            "2001-02-10T03:01:00Z",
        ),
    ] {
        for concurrency in ["1", "4"] {
            for endpoint in ["usage", "usage-history"] {
                let (service, place) = (reluctant(), Place::new());
                let path = place.path("usage.ndjson");
                let more =
                    ["--page-size", "10", "--concurrency", concurrency, "--endpoint", endpoint, "-o", &path];
                let run = export(&service, &[args, &more].concat()).done();
                let window = TimeWindow::new(since.map(at), Some(at(until))).unwrap();
                let expected = ndjson(&Book::new(entries()).entries(window, None));
                assert!(place.read("usage.ndjson") == expected, "{args:?} {endpoint}: {}", run.stderr);
                let first = &service.requests()[0].query;
                // The first request brings a page of the window, and where no end was typed it has none.
                assert!(first.contains("=10"), "{first}");
                let is_typed = args.contains(&"--until");
                assert_eq!(first.contains("endTimestamp") || first.contains("endDate"), is_typed, "{first}");
            }
        }
    }
}

/// By the service's own clock the window ends before it begins, however the service answers it.
#[test]
fn a_window_that_is_empty_by_the_clock_of_the_service_is_wrong_usage() {
    let run = export(&reluctant(), &["--since", "2001-03-16"]);
    insta::assert_snapshot!(run.said("no address"), @"
    error: the window is empty: it begins at 2001-03-16T00:00:00.000Z and ends at 2001-03-15T12:00:00.000Z
    hint: the present is the service's; give a --since that lies before it
    exit code 2
    ");
}

#[test]
fn a_service_without_an_end_is_given_up() {
    for (entry, name) in [(Some(noted("2001-03-01T00:00:00Z", "")), "full"), (None, "empty")] {
        let mut service = Endless::new(entry.map(|entry| vec![entry; 1000]).unwrap_or_default()).dated(NOW_S);
        let service = Scripted::start(move |request| service.answer(request));
        let address = service.base_url().replace("http://", "").replace("/api/v1", "");
        let place = Place::new();
        let run =
            export(&service, &["-o", &place.path("usage.csv"), "--since", "2001-01", "--until", "2001-12"]);
        match name {
            "full" => insta::assert_snapshot!(run.said(&address), @"
            error: GET http://ADDRESS/api/v1/billing/usage-history: page 1001 of the walk: more than 1000000 entries of the one instant 2001-03-01T00:00:00.000Z: the service has no end
            hint: the service contradicts itself; try again, or the other --endpoint
            exit code 6
            "),
            _ => insta::assert_snapshot!(run.said(&address), @"
            error: the service answers with empty pages only
            hint: the service contradicts itself; try again, or the other --endpoint
            exit code 6
            "),
        }
    }
}
