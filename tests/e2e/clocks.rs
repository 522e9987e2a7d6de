//! What "now" is: the service's time, and for a run that goes on with a file the time of the first run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use billing_model::{TimeWindow, UsageEntry};
use billing_testkit::{Book, Reply};

use crate::billing::{Run, export_command, finish, ndjson};
use crate::ledger::{at, noted};
use crate::place::Place;
use crate::scripted::Scripted;

/// Days of the service's clock, decades away from the clock of the machine.
const DAYS: [&str; 4] = [
    "Thu, 15 Mar 2001 12:00:00 GMT",
    "Fri, 16 Mar 2001 12:00:00 GMT",
    // A little after midnight, and at it.
    "Sat, 17 Mar 2001 00:10:00 GMT",
    "Sat, 17 Mar 2001 00:00:00 GMT",
];

/// An entry every four hours, from the first of March on to the last.
fn entries() -> Vec<UsageEntry> {
    let times = (1..=31).flat_map(|day| (0..6).map(move |n| format!("2001-03-{day:02}T{:02}:00:00Z", 4 * n)));
    times.map(|time| noted(&time, "")).collect()
}

/// Those from one instant up to another.
fn between(since: Option<&str>, until: &str) -> Vec<u8> {
    let window = TimeWindow::new(since.map(at), Some(at(until))).unwrap();
    ndjson(&Book::new(entries()).entries(window, None))
}

/// A service on one of its days, that answers so many requests.
struct Service {
    scripted: Scripted,
    day: Arc<AtomicUsize>,
    left: Arc<AtomicUsize>,
}

impl Service {
    fn start() -> Self {
        let (day, left) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(usize::MAX)));
        let mut book = Book::new(entries());
        let scripted = Scripted::start({
            let (day, left) = (Arc::clone(&day), Arc::clone(&left));
            move |request| {
                let more = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                let reply = more.map_or_else(|_| Reply::error(401, "not today"), |_| book.answer(request));
                reply.header("date", DAYS[day.load(Ordering::SeqCst)])
            }
        });
        Self { scripted, day, left }
    }

    fn export(&self, place: &Place, args: &[&str]) -> Run {
        let path = place.path("usage.ndjson");
        let small = ["--page-size", "10", "--checkpoint-every", "0", "-o", &path];
        finish(export_command(&self.scripted.base_url(), "any-key", &[args, &small].concat()), b"")
    }
}

#[test]
fn now_is_the_time_of_the_service() {
    let (service, place) = (Service::start(), Place::new());
    for (args, since, until) in [
        (&["--since", "7d"][..], Some("2001-03-08T12:00:00Z"), "2001-03-15T12:00:00Z"),
        (&["--since", "2001-03-03"], Some("2001-03-03T00:00:00Z"), "2001-03-15T12:00:00Z"),
        (&["--since", "1w", "--until", "12h"], Some("2001-03-08T12:00:00Z"), "2001-03-15T00:00:00Z"),
        (&[], None, "2001-03-15T12:00:00Z"),
        (&["--days", "7"], Some("2001-03-08T12:00:00Z"), "2001-03-15T12:00:00Z"),
        (&["--since", "today"], Some("2001-03-15T00:00:00Z"), "2001-03-15T12:00:00Z"),
        (&["--since", "yesterday"], Some("2001-03-14T00:00:00Z"), "2001-03-15T12:00:00Z"),
        (&["--since", "yesterday", "--until", "today"], Some("2001-03-14T00:00:00Z"), "2001-03-15T00:00:00Z"),
        (
            &["--since", "2001-03-03", "--until", "today"],
            Some("2001-03-03T00:00:00Z"),
            "2001-03-15T00:00:00Z",
        ),
        (&["--until", "yesterday"], None, "2001-03-14T00:00:00Z"),
    ] {
        service.export(&place, args).done();
        assert!(place.read("usage.ndjson") == between(since, until), "{args:?}");
    }
}

#[test]
fn a_day_begins_at_the_midnight_of_the_service() {
    let (service, place) = (Service::start(), Place::new());
    let (sixteenth, seventeenth) = ("2001-03-16T00:00:00Z", "2001-03-17T00:00:00Z");
    service.day.store(2, Ordering::SeqCst);
    for (args, since, until) in [
        (&["--since", "today"][..], seventeenth, "2001-03-17T00:10:00Z"),
        (&["--since", "yesterday"], sixteenth, "2001-03-17T00:10:00Z"),
        (&["--since", "yesterday", "--until", "today"], sixteenth, seventeenth),
    ] {
        service.export(&place, args).done();
        assert!(place.read("usage.ndjson") == between(Some(since), until), "{args:?}");
    }
    service.day.store(3, Ordering::SeqCst);
    service.export(&place, &["--since", "yesterday"]).done();
    assert!(place.read("usage.ndjson") == between(Some(sixteenth), seventeenth));
    let run = service.export(&Place::new(), &["--since", "today"]);
    insta::assert_snapshot!(run.said("nowhere"), @"
    error: the window is empty: it begins at 2001-03-17T00:00:00.000Z and ends at 2001-03-17T00:00:00.000Z
    hint: the present is the service's; give a --since that lies before it
    exit code 2
    ");
}

#[test]
fn a_day_is_that_of_the_run_that_began() {
    let (service, place) = (Service::start(), Place::new());
    service.left.store(5, Ordering::SeqCst);
    service.export(&place, &["--until", "today", "--concurrency", "1"]).failed(4, "not today");

    service.left.store(usize::MAX, Ordering::SeqCst);
    service.day.store(1, Ordering::SeqCst);
    let run = service.export(&place, &["--until", "today"]).done();
    assert!(run.stderr.starts_with("warning: going on with the export begun "), "{}", run.stderr);
    assert!(place.read("usage.ndjson") == between(None, "2001-03-15T00:00:00Z"));
    service.export(&place, &["--until", "today"]).done();
    assert!(place.read("usage.ndjson") == between(None, "2001-03-16T00:00:00Z"));
}

/// Otherwise the bytes of the two runs would not belong to one window.
#[test]
fn a_span_back_is_that_of_the_run_that_began() {
    let (service, place) = (Service::start(), Place::new());
    service.left.store(5, Ordering::SeqCst);
    let run = service.export(&place, &["--since", "7d"]);
    run.failed(4, "not today");
    assert!(run.stderr.contains("run the same command again to go on"), "{}", run.stderr);

    service.left.store(usize::MAX, Ordering::SeqCst);
    service.day.store(1, Ordering::SeqCst);
    // The same question in other words.
    let run = service.export(&place, &["--days", "7"]).done();
    let window = "window 2001-03-08T12:00:00.000Z to 2001-03-15T12:00:00.000Z";
    // Today the same words would mean another window, so the run always says this.
    assert!(run.stderr.starts_with("warning: going on with the export begun "), "{}", run.stderr);
    assert!(run.stderr.lines().next().unwrap().ends_with(window), "{}", run.stderr);
    assert!(place.read("usage.ndjson") == between(Some("2001-03-08T12:00:00Z"), "2001-03-15T12:00:00Z"));

    service.export(&place, &["--since", "7d"]).done();
    assert!(place.read("usage.ndjson") == between(Some("2001-03-09T12:00:00Z"), "2001-03-16T12:00:00Z"));
}
